/** Reads from a pod's JSON which pod it is, without parsing it. */

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

/** As API servers write metadata: what stands before has no objects in it, and quotes within texts are escaped. */
const identity = /"metadata":\{[^{}]*"uid":"([^"\\]{1,128})","resourceVersion":"(\d{1,20})"/;

/** metadata.uid and metadata.resourceVersion, where they stand as API servers put them, one after the other near the beginning; undefined if they do not. */
export function peekIdentity(bytes: Uint8Array): { readonly uid: string; readonly resourceVersion: string } | undefined {
  const [, uid, resourceVersion] = identity.exec(Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, window)).toString("latin1")) ?? [];
  return uid === undefined || resourceVersion === undefined ? undefined : { uid, resourceVersion };
}
