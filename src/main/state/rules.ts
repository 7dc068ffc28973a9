/** The rules over time (spec: status, "Rules over time"): what an earlier status of the same workspace demands of the next one. */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { joinFailed, splitFailed } from "../../domain/failed.ts";
import { wsman } from "../../gen/proto.js";
import { encodeStatus, type Status } from "./frame.ts";

const { STOPPING, STOPPED } = wsman.WorkspacePhase;

/** How a derived status must be changed before it may be published. */
export interface Amendment {
  /** Text for conditions.failed: published once, it stays. */
  readonly failed: string | undefined;
  /** Phase that the workspace can not leave any more. */
  readonly phase: wsman.WorkspacePhase | undefined;
}

/** What must be changed in a status with the facts `next`, after `last`. Undefined, the usual case: nothing. */
export function amendmentFor(last: WorkspaceFacts, next: WorkspaceFacts): Amendment | undefined {
  const failed = last.failed === "" ? undefined : keptFailure(last.failed, next.failed);
  const phase = goesBack(last.phase, next.phase) ? last.phase : undefined;
  return failed === undefined && phase === undefined ? undefined : { failed, phase };
}

/** A failure once told stays, and so does a failed backup; undefined if the next text says as much anyway. */
function keptFailure(last: string, next: string): string | undefined {
  const [before, now] = [splitFailed(last), splitFailed(next)];
  const kept = joinFailed({ failure: now.failure || before.failure, backup: now.backup || before.backup });
  return kept === next ? undefined : kept;
}

function goesBack(last: wsman.WorkspacePhase, next: wsman.WorkspacePhase): boolean {
  return last === STOPPED ? next !== STOPPED : last === STOPPING && next !== STOPPING && next !== STOPPED;
}

/** The facts, amended. */
export function amendFacts(facts: WorkspaceFacts, amendment: Amendment): WorkspaceFacts {
  return { ...facts, failed: amendment.failed ?? facts.failed, phase: amendment.phase ?? facts.phase };
}

/** The encoded status, amended: decoded, changed and encoded anew. Rare, and a matter of microseconds. */
export function amendStatus(encoded: Uint8Array, amendment: Amendment): Uint8Array {
  const status: Status = wsman.WorkspaceStatus.decode(encoded);
  if (amendment.failed !== undefined) status.conditions = { ...status.conditions, failed: amendment.failed };
  if (amendment.phase !== undefined) {
    status.phase = amendment.phase;
    status.message = "";
  }
  return encodeStatus(status);
}

/** As much of a status as the facts hold, for where the last one was evicted and its pod is gone. */
export function statusFromFacts(facts: WorkspaceFacts): Status {
  return {
    id: facts.id,
    metadata: {
      owner: facts.owner,
      metaId: facts.metaId,
      startedAt: wsman.SubscribeResponse.fromObject({ status: { metadata: { startedAt: { seconds: Math.floor(facts.createdAt / 1000) } } } }).status?.metadata?.startedAt ?? null,
      annotations: { ...facts.annotations },
    },
    spec: { headless: facts.headless, type: facts.type, class: facts.workspaceClass, ideImage: {} },
    phase: facts.phase,
    conditions: { failed: facts.failed, timeout: facts.timedOut, volumeSnapshot: {} },
    runtime: { nodeName: facts.nodeName, podName: facts.podName },
    auth: {},
  };
}
