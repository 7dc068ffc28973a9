/** Takes volume snapshots of workspaces' claims (spec: lifecycle, "Finalization"). Those that claims are made from: snapshots.ts. */
import { deadline, sleep, type Clock } from "../../domain/clock.ts";
import { objectAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { Log } from "../../domain/log.ts";
import { snapshotMark } from "../../domain/names.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import type { ManagerConfig } from "../config/types.ts";
import { isAlreadyThere, isMissing, unlessMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
import { selectClass } from "../render/classes.ts";
import type { SnapshotWatch, Waiter } from "./snapshot-watch.ts";
import { snapshotGroup, snapshotRoot, snapshotsPath } from "./snapshots.ts";

/** What it works with. */
export interface VolumeSnapshotOptions {
  readonly manager: Pick<ManagerConfig, "namespace" | "workspaceClasses">;
  readonly objects: Pick<KubeObjects, "get" | "create">;
  readonly watch: Pick<SnapshotWatch, "join">;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is to be kept: the content that a pod leaves in its claim. */
export interface Subject {
  /** The workspace's ID: the snapshot's name, unless that is taken. */
  readonly id: string;
  readonly claim: string;
  readonly className: string;
  /** The pod; another one of the same ID may have left a snapshot behind. */
  readonly uid: string;
  /** The pod's creation, Unix milliseconds; undefined if it is not known. */
  readonly createdAt: number | undefined;
}

/** A snapshot that is ready. */
export interface TakenSnapshot {
  readonly name: string;
  /** The cloud provider's name of it. */
  readonly handle: string;
}

/** A snapshot that is ready and has no name at the provider yet is looked at soon, and then less often. Milliseconds. */
const look = { firstMs: 500, factor: 1.5, maxMs: 20_000 } as const;
/** The last look, when the time is over, may take so long, milliseconds. */
const lastLookMs = 2_000;
/** That there are no snapshots in the cluster is told again after so long, milliseconds. */
const tellEveryMs = 300_000;

/** A name can not be had: what stands there does not hold what is to be kept. */
class NotOurs extends Error {}

/** The snapshots of a namespace's claims. */
export class VolumeSnapshots {
  readonly #options: VolumeSnapshotOptions;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: VolumeSnapshotOptions) {
    this.#options = options;
  }

  /**
   * Takes a snapshot of a claim, unless an earlier attempt began one for this pod; resolves when it is ready. One that is not costs nothing while it is waited for.
   * @param wish its signal says when the time is over.
   * @param last for a look then.
   * @throws KubeError; Error if there are no snapshots in the cluster, if all names that it could have are taken, and, with what the storage system says, once the time is over.
   */
  async take(subject: Subject, wish: Wish, last: Wish): Promise<TakenSnapshot> {
    const inTheWay: string[] = [];
    for (const name of namesFor(subject)) {
      try {
        return await this.#takeAs(name, subject, wish, last);
      } catch (error) {
        if (!(error instanceof NotOurs)) throw error;
        inTheWay.push(error.message);
      }
    }
    throw new Error(inTheWay.join("; "));
  }

  /** @throws NotOurs beside what `take` throws. */
  async #takeAs(name: string, subject: Subject, wish: Wish, last: Wish): Promise<TakenSnapshot> {
    let waiter: Waiter | undefined;
    try {
      await this.#create(name, subject, wish);
      waiter = this.#options.watch.join(name);
      return await this.#await(name, subject, waiter, wish);
    } catch (error) {
      if (!wish.signal.aborted) throw error;
      const ready = last.signal.aborted ? undefined : await this.#lastLook(name, subject, last);
      if (ready) return ready;
      throw notReady(name, waiter?.said ?? "");
    } finally {
      waiter?.leave();
    }
  }

  async #create(name: string, { claim, className, uid }: Subject, wish: Wish): Promise<void> {
    const { manager, objects } = this.#options;
    const volumeSnapshotClassName = selectClass(manager, className).pvc.snapshotClass;
    const body = JSON.stringify({
      apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshot", metadata: { name, namespace: manager.namespace, annotations: { [snapshotMark]: uid } },
      spec: { source: { persistentVolumeClaimName: claim }, ...(volumeSnapshotClassName !== undefined && { volumeSnapshotClassName }) },
    });
    await objects.create(snapshotsPath(manager.namespace), body, wish, { whetherOrNotAnswered: true }).catch((error: unknown) => {
      if (isMissing(error)) throw this.#noSnapshots();
      if (!isAlreadyThere(error)) throw error;
    });
  }

  /** @throws wish's reason, or a KubeError, once its signal aborts. */
  async #await(name: string, subject: Subject, waiter: Waiter, wish: Wish): Promise<TakenSnapshot> {
    for (let wait: number = look.firstMs; ; ) {
      const handle = await this.#look(name, subject, wish);
      if (handle) return { name, handle };
      if (handle === "") {
        await sleep(this.#options.clock, wait, wish.signal);
        wait = Math.min(look.maxMs, wait * look.factor);
      } else await waiter.told(wish.signal);
      wish.signal.throwIfAborted();
    }
  }

  /** @throws NotOurs. */
  async #lastLook(name: string, subject: Subject, last: Wish): Promise<TakenSnapshot | undefined> {
    const limit = deadline(this.#options.clock, lastLookMs, last.signal);
    try {
      const handle = await this.#look(name, subject, { ...last, signal: limit.signal });
      return handle ? { name, handle } : undefined;
    } catch (error) {
      if (error instanceof NotOurs) throw error;
      return undefined;
    } finally {
      limit.cancel();
    }
  }

  /** The provider's name of a snapshot that is ready; empty: it has none yet; undefined: it is not ready. @throws NotOurs. */
  async #look(name: string, subject: Subject, wish: Wish): Promise<string | undefined> {
    const snapshot = await this.#read(`${snapshotsPath(this.#options.manager.namespace)}/${encodeURIComponent(name)}`, wish).catch(unlessMissing);
    const problem = problemOf(snapshot, name, subject);
    if (problem !== undefined) throw new NotOurs(problem);
    const status = objectAt(snapshot, "status");
    const contentName = textAt(status, "boundVolumeSnapshotContentName");
    return status?.["readyToUse"] === true && contentName !== "" ? this.#handle(contentName, wish) : undefined;
  }

  #noSnapshots(): Error {
    const { clock, log } = this.#options;
    const message = `the cluster has no volume snapshots: there is no resource volumesnapshots.${snapshotGroup}/v1`;
    if (clock.monotonic() - this.#toldAt >= tellEveryMs) {
      this.#toldAt = clock.monotonic();
      log.error({}, `${message}, so contents on volume claims can not be saved`);
    }
    return new Error(message);
  }

  /** Empty until there is one: without it the snapshot can not be found again once it has left the cluster, while its claim would be gone. */
  async #handle(contentName: string, wish: Wish): Promise<string> {
    try {
      const content = await this.#read(`${snapshotRoot}/volumesnapshotcontents/${encodeURIComponent(contentName)}`, wish);
      return textAt(objectAt(content, "status"), "snapshotHandle");
    } catch (error) {
      if (isMissing(error)) return "";
      throw error;
    }
  }

  async #read(path: string, wish: Wish): Promise<JsonObject | undefined> {
    return parseObject(await this.#options.objects.get(path, wish));
  }
}

