/** Keeps a sink up to date with one kind of objects: a list, then watches without end, through every failure of the API server and the network. */
import { Backoff } from "../../domain/backoff.ts";
import type { Clock } from "../../domain/clock.ts";
import { sleep } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { Requester } from "./client.ts";
import { failure } from "./client.ts";
import type { KubeError } from "./errors.ts";
import { toKubeError } from "./errors.ts";
import { LineSplitter } from "./lines.ts";
import { listInto } from "./list.ts";
import { ResumePoint } from "./resume.ts";
import type { ReflectorSink } from "./sink.ts";
import { readWatchLine } from "./watchlines.ts";

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

/** Times in milliseconds, sizes in bytes. */
export interface ReflectorLimits {
  /** Items of a page. Default 500. */
  readonly pageSize: number;
  /** Silence within a page of a list. Default 30,000. */
  readonly listIdleMs: number;
  /** Silence on a watch, after which it is started anew. Bookmarks come about every minute, but not for Events and other objects without a watch cache. Default 90,000. */
  readonly silenceMs: number;
  /** A watch that ran for so long worked: delays start from the shortest again. Default 1,000. */
  readonly steadyMs: number;
  /** Delays between attempts: from here, default 200, … */
  readonly backoffBaseMs: number;
  /** … to here: default 10,000. */
  readonly backoffMaxMs: number;
  /** How long the sink may take to say what has taken effect, before the watch continues at the last version known for sure. Default 30,000. */
  readonly settleMs: number;
  /** The server is asked to end a watch after so many seconds, from here, default 270, … */
  readonly watchSeconds: number;
  /** … plus a random number up to this, default 40, so that not all watches of a cluster end at once. */
  readonly watchSecondsSpread: number;
  /** Longest line and longest item. Default 16 MiB. */
  readonly maxObjectBytes: number;
  /**
   * After so many watches in a row without a single line or bookmark the list is read again. Default 3. An API server whose store was set back (etcd restored from a backup)
   * accepts a watch at a version that lies in its future, and says nothing on it.
   */
  readonly quietWatches: number;
  /** A list that is older than what was seen is refused so many times. Default 5. */
  readonly staleTries: number;
}

const defaults: ReflectorLimits = {
  pageSize: 500,
  listIdleMs: 30_000,
  silenceMs: 90_000,
  steadyMs: 1_000,
  backoffBaseMs: 200,
  backoffMaxMs: 10_000,
  settleMs: 30_000,
  watchSeconds: 270,
  watchSecondsSpread: 40,
  maxObjectBytes: 16 << 20,
  quietWatches: 3,
  staleTries: 5,
};

