/** When which workspace is due: told exactly then, for tens of thousands of them, without looking at them all (spec: lifecycle, Timeouts). */
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { TimeHeap } from "../../domain/heap.ts";
import type { Log } from "../../domain/log.ts";

/** What it works with. */
export interface DeadlinesOptions {
  /** A key is due: its time has come by the wall clock, and it is set no more. May set it again, and others. */
  readonly onDue: (key: string, dueAt: number) => void;
  /** The wall clock is looked at as often at least, milliseconds: timers run by the other clock, and do not know when it is set. */
  readonly recheckMs: number;
  /**
   * The wall clock has moved so many milliseconds further than the monotonic one, or back, since it was told last (or since the beginning); told from a minute on, before anything is told
   * as due. Here one may set new times.
   */
  readonly onJump?: (byMs: number) => void;
  /** Nothing was done for so many milliseconds, a minute at least, as the process was stopped; told like a jump. */
  readonly onPause?: (lateMs: number) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** A time at which a key is looked at: the one that it is due at, or an earlier one. */
interface Entry {
  readonly at: number;
  readonly key: string;
}

/** When a key is due, and the one entry that counts for it. */
interface Due {
  at: number;
  readonly entry: Entry;
}

/** Clocks that differ by less say nothing, milliseconds. */
const jumpMs = 60_000;
/** Keys looked at in a row; then the event loop has its turn. */
const atOnce = 256;
/** Entries that do not count are taken out when there are more of them than of others, and more than this. */
const leastStale = 64;

/** Times by key. */
export class Deadlines {
  readonly #options: DeadlinesOptions;
  readonly #due = new Map<string, Due>();
  readonly #heap = new TimeHeap<Entry>();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  /** Wall clock less monotonic clock. */
  #difference: number;
  #closed = false;

  constructor(options: DeadlinesOptions) {
    this.#options = options;
    this.#difference = options.clock.now() - options.clock.monotonic();
  }

  /** Keys with a time. */
  get size(): number {
    return this.#due.size;
  }

  /** What is kept in memory for them, stale entries included: at most twice as many, and a few. */
  get entries(): number {
    return this.#heap.size;
  }

  /** When a key is due, Unix milliseconds; undefined: never. */
  get(key: string): number | undefined {
    return this.#due.get(key)?.at;
  }

  /** Sets when a key is due; undefined or not finite: never. A later time than before costs nothing until the earlier one has come. */
  set(key: string, dueAt: number | undefined): void {
    if (this.#closed) return;
    const due = this.#due.get(key);
    if (dueAt === undefined || !Number.isFinite(dueAt)) {
      if (due && this.#due.delete(key)) this.#compact();
      return;
    }
    if (due && dueAt >= due.entry.at) {
      due.at = dueAt;
      return;
    }
    const entry = { at: dueAt, key };
    this.#due.set(key, { at: dueAt, entry });
    this.#heap.push(entry);
    this.#compact();
    if (this.#heap.peek() === entry) this.#schedule();
  }

  /** Tells nothing any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#due.clear();
    this.#heap.keep(() => false);
  }

  /** Has a timer run for the earliest entry, if none does that fires soon enough. */
  #schedule(): void {
    const { clock, recheckMs } = this.#options;
    const next = this.#heap.peek();
    if (!next || this.#closed) return;
    const now = clock.monotonic();
    const at = now + Math.min(recheckMs, Math.max(0, Math.ceil(next.at - clock.now())));
    if (this.#timer && this.#timer.at <= at) return;
    this.#timer?.cancel();
    this.#timer = { at, cancel: clock.timer(at - now, () => this.#fire(at)) };
  }

  #fire(expectedAt: number): void {
    this.#timer = undefined;
    try {
      this.#compareClocks(expectedAt);
      this.#tellDue();
    } finally {
      this.#schedule();
    }
  }

  /** Tells what is due, some at a time. What throws keeps nobody else from being told. */
  #tellDue(): void {
    const { clock, onDue, log } = this.#options;
    for (let looked = 0; looked < atOnce; looked++) {
      const next = this.#heap.peek();
      if (this.#closed || !next || next.at > clock.now()) return;
      const due = this.#take();
      if (!due) continue;
      try {
        onDue(due.key, due.at);
      } catch (error) {
        log.error({ key: due.key, error: messageOf(error) }, "what is due could not be dealt with");
      }
    }
  }

  /** Takes the earliest entry. Gives it if its key is due then; it is put off if that was moved, and dropped if it does not count any more. */
  #take(): Entry | undefined {
    const entry = this.#heap.pop();
    const due = entry && this.#due.get(entry.key);
    if (!due || due.entry !== entry) return undefined;
    if (due.at === entry.at) {
      this.#due.delete(entry.key);
      return entry;
    }
    const later = { at: due.at, key: entry.key };
    this.#due.set(entry.key, { at: due.at, entry: later });
    this.#heap.push(later);
    return undefined;
  }

  #compareClocks(expectedAt: number): void {
    const { clock, onJump, onPause, log } = this.#options;
    const tell = (hook: ((ms: number) => void) | undefined, ms: number): void => {
      try {
        hook?.(ms);
      } catch (error) {
        log.error({ error: messageOf(error) }, "a jump of the clock could not be dealt with");
      }
    };
    const difference = clock.now() - clock.monotonic();
    const jumped = difference - this.#difference;
    if (Math.abs(jumped) > jumpMs) {
      this.#difference = difference;
      tell(onJump, jumped);
    }
    const late = clock.monotonic() - expectedAt;
    if (late > jumpMs) tell(onPause, late);
  }

  /** Takes out the entries that do not count, once they are the most: constant time per call in the long run. */
  #compact(): void {
    if (this.#heap.size - this.#due.size <= Math.max(leastStale, this.#due.size)) return;
    this.#heap.keep((entry) => this.#due.get(entry.key)?.entry === entry);
  }
}
