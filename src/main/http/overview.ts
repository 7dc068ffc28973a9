/** What is to be seen of the daemon at a glance, in plain values. Nothing of it names a user or holds a text of a request; it is put together when somebody looks. */
import type { Worker } from "node:worker_threads";
import type { Clock } from "../../domain/clock.ts";
import { runChecks, type Check } from "../../metrics/http.ts";
import type { Overheard } from "../../metrics/overheard.ts";
import type { GcPauses } from "../../metrics/runtime.ts";
import type { ComparisonLevels } from "../../metrics/shadow.ts";
import type { SlowOperation, SlowOperations } from "../../metrics/slow-operations.ts";
import { phaseLabel, typeLabel } from "../../metrics/workspaces.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { takeCensus } from "../state/census.ts";
import type { StateStore } from "../state/store.ts";
import type { Hub } from "../subscriptions/hub.ts";
import { BusyLately, DelayWhileLooking, type Busy, type LoopDelay } from "./looks.ts";

/** `leader`: acts on workspaces. `follower`: another replica does. `bystander`: it is configured to leave them alone. `shadow`: it was started to write nothing. */
export type Role = "leader" | "follower" | "bystander" | "shadow";

/** How far the comparison of a shadow is, and with which manager, an address. */
export type ComparisonLevel = ComparisonLevels & { readonly with: string };

/** A number of something. */
export interface Count {
  readonly name: string;
  readonly count: number;
}

/** Statuses that wait for a subscriber. */
export interface SubscriberLevel {
  /** Its address. */
  readonly client: string;
  readonly pending: number;
  /** Its stream has taken nothing for so long, seconds; 0 if it takes what comes. */
  readonly fullSeconds: number;
}

/** All of it. Times are RFC 3339, sizes bytes. What is not known is missing. */
export interface Overview {
  readonly time: string;
  readonly version: string;
  readonly node: string;
  readonly host: string;
  readonly pid: number;
  readonly namespace: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** What is wrong by the checks of /livez and /readyz. */
  readonly problems: readonly { readonly check: string; readonly problem: string }[];
  readonly role: Role;
  /** Missing where nothing is compared. */
  readonly comparison: ComparisonLevel | undefined;
  /** Who holds the Lease, as far as is known. */
  readonly leaseHolder: string;
  readonly watches: readonly { readonly name: string; readonly ageSeconds: number | undefined }[];
  readonly workspaces: { readonly total: number; readonly phases: readonly Count[]; readonly types: readonly Count[] };
  readonly subscribers: { readonly total: number; readonly pending: number; /** Those with the most that waits; 50 at most. */ readonly longest: readonly SubscriberLevel[] };
  readonly slow: readonly (Omit<SlowOperation, "at"> & { readonly at: string })[];
  readonly pipeline: { readonly waitingLines: number };
  readonly cache: { readonly entries: number; readonly bytes: number };
  readonly memory: { readonly resident: number; readonly heapUsed: number; readonly heapTotal: number; readonly outside: number; /** Of each worker that answered. */ readonly workerHeaps: readonly number[] };
  readonly busy: Busy;
  /** Missing at the first look. */
  readonly eventLoopDelayMs: LoopDelay | undefined;
  readonly gc: readonly GcPauses[];
}

/** What it is put together from. */
export interface OverviewParts {
  readonly version: string;
  readonly host: string;
  readonly namespace: string;
  /** Whether it is configured to act on workspaces. */
  readonly acts: boolean;
  /** What of it is compared, if it is a shadow. */
  readonly shadow?: { readonly comparison: ComparisonLevel | undefined } | undefined;
  readonly leaseHolder: () => string;
  readonly heard: Overheard;
  readonly slow: SlowOperations;
  readonly store: Pick<StateStore, "registry" | "cache">;
  readonly hub: Pick<Hub, "levels">;
  readonly pipeline: Pick<Pipeline, "depth">;
  readonly workers: number;
  readonly threads: () => readonly Pick<Worker, "getHeapStatistics">[];
  readonly checks: readonly Check[];
  readonly clock: Clock;
}

/** Subscribers that are told of by name. */
const maxSubscribers = 50;
/** However many look, it is put together once in this time, milliseconds. */
const freshMs = 1000;
/** A worker that is at work answers within microseconds; one that hangs is not waited for, milliseconds. */
const workerAnswersMs = 250;

/** Puts it together. */
export class OverviewSource {
  readonly #parts: OverviewParts;
  readonly #startedAt: number;
  readonly #startedMonotonic: number;
  readonly #busy: BusyLately;
  readonly #delay: DelayWhileLooking;
  #last: { readonly at: number; readonly overview: Promise<Overview> } | undefined;

