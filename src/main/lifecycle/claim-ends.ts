/** The end of a workspace's claim: its content is kept in a volume snapshot, and the claim goes (spec: lifecycle, "Finalization"). */
import { Backoff } from "../../domain/backoff.ts";
import { sleep } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { annotations } from "../../domain/names.ts";
import type { LifecycleMetrics } from "../../metrics/lifecycle.ts";
import { KubeError } from "../kube/errors.ts";
import type { Wish } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import { insist, retryDelays, type Insistence, type Permit } from "./acting.ts";
import type { DisposalFacts, DisposalPlan } from "./disposal.ts";
import { mayPass } from "./errors.ts";
import type { PodWriter } from "./pod-writer.ts";
import type { VolumeSnapshots } from "./volume-snapshots.ts";

/** What it works with. */
export interface ClaimEndOptions extends Insistence {
  readonly writer: Pick<PodWriter, "annotate" | "claimUid" | "deleteClaim" | "deleteUnused">;
  readonly volumeSnapshots: Pick<VolumeSnapshots, "take">;
  readonly metrics: Pick<LifecycleMetrics, "volumeSnapshot">;
}

/** A workspace that is finalized, and for how long that may take. */
export interface Work {
  readonly record: WorkspaceRecord;
  readonly pod: DisposalFacts;
  readonly plan: DisposalPlan;
  /** It was begun before, perhaps by another process. */
  readonly resume: boolean;
  readonly permit: Permit;
  /** Aborts when its time is over, or with the permit. */
  readonly until: AbortSignal;
}

/** In the log, of claims that stay. */
export const claimStays = { foreign: "a workspace has used a claim that was there before it: it stays", failed: "a workspace's claim could not be deleted: it stays" } as const;

/** Ends claims. */
export class ClaimEnds {
  readonly #options: ClaimEndOptions;

  constructor(options: ClaimEndOptions) {
    this.#options = options;
  }

  /**
   * The claim's content outlives it in a snapshot. A claim of which there is none, or none that is noted, stays, unless there is nothing to be kept: then it goes if it was made for this workspace.
   * Rejects with what was said last if no snapshot was made in time, or when it is overtaken.
   */
  async end(work: Work): Promise<void> {
    const { pod, plan, record } = work;
    const { writer, log } = this.#options;
    const isToBeKept = plan.backup || plan.snapshot;
    if (isToBeKept) {
      const uid = pod.volumeSnapshot === "" ? await this.#snapshotClaim(work) : undefined;
      if (uid !== "") await this.#delete(work, (wish) => writer.deleteClaim(record, wish, uid));
      return;
    }
    await this.#delete(work, async (wish) => {
      if (await writer.deleteUnused(record, wish)) log.warn({ id: record.facts.id, claim: record.facts.podName }, claimStays.foreign);
    });
  }

  /** Gives the uid of the claim that was there before, as {@link ClaimEnds.#look} does: what has its name once this is done may be another one. */
  async #snapshotClaim(work: Work): Promise<string | undefined> {
    const { writer, volumeSnapshots, clock, metrics } = this.#options;
    const { record, pod, plan, permit, until } = work;
    const { id, podName, workspaceClass } = record.facts;
    const subject = { id, claim: podName, className: workspaceClass, uid: record.uid, createdAt: pod.createdAt };
    const began = clock.monotonic();
    let claim: string | undefined;
    const { name, handle } = await this.#whileThereIsTime(work, async () => {
      claim ??= await this.#look(work);
      return volumeSnapshots.take(subject, { ...permit.wish("finalization"), signal: until }, permit.wish("finalization"));
    });
    metrics.volumeSnapshot(record.facts, (clock.monotonic() - began) / 1000);
    const changes = { [annotations.volumeSnapshot]: JSON.stringify({ volumeSnapshotName: name, volumeSnapshotHandle: handle }), ...(plan.snapshot && { [annotations.snapshot]: name }) };
    let noted = false;
    await insist("note a workspace's volume snapshot", async () => {
      await writer.annotate(record, changes, permit.wish("finalization"));
      noted = true;
    }, permit, this.#options);
    if (!noted) throw new Error(`volume snapshot ${name} could not be noted: the workspace's pod is gone`);
    return claim;
  }

  /** The claim's uid; empty: there is none; undefined if it may not be read, or the time is over: that does not keep the snapshot from being taken. @throws what may pass. */
  async #look({ record, permit, until }: Work): Promise<string | undefined> {
    try {
      return (await this.#options.writer.claimUid(record, { ...permit.wish("finalization"), signal: until })) ?? "";
    } catch (error) {
      permit.check();
      if (!until.aborted && mayPass(error)) throw error;
      return undefined;
    }
  }

  /** What it held is saved, or was not to be: a claim that stays takes room, and is no failure of the backup. */
  async #delete(work: Work, remove: (wish: Wish) => Promise<void>): Promise<void> {
    const { record, permit, until } = work;
    try {
      await this.#whileThereIsTime(work, () => remove({ ...permit.wish("finalization"), signal: until }));
    } catch (error) {
      permit.check();
      this.#options.log.warn({ id: record.facts.id, claim: record.facts.podName, error: messageOf(error) }, claimStays.failed);
    }
  }

  /** Requests to the API server, again and again for as long as there is time, if it may just be ill. @throws what it said last. */
  async #whileThereIsTime<T>({ permit, until }: Work, work: () => Promise<T>): Promise<T> {
    const { clock, random } = this.#options;
    const delays = new Backoff({ ...retryDelays, random });
    let said: unknown;
    for (;;) {
      permit.check();
      try {
        return await work();
      } catch (error) {
        permit.check();
        // What it was last ill with says more than that the time was over.
        const gaveUp = error instanceof KubeError && error.reason === "Aborted";
        if (!gaveUp) said = error;
        if (gaveUp || !mayPass(error)) throw said ?? error;
        await sleep(clock, delays.next(), until);
        if (until.aborted) throw said;
      }
    }
  }
}
