/** Ends a workspace's content: saves it, has the node daemon dispose of it, and writes down what became of it (spec: lifecycle, "Finalization"). */
import { deadline, sleep } from "../../domain/clock.ts";
import { messageOf, RemoteError } from "../../domain/errors.ts";
import { splitFailed } from "../../domain/failed.ts";
import { objectIn, textAt } from "../../domain/json.ts";
import { annotations } from "../../domain/names.ts";
import { publicText } from "../../domain/redact.ts";
import { rfc3339Nano } from "../../domain/rfc3339.ts";
import type { contentservice } from "../../gen/proto.js";
import type { LifecycleMetrics } from "../../metrics/lifecycle.ts";
import { KubeError } from "../kube/errors.ts";
import { isConflict, isMissing, podPath, unlessMissing, type AnnotationChanges, type KubeObjects, type Wish } from "../kube/objects.ts";
import { unknownVersion, type WorkspaceRecord } from "../state/registry.ts";
import type { NodeDaemonClient } from "../wsdaemon/client.ts";
import { grpc, grpcCodeOf, insist, type Note, type Permit } from "./acting.ts";
import { ClaimEnds, type ClaimEndOptions, type Work } from "./claim-ends.ts";
import { failure as failedWith } from "./content.ts";
import { disposalCountsFrom } from "./elapsed.ts";
import { disposalFacts, disposalStatus, isBackedUp, planDisposal, type DisposalPlan } from "./disposal.ts";
import { Gate, type GateLimits } from "./gate.ts";
import type { PodWriter } from "./pod-writer.ts";

/** What it works with. */
export interface FinalizationOptions extends ClaimEndOptions {
  readonly writer: Pick<PodWriter, "change" | "annotate" | "decide" | "claimUid" | "deleteClaim" | "deleteUnused">;
  readonly objects: Pick<KubeObjects, "get">;
  readonly nodes: Pick<NodeDaemonClient, "takeSnapshot" | "disposeWorkspace" | "isThere">;
  /** timeouts.contentFinalization, milliseconds. */
  readonly limitMs: number;
  readonly note: Note;
  readonly metrics: Pick<LifecycleMetrics, "finalized" | "backup" | "volumeSnapshot">;
}

/** What became of the content. */
interface Outcome {
  readonly failure: string;
  readonly gitStatus: contentservice.GitStatus.$Properties | undefined;
}

const retryEveryMs = 5_000;
/** Bytes of what others said that are logged. */
const maxLogged = 500;
/** It gives up so long before the workspace would be marked as timed out, at most, so that the reason is told, milliseconds. */
const marginMs = 5_000;
/** As many as a node has workspaces; in all, enough for nodes that hang with all of theirs. A call each. */
export const finalizationLimits: GateLimits = { total: 5_000, perNode: 250 };
const retried: ReadonlySet<number | undefined> = new Set<number | undefined>([grpc.UNAVAILABLE, grpc.CANCELLED, grpc.DEADLINE_EXCEEDED]);

function isInvalid(error: unknown): boolean {
  return error instanceof KubeError && error.status === 422;
}

/** Writing the end of a content down. */
interface WriteAttempt {
  /** Of the pod, on which it is written. */
  version: string;
  status: string;
  /** It was sent, whether or not it was answered. */
  tried: boolean;
  written: boolean;
}

/** The work of a workspace's end. */
export class Finalization {
  readonly #options: FinalizationOptions;
  readonly #gate = new Gate(finalizationLimits);
  readonly #claims: ClaimEnds;

  constructor(options: FinalizationOptions) {
    this.#options = options;
    this.#claims = new ClaimEnds(options);
  }

  /**
   * Finalizes a workspace whose container does not run any more. What goes wrong with its content is written down as such; it rejects when it is overtaken, or the API server does not
   * let it begin: then it can be tried again.
   * @param last for the last write, which is seen by all, ourselves too, before it is answered: it must not be overtaken by its own effect.
   */
  finalize(record: WorkspaceRecord, resume: boolean, permit: Permit, last: Permit): Promise<void> {
    // Those on no node wait for none.
    return this.#gate.run(record.facts.nodeName || record.uid, permit.signal, () => this.#finalize(record, resume, permit, last));
  }

