/** Books whole lives of workspaces: when what happened to each of its pod, on a bare watch, and to its status, with a subscriber; and how much of that was the manager's time. */
import { asObject, objectAt, stringAt } from "../../domain/json.ts";
import type { JsonObject } from "../../domain/json.ts";
import { labels } from "../../domain/names.ts";
import { runningPhase } from "./frame.ts";
import { Lives } from "./lives.ts";
import type { Life, LifeCounts } from "./lives.ts";

/** What the cluster did with a workspace's pod, one after the other. */
export const podSteps = ["added", "admitted", "up", "deleted", "ended"] as const;
/** `admitted`: the kubelet begins with its containers; `up`: they run; `deleted`: its end was asked for; `ended`: no container runs any more. */
export type PodStep = (typeof podSteps)[number];

/** When things happened to a workspace, milliseconds on one clock; what has not happened is not there. */
export type LifeTimes = Readonly<Partial<Record<PodStep | "startDue" | "running" | "stopDue" | "stopped", number>>>;

/** What the node daemon was made to take, milliseconds. */
export interface NodeDaemonTimes {
  readonly initMs: number;
  readonly disposeMs: number;
}

/** How long a start and a stop took, and how much of it neither cluster nor node daemon took, milliseconds. Undefined where something is not known. */
export interface LifeDelays {
  readonly start: number | undefined;
  readonly startOverhead: number | undefined;
  readonly stop: number | undefined;
  readonly stopOverhead: number | undefined;
}

/**
 * Takes a life apart. At a start the node daemon can work from when the pod was admitted, beside the kubelet: the later of the two counts. At a stop it can from when no container runs any more.
 */
export function delaysOf({ startDue, added, admitted, up, running, stopDue, deleted, ended, stopped }: LifeTimes, { initMs, disposeMs }: NodeDaemonTimes): LifeDelays {
  const ready = up === undefined || admitted === undefined ? undefined : Math.max(up, admitted + initMs);
  const over = ended === undefined ? undefined : ended + disposeMs;
  return { start: apart(startDue, running), startOverhead: sum(apart(startDue, added), apart(ready, running)), stop: apart(stopDue, stopped), stopOverhead: sum(apart(stopDue, deleted), apart(over, stopped)) };
}

function apart(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : to - from;
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

/** A pod in a line of a watch. */
export interface SeenPod {
  /** Of the workspace. */
  readonly id: string;
  readonly uid: string;
  /** How far it has come, by its state alone. */
  readonly steps: readonly PodStep[];
}

/** What a line of a watch of pods tells; undefined for one that is about no workspace. */
export function seenPod(line: string): SeenPod | undefined {
  const parsed: unknown = JSON.parse(line);
  const pod = objectAt(asObject(parsed) ?? {}, "object");
  const metadata = objectAt(pod, "metadata");
  const id = stringAt(objectAt(metadata, "labels"), labels.workspaceId);
  if (!pod || !metadata || id === undefined) return undefined;
  return { id, uid: stringAt(metadata, "uid") ?? "", steps: stepsOf(metadata, objectAt(pod, "status")) };
}

function stepsOf(metadata: JsonObject, status: JsonObject | undefined): readonly PodStep[] {
  const containers = status?.["containerStatuses"];
  const states = Array.isArray(containers) ? containers.map((container: unknown) => objectAt(asObject(container) ?? {}, "state") ?? {}) : [];
  const deleted = metadata["deletionTimestamp"] !== undefined;
  const ended = states.length > 0 && states.every((state) => state["terminated"] !== undefined);
  return [
    "added", ...(states.length > 0 ? ["admitted" as const] : []), ...(states.some((state) => state["running"] !== undefined) ? ["up" as const] : []),
    ...(deleted ? ["deleted" as const] : []), ...(deleted && ended ? ["ended" as const] : []),
  ];
}

/** What a status said at the end. */
export interface Ending {
  /** conditions.failed. */
  readonly failed: string;
  /** conditions.final_backup_complete. */
  readonly backedUp: boolean;
}

/** One life. */
export interface BookedLife {
  readonly times: LifeTimes;
  readonly ending: Ending | undefined;
  /** Pods that there were. */
  readonly pods: number;
  /** Resolve when it was told as RUNNING, and as STOPPED. */
  readonly running: Promise<void>;
  readonly stopped: Promise<void>;
}

class Entry implements BookedLife {
  times: LifeTimes;
  ending: Ending | undefined;
  readonly uids = new Set<string>();
  readonly life: Life;
  readonly #running = Promise.withResolvers<void>();

  constructor(life: Life, startDue: number) {
    this.life = life;
    this.times = { startDue };
  }

  get pods(): number {
    return this.uids.size;
  }

  get running(): Promise<void> {
    return this.#running.promise;
  }

  get stopped(): Promise<void> {
    return this.life.stopped;
  }

  /** The first time counts. */
  at(step: keyof LifeTimes, when: number): void {
    this.times = { [step]: when, ...this.times };
    if (step === "running") this.#running.resolve();
  }
}

/** The book. It has as many entries as were begun. */
export class LifeBook {
  readonly #entries = new Map<string, Entry>();
  readonly #lives = new Lives();

  /** What was wrong with the ends that were told. */
  get ends(): LifeCounts {
    return this.#lives.counts;
  }

  /** All of them, by the workspaces' IDs. */
  get all(): ReadonlyMap<string, BookedLife> {
    return this.#entries;
  }

  /** A start is due. */
  begin(id: string, startDue: number): BookedLife {
    const entry = new Entry(this.#lives.begin(id), startDue);
    this.#entries.set(id, entry);
    return entry;
  }

  /** A stop is due: from now on STOPPED is expected. */
  stopping(id: string, stopDue: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.life.deleted = true;
    entry.at("stopDue", stopDue);
  }

  /** A line of the watch came. */
  pod({ id, uid, steps }: SeenPod, at: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.uids.add(uid);
    for (const step of steps) entry.at(step, at);
  }

  /** Whether a workspace is in the book. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** A status came. @param ending what it says of the end; needed of STOPPED only. */
  status(id: string, phase: number, at: number, ending: () => Ending): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#lives.take(id, phase);
    if (phase === runningPhase) entry.at("running", at);
    if (!entry.life.isStopped) return;
    entry.at("stopped", at);
    entry.ending ??= ending();
  }
}
