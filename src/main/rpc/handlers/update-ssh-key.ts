/** UpdateSSHKey: which keys open a workspace over SSH (spec: api). */
import { encodeBase64 } from "../../../domain/base64.ts";
import { WsmanError } from "../../../domain/errors.ts";
import { annotations } from "../../../domain/names.ts";
import { isAuthorizedKey } from "../../../domain/ssh-keys.ts";
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { emptyResponse } from "../responses.ts";
import { workspaceOf } from "./workspace-of.ts";

/** Kubernetes lets all annotations of an object together be 256 KiB. */
const maxPackedBytes = 192 * 1024;

/** Replaces the keys on the pod; none is a list as well. */
export function updateSshKey({ reader, writer }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, keys } = decodeRequest(wsman.UpdateSSHKeyRequest, "UpdateSSHKeyRequest", request);
    const wrong = (keys ?? []).findIndex((key) => !isAuthorizedKey(key));
    // The key itself is nobody's business.
    if (wrong !== -1) throw new WsmanError("INVALID_ARGUMENT", `keys[${wrong}] is no line of an authorized_keys file`);
    const packed = encodeBase64(wsman.SSHPublicKeys.encode({ keys: keys ?? [] }).finish());
    if (packed.length > maxPackedBytes) throw new WsmanError("INVALID_ARGUMENT", `keys take ${packed.length} bytes, and may take ${maxPackedBytes}`);
    const workspace = workspaceOf({ reader, writer }, id);
    await writer.annotate(workspace, { [annotations.sshPublicKeys]: packed }, `update the SSH keys of workspace ${workspace.facts.id}`, call.signal);
    return emptyResponse;
  };
}