  constructor(parts: OverviewParts) {
    const { clock, heard, workers } = parts;
    this.#parts = parts;
    this.#startedAt = clock.now();
    this.#startedMonotonic = clock.monotonic();
    this.#busy = new BusyLately(clock, { count: workers, busyMicros: () => heard.busyMicros() });
    this.#delay = new DelayWhileLooking(clock);
  }

  /** How things stand now, or did at most a second ago. */
  look(): Promise<Overview> {
    const now = this.#parts.clock.monotonic();
    if (!this.#last || now - this.#last.at >= freshMs) this.#last = { at: now, overview: this.#look() };
    return this.#last.overview;
  }

  /** Measures no more. */
  close(): void {
    this.#delay.close();
  }

  async #look(): Promise<Overview> {
    const { version, host, namespace, leaseHolder, heard, slow, store, pipeline, checks, clock } = this.#parts;
    const workerHeaps = await this.#workerHeaps();
    return {
      time: timeText(clock.now()),
      version,
      node: process.version,
      host,
      pid: process.pid,
      namespace,
      startedAt: timeText(this.#startedAt),
      uptimeSeconds: (clock.monotonic() - this.#startedMonotonic) / 1000,
      problems: runChecks(checks).flatMap(({ name, problem }) => (problem === undefined ? [] : [{ check: name, problem }])),
      role: this.#role(),
      comparison: this.#parts.shadow?.comparison,
      leaseHolder: leaseHolder(),
      watches: heard.watchAges().map(([name, ageSeconds]) => ({ name, ageSeconds })),
      workspaces: workspacesOf(store, clock.now()),
      subscribers: subscribersOf(this.#parts.hub),
      slow: slow.all().map((operation) => ({ ...operation, at: timeText(operation.at) })),
      pipeline: { waitingLines: pipeline.depth },
      cache: { entries: store.cache.entries, bytes: store.cache.bytes },
      memory: { ...memoryOf(), workerHeaps },
      busy: this.#busy.look(),
      eventLoopDelayMs: this.#delay.look(),
      gc: heard.metrics.runtime.pauses(),
    };
  }

  #role(): Role {
    if (this.#parts.shadow) return "shadow";
    if (!this.#parts.acts) return "bystander";
    return this.#parts.heard.leads() ? "leader" : "follower";
  }

  async #workerHeaps(): Promise<readonly number[]> {
    const late = Promise.withResolvers<undefined>();
    const cancel = this.#parts.clock.timer(workerAnswersMs, () => late.resolve(undefined));
    // One that ends meanwhile has no heap.
    const ask = (thread: Pick<Worker, "getHeapStatistics">): Promise<number | undefined> => thread.getHeapStatistics().then(({ used_heap_size }) => used_heap_size, () => undefined);
    const heaps = await Promise.all(this.#parts.threads().map((thread) => Promise.race([ask(thread), late.promise])));
    cancel();
    return heaps.filter((heap) => heap !== undefined);
  }
}

function memoryOf(): Omit<Overview["memory"], "workerHeaps"> {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return { resident: rss, heapUsed, heapTotal, outside: external };
}

function workspacesOf({ registry }: Pick<StateStore, "registry">, now: number): Overview["workspaces"] {
  const phases = new Map<number, number>();
  const types = new Map<number, number>();
  let total = 0;
  for (const { phase, type, count } of takeCensus(registry, now).phases) {
    phases.set(phase, (phases.get(phase) ?? 0) + count);
    types.set(type, (types.get(type) ?? 0) + count);
    total += count;
  }
  return { total, phases: named(phases, phaseLabel), types: named(types, typeLabel) };
}

/** In the order of their numbers, which is that of a workspace's life. */
function named(counts: ReadonlyMap<number, number>, name: (number: number) => string): readonly Count[] {
  return [...counts].sort(([a], [b]) => a - b).map(([number, count]) => ({ name: name(number), count }));
}

function subscribersOf(hub: Pick<Hub, "levels">): Overview["subscribers"] {
  const levels = Array.from(hub.levels(), ({ client, pending, fullMs }) => ({ client, pending, fullSeconds: fullMs / 1000 }));
  const longest = levels.toSorted((a, b) => b.pending - a.pending || b.fullSeconds - a.fullSeconds).slice(0, maxSubscribers);
  return { total: levels.length, pending: levels.reduce((sum, { pending }) => sum + pending, 0), longest };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
