/** Marks workspaces that have timed out, exactly when they are due (spec: lifecycle, "Timeouts"). */
import { Backoff } from "../../domain/backoff.ts";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { annotations } from "../../domain/names.ts";
import type { Timeouts } from "../../domain/timeouts.ts";
import { compareVersions } from "../../domain/versions.ts";
import { isConflict, isMissing, metadataIn, podPath, unlessMissing, type AnnotationChanges, type KubeObjects } from "../kube/objects.ts";
import { textAt } from "../../domain/json.ts";
import type { Registry, WorkspaceRecord } from "../state/registry.ts";
import { isOvertaken, retryDelays, type Note, type Permit } from "./acting.ts";
import { nextDue, timedActionAt, type TimedAction } from "./decision.ts";
import { disposalStatus } from "./disposal.ts";
import type { Reckoning } from "./elapsed.ts";
import type { PodWriter } from "./pod-writer.ts";

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
  /** The end of a content was written down without a backup, for which there was no more time; `status` is what was written. */
  readonly gaveUp: (record: WorkspaceRecord, status: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks that are under way at a time: each is one or two requests, and thousands may be due at once. The others wait, each once. */
const maxLooks = 64;
/**
 * One that a change has made overdue is looked at so much later, milliseconds: another replica may know of activity that it did not have to write until then, and writes it when it sees the
 * change (see activity.ts).
 */
const changedMs = 5_000;

/** A workspace whose time is over, and is there still. */
interface Overdue {
  /** Between looks that change nothing. */
  readonly delays: Backoff;
  /** It is not looked at before, Unix milliseconds. */
  notBefore: number;
}

/** Timeouts of one term. */
export class TimeoutWatch {
  readonly #options: TimeoutOptions & { readonly random: () => number };
  readonly #reckoning: Reckoning;
  readonly #permit: Permit;
  /** Workspaces that are looked at. */
  readonly #looking = new Set<string>();
  readonly #waiting = new Set<string>();
  readonly #overdue = new Map<string, Overdue>();
  #lookers = 0;

  /** @param options `random` is uniform in [0, 1). */
  constructor(options: TimeoutOptions & { readonly random: () => number }, reckoning: Reckoning, permit: Permit) {
    this.#options = options;
    this.#reckoning = reckoning;
    this.#permit = permit;
  }

  /** A workspace has changed. */
  changed(record: WorkspaceRecord): void {
    if (!this.#looking.has(record.uid)) this.#arm(record);
  }

  /** It is gone. */
  forgotten(uid: string): void {
    this.#overdue.delete(uid);
    this.#waiting.delete(uid);
  }

  /** A workspace is due, as far as is known: never rejects. */
  async due(uid: string): Promise<void> {
    if (this.#lookers >= maxLooks) {
      this.#waiting.add(uid);
      return;
    }
    this.#lookers++;
    for (let next: string | undefined = uid; next !== undefined; next = this.#takeWaiting()) await this.#lookAt(next);
    this.#lookers--;
  }

  #takeWaiting(): string | undefined {
    const [next] = this.#waiting;
    if (next !== undefined) this.#waiting.delete(next);
    return next;
  }

  async #lookAt(uid: string): Promise<void> {
    const record = this.#options.registry.byUid(uid);
    if (!record || this.#looking.has(uid) || this.#permit.signal.aborted) return;
    this.#looking.add(uid);
    try {
      await this.#look(record);
    } catch (error) {
      if (isOvertaken(error, this.#permit)) return;
      if ((this.#overdue.get(uid)?.delays.attempts ?? 0) === 0) {
        this.#options.log.warn({ pod: record.facts.podName, error: messageOf(error) }, "a workspace that may have timed out could not be looked at, trying again");
      }
    } finally {
      this.#looking.delete(uid);
    }
    // What was done about it may not be known here yet.
    const overdue = this.#overdueOf(uid);
    overdue.notBefore = this.#options.clock.now() + overdue.delays.next();
    this.#arm(record);
  }

  #overdueOf(uid: string): Overdue {
    const { clock, random } = this.#options;
    const overdue = this.#overdue.get(uid) ?? { delays: new Backoff({ ...retryDelays, random }), notBefore: clock.now() + changedMs };
    this.#overdue.set(uid, overdue);
    return overdue;
  }

  #arm(record: WorkspaceRecord): void {
    const { registry, due, clock } = this.#options;
    const { uid } = record;
    // Somebody else's place may have been taken, or it has gone meanwhile.
    if (registry.byUid(uid) !== record) {
      this.#overdue.delete(uid);
      return;
    }
    const [at, now] = [this.#dueAt(record), clock.now()];
    if (at === undefined || at > now) {
      this.#overdue.delete(uid);
      due.set(uid, at);
      return;
    }
    // Not longer, should the clock have been set back.
    due.set(uid, Math.min(this.#overdueOf(uid).notBefore, now + retryDelays.maxMs));
  }

  #dueAt(record: WorkspaceRecord): number | undefined {
    return nextDue(record, this.#reckoning.of(record), this.#options.timeouts);
  }

  /** Reads the pod first: another replica may have been told of activity. Marked is what was read and nothing newer, so that no activity is overlooked. */
  async #look(record: WorkspaceRecord): Promise<void> {
    const { registry, objects, seen } = this.#options;
    if (!this.#decide(record)) return;
    const wish = this.#permit.wish("finalization");
    const pod = await objects.get(podPath(record.facts.podName), wish).catch(unlessMissing);
    const metadata = pod && metadataIn(pod);
    // The watch tells of its end.
    if (!pod || textAt(metadata, "uid") !== record.uid) return;
    await seen(pod);
    if (registry.byUid(record.uid) !== record) return;
    const resourceVersion = textAt(metadata, "resourceVersion");
    // `seen` does not wait for long, and a pod that can not be understood never takes effect.
    if (compareVersions(record.resourceVersion, resourceVersion) < 0) throw new Error("its pod was read, but is not known yet as it was read");
    const decided = this.#decide(record);
    if (decided) await this.#write(record, decided, resourceVersion);
  }

  async #write(record: WorkspaceRecord, { action, text }: TimedAction, resourceVersion: string): Promise<void> {
    const { writer, log, note, gaveUp } = this.#options;
    const status = action === "giveUpBackup" ? disposalStatus({ failure: text, gitStatus: undefined }) : undefined;
    const changes: AnnotationChanges = status === undefined ? { [annotations.timedOut]: text } : { [annotations.disposalStatus]: status };
    this.#permit.check();
    try {
      await writer.change(record, changes, this.#permit.wish("finalization"), { resourceVersion });
      if (status !== undefined) gaveUp(record, status);
      log.info({ id: record.facts.id, pod: record.facts.podName, reason: text }, "a workspace has timed out");
      note(record, { type: "Normal", reason: "TimedOut", message: text });
    } catch (error) {
      // Somebody was faster: what it is now is known soon, or looked at again.
      if (!isConflict(error) && !isMissing(error)) throw error;
    }
  }

  #decide(record: WorkspaceRecord): TimedAction | undefined {
    const { clock, timeouts } = this.#options;
    return timedActionAt(record, this.#reckoning.of(record), timeouts, clock.now());
  }
}
