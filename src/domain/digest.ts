/** Names of contents and starts, so that equal ones are found without keeping or comparing them. */
import { hash } from "node:crypto";

/**
 * Names a start by the owner token that all its pods have, and that has far more than these 53 bits; 0 for no token. Every change of every pod takes it, so it is no cryptographic digest, which would be
 * a twentieth of what a change costs: two multiplicative hashes of 32 bits, side by side.
 */
export function startOf(ownerToken: string): number {
  if (ownerToken === "") return 0;
  let [low, high] = [0x811c9dc5, 0x9e3779b9];
  for (let i = 0; i < ownerToken.length; i++) {
    const code = ownerToken.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
    // Products pass nothing on to lower bits.
    low ^= low >>> 15;
    high ^= high >>> 13;
  }
  return ((high >>> 11) * 2 ** 32 + (low >>> 0)) || 1;
}

/** Digest of an encoded status: equal for equal bytes, different (2^-160) for others. Not a secret, not for security. */
export function digestOf(encoded: Uint8Array): string {
  return hash("sha1", encoded, "base64");
}
