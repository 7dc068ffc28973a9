/** Subscribe: the status changes of matching workspaces, as they happen (spec: api). */
import { Metadata } from "@grpc/grpc-js";
import { WsmanError } from "../../../domain/errors.ts";
import type { StreamHandler } from "../calls.ts";
import type { Tally } from "../../../metrics/tally.ts";
import type { RpcDependencies } from "../ports.ts";
import { decodeSubscribe } from "../requests.ts";
import { StreamAdapter } from "../stream-adapter.ts";

/** Metadata by which a client asks for the current statuses first. */
export const initialStateMetadata = "wsman-initial-state";

/** Largest request, bytes. A subscription keeps its filter; one larger than what Kubernetes lets annotations be (256 KiB) can't match anyway. */
const maxRequestBytes = 512 * 1024;

/** The streams that are open, so that a shutdown ends every one of them. */
export interface OpenStreams {
  readonly streams: Set<StreamAdapter>;
  /** True from the beginning of a shutdown: no more are taken. */
  readonly closing: boolean;
}

/** Hands the stream to the hub. The client is told at once that it is subscribed. `sent` counts the messages. */
export function subscribe(dependencies: Pick<RpcDependencies, "hub" | "clock">, sent: Tally, open: OpenStreams): StreamHandler {
  return (call) => {
    if (open.closing) throw new WsmanError("UNAVAILABLE", "the server is shutting down: subscribe again");
    if (call.request.length > maxRequestBytes) throw new WsmanError("INVALID_ARGUMENT", `the filter takes ${call.request.length} bytes, and may take ${maxRequestBytes}`);
    const filter = decodeSubscribe(call.request);
    const initialState = call.metadata.get(initialStateMetadata).includes("true");
    call.sendMetadata(new Metadata());
    const adapter = new StreamAdapter(call, { clock: dependencies.clock, sent, onClosed: () => open.streams.delete(adapter) });
    if (adapter.gone) return;
    open.streams.add(adapter);
    adapter.attach(dependencies.hub.subscribe(filter, adapter, { initialState, client: call.getPeer() }));
  };
}
