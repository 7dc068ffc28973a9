/** Calls from a replica to node daemons, in memory: as over gRPC, with the delays of a network. */
import { status as code } from "@grpc/grpc-js";
import { RemoteError } from "../../../src/domain/errors.ts";
import { Refusal } from "../../../src/embedded/wsdaemon/refusal.ts";
import type { NodeDaemonService } from "../../../src/embedded/wsdaemon/service.ts";
import type { Random } from "../../../src/embedded/kubelet/random.ts";
import { wsdaemon } from "../../../src/gen/proto.js";
import { unreachable, type NodeCaller, type NodeMethod } from "../../../src/main/wsdaemon/client.ts";
import type { Machine } from "../machine.ts";
import type { VirtualClock } from "../virtual-clock.ts";

/** What they are made with. */
export interface NodeCallOptions {
  readonly clock: VirtualClock;
  readonly machine: Machine;
  readonly random: Random;
  /** The daemon that listens at an address. */
  readonly at: (address: string) => NodeDaemonService | undefined;
  /** A call is sent; gives what is to be told of its end. */
  readonly onCalled: (method: NodeMethod, id: string) => (outcome: string) => void;
  /** The daemon has done it, whether or not the process hears of it. */
  readonly onDone: (method: NodeMethod, id: string) => void;
}

const latencyMs = 2;

/** The calls of one process. */
export function nodeCalls({ clock, machine, random, at, onCalled, onDone }: NodeCallOptions): NodeCaller {
  const later = (work: () => void): void => void clock.timer(0.1 + random() * latencyMs, work);
  return {
    call: (address, method, request, signal) => new Promise((resolve, reject) => {
      const id = idOf(method, request);
      const ended = onCalled(method, id);
      let over = false;
      const settle = (outcome: string, work: () => void): void => {
        if (over) return;
        over = true;
        signal.removeEventListener("abort", cancel);
        ended(outcome);
        work();
      };
      const cancel = (): void => settle("cancelled", () => reject(new RemoteError(code.CANCELLED, "Cancelled on client")));
      signal.addEventListener("abort", cancel, { once: true });
      if (signal.aborted) return cancel();
      const back = (outcome: string, work: () => void): void => later(() => machine.run(() => settle(outcome, work)));
      later(() => {
        const daemon = at(address);
        if (!daemon?.serving) return back("unreachable", () => reject(unreachable("connect ECONNREFUSED")));
        void daemon.answer(method, request, (reply) => {
          if (reply instanceof Refusal) back(code[reply.code], () => reject(new RemoteError(reply.code, reply.message)));
          else {
            onDone(method, id);
            back("OK", () => resolve(Buffer.from(reply)));
          }
        });
        return undefined;
      });
      return undefined;
    }),
    drop: () => {},
    close: () => {},
  };
}

function idOf(method: NodeMethod, request: Uint8Array): string {
  // Each of them has the ID as its first field.
  return (method === "InitWorkspace" ? wsdaemon.InitWorkspaceRequest.decode(request).id : wsdaemon.WaitForInitRequest.decode(request).id) ?? "";
}
