/**
 * What goes through the shared memory between main thread and workers: a batch's table of lines there, its results back. Posting them as
 * objects would have every one of them built, cloned and collected on both sides: several times as dear.
 */
import { readActions, writeActions } from "./action-codec.ts";
import { noActions } from "./actions.ts";
import { ByteReader, ByteWriter, OutOfSpaceError } from "./byte-stream.ts";
import type { BatchResult, BatchTask, LineResult, PodEvent, ResultRange, SkippedResult, TaskLine, WorkspaceFacts, WorkspaceResult } from "./messages.ts";

/** Size of a mailbox: a full batch of usual pods takes a third of it. Results that do not fit are posted as objects. */
export const mailboxBytes = 256 * 1024;

/** What is posted to a worker: where the lines and their table are. */
export interface PostedTask {
  readonly buffer: SharedArrayBuffer;
  /** Number of a mailbox that the worker knows from its start; or one of its own. */
  readonly mailbox: number | SharedArrayBuffer;
  /** Events of the lines' pods by the lines' index; undefined: there are none. */
  readonly events: ReadonlyMap<number, readonly PodEvent[]> | undefined;
}

/** Writes a batch's table. Lines are at most 64, so that it always fits. */
export function writeTask(mailbox: Buffer, lines: readonly TaskLine[]): void {
  const writer = new ByteWriter(mailbox);
  writer.uint32(lines.length);
  for (const { source, start, length } of lines) {
    writer.uint8(source === "watch" ? 1 : 0);
    writer.uint32(start);
    writer.uint32(length);
  }
}

/** The Events of a batch's lines, as they are posted. */
export function eventsOfLines(lines: readonly TaskLine[]): PostedTask["events"] {
  let found: Map<number, readonly PodEvent[]> | undefined;
  for (const [i, { events }] of lines.entries()) {
    if (!events) continue;
    found ??= new Map();
    found.set(i, events);
  }
  return found;
}

/** Reads a batch's table. */
export function readTask(mailbox: Buffer, { buffer, events }: PostedTask): BatchTask {
  const reader = new ByteReader(mailbox);
  const count = reader.uint32();
  const lines: TaskLine[] = [];
  for (let i = 0; i < count; i++) lines.push({ source: reader.uint8() === 1 ? "watch" : "object", start: reader.uint32(), length: reader.uint32(), events: events?.get(i) });
  return { buffer, lines };
}

/** Writes a batch's results over its table. Gives the number of bytes; undefined if they do not fit. */
export function writeResult(mailbox: Buffer, { busyMicros, bytes, results }: BatchResult): number | undefined {
  const writer = new ByteWriter(mailbox);
  try {
    writer.uint32(busyMicros);
    writer.uint32(bytes.length);
    writer.bytes(bytes);
    writer.uint32(results.length);
    for (const result of results) writeLine(writer, result);
    return writer.position;
  } catch (error) {
    if (error instanceof OutOfSpaceError) return undefined;
    throw error;
  }
}

/** Reads a batch's results. Their bytes are a view of the mailbox. */
export function readResult(mailbox: Buffer): BatchResult {
  const reader = new ByteReader(mailbox);
  const busyMicros = reader.uint32();
  const bytes = reader.view(reader.uint32());
  const count = reader.uint32();
  const results: LineResult[] = [];
  for (let i = 0; i < count; i++) results.push(readLine(reader));
  return { busyMicros, bytes, results };
}

/** Bits of a line's kind: what it has beside what every one has. */
const kinds = { held: 1, skipped: 2, actions: 4, init: 8, trace: 16 } as const;
const reasons = ["unparsable", "invalid", "poisoned"] as const;

function writeLine(writer: ByteWriter, result: LineResult): void {
  writer.uint8(result.kind === "skipped" ? kinds.skipped : kindOf(result));
  writer.uint8(result.removed ? 1 : 0);
  writer.string(result.uid);
  writer.string(result.resourceVersion);
  if (result.kind === "skipped") writeSkipped(writer, result);
  else writeWorkspace(writer, result);
}

function kindOf({ held, actions, init, trace }: WorkspaceResult): number {
  return (held ? kinds.held : 0) | (actions.length > 0 ? kinds.actions : 0) | (init ? kinds.init : 0) | (trace ? kinds.trace : 0);
}

function readLine(reader: ByteReader): LineResult {
  const kind = reader.uint8();
  const removed = reader.uint8() === 1;
  const uid = reader.string();
  const resourceVersion = reader.string();
  if ((kind & kinds.skipped) !== 0) return { kind: "skipped", removed, uid, resourceVersion, ...readSkipped(reader) };
  return { kind: "workspace", removed, uid, resourceVersion, ...readWorkspace(reader, kind) };
}

type Common = "kind" | "removed" | "uid" | "resourceVersion";

