/** HTTP/2 frames, made by hand. */

/** Types of frames. */
export const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8 } as const;
/** Flags. Of a DATA or HEADERS frame: the stream ends; of SETTINGS and PING: an answer. */
export const flagEnd = 1;
export const flagAck = 1;
export const flagEndHeaders = 4;
export const flagPadded = 8;
/** Before the payload of each frame. */
export const headerBytes = 9;
/** Largest frame that a peer may send, unless it was told otherwise. */
export const maxFrame = 16_384;

/** A frame that may have to wait until the server takes it. */
export interface Held {
  readonly bytes: Buffer;
  /** What of it counts for the window. */
  readonly size: number;
}

/** No push, 64 KiB for each stream (the default). */
export function settings(): Buffer {
  return Buffer.from([0, 2, 0, 0, 0, 0]);
}

/** A frame. */
export function frame(type: number, flags: number, id: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, headerBytes);
  return bytes;
}

/** A request, in frames as large as any server takes. */
export function dataFrames(id: number, body: Buffer): readonly Held[] {
  const frames: Held[] = [];
  for (let at = 0; at < body.length; at += maxFrame) {
    const piece = body.subarray(at, at + maxFrame);
    frames.push({ bytes: frame(types.data, at + maxFrame >= body.length ? flagEnd : 0, id, piece), size: piece.length });
  }
  return frames;
}

/** A number of four bytes. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Header fields as HPACK literals with literal names, without indexing and without Huffman coding: the plainest form there is. */
export function headers(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}
