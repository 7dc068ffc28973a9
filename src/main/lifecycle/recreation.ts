/** Makes pods anew that a node refused before they ever ran (spec: lifecycle, "Scheduling"). */
import { LRUCache } from "lru-cache";
import { atMost, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { objectAt, objectsAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { Log } from "../../domain/log.ts";
import { annotations, finalizer } from "../../domain/names.ts";
import { compareVersions } from "../../domain/versions.ts";
import { KubeError } from "../kube/errors.ts";
import { isAlreadyThere, isMissing, metadataIn, type KubeObjects, type Wish } from "../kube/objects.ts";
import { isRefused } from "../state/records.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import type { Note, Permit } from "./acting.ts";
import { podPath } from "./pod-writer.ts";

/** What it works with. */
export interface RecreationOptions {
  readonly objects: Pick<KubeObjects, "get" | "create" | "remove" | "release">;
  readonly seen: (pod: Uint8Array) => Promise<void>;
  /** Whether a workspace is still waited for. */
  readonly isAwaited: (uid: string) => boolean;
  /** No pod is going to take the place of this one. */
  readonly giveUp: (uid: string) => void;
  /** timeouts.initialization, milliseconds: so long after its creation a workspace must have got a place. */
  readonly limitMs: number;
  readonly dryRun: boolean;
  readonly note: Note;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Before the n-th attempt: 100 ms, 250 ms, 625 ms, and so on, up to five minutes. */
const backoff = { baseMs: 100, factor: 2.5, jitter: 0.1, maxMs: 5 * 60_000 } as const;
const pauseMs = 1_000;
/** Workspaces whose attempts are counted; the oldest starts anew. */
const maxCounted = 10_000;

/** Recreates pods. */
export class Recreation {
  readonly #options: RecreationOptions;
  /** By workspace: a pod that is made anew is another one. */
  readonly #attempts = new LRUCache<string, number>({ max: maxCounted });
  /** Pods that are gone and not there again yet. */
  readonly #between = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  constructor(options: RecreationOptions) {
    this.#options = options;
  }

  /**
   * Takes the pod away and makes it anew, after a while. Nothing that is written on the pod meanwhile is lost: each step is of the version that was looked at. Rejects with KubeErrors while
   * the pod is there; once it is taken away, nothing keeps the other one from being made.
   */
  async recreate(record: WorkspaceRecord, permit: Permit): Promise<void> {
    const { clock, objects, random, dryRun, seen } = this.#options;
    if (dryRun) return;
    const { podName } = record.facts;
    const attempt = this.#attempts.get(record.facts.id) ?? 0;
    await sleep(clock, Math.min(backoff.maxMs, backoff.baseMs * backoff.factor ** attempt) * (1 + backoff.jitter * random()), permit.signal);
    permit.check();
    const wish = permit.wish("finalization");
    const bytes = await objects.get(podPath(podName), wish);
    const pod = parseObject(bytes);
    if (!pod || uidOf(pod) !== record.uid) return;
    await seen(bytes);
    permit.check();
    // One whose time is over is timed out as it is.
    if (!isRefused(record) || !this.#isWanted(record)) return;
    const resourceVersion = textAt(objectAt(pod, "metadata"), "resourceVersion");
    if (record.resourceVersion === "0" || compareVersions(record.resourceVersion, resourceVersion) < 0) throw changed(podName);
    const swap = this.#swap(record, pod, resourceVersion, permit);
    this.#between.add(swap);
    await swap.finally(() => this.#between.delete(swap));
  }

  /** Lets no workspace be without a pod, if that can be had within so long (ms). */
  async close(withinMs: number): Promise<void> {
    await atMost(this.#options.clock, withinMs, Promise.allSettled(this.#between));
    this.#closed.abort();
  }

  /** Not ended by the permit once the pod may be gone: there is none meanwhile that would tell others of the workspace. */
  async #swap(record: WorkspaceRecord, pod: JsonObject, resourceVersion: string, permit: Permit): Promise<void> {
    const { objects, note } = this.#options;
    const { id, podName } = record.facts;
    const wish: Wish = { ...permit.wish("finalization"), signal: this.#closed.signal };
    try {
      // One that is being deleted goes with its last finalizer.
      const released = await objects.release(podName, record.uid, wish, { resourceVersion });
      if (released) await objects.remove(podPath(podName), record.uid, 0, wish, { resourceVersion: textAt(metadataIn(released), "resourceVersion") });
    } catch (error) {
      if (await this.#isStillThere(record)) throw error;
    }
    this.#attempts.set(id, (this.#attempts.get(id) ?? 0) + 1);
    note(record, { type: "Normal", reason: "Recreated", message: `the node refused the pod (${textAt(objectAt(pod, "status"), "reason")}): it is made anew` });
    await this.#fill(record, anew(pod));
  }

  /** Makes the other pod, as long as the workspace is waited for. Never rejects. */
  async #fill(record: WorkspaceRecord, fresh: JsonObject): Promise<void> {
    const { objects, clock, giveUp, seen, log } = this.#options;
    const { id, podName } = record.facts;
    const wish: Wish = { priority: "finalization", signal: this.#closed.signal };
    let last = "its time for initialization is over";
    while (this.#isWanted(record)) {
      try {
        await seen(await objects.create("pods", fresh, { ...wish, may: () => this.#isWanted(record) }, { whetherOrNotAnswered: true }));
        return;
      } catch (error) {
        // By an attempt that was not answered, or somebody else's; or it is the old one, which is about to go.
        if (isAlreadyThere(error) && (await this.#isReplaced(record, wish))) return;
        last = messageOf(error);
        if (this.#isWanted(record)) log.warn({ id, pod: podName, error: last }, "a pod that a node refused could not be made anew, trying again");
      }
      await sleep(clock, pauseMs, wish.signal);
    }
    // What was not answered may have been done.
    if (this.#closed.signal.aborted || (await this.#isReplaced(record, wish))) return;
    log.error({ id, pod: podName, error: last }, "a pod that a node refused could not be made anew");
    giveUp(record.uid);
  }

  /** Whether a pod may be made yet; by the wall clock, for a process may have been stopped for a while. Nothing follows an end that was told. */
  #isWanted({ uid, stopped, facts }: WorkspaceRecord): boolean {
    const { clock, isAwaited, limitMs } = this.#options;
    return !this.#closed.signal.aborted && !stopped && isAwaited(uid) && clock.now() - facts.createdAt < limitMs;
  }

  /** After a deletion that failed, perhaps without an answer: asked until that is known, or the workspace's time is over. */
  async #isStillThere(record: WorkspaceRecord): Promise<boolean> {
    const wish: Wish = { priority: "finalization", signal: this.#closed.signal };
    while (this.#isWanted(record)) {
      try {
        return uidOf(parseObject(await this.#options.objects.get(podPath(record.facts.podName), wish))) === record.uid;
      } catch (error) {
        if (isMissing(error)) return false;
        await sleep(this.#options.clock, pauseMs, wish.signal);
      }
    }
    return true;
  }

  /** Whether another pod has the name. What can not be known is no. */
  async #isReplaced({ uid, facts }: WorkspaceRecord, wish: Wish): Promise<boolean> {
    const { objects, seen } = this.#options;
    try {
      const pod = await objects.get(podPath(facts.podName), wish);
      if (uidOf(parseObject(pod)) === uid) return false;
      await seen(pod);
      return true;
    } catch {
      return false;
    }
  }
}

function uidOf(pod: JsonObject | undefined): string {
  return textAt(objectAt(pod, "metadata"), "uid");
}

/** What is to be done is to be decided anew. */
function changed(podName: string): KubeError {
  return new KubeError(`pod ${podName} is being changed`, { status: 409, reason: "Conflict" });
}

/** What an API server, its admission and the scheduler have put into a pod's metadata and spec. */
const given = { metadata: ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "selfLink"], spec: ["nodeName", "priority", "preemptionPolicy"] } as const;
/** Volumes of service account tokens that are mounted by default. */
const tokenVolume = /^(kube-api-access|default-token)-/;

/** The pod as it is to be created once more. */
export function anew(pod: JsonObject): JsonObject {
  const metadata = objectAt(pod, "metadata");
  const first = textAt(objectAt(metadata, "annotations"), annotations.firstCreated) || textAt(metadata, "creationTimestamp");
  const known = metadata?.["finalizers"];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...without(metadata, given.metadata),
      annotations: { ...objectAt(metadata, "annotations"), ...(first !== "" && { [annotations.firstCreated]: first }) },
      finalizers: [...new Set([finalizer, ...(Array.isArray(known) ? known.filter((each) => typeof each === "string") : [])])],
    },
    spec: withoutTokens(without(objectAt(pod, "spec"), given.spec)),
  };
}

function without(object: JsonObject | undefined, members: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => !members.includes(name)));
}

function withoutTokens(spec: JsonObject): JsonObject {
  const keep = (each: JsonObject): boolean => !tokenVolume.test(textAt(each, "name"));
  const mounts = (list: string): object => (Array.isArray(spec[list]) ? { [list]: objectsAt(spec, list).map((container) => ({ ...container, ...filtered(container, "volumeMounts", keep) })) } : {});
  return { ...spec, ...filtered(spec, "volumes", keep), ...mounts("containers"), ...mounts("initContainers") };
}

/** The list without some of its entries, if there is one. */
function filtered(object: JsonObject, list: string, keep: (each: JsonObject) => boolean): object {
  return Array.isArray(object[list]) ? { [list]: objectsAt(object, list).filter(keep) } : {};
}