  async #finalize(record: WorkspaceRecord, resume: boolean, permit: Permit, last: Permit): Promise<void> {
    const { writer, clock, limitMs, metrics } = this.#options;
    const began = clock.monotonic();
    // Noted first, and answered with the pod as it is: nothing that was done before is done again.
    const noted = await writer.decide(record, () => this.#beginning(record, permit), permit.wish("finalization")).catch(unlessMissing);
    const pod = noted && disposalFacts(noted);
    if (!pod || pod.complete) return;
    const plan = planDisposal(pod, record.facts);
    const now = clock.now();
    const leftMs = disposalCountsFrom(pod, permit.since, limitMs, now) + limitMs - now;
    const limit = deadline(clock, Math.max(0, leftMs - Math.min(marginMs, limitMs / 10)), permit.signal);
    let outcome: Outcome;
    try {
      outcome = await this.#end({ record, pod, plan, resume, permit, until: limit.signal });
    } finally {
      limit.cancel();
    }
    permit.check();
    const written = await this.#write(record, pod.resourceVersion, outcome, last);
    if (!written) return;
    this.#tell(record, plan, outcome);
    if (plan.backup) metrics.backup(record.facts, outcome.failure === "");
    metrics.finalized(record.facts, (clock.monotonic() - began) / 1000);
  }

