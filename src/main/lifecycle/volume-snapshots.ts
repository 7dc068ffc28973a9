/** Takes volume snapshots of workspaces' claims (spec: lifecycle, "Finalization"). Those that claims are made from: snapshots.ts. */
import { deadline, sleep, type Clock } from "../../domain/clock.ts";
import { objectAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { Log } from "../../domain/log.ts";
import type { ManagerConfig } from "../config/types.ts";
import { isAlreadyThere, isMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
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

/** The snapshots of a namespace's claims. */
export class VolumeSnapshots {
  readonly #options: VolumeSnapshotOptions;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: VolumeSnapshotOptions) {
    this.#options = options;
  }

  /**
   * Takes a snapshot of a claim, unless there is one of that name, which an earlier attempt began; resolves when it is ready. One that is not costs nothing while it is waited for.
   * @param wish its signal says when the time is over.
   * @param last for a look then.
   * @throws KubeError; Error if there are no snapshots in the cluster, if that one is of something else, and, with what the storage system says, once the time is over.
   */
  async take(name: string, claim: string, className: string, wish: Wish, last: Wish): Promise<TakenSnapshot> {
    let waiter: Waiter | undefined;
    try {
      await this.#create(name, claim, className, wish);
      waiter = this.#options.watch.join(name);
      return await this.#await(name, claim, waiter, wish);
    } catch (error) {
      if (!wish.signal.aborted) throw error;
      const ready = last.signal.aborted ? undefined : await this.#lastLook(name, claim, last);
      if (ready) return ready;
      throw notReady(name, waiter?.said ?? "");
    } finally {
      waiter?.leave();
    }
  }

  async #create(name: string, claim: string, className: string, wish: Wish): Promise<void> {
    const { manager, objects } = this.#options;
    const volumeSnapshotClassName = selectClass(manager, className).pvc.snapshotClass;
    const body = JSON.stringify({
      apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshot", metadata: { name, namespace: manager.namespace },
      spec: { source: { persistentVolumeClaimName: claim }, ...(volumeSnapshotClassName !== undefined && { volumeSnapshotClassName }) },
    });
    await objects.create(snapshotsPath(manager.namespace), body, wish, { whetherOrNotAnswered: true }).catch((error: unknown) => {
      if (isMissing(error)) throw this.#noSnapshots();
      if (!isAlreadyThere(error)) throw error;
    });
  }

  /** @throws wish's reason, or a KubeError, once its signal aborts. */
  async #await(name: string, claim: string, waiter: Waiter, wish: Wish): Promise<TakenSnapshot> {
    for (let wait: number = look.firstMs; ; ) {
      const handle = await this.#look(name, claim, wish);
      if (handle) return { name, handle };
      if (handle === "") {
        await sleep(this.#options.clock, wait, wish.signal);
        wait = Math.min(look.maxMs, wait * look.factor);
      } else await waiter.told(wish.signal);
      wish.signal.throwIfAborted();
    }
  }

  async #lastLook(name: string, claim: string, last: Wish): Promise<TakenSnapshot | undefined> {
    const limit = deadline(this.#options.clock, lastLookMs, last.signal);
    try {
      const handle = await this.#look(name, claim, { ...last, signal: limit.signal });
      return handle ? { name, handle } : undefined;
    } catch {
      return undefined;
    } finally {
      limit.cancel();
    }
  }

  /** The provider's name of a snapshot that is ready; empty: it has none yet; undefined: it is not ready. */
  async #look(name: string, claim: string, wish: Wish): Promise<string | undefined> {
    const snapshot = await this.#read(`${snapshotsPath(this.#options.manager.namespace)}/${encodeURIComponent(name)}`, wish);
    checkSource(snapshot, name, claim);
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

/** @throws Error if it is one of something else: the claim's content is not in it. */
function checkSource(snapshot: JsonObject | undefined, name: string, claim: string): void {
  if (textAt(objectAt(objectAt(snapshot, "spec"), "source"), "persistentVolumeClaimName") !== claim) throw new Error(`there is a volume snapshot ${name} already, which is not one of claim ${claim}`);
}

function notReady(name: string, said: string): Error {
  return new Error(`volume snapshot ${name} did not become ready${said === "" ? "" : `: ${said}`}`);
}
