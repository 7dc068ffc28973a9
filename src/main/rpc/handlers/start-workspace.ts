/** StartWorkspace (spec: api). */
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { requireSynced } from "./get-workspaces.ts";

/** Answers with URL and owner token as soon as the API server has the pod. */
export function startWorkspace({ reader, starter }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const decoded = decodeRequest(wsman.StartWorkspaceRequest, "StartWorkspaceRequest", request);
    requireSynced(reader);
    const { url, ownerToken } = await starter.start(decoded, call.signal);
    return Buffer.from(wsman.StartWorkspaceResponse.encode({ url, ownerToken }).finish());
  };
}
