/**
 * Keeps a sink up to date with one kind of objects: a list, and watches without end, through every failure of the API server and the network.
 * The watch begins as soon as a list tells its resourceVersion, and runs beside its pages: changes do not wait for the list's end.
 */
import type { Clock } from "../../domain/clock.ts";
import { sleep } from "../../domain/clock.ts";
import { compareVersions } from "../../domain/versions.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { Attempts } from "./attempts.ts";
import type { Requester } from "./client.ts";
import type { KubeError } from "./errors.ts";
import { toKubeError } from "./errors.ts";
import { defaultLimits, type ReflectorLimits } from "./limits.ts";
import { listInto } from "./list.ts";
import { ResumePoint } from "./resume.ts";
import type { ReflectorSink } from "./sink.ts";
import { storeVersion } from "./store-check.ts";
import { Watch } from "./watch.ts";

/** Why a list is read again. `quiet`: several watches in a row brought nothing at all. */
export type RelistReason = "expired" | "invalid" | "went-back" | "unreadable" | "quiet";
/** How a watch ended. `refused`: by an HTTP status or an ERROR event. */
export type WatchEnd = "closed" | "silence" | "broken" | "refused" | "expired";

/** Called by the reflector; must not throw. */
export interface ReflectorHooks {
  /** The first complete list has taken effect. Once. */
  onSynced?(): void;
  /** A complete list has taken effect, so many seconds after it was asked for. */
  onListed?(seconds: number): void;
  onRelist?(reason: RelistReason): void;
  onWatchRestart?(end: WatchEnd): void;
}

/** What a reflector is made of. */
export interface ReflectorOptions {
  readonly client: Requester;
  /** Path of the collection, "/api/v1/namespaces/default/pods". */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly sink: ReflectorSink;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly hooks?: ReflectorHooks;
  readonly limits?: Partial<ReflectorLimits>;
}

