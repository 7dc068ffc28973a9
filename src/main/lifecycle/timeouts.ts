/** Marks workspaces that have timed out, exactly when they are due (spec: lifecycle, "Timeouts"). */
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { annotations } from "../../domain/names.ts";
import { dueAt, timeoutOf, type TimedOut, type Timeouts } from "../../domain/timeouts.ts";
import { isConflict, isMissing, metadataIn, type KubeObjects } from "../kube/objects.ts";
import { textAt } from "../../domain/json.ts";
import type { Registry, WorkspaceRecord } from "../state/registry.ts";
import { isOvertaken, type Note, type Permit } from "./acting.ts";
import { disposalStatus } from "./disposal.ts";
import type { Reckoning } from "./elapsed.ts";
import { podPath, type AnnotationChanges, type PodWriter } from "./pod-writer.ts";

/** When which workspace is to be looked at. */
export interface DueTimes {
  /** Unix milliseconds; undefined: never. Whoever is due is set no more. */
  set(uid: string, dueAt: number | undefined): void;
}

/** What it works with. */
export interface TimeoutOptions {
  readonly registry: Pick<Registry, "byUid">;
  readonly writer: Pick<PodWriter, "change">;
  readonly objects: Pick<KubeObjects, "get">;
  readonly seen: (pod: Uint8Array) => Promise<void>;
  readonly due: DueTimes;
  readonly timeouts: Timeouts;
  readonly note: Note;
  /** The end of a content was written down without a backup, for which there was no more time. */
  readonly gaveUp: (record: WorkspaceRecord) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** After an attempt that failed the workspace is looked at again, milliseconds. */
const againMs = 5_000;
/** Between two looks at a workspace, at least, milliseconds. */
const pauseMs = 1_000;

/** Timeouts of one term. */
export class TimeoutWatch {
  readonly #options: TimeoutOptions;
  readonly #reckoning: Reckoning;
  readonly #permit: Permit;
  /** Workspaces that are looked at. */
  readonly #looking = new Set<string>();

  constructor(options: TimeoutOptions, reckoning: Reckoning, permit: Permit) {
    this.#options = options;
    this.#reckoning = reckoning;
    this.#permit = permit;
  }

  /** A workspace has changed. */
  changed(record: WorkspaceRecord): void {
    if (!this.#looking.has(record.uid)) this.#arm(record);
  }

  /** A workspace is due, as far as is known: never rejects. */
  async due(uid: string): Promise<void> {
    const { registry, due, clock, log } = this.#options;
    const record = registry.byUid(uid);
    if (!record || this.#looking.has(uid) || this.#permit.signal.aborted) return;
    this.#looking.add(uid);
    try {
      await this.#look(record);
      this.#looking.delete(uid);
      // What was done about it may not be known here yet.
      this.#arm(record, clock.now() + pauseMs);
    } catch (error) {
      this.#looking.delete(uid);
      if (isOvertaken(error, this.#permit)) return;
      log.warn({ pod: record.facts.podName, error: messageOf(error) }, "a workspace that may have timed out could not be looked at, trying again");
      due.set(uid, clock.now() + againMs);
    }
  }

  #arm(record: WorkspaceRecord, notBefore = 0): void {
    const { registry, due, timeouts } = this.#options;
    // Somebody else's place may have been taken, or it has gone meanwhile.
    if (registry.byUid(record.uid) !== record) return;
    if (!canTimeOut(record)) {
      due.set(record.uid, undefined);
      return;
    }
    const { facts, lastActivity } = this.#reckoning.of(record);
    const at = dueAt(facts, lastActivity, timeouts);
    due.set(record.uid, at === undefined ? undefined : Math.max(at, notBefore));
  }

  /** Reads the pod first: another replica may have been told of activity. Marked is what was read and nothing newer, so that no activity is overlooked. */
  async #look(record: WorkspaceRecord): Promise<void> {
    const { registry, objects, seen } = this.#options;
    if (!this.#timedOut(record)) return;
    const wish = this.#permit.wish("finalization");
    const pod = await objects.get(podPath(record.facts.podName), wish).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    const metadata = pod && metadataIn(pod);
    // The watch tells of its end.
    if (!pod || textAt(metadata, "uid") !== record.uid) return;
    await seen(pod);
    const timedOut = registry.byUid(record.uid) === record ? this.#timedOut(record) : undefined;
    if (!timedOut) return;
    await this.#mark(record, timedOut, textAt(metadata, "resourceVersion"));
  }

  async #mark(record: WorkspaceRecord, { text, activity }: TimedOut, resourceVersion: string): Promise<void> {
    const { writer, log, note, gaveUp } = this.#options;
    // It is written once; where that was for another reason, a backup that does not end still has to be given up.
    const giveUp = record.facts.timedOut !== "" && activity === "backup";
    const changes: AnnotationChanges = giveUp ? { [annotations.disposalStatus]: disposalStatus({ failure: text, gitStatus: undefined }) } : { [annotations.timedOut]: text };
    this.#permit.check();
    try {
      await writer.change(record, changes, this.#permit.wish("finalization"), { resourceVersion });
      if (giveUp) gaveUp(record);
      log.info({ id: record.facts.id, pod: record.facts.podName, reason: text }, "a workspace has timed out");
      note(record, { type: "Normal", reason: "TimedOut", message: text });
    } catch (error) {
      // Somebody was faster: what it is now is known soon, or looked at again.
      if (!isConflict(error) && !isMissing(error)) throw error;
    }
  }

  #timedOut(record: WorkspaceRecord): TimedOut | undefined {
    if (!canTimeOut(record)) return undefined;
    const { facts, lastActivity } = this.#reckoning.of(record);
    return timeoutOf(facts, lastActivity, this.#options.clock.now(), this.#options.timeouts);
  }
}

/** One that was marked already can not any more, but for its backup. */
function canTimeOut({ facts, stopped, vacant }: WorkspaceRecord): boolean {
  if (stopped || vacant) return false;
  return facts.timedOut === "" || (facts.deletedAt !== undefined && !facts.backupComplete && !facts.timedOut.includes("backup"));
}
