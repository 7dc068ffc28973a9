/** Watches: who is told of which change, in what form, and what ends a watch. */
import type { Clock } from "../../domain/clock.ts";
import type { ChangeType } from "../contract.ts";
import type { Form } from "./accept.ts";
import { ApiError, expired } from "./errors.ts";
import type { Change } from "./history.ts";
import { selects } from "./listing.ts";
import type { ListOptions } from "./options.ts";
import { apiVersionOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";
import type { Responder } from "./responder.ts";
import type { ObjectStore } from "./store.ts";
import { metadataOf, tableOf } from "./table.ts";
import type { RowObject } from "./table.ts";
import { Version } from "./version.ts";
import type { Bytes } from "./version.ts";

/** Bounds of watches. */
export interface WatchLimits {
  /** Most watches at a time; more are refused with 429. */
  readonly watches: number;
  /** Most bytes that wait for one watcher; one that is slower loses its connection, and resumes as after any other loss. */
  readonly backlogBytes: number;
  readonly bookmarkIntervalMs: number;
  /** How long a watch lasts that names no timeoutSeconds. */
  readonly timeoutMs: number;
}

/** Most parts of lines that are written as one chunk. */
const partsAtOnce = 96;

/** How a watch is cut by a fault. */
export type Cut = "end" | "reset" | "midLine";

interface Watch {
  readonly type: ResourceType;
  cut(how: Cut): void;
  thaw(): void;
}

/** All running watches. */
export class Watches {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #running = new Set<Watch>();
  #frozen = false;

  constructor(store: ObjectStore, clock: Clock, limits: WatchLimits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Whether watches are silent at present. */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** Starts a watch on an answer that nothing was written to. Throws ApiError 429 if there are too many. */
  start(type: ResourceType, options: ListOptions, form: Form, rows: RowObject, answer: Responder): void {
    if (this.#running.size >= this.#limits.watches) throw new ApiError(429, "TooManyRequests", "too many watches", { retryAfterSeconds: 1 });
    const render = new Renderer(type, form, rows, this.#clock);
    const watch = new RunningWatch({ store: this.#store, clock: this.#clock, limits: this.#limits, frozen: () => this.#frozen }, type, options, render, answer);
    this.#running.add(watch);
    answer.onClose(() => this.#running.delete(watch));
    watch.begin();
  }

  /** Cuts the watches of a resource, or all. Gives their number. */
  cut(how: Cut, resource?: string): number {
    const chosen = [...this.#running].filter((watch) => resource === undefined || watch.type.plural === resource);
    for (const watch of chosen) watch.cut(how);
    return chosen.length;
  }

  /** Silences all watches, bookmarks too; what happens meanwhile waits within the limit for slow watchers. */
  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const watch of this.#running) watch.thaw();
  }
}

/** Gives changes the form that the watcher asked for. Plain JSON is shared by all watchers. */
class Renderer {
  readonly #type: ResourceType;
  readonly #form: Form;
  readonly #rows: RowObject;
  readonly #clock: Clock;
  /** Tables bring their columns once. */
  #definitions = true;

  constructor(type: ResourceType, form: Form, rows: RowObject, clock: Clock) {
    this.#type = type;
    this.#form = form;
    this.#rows = rows;
    this.#clock = clock;
  }

  line(change: ChangeType, version: Version): Bytes {
    if (this.#form === "json") return version.lineAs(change);
    return [toLine(change, this.#form === "metadata" ? metadataOf(version) : this.#table([version], { resourceVersion: version.object.metadata.resourceVersion }))];
  }

  bookmark(resourceVersion: number, initialEnd: boolean): Buffer {
    const metadata = { resourceVersion: String(resourceVersion), ...(initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}) };
    if (this.#form === "table") return toLine("BOOKMARK", this.#table([], metadata));
    if (this.#form === "metadata") return toLine("BOOKMARK", { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata });
    const empty = this.#type.plural === "pods" ? { spec: { containers: null }, status: {} } : {};
    return toLine("BOOKMARK", { kind: this.#type.kind, apiVersion: apiVersionOf(this.#type), metadata, ...empty });
  }

  #table(versions: readonly Version[], metadata: object): object {
    const table = tableOf(this.#type, versions, { ...metadata }, this.#clock.now(), this.#rows, this.#definitions);
    this.#definitions = false;
    return table;
  }
}

function toLine(type: string, object: object): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}

interface WatchDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly limits: WatchLimits;
  frozen(): boolean;
}

/** One watch. */
class RunningWatch implements Watch {
  readonly type: ResourceType;
  readonly #deps: WatchDeps;
  readonly #options: ListOptions;
  readonly #render: Renderer;
  readonly #answer: Responder;
  readonly #stops: (() => void)[] = [];
  /** Lines that wait for the end of this turn of the event loop, so that many changes are one write; and while watches are frozen, for its end. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #flushing: NodeJS.Immediate | undefined;
  #allowance = Number.POSITIVE_INFINITY;

  constructor(deps: WatchDeps, type: ResourceType, options: ListOptions, render: Renderer, answer: Responder) {
    this.#deps = deps;
    this.type = type;
    this.#options = options;
    this.#render = render;
    this.#answer = answer;
  }

  begin(): void {
    this.#answer.open();
    this.#answer.onClose(() => this.#stop());
    const { store, clock, limits } = this.#deps;
    const from = this.#options.resourceVersion;
    if (from !== undefined && this.#resumes(from) && from < store.history.compacted) {
      this.#answer.write([toLine("ERROR", expired(from, store.history.compacted).status())]);
      this.#answer.end();
      return;
    }
    this.#first(from);
    this.#flush();
    // The objects of the beginning may be many; their JSON is the store's own and waits at no cost.
    this.#allowance = limits.backlogBytes + this.#answer.backlog + this.#waitingBytes;
    this.#stops.push(store.listen(this.type, (change) => this.#tell(change)));
    const seconds = this.#options.timeoutSeconds ?? 0;
    const timeout = seconds > 0 ? seconds * 1000 : limits.timeoutMs;
    this.#stops.push(clock.timer(timeout, () => this.cut("end")));
    if (!this.#options.bookmarks) return;
    this.#bookmarkEvery(limits.bookmarkIntervalMs);
    if (timeout > 2000) this.#stops.push(clock.timer(timeout - 2000, () => this.#bookmark(false)));
  }

  cut(how: Cut): void {
    this.#flush();
    this.#stop();
    if (how === "midLine") {
      const line = this.#render.bookmark(this.#deps.store.resourceVersion, false);
      this.#answer.writeAndReset(line.subarray(0, line.length >> 1));
    } else if (how === "reset") this.#answer.reset();
    else this.#answer.end();
  }

  thaw(): void {
    this.#flush();
  }

  #stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    if (this.#flushing) clearImmediate(this.#flushing);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Whether the watch goes on from a version, rather than beginning with the state so far. */
  #resumes(from: number): boolean {
    return from > 0 && this.#options.sendInitialEvents !== true;
  }

  /** The state so far, or the changes since. */
  #first(from: number | undefined): void {
    const { store } = this.#deps;
    if (this.#options.sendInitialEvents === false && !from) return;
    if (from !== undefined && this.#resumes(from)) {
      for (const change of store.history.after(from)) if (change.version.type === this.type) this.#tell(change);
      return;
    }
    for (const version of store.versions(this.type, this.#options.namespace)) if (selects(this.#options, version)) this.#write(this.#render.line("ADDED", version));
    if (this.#options.bookmarks) this.#bookmark(true);
  }

  #tell({ version, previous }: Change): void {
    if (version.resourceVersion <= (this.#options.resourceVersion ?? 0)) return;
    const is = version.change !== "DELETED" && selects(this.#options, version);
    const was = previous !== undefined && selects(this.#options, previous);
    if (is) this.#write(this.#render.line(was ? "MODIFIED" : "ADDED", version));
    else if (was) this.#write(this.#render.line("DELETED", version.change === "DELETED" ? version : lastState(previous, version)));
  }

  #bookmarkEvery(ms: number): void {
    let cancel = (): void => {};
    const next = (): void => {
      cancel = this.#deps.clock.timer(ms, () => {
        this.#bookmark(false);
        next();
      });
    };
    next();
    this.#stops.push(() => cancel());
  }

  #bookmark(initialEnd: boolean): void {
    this.#write([this.#render.bookmark(this.#deps.store.resourceVersion, initialEnd)]);
  }

  #write(line: Bytes): void {
    for (const part of line) {
      this.#waiting.push(part);
      this.#waitingBytes += part.length;
    }
    if (this.#answer.backlog + this.#waitingBytes > this.#allowance) this.cut("reset");
    else this.#flushing ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = undefined;
    if (this.#deps.frozen() || this.#waiting.length === 0) return;
    for (let from = 0; from < this.#waiting.length; from += partsAtOnce) this.#answer.write(this.#waiting.slice(from, from + partsAtOnce));
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}

/** An object that the watcher's selector no longer selects: as it was when it did, at the version of the change. */
function lastState(previous: Version, now: Version): Version {
  const object = { ...previous.object, metadata: { ...previous.object.metadata, resourceVersion: now.object.metadata.resourceVersion } };
  return new Version(previous.type, "DELETED", object, previous);
}