/** A list and its watches. One run() per object. */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #limits: ReflectorLimits;
  readonly #resume: ResumePoint;
  readonly #lists: Attempts;
  readonly #watches: Attempts;
  #lastEventAt: number | undefined;
  #synced = false;
  /** When the list that is owed may begin, on the monotonic clock; undefined: none is owed that did not tell its version yet. */
  #listDue: number | undefined = 0;
  /** The list that is read, if it has told its version. */
  #list: AbortController | undefined;
  /** The last list was given up because its watch had expired. */
  #gaveUp = false;
  /** The watch that runs, or whose last lines have yet to take effect. */
  #watch: Watch | undefined;
  /** Steady watches in a row that brought nothing. */
  #quiet = 0;
  /** A watch has broken, and since then neither a list nor the store's version was read: the API server may have begun anew, with a store that was set back. */
  #doubted = false;
  /** Resolves when a list may be owed, or a watch may begin, that was not before. */
  #woken = Promise.withResolvers<void>();

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#resume = new ResumePoint(this.#limits.staleTries);
    const { clock, random, log, path } = options;
    const common = { baseMs: this.#limits.backoffBaseMs, maxMs: this.#limits.backoffMaxMs, clock, random, log, path };
    this.#lists = new Attempts({ ...common, what: "list" });
    this.#watches = new Attempts({ ...common, what: "watch" });
  }

  /** When something last came from the API server (part of a list, line, bookmark): Unix milliseconds, undefined before the first. */
  get lastEventAt(): number | undefined {
    return this.#lastEventAt;
  }

  /** How long ago that was, seconds; undefined before the first. */
  get lastEventAgeSeconds(): number | undefined {
    return this.#lastEventAt === undefined ? undefined : Math.max(0, this.#options.clock.now() - this.#lastEventAt) / 1000;
  }

  /** Lists and watches until the signal aborts; resolves then, with all connections closed. Never rejects, never gives up. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake, { once: true });
    await Promise.all([this.#keepListed(signal), this.#keepWatching(signal)]);
    signal.removeEventListener("abort", wake);
  }

  #wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers<void>();
  }

  /** Reads a list whenever one is owed, until one is complete. */
  async #keepListed(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const wait = this.#listDue === undefined ? undefined : this.#listDue - clock.monotonic();
      if (wait === undefined) await this.#woken.promise;
      else if (wait > 0) await sleep(clock, wait, signal);
      else await this.#readList(signal);
    }
  }

  async #readList(signal: AbortSignal): Promise<void> {
    const { client, clock, path, sink } = this.#options;
    const { firstPageSize, pageSize, maxObjectBytes, listIdleMs } = this.#limits;
    const [from, seen, giveUp] = [clock.monotonic(), this.#resume.newest, new AbortController()];
    const accept = (version: string): boolean => this.#accept(version, seen, giveUp);
    const heard = (): void => this.#heard();
    try {
      await listInto({ client, clock, path, query: this.#selectors(), sink, signal: AbortSignal.any([signal, giveUp.signal]), firstPageSize, pageSize, maxItemBytes: maxObjectBytes, idleMs: listIdleMs, accept, heard });
      this.#gaveUp = false;
      this.#lists.works();
      this.#announce(from, signal);
    } catch (error) {
      if (!signal.aborted && !giveUp.signal.aborted) this.#listDue = clock.monotonic() + this.#afterList(toKubeError(error));
    } finally {
      this.#list = undefined;
    }
  }

  #afterList(error: KubeError): number {
    return error.status === 410 ? this.#lists.expired(error) : this.#lists.failed(error);
  }

  /**
   * A list tells its version. From here on everything is known once that list is complete, together with a watch from any version up to this one;
   * the watch that runs has nothing to do with the list, and goes on.
   */
  #accept(version: string, seen: string | undefined, list: AbortController): boolean {
    const { log, path } = this.#options;
    const setBack = this.#resume.acceptList(version, seen);
    if (setBack) {
      log.warn({ path, resourceVersion: version }, "the API server's store was set back; taking over its state");
      // It is one of a history that there is no more.
      this.#watch?.stop();
    }
    if (setBack || !this.#watch) this.#resume.startAt(version);
    this.#doubted = false;
    this.#listDue = undefined;
    this.#list = list;
    this.#wake();
    return setBack;
  }

  #announce(from: number, signal: AbortSignal): void {
    const { sink, clock, hooks, log } = this.#options;
    const first = !this.#synced;
    this.#synced = true;
    const announce = (): void => {
      if (signal.aborted) return;
      if (sink.contradicted) {
        this.#resume.setBack();
        this.#startOver();
      }
      hooks?.onListed?.((clock.monotonic() - from) / 1000);
      if (first) hooks?.onSynced?.();
    };
    sink.settled().then(announce, (error: unknown) => log.error({ error: messageOf(error) }, "a list did not take effect"));
  }

  /** Watches whenever there is a version to begin at. */
  async #keepWatching(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { version } = this.#resume;
      if (version === undefined) {
        await this.#woken.promise;
        continue;
      }
      const wait = await this.#watchFrom(version, signal);
      if (wait > 0) await sleep(this.#options.clock, wait, signal);
    }
  }

  /** One watch. Resolves at its end with how long (ms) to wait before the next one. */
  async #watchFrom(version: string, signal: AbortSignal): Promise<number> {
    const { client, clock, path, random, sink } = this.#options;
    const { watchSeconds, watchSecondsSpread, maxObjectBytes, silenceMs, steadyMs } = this.#limits;
    const timeoutSeconds = watchSeconds + Math.floor(random() * (watchSecondsSpread + 1));
    const over = new AbortController();
    let check: Promise<void> | undefined;
    const watch: Watch = new Watch({
      client, clock, path, signal, silenceMs, steadyMs, maxLineBytes: maxObjectBytes,
      query: { ...this.#selectors(), watch: "1", allowWatchBookmarks: "true", resourceVersion: version, timeoutSeconds: String(timeoutSeconds) },
      line: (line) => sink.line(line),
      bookmark: (at) => this.#resume.bookmark(at),
      heard: () => this.#heard(),
      works: () => {
        this.#watches.works();
        if (this.#doubted) check = this.#checkStore(watch, AbortSignal.any([signal, over.signal]));
      },
    });
    this.#watch = watch;
    const error = await watch.run();
    over.abort();
    await check;
    const end = error ? endOf(error) : "closed";
    if (error && end !== "expired") this.#doubted = true;
    if (!signal.aborted && !watch.stopped) this.#options.hooks?.onWatchRestart?.(end);
    await this.#settle(watch, signal);
    this.#watch = undefined;
    return signal.aborted || watch.stopped ? 0 : this.#afterWatch(watch, end, error);
  }

  /** A watch that works after one that broke tells nothing if the store was set back meanwhile. Never rejects. */
  async #checkStore(watch: Watch, signal: AbortSignal): Promise<void> {
    const { client, clock, path } = this.#options;
    const { maxObjectBytes, listIdleMs } = this.#limits;
    const seen = this.#resume.newest;
    const version = await storeVersion({ client, clock, path, query: this.#selectors(), signal, maxItemBytes: maxObjectBytes, idleMs: listIdleMs });
    if (version === undefined || signal.aborted || watch.stopped) return;
    this.#doubted = false;
    if (seen === undefined || compareVersions(version, seen) >= 0) return;
    this.#startOver();
  }

  /** The store was set back: the watch is one of a history that there is no more. */
  #startOver(): void {
    this.#watch?.stop();
    this.#relist("went-back", 0);
  }

  /** Learns from the sink where to continue. If it does not say in time, the watch continues earlier and events come twice, which a sink must bear anyway. */
  async #settle(watch: Watch, signal: AbortSignal): Promise<void> {
    if (!watch.unconfirmed || watch.stopped || signal.aborted) return;
    const { sink, clock, log } = this.#options;
    const done = new AbortController();
    const settled = sink.settled().catch((error: unknown) => {
      log.error({ error: messageOf(error) }, "the sink of a watch failed");
      return undefined;
    });
    const version = await Promise.race([settled, sleep(clock, this.#limits.settleMs, AbortSignal.any([signal, done.signal]))]);
    done.abort();
    // If the store was found to be set back meanwhile, that version is none of its any more.
    if (typeof version === "string" && !watch.stopped) this.#resume.reached(version);
  }

  #afterWatch(watch: Watch, end: WatchEnd, error: KubeError | undefined): number {
    if (watch.spoke) this.#quiet = 0;
    else if (watch.steady && (end === "closed" || end === "silence")) this.#quiet++;
    const reason = this.#quiet >= this.#limits.quietWatches ? "quiet" : error && relistReason(error);
    if (reason === undefined) return this.#waitAfter(end, error, watch.steady);
    this.#relist(reason, this.#waitAfter(end, error, false));
    return 0;
  }

  #waitAfter(end: WatchEnd, error: KubeError | undefined, steady: boolean): number {
    if (!error) return this.#watches.again(end);
    if (end === "expired") return this.#watches.expired(error);
    // A connection that worked and broke is the usual case, and every moment without one is a change told late.
    return this.#watches.failed(error, steady && (end === "broken" || end === "silence"));
  }

  /** The version that we hold is of no use: a list is owed, that may begin after so many milliseconds. */
  #relist(reason: RelistReason, wait: number): void {
    this.#quiet = 0;
    this.#resume.forget();
    this.#listDue ??= this.#options.clock.monotonic() + wait;
    this.#options.hooks?.onRelist?.(reason);
    // Another list follows the one that is read in any case; but not every one may go that way, or none would be complete if all watches expire.
    if (this.#list && wait === 0 && !this.#gaveUp) {
      this.#gaveUp = true;
      this.#list.abort();
    }
    this.#wake();
  }

  #heard(): void {
    this.#lastEventAt = this.#options.clock.now();
  }

  #selectors(): Record<string, string | undefined> {
    return { labelSelector: this.#options.labelSelector, fieldSelector: this.#options.fieldSelector };
  }
}

function endOf(error: KubeError): WatchEnd {
  if (error.status === 410) return "expired";
  if (error.reason === "Silence") return "silence";
  return error.status === 0 ? "broken" : "refused";
}

/** Errors after which the version that we hold is of no use; undefined for those after which the watch continues there. */
function relistReason(error: KubeError): RelistReason | undefined {
  if (error.status === 410) return "expired";
  if (error.status === 400 || error.status === 422) return "invalid";
  if (error.reason === "WentBack" || (error.status === 504 && error.message.includes("Too large resource version"))) return "went-back";
  return error.reason === "Malformed" || error.reason === "TooLarge" ? "unreadable" : undefined;
}
