/** Volume snapshots that claims are made from (spec: kubernetes, "PVC"; api, DeleteVolumeSnapshot). */
import { sleep, type Clock } from "../../domain/clock.ts";
import { WsmanError } from "../../domain/errors.ts";
import { objectAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { ManagerConfig } from "../config/types.ts";
import { isAlreadyThere, unlessMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
import { selectClass } from "../render/classes.ts";
import { toClientError } from "./errors.ts";

/** The API group of volume snapshots, and its path. */
export const snapshotGroup = "snapshot.storage.k8s.io";
export const snapshotRoot = `/apis/${snapshotGroup}/v1`;
/** The path of a namespace's snapshots. */
export function snapshotsPath(namespace: string): string {
  return `${snapshotRoot}/namespaces/${encodeURIComponent(namespace)}/volumesnapshots`;
}
/** How long the cluster may take to make a restored snapshot its own, and how often it is looked at, milliseconds. */
const boundMs = 20_000;
const lookEveryMs = 500;

/** The snapshots of a namespace. */
export class Snapshots {
  readonly #manager: ManagerConfig;
  readonly #objects: Pick<KubeObjects, "get" | "create" | "remove">;
  readonly #clock: Clock;

  constructor(manager: ManagerConfig, objects: Pick<KubeObjects, "get" | "create" | "remove">, clock: Clock) {
    this.#manager = manager;
    this.#objects = objects;
    this.#clock = clock;
  }

  /**
   * Makes sure that a snapshot is in the cluster: one that is not is restored from its handle. What was restored for a start stays, also if the start fails then: deleting it would delete
   * the cloud provider's snapshot, the only copy of somebody's work.
   * @throws WsmanError INVALID_ARGUMENT without a handle, FAILED_PRECONDITION if the configuration or the cluster has no class for snapshots; KubeError.
   */
  async restore(name: string, handle: string, wish: Wish): Promise<void> {
    if (await this.#found(this.#path(name), wish)) return;
    if (handle === "") throw new WsmanError("INVALID_ARGUMENT", `volume snapshot ${name} is not in the cluster: its handle is needed to restore it`);
    const className = selectClass(this.#manager, "default").pvc.snapshotClass;
    if (className === undefined) throw new WsmanError("FAILED_PRECONDITION", "the default workspace class has no pvc.snapshotClass, without which no volume snapshot can be restored");
    const snapshotClass = await this.#found(`${snapshotRoot}/volumesnapshotclasses/${encodeURIComponent(className)}`, wish);
    if (!snapshotClass) throw new WsmanError("FAILED_PRECONDITION", `the cluster has no volume snapshot class ${className}`);
    const contentName = `restored-${name}`;
    const { namespace } = this.#manager;
    await this.#createUnlessThere(`${snapshotRoot}/volumesnapshotcontents`, {
      apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshotContent", metadata: { name: contentName },
      spec: {
        deletionPolicy: "Delete", driver: textAt(snapshotClass, "driver"), source: { snapshotHandle: handle }, volumeSnapshotClassName: className,
        volumeSnapshotRef: { apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshot", name, namespace },
      },
    }, wish);
    await this.#createUnlessThere(this.#path(), {
      apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshot", metadata: { name, namespace },
      spec: { source: { volumeSnapshotContentName: contentName }, volumeSnapshotClassName: className },
    }, wish);
  }

  /** Deletes a snapshot. @param soft leave it at that if it is not in the cluster. @returns whether there was something to delete. @throws WsmanError as `restore` does. */
  async delete(name: string, handle: string, soft: boolean, signal: AbortSignal): Promise<boolean> {
    const wish: Wish = { priority: "user", signal };
    try {
      let snapshot = await this.#found(this.#path(name), wish);
      if (!snapshot && soft) return false;
      if (!snapshot) {
        await this.restore(name, handle, wish);
        snapshot = await this.#found(this.#path(name), wish);
      }
      if (isUnbound(snapshot)) snapshot = await this.#bound(name, wish);
      // Somebody else has deleted it meanwhile.
      if (snapshot) await this.#objects.remove(this.#path(name), textAt(objectAt(snapshot, "metadata"), "uid"), 0, wish);
      return true;
    } catch (error) {
      throw toClientError(error, `delete volume snapshot ${name}`);
    }
  }

  /** A restored snapshot, once the cluster has made it its own: deleted earlier, it would leave the provider's behind. Undefined: it has gone meanwhile. */
  async #bound(name: string, wish: Wish): Promise<JsonObject | undefined> {
    const until = this.#clock.monotonic() + boundMs;
    while (!wish.signal.aborted && this.#clock.monotonic() < until) {
      const snapshot = await this.#found(this.#path(name), wish);
      if (!isUnbound(snapshot)) return snapshot;
      await sleep(this.#clock, lookEveryMs, wish.signal);
    }
    throw new WsmanError("UNAVAILABLE", `volume snapshot ${name} was restored, and is not ready to be deleted yet: try again in a moment`);
  }

  #path(name?: string): string {
    const all = snapshotsPath(this.#manager.namespace);
    return name === undefined ? all : `${all}/${encodeURIComponent(name)}`;
  }

  async #found(path: string, wish: Wish): Promise<JsonObject | undefined> {
    const found = await this.#objects.get(path, wish).catch(unlessMissing);
    return found && parseObject(found);
  }

  /** Somebody else may be restoring it as well. */
  async #createUnlessThere(path: string, object: JsonObject, wish: Wish): Promise<void> {
    try {
      await this.#objects.create(path, JSON.stringify(object), wish, { whetherOrNotAnswered: true });
    } catch (error) {
      if (!isAlreadyThere(error)) throw error;
    }
  }
}

/** Whether a snapshot was restored, by whomever, and the cluster has not made it its own yet. One that is being deleted is past that. */
function isUnbound(snapshot: JsonObject | undefined): boolean {
  const restoredFrom = textAt(objectAt(objectAt(snapshot, "spec"), "source"), "volumeSnapshotContentName");
  return restoredFrom !== "" && objectAt(snapshot, "status")?.["readyToUse"] !== true && objectAt(snapshot, "metadata")?.["deletionTimestamp"] === undefined;
}
