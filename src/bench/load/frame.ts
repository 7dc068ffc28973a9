/** Reads the few things a load tool needs of an encoded SubscribeResponse (the change's number, version, ID, phase) and skips all else: a fraction of the cost of decoding. */
import { stampKey } from "./plan.ts";

/** wsman.WorkspacePhase.RUNNING. */
export const runningPhase = 4;
/** wsman.WorkspacePhase.STOPPED. */
export const stoppedPhase = 6;

const lengthDelimited = 2;
const key = Buffer.from(stampKey);

/**
 * Reads frames one after the other, without allocating: the result of `read` stands in the members until the next one.
 * Field numbers: SubscribeResponse.status 1; WorkspaceStatus.id 1, metadata 2, phase 4, status_version 10; WorkspaceMetadata.annotations 4; map entries 1 and 2.
 */
export class FrameReader {
  /** The change that the status carries; -1 if it carries none. */
  stamp = -1;
  /** status_version; 0 if there is none. Exact up to 2^53. */
  version = 0;
  /** Where the workspace's ID stands in the buffer; nowhere (from = to) if there is none. */
  idFrom = 0;
  idTo = 0;
  /** A wsman.WorkspacePhase. */
  phase = 0;
  #at = 0;

  /** Reads the message between two places of a buffer. Bytes that are no such message give no stamp, or throw RangeError. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.stamp = -1;
    this.version = 0;
    this.idFrom = start;
    this.idTo = start;
    this.phase = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(bytes, end);
      if (tag === 0x0a) this.#status(bytes, this.#bounds(bytes, end));
      else this.#skip(bytes, tag, end);
    }
  }

  #status(bytes: Uint8Array, end: number): void {
    while (this.#at < end) {
      const tag = this.#varint(bytes, end);
      if (tag === 0x0a) this.#id(bytes, end);
      else if (tag === 0x12) this.#metadata(bytes, this.#bounds(bytes, end));
      else if (tag === 0x20) this.phase = this.#varint(bytes, end);
      else if (tag === 0x50) this.version = this.#varint(bytes, end);
      else this.#skip(bytes, tag, end);
    }
  }

  #id(bytes: Uint8Array, end: number): void {
    this.idTo = this.#bounds(bytes, end);
    this.idFrom = this.#at;
    this.#at = this.idTo;
  }

  #metadata(bytes: Uint8Array, end: number): void {
    while (this.#at < end) {
      const tag = this.#varint(bytes, end);
      if (tag === 0x22) this.#annotation(bytes, this.#bounds(bytes, end));
      else this.#skip(bytes, tag, end);
    }
  }

  #annotation(bytes: Uint8Array, end: number): void {
    let ours = false;
    while (this.#at < end) {
      const tag = this.#varint(bytes, end);
      if (tag !== 0x0a && tag !== 0x12) {
        this.#skip(bytes, tag, end);
        continue;
      }
      const stop = this.#bounds(bytes, end);
      if (tag === 0x0a) ours = isKey(bytes, this.#at, stop);
      else if (ours) this.stamp = digits(bytes, this.#at, stop);
      this.#at = stop;
    }
  }

  /** End of a length-delimited field that begins here. */
  #bounds(bytes: Uint8Array, end: number): number {
    const length = this.#varint(bytes, end);
    if (this.#at + length > end) throw new RangeError("a field is longer than its message");
    return this.#at + length;
  }

  #skip(bytes: Uint8Array, tag: number, end: number): void {
    const type = tag & 7;
    if (type === 0) this.#varint(bytes, end);
    else if (type === lengthDelimited) this.#at = this.#bounds(bytes, end);
    else if (type === 1) this.#at += 8;
    else if (type === 5) this.#at += 4;
    else throw new RangeError("not a protobuf message");
  }

  #varint(bytes: Uint8Array, end: number): number {
    let value = 0;
    for (let scale = 1; this.#at < end && scale <= 2 ** 63; scale *= 128) {
      const byte = bytes[this.#at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError("a number has no end");
  }
}

function isKey(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== key.length) return false;
  for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key[i]) return false;
  return true;
}

function digits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return end > start ? value : -1;
}