/**
 * The names that it may have. An ID that is used again finds its earlier life's snapshot under the first of them, and one that a start was made from may have been restored under it: neither is
 * this pod's work, and neither may keep that from being saved.
 */
function namesFor({ id, uid }: Subject): readonly string[] {
  return [id, `${id}-${uid.slice(0, 8)}`];
}

/** Why a snapshot does not hold what the pod has left in its claim; undefined: it does. */
function problemOf(snapshot: JsonObject | undefined, name: string, { claim, uid, createdAt }: Subject): string | undefined {
  if (!snapshot) return `volume snapshot ${name} was deleted`;
  if (textAt(objectAt(objectAt(snapshot, "spec"), "source"), "persistentVolumeClaimName") !== claim) return `there is a volume snapshot ${name} already, which is not one of claim ${claim}`;
  const metadata = objectAt(snapshot, "metadata");
  const mark = textAt(objectAt(metadata, "annotations"), snapshotMark);
  const isOurs = mark === "" ? isSince(createdAt, textAt(metadata, "creationTimestamp")) : mark === uid;
  return isOurs ? undefined : `there is a volume snapshot ${name} already, which is one of an earlier life of the workspace`;
}

/** Go daemons put no mark on theirs: one that is older than the pod was not made for it. */
function isSince(createdAt: number | undefined, timestamp: string): boolean {
  const madeAt = parseTimeMs(timestamp);
  return createdAt !== undefined && madeAt !== undefined && madeAt >= createdAt;
}

function notReady(name: string, said: string): Error {
  return new Error(`volume snapshot ${name} did not become ready${said === "" ? "" : `: ${said}`}`);
}
