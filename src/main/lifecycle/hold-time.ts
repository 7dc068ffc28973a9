/** How long users have to say that they use their workspaces, after nobody could have heard them (spec: api, MarkActive). */
import type { ManagerConfig } from "../config/types.ts";

/** A gRPC client whose server was away for long waits for up to 2 minutes, and a fifth, before it tries again, milliseconds. */
const reconnectMs = 144_000;

/** After a daemon was away, whoever uses a workspace says so again within this time, milliseconds. */
export function holdMsOf({ heartbeatInterval }: Pick<ManagerConfig, "heartbeatInterval">): number {
  return reconnectMs + 2 * heartbeatInterval;
}
