/** Answers that consist of many frames: their bytes go to the HTTP/2 stream in pieces, as fast as it takes them, and are never put together as a whole. */
import { WsmanError } from "../../domain/errors.ts";
import { prefixBytes, writePrefix } from "../state/frame.ts";
import type { Frames } from "../state/frame-list.ts";
import { maxMessageBytes } from "../grpc/limits.ts";

/** Length of a piece: about what a client's flow control lets through at once. */
const chunkBytes = 64 * 1024;
/** Chunks that are kept for the next answers. A new one costs more than filling it: the system has to find, and clear, its pages. */
const maxIdle = 16;

/** What an answer is written to: an HTTP/2 stream. */
export interface ByteStream {
  readonly closed: boolean;
  readonly writable: boolean;
  /** Calls back when the bytes were sent, and their buffer is free again. */
  write(bytes: Uint8Array, sent: (error?: Error | null) => void): unknown;
  once(event: "close", run: () => void): unknown;
}

/** Room for pieces, used again and again. */
export class ChunkPool {
  readonly #idle: Buffer[] = [];

  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  /** Gives one back that nobody reads any more. */
  give(chunk: Buffer): void {
    if (this.#idle.length < maxIdle) this.#idle.push(chunk);
  }
}

/** One message of all the messages in some frames. */
export class FramesAnswer {
  /** Length of the message. */
  readonly bytes: number;
  readonly #frames: Frames;
  readonly #chunks: ChunkPool;

  /** @throws WsmanError RESOURCE_EXHAUSTED if the message were too large to be sent. */
  constructor(frames: Frames, chunks: ChunkPool) {
    if (frames.bytes > maxMessageBytes) throw tooLarge(frames.length, frames.bytes);
    this.bytes = frames.bytes;
    this.#frames = frames;
    this.#chunks = chunks;
  }

  /** Writes the whole to a stream whose headers were sent, piece after piece. Resolves with true when all is written, with false when the stream takes no more. */
  writeTo(stream: ByteStream): Promise<boolean> {
    return new Promise((resolve) => {
      const chunk = this.#chunks.take();
      const pieces = this.#pieces(chunk);
      const next = (error?: Error | null): void => {
        // The system may still be reading a chunk whose write failed: it is not used again.
        if (error || stream.closed || !stream.writable) return resolve(false);
        const piece = pieces.next();
        if (piece.done !== true) return void stream.write(piece.value, next);
        this.#chunks.give(chunk);
        return resolve(true);
      };
      // After a reset, writes may never call back.
      stream.once("close", () => resolve(false));
      next();
    });
  }

  /** Pieces of the message, its prefix included; each is to be sent before the next one is asked for. */
  *#pieces(chunk: Buffer): Generator<Buffer> {
    const frames = this.#frames;
    let next = 0;
    let start = 0;
    do {
      const first = next;
      let end = prefixBytes;
      for (let frame = frames.at(next); frame && end + frame.length - prefixBytes <= chunk.length; frame = frames.at(++next)) end += frame.length - prefixBytes;
      pack(chunk, frames, first, next, end);
      if (first === 0) writePrefix(chunk, this.bytes);
      if (end > start) yield chunk.subarray(start, end);
      start = prefixBytes;
      // One that no chunk can hold goes as it is: all streams share its bytes.
      const large = next === first ? frames.at(next) : undefined;
      if (large) {
        yield large.subarray(prefixBytes);
        next++;
      }
    } while (next < frames.length);
  }
}

/**
 * Puts the messages of the frames from `first` to before `last` one after the other, so that they stop at `end`. Frames are copied as they are, the last one first, so that
 * the prefix of each is overwritten by the end of the one before it: views of the messages would cost more than the copies.
 */
function pack(chunk: Buffer, frames: Frames, first: number, last: number, end: number): void {
  let at = end;
  for (let i = last - 1; i >= first; i--) {
    const frame = frames.at(i);
    if (!frame) return;
    at -= frame.length - prefixBytes;
    chunk.set(frame, at - prefixBytes);
  }
}

function tooLarge(workspaces: number, bytes: number): WsmanError {
  const mebi = (bytes / 1024 / 1024).toFixed(1);
  return new WsmanError(
    "RESOURCE_EXHAUSTED",
    `the answer would hold ${workspaces} workspaces in ${mebi} MiB, and a message can hold 16 MiB: narrow it with must_match (owner, meta_id, annotations), or call Subscribe with the metadata wsman-initial-state: true`,
    { retryable: false },
  );
}