function writeSkipped(writer: ByteWriter, { reason, message, podName }: SkippedResult): void {
  writer.uint8(reasons.indexOf(reason));
  writer.string(message);
  writer.string(podName);
}

function readSkipped(reader: ByteReader): Omit<SkippedResult, Common> {
  return { reason: reasons[reader.uint8()] ?? "unparsable", message: reader.string(), podName: reader.string() };
}

function writeWorkspace(writer: ByteWriter, { start, length, digest, held, actions, init, trace, facts }: WorkspaceResult): void {
  writer.uint32(start);
  writer.uint32(length);
  writer.string(digest);
  if (held) writeRange(writer, held);
  if (actions.length > 0) writeActions(writer, actions);
  if (init) writeRange(writer, init);
  if (trace) writeRange(writer, trace);
  writeFacts(writer, facts);
}

function writeRange(writer: ByteWriter, { start, length }: ResultRange): void {
  writer.uint32(start);
  writer.uint32(length);
}

function readRange(reader: ByteReader): ResultRange {
  return { start: reader.uint32(), length: reader.uint32() };
}

function readWorkspace(reader: ByteReader, kind: number): Omit<WorkspaceResult, Common> {
  const start = reader.uint32();
  const length = reader.uint32();
  const digest = reader.string();
  const held = (kind & kinds.held) === 0 ? undefined : readRange(reader);
  const actions = (kind & kinds.actions) === 0 ? noActions : readActions(reader);
  const init = (kind & kinds.init) === 0 ? undefined : readRange(reader);
  const trace = (kind & kinds.trace) === 0 ? undefined : readRange(reader);
  return { start, length, digest, held, actions, init, trace, facts: readFacts(reader) };
}

/** Bits of the facts' flags. */
const flag = { headless: 1, everActive: 2, closed: 4, everReady: 8, pullingImages: 16, backupComplete: 32 } as const;

function writeFacts(writer: ByteWriter, facts: WorkspaceFacts): void {
  writer.uint8(facts.phase);
  writer.uint8(facts.type);
  let flags = 0;
  if (facts.headless) flags |= flag.headless;
  if (facts.everActive) flags |= flag.everActive;
  if (facts.closed) flags |= flag.closed;
  if (facts.everReady) flags |= flag.everReady;
  if (facts.pullingImages) flags |= flag.pullingImages;
  if (facts.backupComplete) flags |= flag.backupComplete;
  writer.uint8(flags);
  writer.uint32(facts.exposedPorts);
  writer.float64(facts.start);
  writer.float64(facts.createdAt);
  writer.float64(facts.deletedAt ?? Number.NaN);
  writer.float64(facts.disposalSince ?? Number.NaN);
  writer.float64(facts.lastActivity ?? Number.NaN);
  writer.string(facts.id);
  writer.string(facts.podName);
  writer.string(facts.owner);
  writer.string(facts.metaId);
  writer.string(facts.workspaceClass);
  writer.string(facts.nodeName);
  writer.string(facts.failed);
  writer.string(facts.timedOut);
  writer.string(facts.customTimeout);
  writeMap(writer, facts.annotations);
}

function readFacts(reader: ByteReader): WorkspaceFacts {
  const phase = reader.uint8();
  const type = reader.uint8();
  const flags = reader.uint8();
  return {
    phase, type,
    exposedPorts: reader.uint32(),
    start: reader.float64(),
    createdAt: reader.float64(),
    deletedAt: time(reader.float64()),
    disposalSince: time(reader.float64()),
    lastActivity: time(reader.float64()),
    id: reader.string(),
    podName: reader.string(),
    owner: reader.string(),
    metaId: reader.string(),
    workspaceClass: reader.string(),
    nodeName: reader.string(),
    failed: reader.string(),
    timedOut: reader.string(),
    customTimeout: reader.string(),
    annotations: readMap(reader),
    headless: (flags & flag.headless) !== 0,
    everActive: (flags & flag.everActive) !== 0,
    closed: (flags & flag.closed) !== 0,
    everReady: (flags & flag.everReady) !== 0,
    pullingImages: (flags & flag.pullingImages) !== 0,
    backupComplete: (flags & flag.backupComplete) !== 0,
  };
}

function time(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}

function writeMap(writer: ByteWriter, map: Readonly<Record<string, string>> | undefined): void {
  const entries = map ? Object.entries(map) : [];
  writer.uint32(entries.length);
  for (const [key, value] of entries) {
    writer.string(key);
    writer.string(value);
  }
}

function readMap(reader: ByteReader): Readonly<Record<string, string>> | undefined {
  const count = reader.uint32();
  if (count === 0) return undefined;
  const map: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const key = reader.string();
    const value = reader.string();
    // A key like any other, but not for an assignment.
    if (key === "__proto__") Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    else map[key] = value;
  }
  return map;
}
