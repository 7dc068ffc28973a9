/** Cuts a stream's bytes into gRPC messages, without copying those that lie in one piece. */

/** Takes the messages. */
export interface MessageSink {
  message(bytes: Buffer, start: number, end: number): void;
}

const prefixBytes = 5;
/** Largest message, bytes; as large as servers of this API send. */
const maxMessage = 16 * 1024 * 1024;
const none = Buffer.alloc(0);

/** Keeps what is left of a message until the rest comes: at most one message. */
export class Reassembler {
  #rest: Buffer = none;

  /** Takes more bytes. @throws RangeError for a message beyond 16 MiB. */
  take(bytes: Buffer, from: number, to: number, sink: MessageSink): void {
    if (this.#rest.length === 0) {
      this.#cut(bytes, from, to, sink);
    } else {
      const all = Buffer.concat([this.#rest, bytes.subarray(from, to)]);
      this.#rest = none;
      this.#cut(all, 0, all.length, sink);
    }
  }

  #cut(bytes: Buffer, from: number, to: number, sink: MessageSink): void {
    let at = from;
    while (to - at >= prefixBytes) {
      const length = bytes.readUInt32BE(at + 1);
      if (length > maxMessage) throw new RangeError(`a message of ${length} bytes`);
      const end = at + prefixBytes + length;
      if (end > to) break;
      sink.message(bytes, at + prefixBytes, end);
      at = end;
    }
    if (at < to) this.#rest = Buffer.from(bytes.subarray(at, to));
  }
}
