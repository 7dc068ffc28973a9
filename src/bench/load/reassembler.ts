/** Cuts a stream's bytes into gRPC messages, without copying those that lie in one piece. */

/** Takes the messages. */
export interface MessageSink {
  message(bytes: Buffer, start: number, end: number): void;
}

const prefixBytes = 5;
/** Largest message, bytes; as large as servers of this API send. */
const maxMessage = 16 * 1024 * 1024;
const none = Buffer.alloc(0);

/** Keeps what is left of a message until the rest comes: each byte is copied once at most. The room for it, one message at most, is used again. */
export class Reassembler {
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixed = 0;
  #room = none;
  #length = 0;
  #filled = 0;

  /** Takes more bytes. @throws RangeError for a message beyond 16 MiB. */
  take(bytes: Buffer, from: number, to: number, sink: MessageSink): void {
    let at = from;
    while (at < to) at = this.#prefixed === prefixBytes ? this.#fill(bytes, at, to, sink) : this.#begin(bytes, at, to, sink);
  }

  /** Forgets what has come of a message. */
  reset(): void {
    this.#prefixed = 0;
  }

  /** A message's begin; those that are there as a whole are given at once. */
  #begin(bytes: Buffer, from: number, to: number, sink: MessageSink): number {
    if (this.#prefixed === 0 && to - from >= prefixBytes) {
      const end = from + prefixBytes + lengthAt(bytes, from);
      if (end <= to) {
        sink.message(bytes, from + prefixBytes, end);
        return end;
      }
    }
    const at = from + bytes.copy(this.#prefix, this.#prefixed, from, Math.min(to, from + prefixBytes - this.#prefixed));
    this.#prefixed += at - from;
    if (this.#prefixed === prefixBytes) this.#expect(lengthAt(this.#prefix, 0), sink);
    return at;
  }

  #expect(length: number, sink: MessageSink): void {
    if (length > this.#room.length) this.#room = Buffer.allocUnsafeSlow(length);
    this.#length = length;
    this.#filled = 0;
    if (length === 0) this.#deliver(sink);
  }

  #fill(bytes: Buffer, from: number, to: number, sink: MessageSink): number {
    const taken = bytes.copy(this.#room, this.#filled, from, Math.min(to, from + this.#length - this.#filled));
    this.#filled += taken;
    if (this.#filled === this.#length) this.#deliver(sink);
    return from + taken;
  }

  #deliver(sink: MessageSink): void {
    this.#prefixed = 0;
    sink.message(this.#room, 0, this.#length);
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at + 1);
  if (length > maxMessage) throw new RangeError(`a message of ${length} bytes`);
  return length;
}
