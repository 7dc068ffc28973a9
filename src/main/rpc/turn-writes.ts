/** Writes to streams, so that what one gets in one turn of the event loop travels together. */
import type { Writable } from "node:stream";

/** What it needs of a stream. */
type HeldStream = Pick<Writable, "cork" | "uncork" | "write" | "writableCorked">;

/**
 * Node sends the first message of a turn by itself, and those behind it once that has gone: two system calls where one would do, and more of them the more there is to catch up with. Held back
 * until the turn's microtasks have run, which is before the loop looks at anything else, so that a message by itself is not later for it. What a stream holds back counts as written,
 * and so within the bound at which it says that it is full.
 */
export class TurnWrites {
  #streams: HeldStream[] = [];

  /** Writes bytes. False: the stream takes no more until it drains. */
  write(stream: HeldStream, bytes: Buffer): boolean {
    if (stream.writableCorked === 0) this.#hold(stream);
    return stream.write(bytes);
  }

  #hold(stream: HeldStream): void {
    stream.cork();
    if (this.#streams.push(stream) === 1) queueMicrotask(() => this.#release());
  }

  /** A stream that was ended or destroyed meanwhile takes no notice. */
  #release(): void {
    const streams = this.#streams;
    this.#streams = [];
    for (const stream of streams) stream.uncork();
  }
}
