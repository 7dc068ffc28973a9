/** Objects as they are stored: what only the server sets, and members in Kubernetes' order. */
import { randomBytes, randomUUID } from "node:crypto";
import type { KubeObject, ObjectMeta } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { isObject, objectOr, put, textOr } from "./json.ts";
import type { Json } from "./json.ts";
import { apiVersionOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";

const metadataOrder = [
  "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
  "labels", "annotations", "ownerReferences", "finalizers", "managedFields",
];

const inOrder: ReadonlySet<string> = new Set(metadataOrder);

/** Metadata that the server alone sets. */
export interface ServerMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly generation?: number | undefined;
  readonly deletionTimestamp?: string | undefined;
  readonly deletionGracePeriodSeconds?: number | undefined;
}

/** Where the server gets identities from. */
export interface Identities {
  uid(): string;
  /** Five characters for generateName. */
  suffix(): string;
}

/** Random identities, as Kubernetes makes them. */
export const randomIdentities: Identities = {
  uid: () => randomUUID(),
  suffix: () => Array.from(randomBytes(5), (byte) => "bcdfghjklmnpqrstvwxz2456789"[byte % 27]).join(""),
};

/** A wall clock time in Kubernetes' form: RFC 3339 with seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The object in its stored form: members in order, server's metadata set, maps sorted, nothing empty. */
export function stored(type: ResourceType, object: JsonObject, server: ServerMeta): KubeObject {
  const { kind: _kind, apiVersion: _apiVersion, metadata, spec, status, ...rest } = object;
  return {
    kind: type.kind,
    apiVersion: apiVersionOf(type),
    metadata: storedMeta(objectOr(metadata), server),
    ...(spec === undefined ? {} : { spec }),
    ...rest,
    ...(status === undefined ? {} : { status }),
  };
}

function storedMeta(given: JsonObject, server: ServerMeta): ObjectMeta {
  const { namespace, ...always } = server;
  const all: JsonObject = { ...given, namespace: undefined, generation: undefined, deletionTimestamp: undefined, deletionGracePeriodSeconds: undefined, ...always, ...(namespace === "" ? {} : { namespace }) };
  const result: Json = {};
  for (const name of metadataOrder) putTidy(result, name, all[name]);
  for (const name of Object.keys(given)) if (!inOrder.has(name)) putTidy(result, name, given[name]);
  return { ...result, name: server.name, uid: server.uid, resourceVersion: server.resourceVersion, creationTimestamp: server.creationTimestamp };
}

function putTidy(result: Json, name: string, given: unknown): void {
  const value = tidy(name, given);
  if (value !== undefined) put(result, name, value);
}

function tidy(name: string, value: unknown): unknown {
  if (value === null || value === "") return undefined;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value;
  if (name !== "labels" && name !== "annotations") return value;
  return isObject(value) ? sortedMap(value) : undefined;
}

/** The map in the order of its keys; the same object if it is in order already. */
function sortedMap(map: JsonObject): JsonObject | undefined {
  const keys = Object.keys(map);
  if (keys.length === 0) return undefined;
  if (keys.every((key, i) => i === 0 || (keys[i - 1] ?? "") <= key)) return map;
  const result: Json = {};
  for (const key of keys.sort()) put(result, key, map[key]);
  return result;
}

/** metadata.finalizers. */
export function finalizersOf(object: JsonObject): readonly unknown[] {
  const finalizers = objectOr(object["metadata"])["finalizers"];
  return Array.isArray(finalizers) ? finalizers : [];
}

/** A string in the object's metadata; "" if there is none. */
export function metaText(object: JsonObject, member: string): string {
  return textOr(objectOr(object["metadata"])[member]);
}