/** Kinds of failure that are logged in a row of them. */
const maxKindsTold = 10;

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
  readonly #backoff: Backoff;
  readonly #resume: ResumePoint;
  #lastEventAt: number | undefined;
  #synced = false;
  /** Objects were handed over since the last bookmark: only the sink knows up to where they have taken effect. */
  #unconfirmed = false;
  /** Watches in a row that ended, without an error, before they were steady. */
  #quickEnds = 0;
  /** The running watch has been up for steadyMs. */
  #steady = false;
  /** It has brought a line or a bookmark. */
  #spoke = false;
  /** Steady watches in a row that brought nothing. */
  #quiet = 0;
  #failing: { readonly since: number; attempts: number; readonly told: Set<string> } | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
    this.#backoff = new Backoff({ baseMs: this.#limits.backoffBaseMs, maxMs: this.#limits.backoffMaxMs, random: options.random });
    this.#resume = new ResumePoint(this.#limits.staleTries);
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
    while (!signal.aborted) {
      try {
        if (this.#resume.version === undefined) await this.#list(signal);
        await this.#watch(signal);
        await this.#afterClose(signal);
      } catch (error) {
        if (!signal.aborted) await this.#afterError(toKubeError(error), signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, clock, path, sink, log } = this.#options;
    const { pageSize, maxObjectBytes, listIdleMs } = this.#limits;
    const from = clock.monotonic();
    const accept = (version: string): boolean => {
      const setBack = this.#resume.acceptList(version);
      if (setBack) log.warn({ path, resourceVersion: version }, "the API server's store was set back; taking over its state");
      return setBack;
    };
    const heard = (): void => this.#heard();
    const version = await listInto({ client, clock, path, query: this.#selectors(), sink, signal, pageSize, maxItemBytes: maxObjectBytes, idleMs: listIdleMs, accept, heard });
    this.#resume.listed(version);
    this.#unconfirmed = false;
    this.#announce(from, signal);
  }

  #announce(from: number, signal: AbortSignal): void {
    const { sink, clock, hooks, log } = this.#options;
    const first = !this.#synced;
    this.#synced = true;
    const announce = (): void => {
      if (signal.aborted) return;
      hooks?.onListed?.((clock.monotonic() - from) / 1000);
      if (first) hooks?.onSynced?.();
    };
    sink.settled().then(announce, (error: unknown) => log.error({ error: messageOf(error) }, "a list did not take effect"));
  }

  /** One watch, from its request to its end. Resolves if the server closed it, throws otherwise. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { client, clock, path, random } = this.#options;
    const { watchSeconds, watchSecondsSpread, maxObjectBytes, silenceMs, steadyMs } = this.#limits;
    const timeoutSeconds = watchSeconds + Math.floor(random() * (watchSecondsSpread + 1));
    const query = { ...this.#selectors(), watch: "1", allowWatchBookmarks: "true", resourceVersion: this.#resume.version, timeoutSeconds: String(timeoutSeconds) };
    let cancel: (() => void) | undefined;
    this.#steady = false;
    this.#spoke = false;
    try {
      const response = await client.request({ method: "GET", path, query, signal });
      if (response.status !== 200) throw await failure(response, clock);
      cancel = clock.timer(steadyMs, () => this.#works());
      const splitter = new LineSplitter((line) => this.#line(line), maxObjectBytes);
      // Half a line at the end stays in the splitter and is dropped with it: the next watch sends the event again.
      await response.body.pump((chunk) => splitter.push(chunk), silenceMs);
      this.#restarts("closed", signal);
    } catch (error) {
      this.#restarts(endOf(toKubeError(error)), signal);
      throw error;
    } finally {
      cancel?.();
      await this.#settle(signal);
    }
  }

  #line(line: Uint8Array): void | Promise<void> {
    this.#heard();
    this.#spoke = true;
    const event = readWatchLine(line);
    if (event.kind === "error") throw event.error;
    if (event.kind === "bookmark") {
      this.#resume.bookmark(event.resourceVersion);
      this.#unconfirmed = false;
      return undefined;
    }
    this.#unconfirmed = true;
    return this.#options.sink.line(line);
  }

  #heard(): void {
    this.#lastEventAt = this.#options.clock.now();
  }

  #restarts(end: WatchEnd, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#options.hooks?.onWatchRestart?.(end);
    if (this.#spoke) this.#quiet = 0;
    else if (this.#steady && (end === "closed" || end === "silence")) this.#quiet++;
    if (this.#quiet >= this.#limits.quietWatches) this.#relist("quiet");
  }

  /** Learns from the sink where to continue. If it does not say in time, the watch continues earlier and events come twice, which a sink must bear anyway. */
  async #settle(signal: AbortSignal): Promise<void> {
    if (!this.#unconfirmed || signal.aborted) return;
    this.#unconfirmed = false;
    const { sink, clock, log } = this.#options;
    const done = new AbortController();
    const settled = sink.settled().catch((error: unknown) => {
      log.error({ error: messageOf(error) }, "the sink of a watch failed");
      return undefined;
    });
    const version = await Promise.race([settled, sleep(clock, this.#limits.settleMs, AbortSignal.any([signal, done.signal]))]);
    done.abort();
    if (typeof version === "string") this.#resume.reached(version);
  }

  /** A watch has been up for a while. */
  #works(): void {
    this.#steady = true;
    this.#backoff.reset();
    this.#quickEnds = 0;
    if (!this.#failing) return;
    const { since, attempts } = this.#failing;
    this.#failing = undefined;
    this.#options.log.info({ path: this.#options.path, attempts, seconds: Math.round((this.#options.clock.monotonic() - since) / 1000) }, "watching again");
  }

  /** The server closed the watch: the next one starts at once, unless they end at once again and again. */
  async #afterClose(signal: AbortSignal): Promise<void> {
    if (this.#quickEnds++ > 0) await sleep(this.#options.clock, this.#backoff.next(), signal);
  }

  async #afterError(error: KubeError, signal: AbortSignal): Promise<void> {
    const reason = this.#resume.version === undefined ? undefined : relistReason(error);
    if (reason !== undefined) {
      this.#relist(reason);
      // A version that expired is no failure: list at once.
      if (reason === "expired" && this.#quickEnds++ === 0) return;
    }
    this.#fails(error);
    const { clock, random } = this.#options;
    const asked = (error.retryAfterMs ?? 0) * (1 + random() / 10);
    await sleep(clock, Math.max(this.#backoff.next(), asked), signal);
  }

  #relist(reason: RelistReason): void {
    this.#quiet = 0;
    this.#resume.forget();
    this.#options.hooks?.onRelist?.(reason);
  }

  /** Logs the first failure of a row, and the first of each other kind; the row's end is logged when a watch is up again. */
  #fails(error: KubeError): void {
    const { log, path, clock } = this.#options;
    const kind = `${error.status}/${error.reason}`;
    this.#failing ??= { since: clock.monotonic(), attempts: 0, told: new Set() };
    this.#failing.attempts++;
    if (this.#failing.told.has(kind) || this.#failing.told.size === maxKindsTold) {
      log.debug({ path, error: error.message, attempts: this.#failing.attempts }, "watch failed again");
      return;
    }
    this.#failing.told.add(kind);
    log.warn({ path, status: error.status, reason: error.reason, error: error.message }, "watch failed, trying again until it works");
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
