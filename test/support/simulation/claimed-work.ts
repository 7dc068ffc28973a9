/** Work on volume claims: which lives left theirs on which claim, and in which volume snapshots it is. A claim that goes while work is on it that is in no snapshot breaks a promise at that moment. */
import { annotations, claimMark } from "../../../src/domain/names.ts";
import type { ClusterStore, KubeObject } from "../../../src/embedded/contract.ts";
import { record, records, text } from "../../../src/embedded/kubelet/json.ts";
import { claimMarkOf } from "../../../src/main/lifecycle/claim-maker.ts";
import type { Ledger } from "./laws.ts";
import { lifeOfPod } from "./lives.ts";

/** What is on a claim, or in a snapshot: the numbers of the lives whose work it is. */
type Work = ReadonlySet<number>;

/** A volume snapshot: what was on its claim when it was asked for. */
interface Snapshot {
  readonly work: Work;
  ready: boolean;
}

/** Looks on from the beginning to the end. */
export class ClaimedWork {
  readonly #store: Pick<ClusterStore, "get" | "subscribe">;
  readonly #ledger: Pick<Ledger, "breach" | "did">;
  /** By uid, and by name. */
  readonly #claims = new Map<string, Set<number>>();
  readonly #snapshots = new Map<string, Snapshot>();
  /** Claims that a pod of another start has used than the one that made them, by uid. */
  readonly #inherited = new Set<string>();
  /** Lives that left work on a claim. */
  readonly #lives = new Set<number>();

  constructor(store: Pick<ClusterStore, "get" | "subscribe">, ledger: Pick<Ledger, "breach" | "did">) {
    this.#store = store;
    this.#ledger = ledger;
    store.subscribe("persistentvolumeclaims", (type, claim) => {
      if (type === "ADDED") this.#claims.set(claim.metadata.uid, new Set(this.#sourceOf(claim)));
      if (type === "DELETED") this.#claimGone(claim);
    });
    store.subscribe("volumesnapshots", (type, snapshot) => this.#snapshotChanged(type === "DELETED", snapshot));
    store.subscribe("pods", (type, pod) => {
      if (type !== "DELETED") this.#podChanged(pod);
    });
  }

  /** Whether a life left work on a claim: it could be used. */
  has(life: number): boolean {
    return this.#lives.has(life);
  }

  /** Whether a snapshot is ready and has a life's work. */
  isIn(snapshot: string, life: number): boolean {
    const known = this.#snapshots.get(snapshot);
    return known?.ready === true && known.work.has(life);
  }

  /** Whether a claim has work that is in no snapshot. */
  hasUnsaved(claim: KubeObject): boolean {
    return this.#unsaved(claim).length > 0;
  }

  /** Whether it may stay without work: the start that made it, or the process that was about to, was gone before there was a pod, and the one that used it since takes only its own away. */
  isInherited({ metadata: { uid } }: KubeObject): boolean {
    return this.#inherited.has(uid);
  }

  #unsaved({ metadata: { uid } }: KubeObject): readonly number[] {
    return [...(this.#claims.get(uid) ?? [])].filter((life) => ![...this.#snapshots.keys()].some((name) => this.isIn(name, life)));
  }

  #claimGone(claim: KubeObject): void {
    const lost = this.#unsaved(claim);
    if (lost.length > 0) this.#ledger.breach("a claim stays until it is saved", `claim ${claim.metadata.name} is gone, and with it the work of ${lost.length === 1 ? "life" : "lives"} ${lost.join(", ")}, which no snapshot has`);
    this.#ledger.did("claims that went");
    this.#claims.delete(claim.metadata.uid);
  }

  #sourceOf({ spec }: KubeObject): Work {
    const { kind, name } = record(record(spec)["dataSource"]);
    const known = kind === "VolumeSnapshot" ? this.#snapshots.get(text(name)) : undefined;
    return known?.ready ? known.work : new Set();
  }

  #snapshotChanged(gone: boolean, { metadata: { name, namespace }, spec, status }: KubeObject): void {
    if (gone) {
      this.#snapshots.delete(name);
      return;
    }
    const claim = this.#store.get("persistentvolumeclaims", namespace ?? "", text(record(record(spec)["source"])["persistentVolumeClaimName"]));
    const known = this.#snapshots.get(name) ?? { work: new Set(claim && this.#claims.get(claim.metadata.uid)), ready: false };
    this.#snapshots.set(name, known);
    known.ready = record(status)["readyToUse"] === true;
  }

  #podChanged({ metadata, spec }: KubeObject): void {
    const noted = metadata.annotations ?? {};
    const life = lifeOfPod(metadata);
    for (const volume of records(record(spec)["volumes"])) {
      const claim = this.#store.get("persistentvolumeclaims", metadata.namespace ?? "", text(record(volume["persistentVolumeClaim"])["claimName"]));
      const work = claim && this.#claims.get(claim.metadata.uid);
      if (claim && claim.metadata.annotations?.[claimMark] !== claimMarkOf(noted[annotations.ownerToken] ?? "")) this.#inherited.add(claim.metadata.uid);
      if (noted[annotations.neverReady] !== undefined) continue;
      // A pod that is going to end changes nothing of it any more; its container may run until then.
      if (!work || this.#lives.has(life)) continue;
      work.add(life);
      this.#lives.add(life);
    }
  }
}
