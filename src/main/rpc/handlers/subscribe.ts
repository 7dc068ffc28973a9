/** Subscribe: the status changes of matching workspaces, as they happen (spec: api). */
import { Metadata } from "@grpc/grpc-js";
import { WsmanError } from "../../../domain/errors.ts";
import type { StreamHandler } from "../calls.ts";
import type { Tally } from "../../../metrics/tally.ts";
import type { RpcDependencies } from "../ports.ts";
import { decodeSubscribe } from "../requests.ts";
import { StreamAdapter } from "../stream-adapter.ts";
import { TurnWrites } from "../turn-writes.ts";

/** Metadata by which a client asks for the current statuses first. */
export const initialStateMetadata = "wsman-initial-state";

/** The streams that are open, so that a shutdown ends every one of them. */
export interface OpenStreams {
  readonly streams: Set<StreamAdapter>;
  /** True from the beginning of a shutdown: no more are taken. */
  readonly closing: boolean;
}

/** Hands the stream to the hub. The client is told at once that it is subscribed. `sent` counts the messages. */
export function subscribe(dependencies: Pick<RpcDependencies, "hub" | "clock">, sent: Tally, open: OpenStreams): StreamHandler {
  const writes = new TurnWrites();
  return (call) => {
    if (open.closing) throw new WsmanError("UNAVAILABLE", "the server is shutting down: subscribe again");
    const filter = decodeSubscribe(call.request);
    const initialState = call.metadata.get(initialStateMetadata).includes("true");
    call.sendMetadata(new Metadata());
    const adapter = new StreamAdapter(call, { clock: dependencies.clock, sent, writes, onClosed: () => open.streams.delete(adapter) });
    if (adapter.gone) return;
    open.streams.add(adapter);
    adapter.attach(dependencies.hub.subscribe(filter, adapter, { initialState, client: call.getPeer() }));
  };
}
