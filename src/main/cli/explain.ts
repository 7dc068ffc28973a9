/** What the daemon makes of one pod: its status, what the controller would do now, and when it times out (command `explain`). */
import type { Action } from "../../domain/actions.ts";
import { toPodEvents } from "../../domain/events.ts";
import { asObject, type JsonObject } from "../../domain/json.ts";
import type { DeriveConfig } from "../../domain/messages.ts";
import { formatRfc3339 } from "../../domain/rfc3339.ts";
import { dueAt, timeoutOf, type Timeouts } from "../../domain/timeouts.ts";
import { wsman } from "../../gen/proto.js";
import { decide } from "../../workers/actions.ts";
import { factsOf } from "../../workers/facts.ts";
import { InvalidPodError, readPod } from "../../workers/pod.ts";
import { deriveStatus, type Status } from "../../workers/status.ts";

/** What `explain` prints. */
export interface Explanation {
  /** WorkspaceStatus as proto3 JSON, without statusVersion. */
  readonly status: JsonObject;
  readonly actions: readonly Action[];
  /** Why the workspace is timed out now; empty if it is not. */
  readonly timedOut: string;
  /** RFC 3339. When it times out (or did), if nothing happens; absent: never. */
  readonly timesOutAt?: string;
}

/**
 * Explains a pod.
 * @param input `{"pod": Pod, "events": [Event...]}`, or a Pod alone, as it came in.
 * @param options now and the last activity, Unix milliseconds; without lastActivity, the pod's own annotation counts.
 * @throws InvalidPodError if the pod is not a workspace, with the message that is to be shown.
 */
export function explain(input: unknown, config: { derive: DeriveConfig; timeouts: Timeouts }, options: { now: number; lastActivity?: number }): Explanation {
  const given = asObject(input);
  if (given === undefined) throw new InvalidPodError('expected an object {"pod": ..., "events": [...]}, or a Pod', "unparsable");
  const pod = readPod(given["kind"] === "Pod" ? given : given["pod"]);
  const events: unknown = given["events"];
  const status = deriveStatus(pod, toPodEvents(Array.isArray(events) ? events : []), config.derive);
  const facts = factsOf(pod, status);
  const lastActivity = options.lastActivity ?? facts.lastActivity;
  const due = dueAt(facts, lastActivity, config.timeouts);
  return {
    status: statusToJson(status),
    actions: decide(pod, status),
    timedOut: timeoutOf(facts, lastActivity, options.now, config.timeouts)?.text ?? "",
    ...(due === undefined ? {} : { timesOutAt: timeText(due) }),
  };
}

/** Furthest time that a Date can hold, milliseconds. */
const maxTime = 8.64e15;

function timeText(ms: number): string {
  return new Date(Math.min(ms, maxTime)).toISOString();
}

/** A WorkspaceStatus as proto3 JSON: enums by name, 64-bit integers as strings, timestamps as RFC 3339. */
export function statusToJson(status: Status): JsonObject {
  const object: JsonObject = wsman.WorkspaceStatus.toObject(wsman.WorkspaceStatus.create(status), { enums: String, longs: String, bytes: String });
  const metadata = withTime(asObject(object["metadata"]), "startedAt", status.metadata?.startedAt);
  const conditions = withTime(asObject(object["conditions"]), "firstUserActivity", status.conditions?.firstUserActivity);
  return { ...object, ...(metadata && { metadata }), ...(conditions && { conditions }) };
}

/** A status as JSON without its secret, the owner token. */
export function withoutSecrets(status: JsonObject): JsonObject {
  const auth = asObject(status["auth"]);
  if (!auth) return status;
  const { ownerToken: _hidden, ...rest } = auth;
  return { ...status, auth: rest };
}

type Timestamp = NonNullable<wsman.WorkspaceConditions.$Properties["firstUserActivity"]>;

function withTime(parent: JsonObject | undefined, key: string, time: Timestamp | null | undefined): JsonObject | undefined {
  if (!parent || !time) return parent;
  return { ...parent, [key]: formatRfc3339({ seconds: Number(time.seconds ?? 0), nanos: time.nanos ?? 0 }) };
}
