/** Reads a pod's uid from its JSON without parsing it. */

/** metadata.uid stands after name and namespace, near the beginning. */
const window = 2048;
const marker = Buffer.from('"uid":"');

/** The first uid in the document's beginning; undefined if there is none. A guess, good enough to look something up by. */
export function peekUid(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, window));
  const at = head.indexOf(marker);
  if (at < 0) return undefined;
  const start = at + marker.length;
  const end = head.indexOf(0x22, start);
  return end < 0 || end - start > 128 ? undefined : head.toString("latin1", start, end);
}
