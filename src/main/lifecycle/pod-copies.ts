/** What pods are made from: others, without what the cluster gave them; and the placeholders that keep that meanwhile (spec: lifecycle, "Scheduling"). */
import { objectAt, objectIn, objectsAt, textAt, type JsonObject } from "../../domain/json.ts";
import { annotations, finalizer, labels } from "../../domain/names.ts";
import { placeholderName, workspacePodName } from "../../domain/placeholder.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";

/** What an API server, its admission and the scheduler have put into a pod's metadata and spec. */
const given = { metadata: ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "selfLink"], spec: ["nodeName", "priority", "preemptionPolicy"] } as const;
/** Volumes of service account tokens that are mounted by default. */
const tokenVolume = /^(kube-api-access|default-token)-/;

/** The pod as it is to be created once more. */
export function anew(pod: JsonObject): JsonObject {
  const metadata = objectAt(pod, "metadata");
  const first = textAt(objectAt(metadata, "annotations"), annotations.firstCreated) || textAt(metadata, "creationTimestamp");
  const known = metadata?.["finalizers"];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...without(metadata, given.metadata),
      annotations: { ...objectAt(metadata, "annotations"), ...(first !== "" && { [annotations.firstCreated]: first }) },
      finalizers: [...new Set([finalizer, ...(Array.isArray(known) ? known.filter((each) => typeof each === "string") : [])])],
    },
    spec: withoutTokens(without(objectAt(pod, "spec"), given.spec)),
  };
}

/** A scheduler that there is none of. */
const nobody = "wsmand-placeholder";
/** By these labels others find what they are to serve. */
const calling = [labels.app, labels.component] as const;

/** The placeholder for a pod that is to be created: it has the pod's place in everything, but nobody schedules it, and nobody else cares for it. */
export function placeholderFor(fresh: JsonObject): JsonObject {
  const metadata = objectAt(fresh, "metadata");
  const spec = objectAt(fresh, "spec");
  const known = objectAt(metadata, "labels");
  const aside = { schedulerName: textAt(spec, "schedulerName"), labels: Object.fromEntries(calling.flatMap((key) => (known?.[key] === undefined ? [] : [[key, known[key]]]))) };
  return {
    ...fresh,
    metadata: {
      ...metadata,
      name: placeholderName(textAt(metadata, "name")),
      labels: without(known, calling),
      annotations: { ...objectAt(metadata, "annotations"), [annotations.placeholder]: JSON.stringify(aside) },
    },
    spec: { ...spec, schedulerName: nobody },
  };
}

/** The pod that a placeholder stands for, as it is to be created. */
export function filled(placeholder: JsonObject): JsonObject {
  const fresh = anew(placeholder);
  const [own, its] = [objectAt(fresh, "metadata"), objectAt(fresh, "spec")];
  const noted = objectAt(own, "annotations");
  const aside = objectIn(textAt(noted, annotations.placeholder));
  const schedulerName = textAt(aside, "schedulerName");
  return {
    ...fresh,
    metadata: {
      ...own,
      name: workspacePodName(textAt(own, "name")),
      labels: { ...objectAt(own, "labels"), ...objectAt(aside, "labels") },
      annotations: { ...noted, [annotations.placeholder]: textAt(objectAt(placeholder, "metadata"), "resourceVersion") },
    },
    spec: { ...without(its, ["schedulerName"]), ...(schedulerName !== "" && { schedulerName }) },
  };
}

/** What calls write on pods. All else that stands on a placeholder is older than what the controller has written on its pod since. */
const written: ReadonlySet<string> = new Set([
  annotations.stoppedByRequest, annotations.customTimeout, annotations.closed, annotations.firstUserActivity, annotations.lastActivity, annotations.sshPublicKeys, annotations.admission, annotations.exposedPorts,
]);

/**
 * What calls have written on a placeholder, as a user's stop, and is not on the pod: undefined if there is nothing. On a pod that was not made from it, which may have newer values of all else,
 * only what ends the workspace. The same once a placeholder has no finalizers any more: all else was written on the pod before, but a stop, which is never taken back, may still come.
 */
export function writtenSince(placeholder: JsonObject, pod: JsonObject): Readonly<Record<string, string>> | undefined {
  const [stands, has] = [placeholder, pod].map((each) => objectAt(objectAt(each, "metadata"), "annotations"));
  const madeFrom = textAt(has, annotations.placeholder);
  const metadata = objectAt(placeholder, "metadata");
  if (madeFrom === textAt(metadata, "resourceVersion")) return undefined;
  const endsOnly = madeFrom === "" || !Array.isArray(metadata?.["finalizers"]);
  const counts = (key: string): boolean => (endsOnly ? key === annotations.stoppedByRequest : written.has(key));
  const news = Object.entries(stands ?? {}).filter((entry): entry is [string, string] => counts(entry[0]) && typeof entry[1] === "string" && isNews(entry[0], entry[1], has));
  return news.length === 0 ? undefined : Object.fromEntries(news);
}

/** Whether the pod is to have this value: of the times that may be written on both, it keeps the first, or the last. */
function isNews(key: string, value: string, has: JsonObject | undefined): boolean {
  const known = textAt(has, key);
  if (known === "") return true;
  if (key === annotations.firstUserActivity) return false;
  if (key === annotations.lastActivity) return (parseTimeMs(value) ?? Number.NEGATIVE_INFINITY) > (parseTimeMs(known) ?? Number.NEGATIVE_INFINITY);
  return value !== known;
}

function without(object: JsonObject | undefined, members: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => !members.includes(name)));
}

function withoutTokens(spec: JsonObject): JsonObject {
  const keep = (each: JsonObject): boolean => !tokenVolume.test(textAt(each, "name"));
  const mounts = (list: string): object => (Array.isArray(spec[list]) ? { [list]: objectsAt(spec, list).map((container) => ({ ...container, ...filtered(container, "volumeMounts", keep) })) } : {});
  return { ...spec, ...filtered(spec, "volumes", keep), ...mounts("containers"), ...mounts("initContainers") };
}

/** The list without some of its entries, if there is one. */
function filtered(object: JsonObject, list: string, keep: (each: JsonObject) => boolean): object {
  return Array.isArray(object[list]) ? { [list]: objectsAt(object, list).filter(keep) } : {};
}
