/** Time as a parameter: whatever waits or reads the clock takes this, so that tests and simulations bring their own. */

/** A clock with timers. */
export interface Clock {
  /** Wall clock, Unix milliseconds. */
  now(): number;
  /** Monotonic milliseconds, for measuring. */
  monotonic(): number;
  /** Calls back once after `ms`; gives the way to cancel. Does not keep the process alive. */
  timer(ms: number, callback: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms, callback) {
    const handle = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    handle.unref();
    return () => clearTimeout(handle);
  },
};

/** Resolves after `ms`, or at once when the signal aborts. Never rejects. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.timer(ms, done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Waits for work, but no longer than `ms`: then it goes on by itself, and its failure is no one's. Rejects if it fails before. */
export async function atMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  // No signal: aborting one makes an exception with its stack, for each write of the daemon.
  const cancel = clock.timer(ms, resolve);
  try {
    await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

/** Parts of a watchdog's time that have to pass, and how many may do so late. */
const watchdogParts = 5;
const watchdogLateParts = 15;

/**
 * Calls back once after `ms` in which this thread had its turn; gives the way to cancel. Time for which it stood still (the process was stopped, or got no processor) does not count, since what
 * is waited for may have come meanwhile: timers fire before it is looked at. Where the thread is late again and again it is called back all the same, after six times as long at least.
 */
export function watchdog(clock: Clock, ms: number, callback: () => void): () => void {
  const partMs = ms / watchdogParts;
  let [left, lateLeft] = [watchdogParts, watchdogLateParts];
  let cancel = (): void => {};
  const wait = (): void => {
    const from = clock.monotonic();
    cancel = clock.timer(partMs, () => {
      if (clock.monotonic() - from < 2 * partMs) left--;
      else lateLeft--;
      if (left > 0 && lateLeft > 0) wait();
      else callback();
    });
  };
  wait();
  return () => cancel();
}

/** Time that several steps share, one after the other. It does not run before it is begun. */
export class Countdown {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #ms: number;
  #from: number | undefined;

  constructor(clock: Pick<Clock, "monotonic">, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** From now on it runs. Idempotent. */
  begin(): void {
    this.#from ??= this.#clock.monotonic();
  }

  /** What is left, milliseconds. */
  get leftMs(): number {
    return this.#from === undefined ? this.#ms : Math.max(0, this.#from + this.#ms - this.#clock.monotonic());
  }
}

/** A signal that aborts after `ms`, or with its parent. To be cancelled when what it limits is done. */
export function deadline(clock: Clock, ms: number, parent: AbortSignal): { readonly signal: AbortSignal; cancel(): void } {
  const own = new AbortController();
  const stopTimer = clock.timer(ms, () => own.abort(new Error(`not done within ${ms} ms`)));
  // AbortSignal.any costs several times as much, and leaves weak references to be collected.
  const follow = (): void => own.abort(parent.reason);
  if (parent.aborted) follow();
  else parent.addEventListener("abort", follow, { once: true });
  const cancel = (): void => {
    stopTimer();
    parent.removeEventListener("abort", follow);
  };
  return { signal: own.signal, cancel };
}
