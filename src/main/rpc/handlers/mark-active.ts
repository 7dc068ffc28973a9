/** MarkActive: somebody uses a workspace, or has closed it (spec: api). The most frequent call there is: answered from memory. */
import { wsman } from "../../../gen/proto.js";
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
