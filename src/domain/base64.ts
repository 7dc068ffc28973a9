/** Base64 as annotations have it: strict, for what only looks like it is damaged. */

const pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Base64 of bytes, which are not copied for it. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Strict base64, as Go decodes it: line breaks are skipped, padding is required. Undefined if the text is not that. */
export function decodeBase64(text: string): Buffer | undefined {
  const plain = text.includes("\n") || text.includes("\r") ? text.replaceAll(/[\r\n]/g, "") : text;
  const bytes = Buffer.from(plain, "base64");
  // What encodes to the same text was strict, and far cheaper to tell so; the pattern decides about the rest.
  return bytes.toString("base64") === plain || pattern.test(plain) ? bytes : undefined;
}
