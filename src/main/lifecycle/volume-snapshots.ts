/** Takes volume snapshots of workspaces' claims (spec: lifecycle, "Finalization"). Those that claims are made from: snapshots.ts. */
import { sleep, type Clock } from "../../domain/clock.ts";
import { objectAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { ManagerConfig } from "../config/types.ts";
import { isAlreadyThere, isMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
import { selectClass } from "../render/classes.ts";
import { snapshotGroup, snapshotRoot } from "./snapshots.ts";

/** What it works with. */
export interface VolumeSnapshotOptions {
  readonly manager: Pick<ManagerConfig, "namespace" | "workspaceClasses">;
  readonly objects: Pick<KubeObjects, "get" | "create">;
  readonly clock: Clock;
}

/** A snapshot that is ready. */
export interface TakenSnapshot {
  readonly name: string;
  /** The cloud provider's name of it. */
  readonly handle: string;
}

/** Storage systems take seconds to hours: it is looked at soon, and then less often, so that hundreds that never become ready are no burden. Milliseconds. */
const look = { firstMs: 500, factor: 1.5, maxMs: 20_000 } as const;

/** The snapshots of a namespace's claims. */
export class VolumeSnapshots {
  readonly #options: VolumeSnapshotOptions;

  constructor(options: VolumeSnapshotOptions) {
    this.#options = options;
  }

  /**
   * Takes a snapshot of a claim, unless there is one of that name, which an earlier attempt began; resolves when it is ready.
   * @throws KubeError; Error if that one is of something else, and, with what the storage system says, once the signal aborts.
   */
  async take(name: string, claim: string, className: string, wish: Wish): Promise<TakenSnapshot> {
    const { manager, objects, clock } = this.#options;
    const volumeSnapshotClassName = selectClass(manager, className).pvc.snapshotClass;
    const all = `${snapshotRoot}/namespaces/${encodeURIComponent(manager.namespace)}/volumesnapshots`;
    const body = {
      apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshot", metadata: { name, namespace: manager.namespace },
      spec: { source: { persistentVolumeClaimName: claim }, ...(volumeSnapshotClassName !== undefined && { volumeSnapshotClassName }) },
    };
    await objects.create(all, body, wish, { whetherOrNotAnswered: true }).catch((error: unknown) => {
      if (!isAlreadyThere(error)) throw error;
    });
    let said = "";
    for (let wait: number = look.firstMs; ; wait = Math.min(look.maxMs, wait * look.factor)) {
      if (wish.signal.aborted) throw notReady(name, said);
      try {
        const snapshot = await this.#read(`${all}/${encodeURIComponent(name)}`, wish);
        checkSource(snapshot, name, claim);
        const handle = await this.#handle(objectAt(snapshot, "status"), wish);
        if (handle !== "") return { name, handle };
        said = textAt(objectAt(objectAt(snapshot, "status"), "error"), "message").slice(0, 500);
      } catch (error) {
        if (wish.signal.aborted) throw notReady(name, said);
        throw error;
      }
      await sleep(clock, wait, wish.signal);
    }
  }

  /** Empty until it is ready, and has one: without it the snapshot can not be found again once it has left the cluster, while its claim would be gone. */
  async #handle(status: JsonObject | undefined, wish: Wish): Promise<string> {
    const contentName = textAt(status, "boundVolumeSnapshotContentName");
    if (status?.["readyToUse"] !== true || contentName === "") return "";
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
