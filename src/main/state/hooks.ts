/** What a change of the state is told as. */
import type { SkippedResult, WorkspaceFacts } from "../../domain/messages.ts";
import type { WorkspaceRecord } from "./registry.ts";

/** A status that was published just now. */
export interface Update {
  readonly facts: WorkspaceFacts;
  readonly frame: Buffer;
  /** A slow reader must get this one even if a newer one follows: STOPPED, or another `failed` than before. */
  readonly keep: boolean;
  /** What it was derived from, as JSON, if changes are traced; valid during the call only. */
  readonly objects?: Uint8Array | undefined;
}

/** What others do when the state changes. None may throw. */
export interface StateHooks {
  /** A status was published: hand it to the subscribers. */
  published(update: Update): void;
  /** A status was derived that says nothing new. */
  suppressed(): void;
  /** A workspace that we saw before it ran is RUNNING for the first time. */
  started(facts: WorkspaceFacts): void;
  /** A workspace stopped; not told of those that the first list finds stopped. @param neverRan it was seen before it ran, and never did. */
  stopped(facts: WorkspaceFacts, neverRan: boolean): void;
  /** A line brought no status: counted and logged. */
  skipped(result: SkippedResult): void;
  /** A pod claims the ID of another pod that is alive; it is left aside until that one is gone. */
  conflict(id: string, podName: string): void;
  /** A pod should be read again from the API server: its turn has come, or it may have gone unseen. */
  reread(podName: string, uid: string): void;
  /** A newer state of a pod was taken over: what is to be done about it, or when it is due, may have changed. */
  changed(record: WorkspaceRecord): void;
  /** A pod that a node refused is gone, and another one should take its place. Someone has to call `giveUp` if none does. */
  vacant(record: WorkspaceRecord): void;
  /** The pod is gone for good: whatever is kept of it can go. A placeholder that its record still names stands for nothing any more, and should be taken away. */
  forgotten(record: WorkspaceRecord): void;
  /** The record is of a placeholder of a start that is over: nothing may be made from it, and it should be taken away. */
  strayed(record: WorkspaceRecord): void;
}
