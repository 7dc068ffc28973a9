/** Results as workers give them, made by hand for tests of what comes after the workers. */
import { noActions, type Action } from "../../src/domain/actions.ts";
import type { BatchResult, BatchTask, LineResult, WorkspaceFacts, WorkspaceResult } from "../../src/domain/messages.ts";
import { digestOf } from "../../src/domain/digest.ts";
import { wsman } from "../../src/gen/proto.js";
import { encodeStatus } from "../../src/main/state/frame.ts";
import { newRecord } from "../../src/main/state/records.ts";
import type { WorkspaceRecord } from "../../src/main/state/registry.ts";

/** Facts of a running workspace, with changes. */
export function facts(changes: Partial<WorkspaceFacts> = {}): WorkspaceFacts {
  return {
    id: "ws1",
    podName: "ws-ws1",
    owner: "alice",
    metaId: "meta1",
    annotations: undefined,
    phase: wsman.WorkspacePhase.RUNNING,
    type: wsman.WorkspaceType.REGULAR,
    headless: false,
    workspaceClass: "default",
    nodeName: "node1",
    failed: "",
    timedOut: "",
    start: 0,
    createdAt: 1_700_000_000_000,
    deletedAt: undefined,
    disposalSince: undefined,
    lastActivity: undefined,
    everActive: false,
    closed: false,
    everReady: true,
    pullingImages: false,
    backupComplete: false,
    customTimeout: "",
    exposedPorts: 0,
    ...changes,
  };
}

/** What identifies a result beside its facts. */
export interface ResultOptions {
  readonly uid?: string;
  readonly rv?: number;
  readonly removed?: boolean;
  readonly message?: string;
  readonly actions?: readonly Action[];
}

/** A workspace result and the bytes it points into. */
export function workspaceResult(changes: Partial<WorkspaceFacts> = {}, options: ResultOptions = {}): { result: WorkspaceResult; bytes: Uint8Array } {
  const own = facts(changes);
  const bytes = encodeStatus({ id: own.id, phase: own.phase, message: options.message ?? "", conditions: { failed: own.failed }, metadata: { owner: own.owner, metaId: own.metaId } });
  return {
    result: {
      kind: "workspace",
      uid: options.uid ?? `uid-${own.podName}`,
      resourceVersion: String(options.rv ?? 1),
      removed: options.removed ?? false,
      facts: own,
      start: 0,
      length: bytes.length,
      digest: digestOf(bytes),
      held: undefined,
      actions: options.actions ?? noActions,
      init: undefined,
      trace: undefined,
    },
    bytes,
  };
}

/** A line of tests: what the fake worker is to answer. */
export interface TestLine {
  readonly id: string;
  readonly rv: number;
  readonly phase?: wsman.WorkspacePhase;
  readonly uid?: string;
  /** Makes the fake worker fail. */
  readonly poison?: boolean;
}

/** The bytes of a test line; the uid stands where a pod has it. */
export function testLine(line: TestLine): Uint8Array {
  return Buffer.from(JSON.stringify({ type: "MODIFIED", metadata: { uid: line.uid ?? `uid-${line.id}` }, ...line }));
}

function isTestLine(value: unknown): value is TestLine {
  return typeof value === "object" && value !== null && "id" in value && "rv" in value;
}

/** Works like a worker on {@link testLine}s. Throws on a poisoned one, as a crashed worker's task would. */
export function fakeWork(task: BatchTask): BatchResult {
  const parts: Uint8Array[] = [];
  const results: LineResult[] = [];
  let offset = 0;
  for (const line of task.lines) {
    const value: unknown = JSON.parse(Buffer.from(task.buffer, line.start, line.length).toString());
    if (!isTestLine(value)) throw new Error("not a test line");
    if (value.poison === true) throw new Error("worker crashed");
    const made = workspaceResult({ id: value.id, podName: `ws-${value.id}`, phase: value.phase ?? wsman.WorkspacePhase.RUNNING }, { rv: value.rv, uid: value.uid ?? `uid-${value.id}`, message: `rv ${value.rv}` });
    results.push({ ...made.result, start: offset });
    parts.push(made.bytes);
    offset += made.bytes.length;
  }
  return { bytes: new Uint8Array(Buffer.concat(parts)), results, busyMicros: 1 };
}

/** A workspace as the registry keeps it. */
export function recordOf(uid: string, changes: Parameters<typeof facts>[0] = {}): WorkspaceRecord {
  return newRecord(workspaceResult(changes, { uid }).result, 0);
}
