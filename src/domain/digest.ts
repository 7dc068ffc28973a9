/** Names a status's content, so that equal statuses are found without keeping or comparing them. */
import { hash } from "node:crypto";

/** Digest of an encoded status: equal for equal bytes, different (2^-160) for others. Not a secret, not for security. */
export function digestOf(encoded: Uint8Array): string {
  return hash("sha1", encoded, "base64");
}
