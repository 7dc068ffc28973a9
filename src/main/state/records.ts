/** New records, and questions to them that the commit asks. */
import { noActions } from "../../domain/actions.ts";
import type { WorkspaceResult } from "../../domain/messages.ts";
import { wsman } from "../../gen/proto.js";
import type { WorkspaceRecord } from "./registry.ts";

const { PENDING } = wsman.WorkspacePhase;

/** The record of a pod that was not known; nothing of it is published yet. */
export function newRecord({ uid, resourceVersion, facts, digest }: WorkspaceResult, listGeneration: number): WorkspaceRecord {
  return {
    uid, resourceVersion, facts, digest, listGeneration, version: { seconds: 0, logical: 0 }, sequence: 0, stopped: false, awaitsRunning: false,
    frame: undefined, place: -1, held: undefined, actions: noActions, init: undefined, vacant: false, activeAt: undefined, activityWrittenAt: undefined,
  };
}

/** Whether a node refused the pod, and it is to be made anew. */
export function isRefused({ actions }: WorkspaceRecord): boolean {
  return actions[0]?.action === "recreatePod";
}

/** Whether a pod goes on with the workspace of an older one: that was refused, or nothing is known of it but that it waited, and this one is as old as it. */
export function succeeds(other: WorkspaceRecord, { facts, removed }: WorkspaceResult): boolean {
  if (other.stopped || removed) return false;
  const sameStart = facts.createdAt !== 0 && facts.createdAt === other.facts.createdAt;
  return other.vacant || isRefused(other) || (sameStart && other.facts.phase === PENDING && facts.phase === PENDING);
}

/** The record of a pod that takes the place of another one: the same workspace, of which the same was told so far. */
export function successorOf(other: WorkspaceRecord, result: WorkspaceResult, listGeneration: number): WorkspaceRecord {
  const { facts, digest, version, sequence, awaitsRunning, frame, activeAt } = other;
  return { ...newRecord(result, listGeneration), facts, digest, version, sequence, awaitsRunning, frame, activeAt };
}

/** Whether the actions have use for the request for the workspace's content. */
export function needsContent({ actions }: WorkspaceRecord): boolean {
  return actions.some(({ action }) => action === "initializeContent" || action === "waitForReady");
}
