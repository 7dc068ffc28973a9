/** Cuts the body of a watch into its lines. */
import { Carry } from "./carry.ts";

const lineFeed = 0x0a;

/** Takes one line without its line break. The bytes are valid during the call only. A returned promise holds back the next line. */
export type LineConsumer = (line: Uint8Array) => void | Promise<void>;

/**
 * Splits chunks at line feeds. A line that lies within a chunk is a view of it; one that spans chunks is copied once.
 * What follows the last line feed is never delivered: a body that breaks off ends in half a line. Empty lines are dropped.
 */
export class LineSplitter {
  readonly #onLine: LineConsumer;
  readonly #carry: Carry;
  readonly #maxBytes: number;

  /** A line longer than maxBytes makes push throw a KubeError (reason "TooLarge"). */
  constructor(onLine: LineConsumer, maxBytes: number) {
    this.#onLine = onLine;
    this.#maxBytes = maxBytes;
    this.#carry = new Carry(maxBytes, "a line");
  }

  /** Bytes of the unfinished line. */
  get pending(): number {
    return this.#carry.length;
  }

  /** Delivers the chunk's lines, synchronously unless the consumer returns a promise. The chunk must not change until the result is settled. */
  push(chunk: Uint8Array): void | Promise<void> {
    return this.#run(chunk, 0);
  }

  #run(chunk: Uint8Array, from: number): void | Promise<void> {
    let start = from;
    for (let end = chunk.indexOf(lineFeed, start); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      const wait = this.#deliver(chunk.subarray(start, end));
      start = end + 1;
      if (wait) {
        const next = start;
        return wait.then(() => this.#run(chunk, next));
      }
    }
    if (start < chunk.length) this.#carry.append(chunk.subarray(start));
    return undefined;
  }

  #deliver(end: Uint8Array): void | Promise<void> {
    let line = end;
    if (this.#carry.length > 0) {
      this.#carry.append(end);
      line = this.#carry.take();
    } else if (end.length > this.#maxBytes) {
      this.#carry.check(end.length);
    }
    return line.length === 0 ? undefined : this.#onLine(line);
  }
}
