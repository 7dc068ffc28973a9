/** A batch of JSON lines to results: parse, derive, encode, for each line on its own. Pure but for the time it took. */
import { performance } from "node:perf_hooks";
import { noActions } from "../domain/actions.ts";
import { asObject, stringAt } from "../domain/json.ts";
import type { BatchResult, BatchTask, DeriveConfig, LineResult, PodEvent, SkippedResult, TaskLine, WorkspaceResult } from "../domain/messages.ts";
import { stoppedStatus } from "../domain/stopped.ts";
import { decide } from "./actions.ts";
import { BatchBytes } from "./encode.ts";
import { factsOf } from "./facts.ts";
import { dependsOnEvents, shorten } from "./held.ts";
import { addInitRequest } from "./init-request.ts";
import { PodParser } from "./parse.ts";
import { InvalidPodError, readPod, type Pod } from "./pod.ts";
import { deriveStatus } from "./status.ts";
import { traceText } from "./trace.ts";

const parser = new PodParser();
const noEvents: readonly PodEvent[] = [];
/** A skipped line's message is for a log line, and may quote a label. */
const maxMessage = 500;

/**
 * Works a batch off, one result per line in the lines' order. A line that is no workspace is skipped; nothing that stands in a line
 * makes this throw.
 * @param monotonic milliseconds, for measuring.
 */
export function processBatch(task: BatchTask, config: DeriveConfig, monotonic: () => number = () => performance.now()): BatchResult {
  const began = monotonic();
  const bytes = new BatchBytes();
  const results = task.lines.map((line) => processLine(task.buffer, line, config, bytes));
  return { bytes: bytes.finish(), results, busyMicros: Math.round((monotonic() - began) * 1000) };
}

/** A line as far as it could be read; filled in step by step, so that a failure can say what it is about. */
interface Reading {
  removed: boolean;
  pod: Pod | undefined;
}

function processLine(buffer: SharedArrayBuffer, line: TaskLine, config: DeriveConfig, bytes: BatchBytes): LineResult {
  const reading: Reading = { removed: false, pod: undefined };
  try {
    const events = line.events ?? noEvents;
    const result = deriveLine(read(buffer, line, reading), reading.removed, events, config, bytes);
    return config.trace ? { ...result, trace: bytes.addText(traceText(JSON.parse(Buffer.from(buffer, line.start, line.length).toString()), line.source, events)) } : result;
  } catch (error) {
    return skipped(error, reading);
  }
}

function read(buffer: SharedArrayBuffer, line: TaskLine, reading: Reading): Pod {
  const value = parse(Buffer.from(buffer, line.start, line.length), line.source);
  const pod = readPod(line.source === "watch" ? objectOfWatchLine(value, reading) : value);
  reading.pod = pod;
  if (pod.uid === "") throw new InvalidPodError(`pod ${pod.name} has no uid`);
  return pod;
}

function parse(bytes: Buffer, source: TaskLine["source"]): unknown {
  try {
    return parser.parse(bytes, source);
  } catch {
    // The parser's own message quotes the text, which may hold secrets.
    throw new InvalidPodError("not valid JSON", "unparsable");
  }
}

function objectOfWatchLine(value: unknown, reading: Reading): unknown {
  const line = asObject(value);
  const type = stringAt(line, "type");
  reading.removed = type === "DELETED";
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") throw new InvalidPodError("not a change of a Pod", "unparsable");
  return line?.["object"];
}

function deriveLine(pod: Pod, removed: boolean, events: readonly PodEvent[], config: DeriveConfig, bytes: BatchBytes): WorkspaceResult {
  const derived = deriveStatus(pod, events, config);
  const status = removed ? stoppedStatus(derived) : derived;
  const { start, length, digest } = bytes.addStatus(status);
  const held = !removed && dependsOnEvents(pod) ? bytes.addText(shorten(pod)) : undefined;
  const facts = factsOf(pod, status);
  // Of a pod that is gone nothing is left to be done.
  const actions = removed ? noActions : decide(pod, derived);
  const init = actions.length === 0 ? undefined : addInitRequest(pod, facts, actions, bytes);
  return { kind: "workspace", uid: pod.uid, resourceVersion: pod.resourceVersion, removed, facts, start, length, digest, held, actions, init, trace: undefined };
}

function skipped(error: unknown, { pod, removed }: Reading): SkippedResult {
  const known = error instanceof InvalidPodError;
  return {
    kind: "skipped",
    reason: known ? error.reason : "unparsable",
    message: known ? error.message.slice(0, maxMessage).toWellFormed() : `cannot be worked on: ${error instanceof Error ? error.name : "unknown error"}`,
    uid: pod?.uid ?? "",
    podName: pod?.name ?? "",
    resourceVersion: pod?.resourceVersion ?? "",
    removed,
  };
}