  /** Its time counts from the first beginning, so that no change of the lead gives it more. */
  #beginning({ facts }: WorkspaceRecord, { since }: Permit): AnnotationChanges | undefined {
    const { clock, limitMs } = this.#options;
    if (facts.backupComplete) return undefined;
    const began = { [annotations.startedDisposal]: "true" };
    if (facts.disposalSince !== undefined) return began;
    const now = clock.now();
    const from = Math.min(now, disposalCountsFrom({ ...facts, deletedAt: facts.deletedAt ?? now }, since, limitMs, now));
    return { ...began, [annotations.disposalSince]: rfc3339Nano(from) };
  }

  /** The end was written down elsewhere, since there was no more time for it: told as one that was written here. @param status what was written. */
  gaveUp(record: WorkspaceRecord, status: string): void {
    const backup = isBackedUp(record.facts);
    this.#tell(record, { backup }, { failure: textAt(objectIn(status), "backupFailure") });
    if (backup) this.#options.metrics.backup(record.facts, false);
  }

  #tell(record: WorkspaceRecord, { backup }: Pick<DisposalPlan, "backup">, { failure }: Pick<Outcome, "failure">): void {
    const { log, note } = this.#options;
    const { id, podName } = record.facts;
    if (failure !== "") {
      log.warn({ id, pod: podName, error: publicText(failure, maxLogged) }, "a workspace's content could not be saved");
      note(record, { type: "Warning", reason: "BackupFailed", message: failure });
    } else if (backup) note(record, { type: "Normal", reason: "BackedUp", message: "the workspace's content was saved" });
  }

  async #end(work: Work): Promise<Outcome> {
    const { plan, pod, permit } = work;
    const failures: string[] = [];
    const attempt = async (step: () => Promise<void>): Promise<void> => {
      try {
        await step();
      } catch (error) {
        permit.check();
        failures.push(messageOf(error));
      }
    };
    if (pod.hasClaim) await attempt(() => this.#claims.end(work));
    else if (plan.snapshot && pod.snapshot === "") await this.#snapshot(work);
    let gitStatus: Outcome["gitStatus"];
    if (!plan.nothing) {
      await attempt(async () => {
        gitStatus = await this.#dispose(work);
      });
    }
    permit.check();
    return { failure: failures.join("; "), gitStatus };
  }

  /** What a prebuild made. Without it the prebuild has failed. */
  async #snapshot(work: Work): Promise<void> {
    const { nodes, writer } = this.#options;
    const { record, pod, permit } = work;
    let changes: AnnotationChanges;
    try {
      changes = { [annotations.snapshot]: await this.#persist(work, () => nodes.takeSnapshot(pod.nodeName, record.facts.id, false, work.until)) };
    } catch (error) {
      permit.check();
      // Nobody has waited for its content, and there is none.
      if (!pod.everReady && grpcCodeOf(error) === grpc.NOT_FOUND) return;
      changes = failedWith(`cannot take snapshot: ${messageOf(error)}`);
    }
    // A failure that comes late must not fail what a successor has made.
    await insist("note a prebuild's snapshot", async () => void (await writer.decide(record, () => changes, permit.wish("finalization"))), permit, this.#options);
  }

  async #dispose(work: Work): Promise<Outcome["gitStatus"]> {
    const { nodes } = this.#options;
    const { record, pod, plan } = work;
    let asked = false;
    try {
      return await this.#persist(work, async () => {
        try {
          return await nodes.disposeWorkspace(pod.nodeName, { id: record.facts.id, backup: plan.backup && !pod.hasClaim, backupLogs: plan.logs }, work.until);
        } catch (error) {
          // A daemon that has never learned of it has saved nothing.
          if (error instanceof RemoteError && error.code !== grpc.NOT_FOUND) asked = true;
          throw error;
        }
      });
    } catch (error) {
      // Whoever was asked before has done it, or there was never anything.
      const done = work.resume || asked || (!plan.backup && !pod.everReady);
      if (done && grpcCodeOf(error) === grpc.NOT_FOUND) return undefined;
      throw error;
    }
  }

  /** Calls the node daemon, again and again for as long as there is time, if it may just not be there. */
  async #persist<T>({ pod, permit, until }: Work, call: () => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    if (pod.nodeName === "") throw new Error("the workspace was on no node");
    for (;;) {
      permit.check();
      try {
        return await call();
      } catch (error) {
        permit.check();
        if (!retried.has(grpcCodeOf(error))) throw error;
        await sleep(clock, retryEveryMs, until);
        permit.check();
        if (until.aborted) throw new Error(this.#timeIsUp(pod.nodeName, error), { cause: error });
      }
    }
  }

  #timeIsUp(node: string, error: unknown): string {
    if (!this.#options.nodes.isThere(node)) return `node ${node} is gone: no workspace daemon was ready there before the time was over`;
    const code = grpcCodeOf(error);
    return code === grpc.UNAVAILABLE ? messageOf(error) : `the workspace daemon of node ${node} was not done before the time was over`;
  }

  /** Writes the end down, unless somebody else has: what is written stays. Gives whether it was we. */
  async #write(record: WorkspaceRecord, resourceVersion: string, outcome: Outcome, permit: Permit): Promise<boolean> {
    const attempt = { version: ["", unknownVersion].includes(record.resourceVersion) ? resourceVersion : record.resourceVersion, status: disposalStatus(outcome), tried: false, written: false };
    try {
      await insist("write down what became of a workspace's content", () => this.#tryToWrite(record, outcome, attempt, permit), permit, this.#options);
    } catch (error) {
      // The pod may be let go for what was written, and the work on it end, before the answer comes. While we lead nobody else writes it, but for whoever gives it up when its time is over.
      if (!attempt.tried || !permit.leads || !isWritten(attempt.status, record)) throw error;
      attempt.written = true;
    }
    return attempt.written;
  }

  async #tryToWrite(record: WorkspaceRecord, outcome: Outcome, attempt: WriteAttempt, permit: Permit): Promise<void> {
    for (;;) {
      permit.check();
      if (record.facts.backupComplete && !attempt.tried) return;
      try {
        attempt.tried = true;
        await this.#options.writer.change(record, { [annotations.disposalStatus]: attempt.status }, permit.wish("finalization"), { resourceVersion: attempt.version });
        attempt.written = true;
        return;
      } catch (error) {
        // The pod's annotations are full: that the content was saved matters more than the state of its repository.
        if (isInvalid(error)) attempt.status = disposalStatus({ ...outcome, gitStatus: undefined });
        if (!isConflict(error) && !isMissing(error)) throw error;
      }
      const now = await this.#standing(record, attempt.status, permit.wish("finalization"));
      if (typeof now === "boolean") {
        attempt.written = now;
        return;
      }
      attempt.version = now;
    }
  }

  /** After a write without effect, or answer: whether the end stands there as we wrote it, if one does; if not, the version to write it on. */
  async #standing(record: WorkspaceRecord, status: string, wish: Wish): Promise<boolean | string> {
    const found = await this.#options.objects.get(podPath(record.facts.podName), wish).catch(unlessMissing);
    const pod = found && disposalFacts(found);
    // Gone, or another one: it went by the end that is known, which is ours if it says the same.
    if (pod?.uid !== record.uid) return isWritten(status, record);
    return pod.complete ? pod.disposalStatus === status : pod.resourceVersion;
  }
}

/** Whether the end of a content that is known says what was to be written down. */
function isWritten(status: string, { facts }: WorkspaceRecord): boolean {
  const failure = textAt(objectIn(status), "backupFailure");
  const { backup } = splitFailed(facts.failed);
  return facts.backupComplete && (failure === "" ? backup === "" : backup.includes(failure));
}
