/** Takes profiles, one at a time and of bounded length, and gives them up when nobody waits for them any more. */
import type { Readable } from "node:stream";
import { sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { ProfiledThread, Recording } from "./profiled-threads.ts";

/** What can be recorded over some time: where the time goes, what is allocated and kept, all that is allocated. */
export type ProfileKind = "cpu" | "heap" | "allocs";

/** Why there is no profile, in words for who asked, and as a status of HTTP. */
export class ProfileRefusal extends Error {
  override readonly name = "ProfileRefusal";
  readonly status: number;
  /** After so many seconds it may be had. */
  readonly retryAfter: number | undefined;

  constructor(status: number, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** A recording goes on for so long if nobody says how long, and at most, seconds. */
export const [defaultSeconds, maxSeconds] = [30, 300];
/** A larger heap is not written down whole, bytes: it would take as much memory twice over, and stop its thread for many seconds. */
export const maxSnapshotHeap = 512 * 1024 * 1024;
/** A thread that is at work answers at once; one that hangs in something that can not be interrupted is not waited for, milliseconds. */
const threadAnswersMs = 30_000;
/** A snapshot takes as long as the heap is large, milliseconds. */
const snapshotMs = 120_000;

/** What is needed for that. */
export interface ProfilesOptions {
  /** Those there are now. */
  readonly threads: () => readonly ProfiledThread[];
  readonly clock: Clock;
}

/** Takes profiles. */
export class Profiles {
  readonly #options: ProfilesOptions;
  /** When what is under way ends, monotonic milliseconds; undefined: nothing is. */
  #busyUntil: number | undefined;

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  /** Names of the threads, the main one first. */
  get threads(): readonly string[] {
    return this.#options.threads().map(({ name }) => name);
  }

  /**
   * Records for so long, and gives the profile as JSON: a .cpuprofile or a .heapprofile.
   * @throws ProfileRefusal if another one is under way (409), there is no such thread (404), it does not answer or ends meanwhile (503), or can not be asked for that (400); whatever it is if the signal aborts, when nothing goes on.
   */
  async record(kind: ProfileKind, threadName: string, seconds: number, signal: AbortSignal): Promise<string> {
    const thread = this.#thread(threadName);
    const start = kind === "allocs" ? thread.allocations : () => thread[kind]();
    if (!start) throw new ProfileRefusal(400, `thread: all allocations can be had of the main thread only; of ${threadName} there is what it keeps, kind "heap"`);
    return this.#alone(seconds, () => this.#recordOn(start, seconds, signal));
  }

  /**
   * Takes all of a thread's heap; `use` gets it while nothing else is taken.
   * @throws ProfileRefusal as `record` does, and if the heap is too large (413).
   */
  async snapshot(threadName: string, use: (snapshot: Readable) => Promise<void>): Promise<void> {
    const thread = this.#thread(threadName);
    await this.#alone(0, async () => {
      const used = await this.#answered(thread.heapUsed(), () => {});
      if (used > maxSnapshotHeap) throw new ProfileRefusal(413, `thread: the heap of ${threadName} has ${mebibytes(used)} MiB; a snapshot is taken of ${mebibytes(maxSnapshotHeap)} MiB at most, since it takes as much memory twice over. Take the kind "heap" instead`);
      const snapshot = await this.#answered(thread.snapshot(), (late) => void late.destroy(), snapshotMs);
      try {
        await use(snapshot);
      } finally {
        snapshot.destroy();
      }
    });
  }

  #thread(wanted: string): ProfiledThread {
    const thread = this.#options.threads().find(({ name }) => name === wanted);
    if (!thread) throw new ProfileRefusal(404, `thread: there is none of that name; there are ${this.threads.join(", ")}`);
    return thread;
  }

  async #alone<T>(seconds: number, work: () => Promise<T>): Promise<T> {
    const now = this.#options.clock.monotonic();
    if (this.#busyUntil !== undefined) {
      const left = Math.max(1, Math.ceil((this.#busyUntil - now) / 1000));
      throw new ProfileRefusal(409, `another profile is being taken; it ends in about ${left} s`, left);
    }
    this.#busyUntil = now + seconds * 1000;
    try {
      return await work();
    } finally {
      this.#busyUntil = undefined;
    }
  }

  async #recordOn(start: () => Promise<Recording>, seconds: number, signal: AbortSignal): Promise<string> {
    const recording = await this.#answered(start(), (late) => void late.discard().catch(() => {}));
    await sleep(this.#options.clock, seconds * 1000, signal);
    if (signal.aborted) {
      await this.#answered(recording.discard(), () => {});
      signal.throwIfAborted();
    }
    return this.#answered(recording.stop(), () => {});
  }

  /** @param tooLate is given what comes when it is not waited for any more. */
  async #answered<T>(answer: Promise<T>, tooLate: (value: T) => void, withinMs = threadAnswersMs): Promise<T> {
    const late = Promise.withResolvers<never>();
    const cancel = this.#options.clock.timer(withinMs, () => {
      answer.then(tooLate, () => {});
      late.reject(new ProfileRefusal(503, "the thread does not answer"));
    });
    try {
      return await Promise.race([answer, late.promise]);
    } catch (error) {
      if (error instanceof ProfileRefusal) throw error;
      throw new ProfileRefusal(503, `the thread gives none: ${messageOf(error)}`);
    } finally {
      cancel();
    }
  }
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
