/** Lists: which objects, at which resourceVersion, and where the next page begins. */
import { badRequest, continueExpired, versionTooLarge } from "./errors.ts";
import { matchesFields } from "./fields.ts";
import { isObject } from "./json.ts";
import type { ListOptions, Selection } from "./options.ts";
import type { ResourceType } from "./resources.ts";
import type { ObjectStore } from "./store.ts";
import { compareKeys } from "./collection.ts";
import type { Version } from "./version.ts";

/** One page of a list. */
export interface Page {
  readonly versions: readonly Version[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string; readonly remainingItemCount?: number };
}

/** Whether a version is selected; the namespace counts too. */
export function selects(selection: Selection, { object }: Version): boolean {
  if (selection.namespace !== undefined && object.metadata.namespace !== selection.namespace) return false;
  if (selection.labels && !selection.labels(object.metadata.labels)) return false;
  return selection.fields.length === 0 || matchesFields(object, selection.fields);
}

/** Makes a page. Throws ApiError: 504 for a version from the future, 410 for one that is forgotten, 400 for a bad continue token. */
export function listPage(store: ObjectStore, type: ResourceType, options: ListOptions): Page {
  const token = options.continueToken === "" ? undefined : parseToken(options.continueToken);
  const version = pageVersion(store, options, token);
  const found = store.versionsAt(type, options.namespace, version);
  const rest = token === undefined ? found : found.filter(({ key }) => compareKeys(key, token.start) > 0);
  const selected = isSelective(options) ? rest.filter((candidate) => selects(options, candidate)) : rest;
  // The cache that answers for version 0 does not page.
  const limit = options.resourceVersion === 0 && token === undefined ? 0 : options.limit;
  return cutPage(selected, limit, version, isSelective(options));
}

function cutPage(selected: readonly Version[], limit: number, version: number, selective: boolean): Page {
  const resourceVersion = String(version);
  if (limit <= 0 || selected.length <= limit) return { versions: selected, metadata: { resourceVersion } };
  const versions = selected.slice(0, limit);
  const next = makeToken(version, versions.at(-1)?.key ?? "");
  const remaining = selective ? {} : { remainingItemCount: selected.length - limit };
  return { versions, metadata: { resourceVersion, continue: next, ...remaining } };
}

function isSelective({ labels, fields }: Selection): boolean {
  return labels !== undefined || fields.length > 0;
}

interface Token {
  /** -1: the newest. */
  readonly resourceVersion: number;
  readonly start: string;
}

/** The resourceVersion that the page shows. */
function pageVersion(store: ObjectStore, options: ListOptions, token: Token | undefined): number {
  const current = store.resourceVersion;
  if (token) {
    if (token.resourceVersion < 0) return current;
    if (token.resourceVersion < store.history.compacted) throw continueExpired(makeToken(-1, token.start));
    return Math.min(token.resourceVersion, current);
  }
  const asked = options.resourceVersion ?? 0;
  if (asked > current) throw versionTooLarge(asked, current);
  const exact = options.match === "Exact" || (options.match === "" && options.limit > 0 && asked > 0);
  return exact ? asked : current;
}

function makeToken(resourceVersion: number, start: string): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: resourceVersion, start })).toString("base64url");
}

function parseToken(text: string): Token {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    throw badRequest("invalid continue token: continue key is not valid: not JSON");
  }
  const fine = isObject(value) && typeof value["rv"] === "number" && Number.isSafeInteger(value["rv"]) && typeof value["start"] === "string";
  if (!fine || !isObject(value)) throw badRequest("invalid continue token: continue key is not valid: unrecognized encoding");
  return { resourceVersion: Number(value["rv"]), start: String(value["start"]) };
}
