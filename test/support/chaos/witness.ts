/** What an onlooker inside the cluster sees of workspaces, whatever the daemons say: their pods, from the first to the last change. */
import type { ClusterStore, KubeObject } from "../../../src/embedded/contract.ts";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import { annotations, finalizer, labels, markerLabel } from "../../../src/domain/names.ts";
import { isPlaceholderName } from "../../../src/domain/placeholder.ts";

/** What was seen of one workspace. */
export interface Seen {
  readonly id: string;
  readonly metaId: string;
  readonly uids: Set<string>;
  /** Could be used at some time: there is work to be saved. */
  everReady: boolean;
  /** Is to go. */
  deleted: boolean;
  /** All its pods are gone. */
  gone: boolean;
  node: string;
  /** The newest disposal status; "" without one. */
  disposal: string;
  hasFinalizer: boolean;
}

/** Looks on from the beginning to the end of the cluster. */
export class Witness {
  readonly #seen = new Map<string, Seen>();
  readonly #stop: () => void;
  readonly #wrongs: string[] = [];
  #changes = 0;

  constructor(store: Pick<ClusterStore, "list" | "subscribe">) {
    this.#stop = store.subscribe("pods", (type, pod) => this.#changed(pod, type === "DELETED"));
    for (const pod of store.list("pods")) this.#changed(pod, false);
  }

  /** Changes of workspaces' pods so far. */
  get changes(): number {
    return this.#changes;
  }

  /** What happened to pods that must not happen, in words. */
  get wrongs(): readonly string[] {
    return this.#wrongs;
  }

  all(): readonly Seen[] {
    return [...this.#seen.values()];
  }

  of(id: string): Seen | undefined {
    return this.#seen.get(id);
  }

  close(): void {
    this.#stop();
  }

  #changed(pod: KubeObject, gone: boolean): void {
    const { metadata } = pod;
    const given = metadata.labels ?? {};
    const id = given[labels.workspaceId] ?? "";
    if (given[markerLabel] !== "true" || id === "" || isPlaceholderName(metadata.name)) return;
    this.#changes++;
    const noted = metadata.annotations ?? {};
    const seen = this.#seen.get(id) ?? { id, metaId: given[labels.metaId] ?? "", uids: new Set(), everReady: false, deleted: false, gone: false, node: "", disposal: "", hasFinalizer: false };
    this.#seen.set(id, seen);
    const again = !seen.uids.has(metadata.uid);
    seen.uids.add(metadata.uid);
    this.#checkDisposal(seen, again ? "" : seen.disposal, noted[annotations.disposalStatus] ?? "");
    seen.everReady ||= noted[annotations.neverReady] === undefined;
    seen.deleted = metadata.deletionTimestamp !== undefined;
    seen.gone = gone;
    seen.node = text(record(pod["spec"])["nodeName"]) || seen.node;
    seen.hasFinalizer = metadata.finalizers?.includes(finalizer) ?? false;
  }

  /** What became of a content is written once. */
  #checkDisposal(seen: Seen, before: string, now: string): void {
    if (before !== "" && now !== before) this.#wrongs.push(`${seen.id}: its disposal status ${before} became ${now === "" ? "none" : now}`);
    seen.disposal = now;
  }
}
