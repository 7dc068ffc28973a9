/** MarkActive: somebody uses a workspace, or has closed it (spec: api). The most frequent call there is: answered from memory. */
import { wsman } from "../../../gen/proto.js";
import type { AtOnce } from "../at-once.ts";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { emptyResponse } from "../responses.ts";
import { workspaceOf } from "./workspace-of.ts";

/** Remembers the activity; the pod is told what it must know. */
export function markActive({ reader, writer, activity }: CallDependencies): UnaryHandler {
  return (request) => {
    const { id, closed } = decodeRequest(wsman.MarkActiveRequest, "MarkActiveRequest", request);
    const written = activity.mark(workspaceOf({ reader, writer }, id), closed ?? false);
    return written ? written.then(() => emptyResponse) : emptyResponse;
  };
}

/** The same for calls that change nothing but memory, which are almost all. */
export function markActiveAtOnce({ reader, writer, activity }: CallDependencies): AtOnce {
  return (request) => {
    try {
      const { id, closed } = decodeRequest(wsman.MarkActiveRequest, "MarkActiveRequest", request);
      return activity.markAtOnce(workspaceOf({ reader, writer }, id), closed ?? false) ? emptyResponse : undefined;
    } catch {
      // It is told in the usual way, which comes to the same.
      return undefined;
    }
  };
}
