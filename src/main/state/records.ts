/** New records, and questions to them that the commit asks. */
import { noActions } from "../../domain/actions.ts";
import type { WorkspaceFacts, WorkspaceResult } from "../../domain/messages.ts";
import { isPlaceholderName } from "../../domain/placeholder.ts";
import { compareVersions } from "../../domain/versions.ts";
import { wsman } from "../../gen/proto.js";
import { unknownVersion, type Placeholder, type WorkspaceRecord } from "./registry.ts";

const { PENDING, STOPPED } = wsman.WorkspacePhase;

/** The record of a pod that was not known; nothing of it is published yet. */
export function newRecord({ uid, resourceVersion, facts, digest }: WorkspaceResult, listGeneration: number): WorkspaceRecord {
  return {
    uid, resourceVersion, facts, digest, listGeneration, version: { seconds: 0, logical: 0 }, sequence: 0, stopped: false, awaitsRunning: false,
    frame: undefined, place: -1, held: undefined, actions: noActions, init: undefined, vacant: false, placeholder: undefined, activeAt: undefined, activityWrittenAt: undefined,
  };
}

/** Whether a node refused the pod, or it is a placeholder: another one is to take its place. */
export function awaitsAnother({ actions }: Pick<WorkspaceRecord, "actions">): boolean {
  const action = actions[0]?.action;
  return action === "recreatePod" || action === "fillPlaceholder";
}

/** Whether the pod is a placeholder. */
export function isPlaceholder({ facts }: Pick<WorkspaceRecord, "facts">): boolean {
  return isPlaceholderName(facts.podName);
}

/** A placeholder that stood for the workspace until its pod came, or stands behind it still. */
export function placeholderBehind(record: WorkspaceRecord): Placeholder | undefined {
  return isPlaceholder(record) && !record.vacant ? { podName: record.facts.podName, uid: record.uid } : record.placeholder;
}

/** What tells one start of an ID from another. */
type Start = Pick<WorkspaceFacts, "start" | "createdAt">;

/** Whether two pods are of one start: they have its token, or, where neither has one, are as old as each other. Two starts of one ID may be of the same second. */
export function isSameStart({ start, createdAt }: Start, other: Start): boolean {
  if (start !== 0 || other.start !== 0) return start === other.start;
  return createdAt !== 0 && createdAt === other.createdAt;
}

/** Whether a pod is of a later start than another one, as far as can be told. */
export function isLaterStart({ facts, resourceVersion }: WorkspaceResult, other: WorkspaceRecord): boolean {
  const laterMs = facts.createdAt - other.facts.createdAt;
  return laterMs > 0 || (laterMs === 0 && compareVersions(resourceVersion, other.resourceVersion) > 0);
}

/** Whether a pod goes on with the workspace of an older one of the same start: that was refused, or nothing is known of it but that it waited. */
export function succeeds(other: WorkspaceRecord, { facts, removed }: WorkspaceResult): boolean {
  if (other.stopped || removed || !isSameStart(facts, other.facts)) return false;
  return givesWay(other) || (other.facts.phase === PENDING && facts.phase === PENDING);
}

/** Whether another pod may go on with the workspace, and have nothing new to say of it. Where this is false the end of the pod is told, if it was not yet. */
export function mayBeSucceeded(record: WorkspaceRecord): boolean {
  return !record.stopped && (givesWay(record) || record.facts.phase === PENDING);
}

function givesWay(record: WorkspaceRecord): boolean {
  return record.vacant || awaitsAnother(record) || isPlaceholder(record);
}

/** Whether a pod whose end was told has not ended: the API server's store was set back. */
export function livesAgain({ stopped, resourceVersion }: WorkspaceRecord, { facts, removed }: WorkspaceResult): boolean {
  return stopped && resourceVersion === unknownVersion && !removed && facts.phase !== STOPPED;
}

/** What the rules over time go by: after the API server's store was set back, the phase may go back as well, once. */
export function lastOf({ facts, stopped, resourceVersion }: WorkspaceRecord, next: WorkspaceResult): WorkspaceFacts {
  return resourceVersion === unknownVersion && !stopped ? { ...facts, phase: next.facts.phase } : facts;
}

/** Whether a pod that was gone is there, as after a restore of etcd. What was seen before it went, as of a version that is known, does not say so. */
export function isThereAgain({ vacant, resourceVersion }: WorkspaceRecord, result: WorkspaceResult): boolean {
  return vacant && !result.removed && compareVersions(result.resourceVersion, resourceVersion) > 0;
}

/** The record of a pod that takes the place of another one: the same workspace, of which the same was told so far. */
export function successorOf(other: WorkspaceRecord, result: WorkspaceResult, listGeneration: number): WorkspaceRecord {
  const { facts, digest, version, sequence, awaitsRunning, frame, activeAt } = other;
  const placeholder = isPlaceholder(result) ? undefined : placeholderBehind(other);
  return { ...newRecord(result, listGeneration), facts, digest, version, sequence, awaitsRunning, frame, activeAt, placeholder };
}

/** Of a pod and a placeholder of one start: whether the one that is told of now stands for the workspace from now on. Nothing follows an end that was told. */
export function takesOver(other: WorkspaceRecord, result: WorkspaceResult): boolean {
  return !other.stopped && (!isPlaceholder(result) || other.vacant);
}

/** What stands behind a pod after something was told that does not take over. */
export function placeholderAfter({ placeholder }: WorkspaceRecord, result: WorkspaceResult): Placeholder | undefined {
  const { uid, removed, facts } = result;
  if (!isPlaceholder(result)) return placeholder;
  if (!removed) return { podName: facts.podName, uid };
  return placeholder?.uid === uid ? undefined : placeholder;
}

/** Whether the actions have use for the request for the workspace's content. */
export function needsContent({ actions }: WorkspaceRecord): boolean {
  return actions.some(({ action }) => action === "initializeContent" || action === "waitForReady");
}
