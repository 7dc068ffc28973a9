/** Puts together what spans several chunks of a body, copying each byte once into memory that is used again. */
import { KubeError } from "./errors.ts";

/** Memory above this is given back after use. */
const keepBytes = 1 << 20;
/** Taken when something spans chunks for the first time: much of what is read never does. */
const firstBytes = 32 * 1024;

/** A byte buffer that grows up to a bound and is reused. */
export class Carry {
  readonly #maxBytes: number;
  readonly #what: string;
  #memory = new Uint8Array(0);
  #length = 0;

  /** More than maxBytes is refused with a KubeError (reason "TooLarge") that names `what`. */
  constructor(maxBytes: number, what: string) {
    this.#maxBytes = maxBytes;
    this.#what = what;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    this.check(needed);
    if (needed > this.#memory.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.#memory.length * 2, firstBytes)));
      grown.set(this.#memory.subarray(0, this.#length));
      this.#memory = grown;
    }
    this.#memory.set(bytes, this.#length);
    this.#length = needed;
  }

  /** Throws if so many bytes are too many. */
  check(length: number): void {
    if (length > this.#maxBytes) {
      throw new KubeError(`${this.#what} in an answer of the API server is longer than ${this.#maxBytes} bytes`, { status: 0, reason: "TooLarge" });
    }
  }

  /** What was gathered, valid until the next call of any method. The carry is empty afterwards. */
  take(): Uint8Array {
    const view = this.#memory.subarray(0, this.#length);
    this.#length = 0;
    if (this.#memory.length > keepBytes) this.#memory = new Uint8Array(0);
    return view;
  }
}
