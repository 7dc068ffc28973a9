/** Bytes that are passed through, where a library wants a function that encodes or decodes. */

/** The same bytes. */
export function asIs(bytes: Buffer): Buffer {
  return bytes;
}
