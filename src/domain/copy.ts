/** Copying bytes into memory that threads share, and out of it. */

/**
 * Copies bytes to a place, where one of both is shared memory. Buffer.copy of a part of a buffer is a plain memmove; a whole one is copied by TypedArray.set, which goes through shared memory
 * word by word, and takes 25 times as long. Hence the detour over all of the memory that the bytes lie in: of a socket, usually. Bytes that fill theirs take the long way.
 * @throws RangeError if they do not fit.
 */
export function copyShared(bytes: Uint8Array, target: Buffer, at: number): void {
  if (at + bytes.length > target.length) throw new RangeError("the bytes do not fit");
  const { byteOffset, byteLength } = bytes;
  Buffer.from(bytes.buffer).copy(target, at, byteOffset, byteOffset + byteLength);
}
