/** Makes pods anew that a node refused before they ever ran (spec: lifecycle, "Scheduling"). */
import { LRUCache } from "lru-cache";
import { atMost, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { objectAt, objectsAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { Log } from "../../domain/log.ts";
import { annotations, finalizer } from "../../domain/names.ts";
import { isAlreadyThere, isMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
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

  /** Takes the pod away and makes it anew, after a while. Once it is taken away, nothing keeps the other one from being made. Rejects with KubeErrors before that. */
  async recreate(record: WorkspaceRecord, permit: Permit): Promise<void> {
    const { clock, objects, random, dryRun, note } = this.#options;
    if (dryRun) return;
    const { id, podName } = record.facts;
    const attempt = this.#attempts.get(id) ?? 0;
    this.#attempts.set(id, attempt + 1);
    await sleep(clock, Math.min(backoff.maxMs, backoff.baseMs * backoff.factor ** attempt) * (1 + backoff.jitter * random()), permit.signal);
    permit.check();
    const wish = permit.wish("housekeeping");
    const pod = parseObject(await objects.get(podPath(podName), wish));
    if (!pod || textAt(objectAt(pod, "metadata"), "uid") !== record.uid) return;
    await objects.release(podName, record.uid, wish);
    permit.check();
    note(record, { type: "Normal", reason: "Recreated", message: `the node refused the pod (${textAt(objectAt(pod, "status"), "reason")}): it is made anew` });
    const swap = this.#swap(record, anew(pod));
    this.#between.add(swap);
    await swap.finally(() => this.#between.delete(swap));
  }

  /** Lets no workspace be without a pod, if that can be had within so long (ms). */
  async close(withinMs: number): Promise<void> {
    await atMost(this.#options.clock, withinMs, Promise.allSettled(this.#between));
    this.#closed.abort();
  }

  /** Not ended by anything but its own limit: there is no pod meanwhile that would tell others of the workspace. */
  async #swap(record: WorkspaceRecord, fresh: JsonObject): Promise<void> {
    const { objects, clock, isAwaited, giveUp, seen, log, limitMs } = this.#options;
    const { id, podName, createdAt } = record.facts;
    const wish: Wish = { priority: "finalization", signal: this.#closed.signal };
    try {
      await objects.remove(podPath(podName), record.uid, 0, wish);
      for (;;) {
        try {
          await seen(await objects.create("pods", fresh, wish, { whetherOrNotAnswered: true }));
          return;
        } catch (error) {
          // By an attempt that was not answered, or somebody else's; or it is the old one, which is about to go.
          if (isAlreadyThere(error) && (await this.#isReplaced(podName, record.uid, wish))) return;
          if (!isAwaited(record.uid) || clock.now() - createdAt >= limitMs) throw error;
          log.warn({ id, pod: podName, error: messageOf(error) }, "a pod that a node refused could not be made anew, trying again");
        }
        await sleep(clock, pauseMs, wish.signal);
      }
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      log.error({ id, pod: podName, error: messageOf(error) }, "a pod that a node refused could not be made anew");
      giveUp(record.uid);
    }
  }

  async #isReplaced(podName: string, uid: string, wish: Wish): Promise<boolean> {
    const { objects, seen } = this.#options;
    try {
      const pod = await objects.get(podPath(podName), wish);
      if (textAt(objectAt(parseObject(pod), "metadata"), "uid") === uid) return false;
      await seen(pod);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }
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
