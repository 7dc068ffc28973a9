/** Kubernetes Events, reduced to what statuses depend on (spec: status, "Failure" and "Pod phase Running"). */
import { asObject, objectAt, stringAt, textAt, type JsonObject } from "./json.ts";
import type { PodEvent } from "./messages.ts";
import { eventReasons, type EventReason } from "./names.ts";
import { parseTimeMs } from "./rfc3339.ts";

const reasons: ReadonlyMap<string, EventReason> = new Map(eventReasons.map((reason) => [reason, reason]));
/** Events that come only once a pod's volumes are mounted. */
const mountedReasons: ReadonlySet<string> = new Set(["Pulling", "Pulled", "Created", "Started"]);

/** One Event; undefined if its reason is none that statuses depend on. A message that is missing is empty. */
export function toPodEvent(rawEvent: unknown): PodEvent | undefined {
  const event = asObject(rawEvent);
  const reason = reasons.get(textAt(event, "reason"));
  if (event === undefined || reason === undefined) return undefined;
  return { reason, message: textAt(event, "message"), timeMs: lastSeen(event) };
}

/** When an Event happened last, Unix milliseconds; 0 if it does not tell. Old and new style Events keep it in different places. */
function lastSeen(event: JsonObject): number {
  const candidates = [
    stringAt(objectAt(event, "series"), "lastObservedTime"),
    stringAt(event, "lastTimestamp"),
    stringAt(event, "eventTime"),
    stringAt(event, "firstTimestamp"),
    stringAt(objectAt(event, "metadata"), "creationTimestamp"),
  ];
  for (const text of candidates) {
    const time = parseTimeMs(text);
    if (time !== undefined) return time;
  }
  return 0;
}

/**
 * Those of a pod's Events that statuses depend on, in their order. A FailedMount is left out if a later Event among them shows that
 * the mount succeeded. Never throws: what is not an Event is left out.
 */
export function toPodEvents(rawEvents: readonly unknown[]): PodEvent[] {
  const mountedAt = lastMounted(rawEvents);
  const kept: PodEvent[] = [];
  for (const raw of rawEvents) {
    const event = toPodEvent(raw);
    if (event && !(event.reason === "FailedMount" && event.timeMs < mountedAt)) kept.push(event);
  }
  return kept;
}

function lastMounted(rawEvents: readonly unknown[]): number {
  let last = 0;
  for (const raw of rawEvents) {
    const event = asObject(raw);
    if (event && mountedReasons.has(textAt(event, "reason"))) last = Math.max(last, lastSeen(event));
  }
  return last;
}
