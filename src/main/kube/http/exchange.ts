/** One HTTP request and its answer, whose body is pushed to a consumer that can hold it back; what carries the bytes is a transport's matter. */
import type { Clock } from "../../../domain/clock.ts";
import { abortedError, KubeError, toKubeError } from "../errors.ts";

/** Response headers, names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Status line and headers of an answer. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

/** Takes a part of a body. A promise that it returns holds back the next part. */
export type BodyConsumer = (chunk: Uint8Array) => void | Promise<void>;

/** The body of an answer; exactly one of its methods is called, once. */
export interface ResponseBody {
  /**
   * Hands each chunk to the consumer as it comes off the socket; a promise that it returns stops the reading until it resolves. A chunk is valid until then, or until the consumer
   * returns: its memory is used again. Resolves at the body's end. Rejects with a KubeError if the connection breaks, if nothing arrives for idleMs
   * (time in which the consumer held the body back does not count; reason "Silence"), and with what the consumer threw; the connection is closed then.
   */
  pump(consume: BodyConsumer, idleMs: number): Promise<void>;
  /** The whole body; a KubeError (reason "TooLarge") if it has more than limit bytes. */
  bytes(limit: number, idleMs: number): Promise<Uint8Array>;
  /** Closes the connection; for a body that nobody wants. */
  discard(): void;
}

/** What an exchange asks of the connection that carries it. */
export interface Transport {
  /** May hand over the body, from where it stopped: at first after the head, later after a chunk that was held. */
  resume(): void;
  /** The exchange failed; nothing more is wanted, and nothing is listened to. */
  abort(error: KubeError): void;
}

/** An exchange, between its transport, which tells begin, data, end and fail, and whoever reads the answer. */
export class Exchange implements ResponseBody {
  readonly head: Promise<ResponseHead>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #may: (() => boolean) | undefined;
  readonly #settleHead = Promise.withResolvers<ResponseHead>();
  readonly #settleBody = Promise.withResolvers<void>();
  readonly #onAbort = (): void => this.fail(abortedError());
  readonly #headMs: number;
  #cancelTimer: () => void;
  #transport: Transport | undefined;
  #consume: BodyConsumer | undefined;
  #held = false;
  #ended = false;
  #failure: KubeError | undefined;
  #finished = false;
  #heardAt = 0;

  /** The head must arrive within headMs, and, where there is a queue for connections, within headMs after it was left. */
  constructor(clock: Clock, signal: AbortSignal, headMs: number, may?: () => boolean) {
    this.#clock = clock;
    this.#may = may;
    this.#signal = signal;
    this.head = this.#settleHead.promise;
    // Both are told the failure; whoever looks at one of them only must not be ended by the other.
    this.head.catch(() => undefined);
    this.#settleBody.promise.catch(() => undefined);
    this.#headMs = headMs;
    this.#cancelTimer = this.#limitHead();
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.fail(abortedError());
  }

  /** What it failed with, if it did. */
  get failure(): KubeError | undefined {
    return this.#failure;
  }

  async pump(consume: BodyConsumer, idleMs: number): Promise<void> {
    this.#consume = consume;
    this.#heardAt = this.#clock.monotonic();
    this.#watchSilence(idleMs, idleMs);
    if (!this.#finished) this.#transport?.resume();
    await this.#settleBody.promise;
  }

  async bytes(limit: number, idleMs: number): Promise<Uint8Array> {
    const gathered = new Gathered(limit);
    await this.pump((chunk) => gathered.add(chunk), idleMs);
    return gathered.bytes();
  }

  discard(): void {
    this.fail(abortedError());
  }

  /** The transport is there. If the exchange has failed meanwhile, it is told so at once. */
  attach(transport: Transport): void {
    this.#transport = transport;
    if (this.#failure) transport.abort(this.#failure);
  }

  /** The transport begins to send: until now it had no connection to do so. If it may not any more, it is aborted instead. */
  sent(): void {
    if (this.#finished) return;
    if (this.#may && !this.#may()) {
      this.fail(abortedError());
      return;
    }
    this.#cancelTimer();
    this.#cancelTimer = this.#limitHead();
  }

  /** Status line and headers came. The transport hands over nothing of the body before it is asked to resume. */
  begin(head: ResponseHead): void {
    if (this.#failure) return;
    this.#cancelTimer();
    this.#settleHead.resolve(head);
  }

  /** A part of the body came. @returns whether the transport may go on; if not, it is asked to resume later, and leaves the chunk alone until then. */
  data(chunk: Uint8Array): boolean {
    if (this.#failure) return false;
    this.#heardAt = this.#clock.monotonic();
    try {
      if (!this.#consume) throw new Error("a part of the body came before it was asked for");
      const wait = this.#consume(chunk);
      // The consumer may have given the exchange up.
      if (!wait) return !this.failure;
      this.#held = true;
      wait.then(() => this.#continue(), (error: unknown) => this.fail(toKubeError(error)));
    } catch (error) {
      this.fail(toKubeError(error));
    }
    return false;
  }

  /** The body came to its end, and all of it was handed over. */
  end(): void {
    this.#ended = true;
    if (!this.#held) this.#finish(undefined);
  }

  /** It failed, for whatever reason; the first one counts. */
  fail(error: KubeError): void {
    if (this.#finished) return;
    this.#failure = error;
    this.#finish(error);
    this.#transport?.abort(error);
  }

  #limitHead(): () => void {
    return this.#clock.timer(this.#headMs, () => this.fail(new KubeError(`API server did not answer within ${this.#headMs} ms`, { status: 0, reason: "Timeout" })));
  }

  #continue(): void {
    this.#held = false;
    if (this.#finished) return;
    this.#heardAt = this.#clock.monotonic();
    if (this.#ended) this.#finish(undefined);
    else this.#transport?.resume();
  }

  #watchSilence(idleMs: number, waitMs: number): void {
    if (this.#finished) return;
    this.#cancelTimer = this.#clock.timer(waitMs, () => {
      const silentMs = this.#held ? 0 : this.#clock.monotonic() - this.#heardAt;
      if (silentMs < idleMs) this.#watchSilence(idleMs, Math.max(1, idleMs - silentMs));
      else this.fail(new KubeError(`API server sent nothing for ${idleMs} ms`, { status: 0, reason: "Silence" }));
    });
  }

  #finish(error: KubeError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#cancelTimer();
    this.#signal.removeEventListener("abort", this.#onAbort);
    if (error) {
      this.#settleHead.reject(error);
      this.#settleBody.reject(error);
    } else this.#settleBody.resolve();
  }
}

/** Bytes of a body: copied once where they come as one piece, and not into memory that was set to zero before. */
class Gathered {
  readonly #limit: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Uint8Array): void {
    this.#length += chunk.length;
    if (this.#length > this.#limit) throw new KubeError(`answer of the API server is longer than ${this.#limit} bytes`, { status: 0, reason: "TooLarge", retryable: false });
    const copy = Buffer.allocUnsafeSlow(chunk.length);
    copy.set(chunk);
    this.#chunks.push(copy);
  }

  bytes(): Uint8Array {
    const [first, ...others] = this.#chunks;
    return first && others.length === 0 ? first : Buffer.concat(this.#chunks, this.#length);
  }
}
