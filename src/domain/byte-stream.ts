/** Numbers and strings in a row of bytes, for what threads write for each other in shared memory. Little endian; both sides are the same program. */

import { copyShared } from "./copy.ts";

/** Thrown by {@link ByteWriter} where its memory ends. */
export class OutOfSpaceError extends RangeError {
  override readonly name = "OutOfSpaceError";
}

/** Writes from the beginning of a piece of memory. Every method throws OutOfSpaceError if its value does not fit. */
export class ByteWriter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(memory: Buffer) {
    this.#bytes = memory;
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#at;
  }

  uint8(value: number): void {
    this.#bytes[this.#take(1)] = value;
  }

  uint32(value: number): void {
    this.#bytes.writeUInt32LE(value, this.#take(4));
  }

  float64(value: number): void {
    this.#bytes.writeDoubleLE(value, this.#take(8));
  }

  /** A string as its length and UTF-8; what is not well-formed in it is replaced. */
  string(value: string): void {
    // A UTF-16 unit takes three bytes at most: what fits then is not cut.
    const room = 4 + value.length * 3;
    if (this.#at + room > this.#bytes.length) throw new OutOfSpaceError("a string does not fit");
    const length = value === "" ? 0 : this.#bytes.write(value, this.#at + 4, "utf8");
    this.#bytes.writeUInt32LE(length, this.#at);
    this.#at += 4 + length;
  }

  bytes(value: Uint8Array): void {
    copyShared(value, this.#bytes, this.#take(value.length));
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new OutOfSpaceError("the memory is full");
    this.#at = at + length;
    return at;
  }
}

/** Reads what a {@link ByteWriter} wrote, in the same order. Throws RangeError beyond the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(memory: Buffer) {
    this.#bytes = memory;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  float64(): number {
    return this.#bytes.readDoubleLE(this.#skip(8));
  }

  string(): string {
    const length = this.uint32();
    if (length === 0) return "";
    const at = this.#skip(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  /** A view of the next bytes. */
  view(length: number): Buffer {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new RangeError("nothing was written there");
    this.#at = at + length;
    return at;
  }
}
