/** What keeps a shadow from changing anything, each by itself enough: options, a guard before every request, and refusals of calls. */
import { WsmanError } from "../../domain/errors.ts";
import type { DaemonOptions } from "../daemon.ts";
import { changesNothing } from "../kube/read-only.ts";
import type { ClientHooks } from "../kube/client.ts";
import type { NodeCaller } from "../wsdaemon/client.ts";

/** What clients are told whose calls would change something. */
export const shadowRefusal = "this wsmand is a shadow (--shadow), which only reads and streams: send it to the ws-manager that acts";

/** The options with which a daemon acts on nothing, whatever its configuration says. */
export function silenced(options: DaemonOptions): DaemonOptions {
  const { connect } = options;
  return { ...options, lifecycle: false, events: { ...options.events, enabled: false }, imageBuilder: undefined, connect: (hooks: ClientHooks) => connect({ ...hooks, permits: changesNothing }) };
}

/** Calls no node daemon. */
export const noNodeCaller: NodeCaller = {
  call: () => Promise.reject(new WsmanError("FAILED_PRECONDITION", shadowRefusal)),
  drop() {},
  close() {},
};
