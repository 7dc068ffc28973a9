/** What a status was derived from, for the trace of changes: the pod as the cluster has it and its Events, without secrets (spec: config, manager.eventTraceLog). */
import { asObject, objectAt, objectsAt, textAt, type JsonObject } from "../domain/json.ts";
import type { PodEvent } from "../domain/messages.ts";
import { annotations, ownVariables } from "../domain/names.ts";
import { redacted } from "../domain/redact.ts";
import { formatRfc3339 } from "../domain/rfc3339.ts";

const secretAnnotations: ReadonlySet<string> = new Set([annotations.contentInitializer, annotations.ownerToken, annotations.sshPublicKeys, "kubectl.kubernetes.io/last-applied-configuration"]);

/** The objects as JSON. @param value the parsed line, of which nothing was left out. */
export function traceText(value: unknown, source: "watch" | "object", events: readonly PodEvent[]): string {
  const line = asObject(value);
  const pod = source === "watch" ? objectAt(line, "object") : line;
  return JSON.stringify({ pod: pod && withoutSecrets(pod), events: events.map(({ reason, message, timeMs }) => ({ reason, message, lastTimestamp: formatRfc3339({ seconds: Math.floor(timeMs / 1000), nanos: 0 }) })) });
}

function withoutSecrets(pod: JsonObject): JsonObject {
  const metadata = objectAt(pod, "metadata");
  const spec = objectAt(pod, "spec");
  const { managedFields: _, ...rest } = metadata ?? {};
  const noted = Object.entries(objectAt(metadata, "annotations") ?? {}).map(([key, value]): readonly [string, unknown] => [key, secretAnnotations.has(key) ? redacted : value]);
  const shown: JsonObject = Object.fromEntries(noted);
  return { ...pod, metadata: { ...rest, annotations: shown }, spec: { ...spec, ...lists(spec) } };
}

function lists(spec: JsonObject | undefined): JsonObject {
  const known = ["containers", "initContainers", "ephemeralContainers"].filter((list) => Array.isArray(spec?.[list]));
  return Object.fromEntries(known.map((list) => [list, objectsAt(spec, list).map((container) => ({ ...container, ...(Array.isArray(container["env"]) && { env: objectsAt(container, "env").map(variable) }) }))]));
}

function variable(given: JsonObject): JsonObject {
  const shown = given["value"] === undefined || ownVariables.has(textAt(given, "name"));
  return shown ? given : { ...given, value: redacted };
}
