/** One HTTP request over an undici dispatcher, its body pushed to a consumer that can hold it back. */
import type { Dispatcher } from "undici";
import type { Clock } from "../../domain/clock.ts";
import { abortedError, KubeError, toKubeError } from "./errors.ts";

/** Response headers, names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Status line and headers of an answer. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

/** The body of an answer; exactly one of its methods is called, once. */
export interface ResponseBody {
  /**
   * Hands each chunk to the consumer as it comes off the socket; a promise that it returns stops the reading until it resolves.
   * Chunks do not change afterwards. Resolves at the body's end. Rejects with a KubeError if the connection breaks, if nothing arrives for idleMs
   * (time in which the consumer held the body back does not count; reason "Silence"), and with what the consumer threw; the connection is closed then.
   */
  pump(consume: (chunk: Uint8Array) => void | Promise<void>, idleMs: number): Promise<void>;
  /** The whole body; a KubeError (reason "TooLarge") if it has more than limit bytes. */
  bytes(limit: number, idleMs: number): Promise<Uint8Array>;
  /** Closes the connection; for a body that nobody wants. */
  discard(): void;
}

/**
 * undici's dispatch interface rather than request() or stream(): onResponseData runs in the very turn in which the socket was read, with a view of what was read,
 * no stream object and no promise in between; pause() and resume() stop the parser and with it the socket, so that the API server feels the back-pressure.
 */
export class Exchange implements Dispatcher.DispatchHandler, ResponseBody {
  readonly head: Promise<ResponseHead>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #settleHead: PromiseWithResolvers<ResponseHead>;
  readonly #settleBody = Promise.withResolvers<void>();
  readonly #onFinished: () => void;
  readonly #onAbort = (): void => this.#fail(abortedError());
  #cancelTimer: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #consume: ((chunk: Uint8Array) => void | Promise<void>) | undefined;
  /** Chunks that came although the parser was paused: undici hands out what it had read when the peer closes. Never more than one read of the socket. */
  #early: Uint8Array[] = [];
  #held = false;
  #ended = false;
  #failure: KubeError | undefined;
  #finished = false;
  #heardAt = 0;

  /** The head must arrive within headMs. onFinished is called once, when the dispatcher is done with it (a request that was aborted in the queue stays there until its turn). */
  constructor(clock: Clock, signal: AbortSignal, headMs: number, onFinished: () => void) {
    this.#clock = clock;
    this.#signal = signal;
    this.#onFinished = onFinished;
    this.#settleHead = Promise.withResolvers<ResponseHead>();
    this.head = this.#settleHead.promise;
    // Both are told the failure; whoever looks at one of them only must not be ended by the other.
    this.head.catch(() => undefined);
    this.#settleBody.promise.catch(() => undefined);
    this.#cancelTimer = clock.timer(headMs, () => this.#fail(new KubeError(`API server did not answer within ${headMs} ms`, { status: 0, reason: "Timeout" })));
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#fail(abortedError());
  }

  async pump(consume: (chunk: Uint8Array) => void | Promise<void>, idleMs: number): Promise<void> {
    this.#consume = consume;
    this.#heardAt = this.#clock.monotonic();
    this.#watchSilence(idleMs, idleMs);
    this.#continue();
    await this.#settleBody.promise;
  }

  async bytes(limit: number, idleMs: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    await this.pump((chunk) => {
      length += chunk.length;
      if (length > limit) throw new KubeError(`answer of the API server is longer than ${limit} bytes`, { status: 0, reason: "TooLarge", retryable: false });
      chunks.push(chunk);
    }, idleMs);
    return Buffer.concat(chunks, length);
  }

  discard(): void {
    this.#fail(abortedError());
  }

  /** The dispatcher refused it at once, so none of the calls below will come. */
  dispatchFailed(error: unknown): void {
    this.#fail(toKubeError(error));
    this.#onFinished();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure) controller.abort(this.#failure);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200 || this.#failure) return;
    this.#cancelTimer();
    // Until there is a consumer.
    controller.pause();
    this.#settleHead.resolve({ status, headers });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#heardAt = this.#clock.monotonic();
    if (!this.#consume || this.#held) this.#early.push(chunk);
    else this.#hand(chunk);
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#finishIfDone();
    this.#onFinished();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(toKubeError(error));
    this.#onFinished();
  }

  #hand(chunk: Uint8Array): void {
    if (this.#failure) return;
    try {
      const wait = this.#consume?.(chunk);
      if (!wait) return;
      this.#held = true;
      this.#controller?.pause();
      wait.then(() => this.#continue(), (error: unknown) => this.#fail(toKubeError(error)));
    } catch (error) {
      this.#fail(toKubeError(error));
    }
  }

  #continue(): void {
    this.#held = false;
    this.#heardAt = this.#clock.monotonic();
    while (!this.#held && this.#early.length > 0) {
      const chunk = this.#early.shift();
      if (chunk) this.#hand(chunk);
    }
    if (this.#held) return;
    this.#finishIfDone();
    if (!this.#finished) this.#controller?.resume();
  }

  /** A clean end counts once all before it was consumed. */
  #finishIfDone(): void {
    if (this.#ended && this.#consume && !this.#held && this.#early.length === 0) this.#finish(undefined);
  }

  #watchSilence(idleMs: number, waitMs: number): void {
    this.#cancelTimer = this.#clock.timer(waitMs, () => {
      const silentMs = this.#held ? 0 : this.#clock.monotonic() - this.#heardAt;
      if (silentMs < idleMs) this.#watchSilence(idleMs, Math.max(1, idleMs - silentMs));
      else this.#fail(new KubeError(`API server sent nothing for ${idleMs} ms`, { status: 0, reason: "Silence" }));
    });
  }

  #fail(error: KubeError): void {
    if (this.#finished) return;
    this.#failure = error;
    this.#finish(error);
    this.#controller?.abort(error);
  }

  #finish(error: KubeError | undefined): void {
    this.#finished = true;
    this.#cancelTimer();
    this.#early = [];
    this.#signal.removeEventListener("abort", this.#onAbort);
    if (error) {
      this.#settleHead.reject(error);
      this.#settleBody.reject(error);
    } else this.#settleBody.resolve();
  }
}
