/** Makes pods anew that a node refused before they ever ran; a placeholder stands for them meanwhile (spec: lifecycle, "Scheduling"). */
import { LRUCache } from "lru-cache";
import { atMost, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { objectAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { Log } from "../../domain/log.ts";
import { labels } from "../../domain/names.ts";
import { workspacePodName } from "../../domain/placeholder.ts";
import { compareVersions } from "../../domain/versions.ts";
import { KubeError } from "../kube/errors.ts";
import { claimPath, isAlreadyThere, isMissing, metadataIn, podPath, unlessMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
import { unknownVersion, type Placeholder, type WorkspaceRecord } from "../state/registry.ts";
import type { Note, Permit } from "./acting.ts";
import { isMadeFor } from "./claim-maker.ts";
import { isQuota } from "./errors.ts";
import { anew, filled, placeholderFor, writtenSince } from "./pod-copies.ts";

/** What it works with. */
export interface RecreationOptions {
  readonly objects: Pick<KubeObjects, "get" | "create" | "remove" | "release" | "annotate">;
  readonly seen: (pod: Uint8Array) => Promise<void>;
  /** Whether a workspace is still waited for. */
  readonly isAwaited: (uid: string) => boolean;
  /** The placeholder does not stand behind the workspace's pod any more. */
  readonly dropped: (record: WorkspaceRecord, placeholder: Placeholder) => void;
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

/** A volume claim that is there. */
interface Claim {
  readonly name: string;
  readonly uid: string;
}

/** Before the n-th attempt: 100 ms, 250 ms, 625 ms, and so on, up to five minutes. */
const backoff = { baseMs: 100, factor: 2.5, jitter: 0.1, maxMs: 5 * 60_000 } as const;
const pauseMs = 1_000;
/** Workspaces whose attempts are counted; the oldest starts anew. */
const maxCounted = 10_000;

/** Recreates pods. What is to be done next stands in the cluster at every moment: any process can go on with it. */
export class Recreation {
  readonly #options: RecreationOptions;
  /** By life, see {@link lifeOf}. */
  readonly #attempts = new LRUCache<string, number>({ max: maxCounted });
  /** Pods that are being made. */
  readonly #filling = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  constructor(options: RecreationOptions) {
    this.#options = options;
  }

  /**
   * Has a placeholder stand for the pod, and takes the pod away, after a while. Nothing that is written on the pod meanwhile is lost: each step is of the version that was looked at.
   * Rejects with KubeErrors.
   */
  async recreate(record: WorkspaceRecord, permit: Permit): Promise<void> {
    const { clock, random, dryRun, note } = this.#options;
    if (dryRun) return;
    const { podName } = record.facts;
    const counted = lifeOf(record);
    const attempt = this.#attempts.get(counted) ?? 0;
    await sleep(clock, Math.min(backoff.maxMs, backoff.baseMs * backoff.factor ** attempt) * (1 + backoff.jitter * random()), permit.signal);
    const wish = permit.wish("finalization");
    const pod = await this.#look(record, "recreatePod", permit);
    if (!pod) return;
    const resourceVersion = versionOf(pod);
    if (record.resourceVersion === unknownVersion || compareVersions(record.resourceVersion, resourceVersion) < 0) throw changed(podName);
    await this.#stand(record, pod, wish);
    permit.check();
    await this.#take(podName, record.uid, resourceVersion, wish);
    this.#attempts.set(counted, attempt + 1);
    note(record, { type: "Normal", reason: "Recreated", message: `the node refused the pod (${textAt(objectAt(pod, "status"), "reason")}): it is made anew` });
  }

  /** Makes the pod that a placeholder stands for; the placeholder stays. Rejects with KubeErrors. @param record of the placeholder. */
  async fill(record: WorkspaceRecord, permit: Permit): Promise<void> {
    if (this.#options.dryRun) return;
    permit.check();
    const placeholder = await this.#look(record, "fillPlaceholder", permit);
    if (!placeholder) return;
    const filling = this.#fill(record, placeholder, permit);
    this.#filling.add(filling);
    await filling.finally(() => this.#filling.delete(filling));
  }

  /** Takes the placeholder away that stands behind a workspace's pod; what was written on it meanwhile is written on the pod. Rejects with KubeErrors. */
  async drop(record: WorkspaceRecord, placeholder: Placeholder, wish: Wish): Promise<void> {
    const { dryRun, dropped } = this.#options;
    if (dryRun) return;
    const stands = await this.#read(placeholder.podName, wish);
    if (stands && uidOf(stands) === placeholder.uid) await this.#dismiss(record, stands, wish);
    dropped(record, placeholder);
  }

  /** Ends the making of pods, if they can be made within so long (ms); what is left of it is begun again by others. */
  async close(withinMs: number): Promise<void> {
    await atMost(this.#options.clock, withinMs, Promise.allSettled(this.#filling));
    this.#closed.abort();
  }

  /** The pod, if that is still to be done, and there is time; undefined otherwise. One whose time is over is timed out as it is. */
  async #look(record: WorkspaceRecord, action: "recreatePod" | "fillPlaceholder", permit: Permit): Promise<JsonObject | undefined> {
    const { objects, seen } = this.#options;
    permit.check();
    const bytes = await objects.get(podPath(record.facts.podName), permit.wish("finalization")).catch(unlessMissing);
    const pod = bytes && parseObject(bytes);
    if (!pod || uidOf(pod) !== record.uid) return undefined;
    await seen(bytes);
    permit.check();
    return record.actions[0]?.action === action && this.#isWanted(record) ? pod : undefined;
  }

  /** One that stands there from before tells less than the pod: it is taken away first. */
  async #stand(record: WorkspaceRecord, pod: JsonObject, wish: Wish): Promise<void> {
    const { objects, seen } = this.#options;
    const placeholder = placeholderFor(anew(pod));
    try {
      await seen(await objects.create("pods", JSON.stringify(placeholder), wish, { whetherOrNotAnswered: true }));
    } catch (error) {
      if (!isAlreadyThere(error)) throw error;
      const podName = textAt(objectAt(placeholder, "metadata"), "name");
      await this.drop(record, { podName, uid: uidOf(await this.#read(podName, wish)) }, wish);
      throw changed(record.facts.podName);
    }
  }

  async #dismiss({ uid, facts: { podName } }: WorkspaceRecord, stands: JsonObject, wish: Wish): Promise<void> {
    const { objects, seen } = this.#options;
    const pod = await this.#read(podName, wish);
    const news = pod && uidOf(pod) === uid ? writtenSince(stands, pod) : undefined;
    if (news) await seen(await objects.annotate({ podName, uid, annotations: news }, wish));
    await this.#take(textAt(objectAt(stands, "metadata"), "name"), uidOf(stands), versionOf(stands), wish);
  }

  /** One that is being deleted goes with its last finalizer. */
  async #take(podName: string, uid: string, resourceVersion: string, wish: Wish): Promise<void> {
    const { objects } = this.#options;
    const released = await objects.release(podName, uid, wish, { resourceVersion });
    if (released) await objects.remove(podPath(podName), uid, 0, wish, { resourceVersion: textAt(metadataIn(released), "resourceVersion") });
  }

  async #fill(record: WorkspaceRecord, placeholder: JsonObject, permit: Permit): Promise<void> {
    const fresh = filled(placeholder);
    const own = permit.wish("finalization");
    // The answer is waited for in any case: nothing may follow the workspace's end.
    const wish: Wish = { priority: "finalization", signal: this.#closed.signal };
    // While it stands others can go on.
    const outcome = await this.#make(record, fresh, { ...wish, may: () => !permit.signal.aborted && own.may?.() !== false }, permit.signal);
    if (outcome !== "refused") return;
    // Once the placeholder is gone, others may start a workspace of that name.
    const claim = await this.#claimOf(fresh, wish);
    // There may be room for one of the two only.
    await this.#take(record.facts.podName, record.uid, versionOf(placeholder), own);
    while (this.#isWanted(record)) {
      if ((await this.#make(record, fresh, wish, wish.signal)) === "made") return;
      await sleep(this.#options.clock, pauseMs, wish.signal);
    }
    // What was not answered may have been done; where that can not be known, others go on looking.
    if (this.#closed.signal.aborted || (await this.#find(record, wish)) !== "gone") return;
    this.#options.log.error({ id: record.facts.id }, "a pod that a node refused could not be made anew");
    if (claim) await this.#removeClaim(claim, wish);
    this.#options.giveUp(record.uid);
  }

  /** Tries to make the pod until it is there, there is no room for it, or it may not be made any more. */
  async #make(record: WorkspaceRecord, fresh: JsonObject, wish: Wish, signal: AbortSignal): Promise<"made" | "refused" | "over"> {
    const { objects, clock, log } = this.#options;
    const may = (): boolean => this.#isWanted(record) && wish.may?.() !== false;
    while (may()) {
      try {
        await this.#made(record, await objects.create("pods", JSON.stringify(fresh), { ...wish, may }, { whetherOrNotAnswered: true }), wish);
        return "made";
      } catch (error) {
        // By an attempt that was not answered, or by another process; or it is the old one, which is about to go.
        if (isAlreadyThere(error) && (await this.#find(record, wish)) === "there") return "made";
        if (!may()) return "over";
        log.warn({ id: record.facts.id, pod: workspacePodName(record.facts.podName), error: messageOf(error) }, "a pod that a node refused could not be made anew, trying again");
        if (isQuota(error)) return "refused";
      }
      await sleep(clock, pauseMs, signal);
    }
    return "over";
  }

  /** The claim of a pod that is to be made, if it was made for it. Never rejects: one that can not be looked at stays. */
  async #claimOf(pod: JsonObject, wish: Wish): Promise<Claim | undefined> {
    const metadata = objectAt(pod, "metadata");
    if (textAt(objectAt(metadata, "labels"), labels.pvcFeature) !== "true") return undefined;
    const name = textAt(metadata, "name");
    const found = await this.#options.objects.get(claimPath(name), wish).catch((error: unknown) => (isMissing(error) ? undefined : this.#claimStays(name, error)));
    const claim = found && metadataIn(found);
    return isMadeFor(claim, metadata) ? { name, uid: textAt(claim, "uid") } : undefined;
  }

  /** Of a workspace that never was there. Never rejects. */
  async #removeClaim({ name, uid }: Claim, wish: Wish): Promise<void> {
    await this.#options.objects.remove(claimPath(name), uid, 0, wish).catch((error: unknown) => this.#claimStays(name, error));
  }

  #claimStays(claim: string, error: unknown): undefined {
    this.#options.log.warn({ claim, error: messageOf(error) }, "a workspace's claim could not be deleted: it stays");
  }

  /** A pod that comes after the workspace's end was told is not wanted. */
  async #made(record: WorkspaceRecord, bytes: Uint8Array, wish: Wish): Promise<void> {
    const pod = parseObject(bytes);
    if (record.stopped && pod) await this.#take(workspacePodName(record.facts.podName), uidOf(pod), versionOf(pod), wish);
    else await this.#options.seen(bytes);
  }

  /** Whether a pod may be made yet; by the wall clock, for a process may have been stopped for a while. Nothing follows an end that was told. */
  #isWanted({ uid, stopped, facts }: WorkspaceRecord): boolean {
    const { clock, isAwaited, limitMs } = this.#options;
    return !this.#closed.signal.aborted && !stopped && isAwaited(uid) && clock.now() - facts.createdAt < limitMs;
  }

  /** Whether the workspace's pod is there, and to stay, as far as that can be known. */
  async #find({ facts }: WorkspaceRecord, wish: Wish): Promise<"there" | "going" | "gone" | "unknown"> {
    const { objects, seen } = this.#options;
    try {
      const pod = await objects.get(podPath(workspacePodName(facts.podName)), wish);
      if (metadataIn(pod)?.["deletionTimestamp"] !== undefined) return "going";
      await seen(pod);
      return "there";
    } catch (error) {
      return isMissing(error) ? "gone" : "unknown";
    }
  }

  async #read(podName: string, wish: Wish): Promise<JsonObject | undefined> {
    const bytes = await this.#options.objects.get(podPath(podName), wish).catch(unlessMissing);
    return bytes && parseObject(bytes);
  }
}

function uidOf(pod: JsonObject | undefined): string {
  return textAt(objectAt(pod, "metadata"), "uid");
}

function versionOf(pod: JsonObject): string {
  return textAt(objectAt(pod, "metadata"), "resourceVersion");
}

/** The same for all pods of a workspace, for one that is made anew keeps when the first was made; another one for a workspace that has its ID later. */
function lifeOf({ facts: { id, createdAt } }: WorkspaceRecord): string {
  return `${createdAt} ${id}`;
}

/** What is to be done is to be decided anew. */
function changed(podName: string): KubeError {
  return new KubeError(`pod ${podName} is being changed`, { status: 409, reason: "Conflict" });
}
