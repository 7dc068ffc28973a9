/** Which node daemon runs on which node: kept by a watch of their pods (spec: lifecycle, "Content initialization"). */
import { objectAt, objectsAt, readObject, textAt, type JsonObject } from "../../domain/json.ts";
import { compareVersions } from "../../domain/versions.ts";
import type { ReflectorSink } from "../kube/sink.ts";

/** Label selector of the node daemons' pods. */
export const nodeDaemonSelector = "app=gitpod,component=ws-daemon";

/** A node daemon's pod. */
export interface DaemonPod {
  readonly resourceVersion: string;
  readonly node: string;
  /** Empty while it is not ready. */
  readonly ip: string;
}

/** Most pods that are kept; clusters have one for each node. More are left out. */
const maxPods = 10_000;

/** The node daemons. Parses their pods on this thread: they are few, and change rarely. */
export class NodeDaemons implements ReflectorSink {
  readonly #pods = new Map<string, DaemonPod>();
  readonly #onGone: (ip: string) => void;
  /** Found by the list that is read, and told to be deleted since it was begun: its items may be older than that. */
  #listed: Set<string> | undefined;
  readonly #deleted = new Set<string>();
  #lastVersion: string | undefined;

  /** @param onGone a daemon is not there any more, or not ready: connections to it can go. Must not throw. */
  constructor(onGone: (ip: string) => void) {
    this.#onGone = onGone;
  }

  /** The IP of the daemon that is ready on a node; undefined if none is. */
  ipOn(node: string): string | undefined {
    if (node === "") return undefined;
    for (const pod of this.#pods.values()) if (pod.node === node && pod.ip !== "") return pod.ip;
    return undefined;
  }

  listStarted(setBack: boolean): void {
    this.#listed = new Set();
    this.#deleted.clear();
    if (!setBack) return;
    this.#lastVersion = undefined;
    for (const uid of this.#pods.keys()) this.#remove(uid);
  }

  item(bytes: Uint8Array): void {
    const object = readObject(bytes);
    const uid = textAt(objectAt(object, "metadata"), "uid");
    this.#listed?.add(uid);
    if (!this.#deleted.has(uid)) this.#take(uid, object);
  }

  listFinished(resourceVersion: string): void {
    for (const [uid, pod] of this.#pods) if (!this.#listed?.has(uid) && compareVersions(pod.resourceVersion, resourceVersion) <= 0) this.#remove(uid);
    this.#listed = undefined;
  }

  listAborted(): void {
    this.#listed = undefined;
  }

  line(bytes: Uint8Array): void {
    const event = readObject(bytes);
    const object = objectAt(event, "object");
    const metadata = objectAt(object, "metadata");
    const uid = textAt(metadata, "uid");
    if (textAt(event, "type") === "DELETED") {
      this.#remove(uid);
      if (this.#listed && this.#deleted.size < maxPods) this.#deleted.add(uid);
    } else this.#take(uid, object);
    this.#lastVersion = textAt(metadata, "resourceVersion") || this.#lastVersion;
  }

  settled(): Promise<string | undefined> {
    return Promise.resolve(this.#lastVersion);
  }

  #take(uid: string, object: JsonObject | undefined): void {
    const known = this.#pods.get(uid);
    const pod = daemonIn(object);
    if (uid === "" || (!known && this.#pods.size >= maxPods) || (known && compareVersions(pod.resourceVersion, known.resourceVersion) < 0)) return;
    this.#pods.set(uid, pod);
    if (known && known.ip !== "" && known.ip !== pod.ip) this.#onGone(known.ip);
  }

  #remove(uid: string): void {
    const known = this.#pods.get(uid);
    this.#pods.delete(uid);
    if (known && known.ip !== "") this.#onGone(known.ip);
  }
}

/** A node daemon's pod, from its JSON. */
export function daemonIn(object: JsonObject | undefined): DaemonPod {
  const status = objectAt(object, "status");
  const metadata = objectAt(object, "metadata");
  const ready = objectsAt(status, "conditions").some((condition) => condition["type"] === "Ready" && condition["status"] === "True");
  const ends = metadata?.["deletionTimestamp"] !== undefined;
  return { resourceVersion: textAt(metadata, "resourceVersion"), node: textAt(objectAt(object, "spec"), "nodeName"), ip: ready && !ends ? textAt(status, "podIP") : "" };
}
