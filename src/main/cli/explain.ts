/** What the daemon makes of one pod: its status, what the controller would do now, and when it times out (command `explain`). */
import { toPodEvents } from "../../domain/events.ts";
import { asObject, type JsonObject } from "../../domain/json.ts";
import type { DeriveConfig } from "../../domain/messages.ts";
import { statusToJson } from "../../domain/status-json.ts";
import type { Timeouts } from "../../domain/timeouts.ts";
import { decide } from "../../workers/actions.ts";
import { factsOf } from "../../workers/facts.ts";
import { InvalidPodError, readPod } from "../../workers/pod.ts";
import { deriveStatus } from "../../workers/status.ts";
import { decideAt, type Step } from "../lifecycle/decision.ts";
import { dueOf, timedOutAt, type Reckoning } from "../lifecycle/elapsed.ts";

/** What `explain` prints. */
export interface Explanation {
  /** WorkspaceStatus as proto3 JSON, without statusVersion. */
  readonly status: JsonObject;
  readonly actions: readonly Step[];
  /** Why the workspace is timed out now, whether or not that is written down already; empty if it is not. */
  readonly timedOut: string;
  /** RFC 3339. When it times out (or did), if nothing happens; absent: never. */
  readonly timesOutAt?: string;
}

/** What it goes by. */
export interface ExplainConfig {
  readonly derive: DeriveConfig;
  readonly timeouts: Timeouts;
  /** Times as the leader takes them. */
  readonly reckoning: Reckoning;
}

/**
 * Explains a pod.
 * @param input `{"pod": Pod, "events": [Event...]}`, or a Pod alone, as it came in.
 * @param options now and the last activity, Unix milliseconds; without lastActivity, the pod's own annotation counts.
 * @throws InvalidPodError if the pod is not a workspace, with the message that is to be shown.
 */
export function explain(input: unknown, { derive, timeouts, reckoning }: ExplainConfig, { now, lastActivity }: { now: number; lastActivity?: number }): Explanation {
  const given = asObject(input);
  if (given === undefined) throw new InvalidPodError('expected an object {"pod": ..., "events": [...]}, or a Pod', "unparsable");
  const pod = readPod(given["kind"] === "Pod" ? given : given["pod"]);
  const events: unknown = given["events"];
  const status = deriveStatus(pod, toPodEvents(Array.isArray(events) ? events : []), derive);
  const noted = factsOf(pod, status);
  const facts = lastActivity === undefined ? noted : { ...noted, lastActivity };
  const elapsed = reckoning.of({ facts, activeAt: undefined });
  const due = dueOf(elapsed, timeouts);
  return {
    status: statusToJson(status),
    actions: decideAt({ facts, actions: decide(pod, status), stopped: false, vacant: false }, elapsed, timeouts, now),
    timedOut: timedOutAt(elapsed, timeouts, now)?.text ?? "",
    ...(due === undefined ? {} : { timesOutAt: timeText(due) }),
  };
}

/** Furthest time that a Date can hold, milliseconds. */
const maxTime = 8.64e15;

function timeText(ms: number): string {
  return new Date(Math.min(ms, maxTime)).toISOString();
}
