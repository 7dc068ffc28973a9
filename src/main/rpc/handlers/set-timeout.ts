/** SetTimeout: how long a workspace may be idle (spec: api). */
import { parseGoDuration } from "../../../domain/duration.ts";
import { WsmanError } from "../../../domain/errors.ts";
import { annotations } from "../../../domain/names.ts";
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { emptyResponse } from "../responses.ts";
import { workspaceOf } from "./workspace-of.ts";

/** What a client sent is quoted up to here. */
const maxQuoted = 100;

/** Notes the time on the pod. */
export function setTimeoutOf({ reader, writer }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, duration } = decodeRequest(wsman.SetTimeoutRequest, "SetTimeoutRequest", request);
    const text = duration ?? "";
    const problem = problemWith(text);
    if (problem !== undefined) throw new WsmanError("INVALID_ARGUMENT", `invalid duration ${JSON.stringify(text.slice(0, maxQuoted))}: ${problem}`);
    const workspace = workspaceOf({ reader, writer }, id);
    await writer.annotate(workspace, { [annotations.customTimeout]: text }, `set the timeout of workspace ${workspace.facts.id}`, call.signal);
    return emptyResponse;
  };
}

/** A time below none would stop the workspace at once, which is hardly what somebody means who writes it; 0 says so. */
function problemWith(duration: string): string | undefined {
  const ms = parseGoDuration(duration);
  if (ms === undefined) return "give a Go duration such as 30m or 1h30m";
  return ms < 0 ? "duration must not be negative" : undefined;
}
