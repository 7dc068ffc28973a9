/** The cluster's objects in memory: one resourceVersion over all of them, their recent history, and who listens. */
import type { ChangeType, ClusterStore, Draft, KubeObject, ObjectMeta, ResourceName } from "../contract.ts";
import type { Clock } from "../../domain/clock.ts";
import type { JsonObject } from "../../domain/json.ts";
import { Collection } from "./collection.ts";
import { decideDeletion, isReleased } from "./deletion.ts";
import { produce } from "./draft.ts";
import { alreadyExists, conflict, listExpired, notFound } from "./errors.ts";
import { History } from "./history.ts";
import type { Change, HistoryLimits } from "./history.ts";
import { equal, isObject, objectOr, without } from "./json.ts";
import { metaText, stored, timestamp } from "./metadata.ts";
import type { Identities, ServerMeta } from "./metadata.ts";
import { Quota } from "./quota.ts";
import type { QuotaLimits } from "./quota.ts";
import { resourceTypes, typeOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";
import { keyOf, Version } from "./version.ts";

/** What the store needs. */
export interface StoreOptions {
  readonly clock: Clock;
  readonly identities: Identities;
  readonly history: HistoryLimits;
  readonly quota: QuotaLimits;
}

/** What a deletion must find, and how long it may take. */
export interface DeletionOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** Listens to the changes of one resource. Must not throw. */
export type ChangeListener = (change: Change) => void;

/**
 * The store. Objects that come in from this process are trusted: they are not validated, and keep the status that they bring.
 * Objects are shared and never changed in place.
 */
export class ObjectStore implements ClusterStore {
  readonly #options: StoreOptions;
  readonly #collections = new Map<string, Collection>();
  readonly #listeners = new Map<string, Set<ChangeListener>>();
  readonly #history: History;
  readonly #quota: Quota;
  /** Changes that listeners have yet to hear of; a change made by a listener waits its turn. */
  #pending: Change[] = [];
  #notifying = false;
  #resourceVersion = 1;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#history = new History(options.history);
    this.#quota = new Quota(options.quota);
    for (const name of resourceTypes.keys()) this.#collections.set(name, new Collection());
  }

  /** The newest resourceVersion. */
  get resourceVersion(): number {
    return this.#resourceVersion;
  }

  get history(): History {
    return this.#history;
  }

  /** What is stored. */
  get quota(): Quota {
    return this.#quota;
  }

  now(): string {
    return timestamp(this.#options.clock.now());
  }

  get(resource: ResourceName, namespace: string, name: string): KubeObject | undefined {
    return this.version(typeOf(resource), namespace, name)?.object;
  }

  list(resource: ResourceName, namespace?: string): readonly KubeObject[] {
    return this.versions(typeOf(resource), namespace).map((version) => version.object);
  }

  version(type: ResourceType, namespace: string, name: string): Version | undefined {
    return this.#of(type).get(keyOf(namespace, name));
  }

  /** The current version. Throws ApiError 404. */
  need(type: ResourceType, namespace: string, name: string): Version {
    const found = this.version(type, namespace, name);
    if (!found) throw notFound(type, name);
    return found;
  }

  versions(type: ResourceType, namespace?: string): Version[] {
    return this.#of(type).list(namespace);
  }

  /** The objects as they were at a resourceVersion. Throws ApiError 410 if that is forgotten. */
  versionsAt(type: ResourceType, namespace: string | undefined, resourceVersion: number): Version[] {
    if (resourceVersion < this.#history.compacted) throw listExpired();
    const undone = new Map<string, Version | undefined>();
    for (const { version, previous } of this.#history.backTo(resourceVersion)) if (version.type === type) undone.set(version.key, previous);
    if (undone.size === 0) return this.versions(type, namespace);
    const then = new Collection();
    for (const version of this.versions(type, namespace)) if (!undone.has(version.key)) then.set(version);
    for (const version of undone.values()) if (version) then.set(version);
    return then.list(namespace);
  }

  create(resource: ResourceName, object: object, namespace: string): KubeObject {
    const type = typeOf(resource);
    return this.add(type, isObject(object) ? object : {}, type.namespaced ? namespace : "").object;
  }

  /** Adds an object; a name is made of generateName if there is none. Throws ApiError: 409 if the name is taken, 507 if there is no room. */
  add(type: ResourceType, object: JsonObject, namespace: string): Version {
    const version = this.#made(type, object, namespace, this.#resourceVersion + 1);
    if (this.#of(type).get(version.key)) throw alreadyExists(type, version.object.metadata.name);
    this.#quota.check(version, undefined);
    return this.#commit(version, undefined);
  }

  /** What {@link add} would make, without adding it. Throws as it does. */
  preview(type: ResourceType, object: JsonObject, namespace: string): Version {
    const version = this.#made(type, object, namespace, 0);
    if (this.#of(type).get(version.key)) throw alreadyExists(type, version.object.metadata.name);
    return version;
  }

  #made(type: ResourceType, object: JsonObject, namespace: string, resourceVersion: number): Version {
    const name = metaText(object, "name") || `${metaText(object, "generateName").slice(0, 58)}${this.#options.identities.suffix()}`;
    const server: ServerMeta = {
      name, namespace, uid: this.#options.identities.uid(), resourceVersion: String(resourceVersion || ""), creationTimestamp: this.now(), generation: type.generation ? 1 : undefined,
    };
    return new Version(type, "ADDED", stored(type, object, server));
  }

  update(resource: ResourceName, namespace: string, name: string, change: (draft: Draft) => void): KubeObject {
    const old = this.need(typeOf(resource), namespace, name);
    return this.replace(old, produce(old.object, change)).object;
  }

  /**
   * Puts a new state in the place of the current version; what only the server sets is kept. No change, no new version.
   * An object that is being deleted and has nothing left to wait for goes; the answer is then its last state.
   */
  replace(old: Version, next: JsonObject, dryRun = false): Version {
    const { type } = old;
    const before = old.object;
    const generation = before.metadata.generation;
    const changed = type.generation && before["spec"] !== next["spec"] && !equal(countedSpec(before["spec"]), countedSpec(next["spec"]));
    const server: ServerMeta = { ...identity(before), generation: generation === undefined ? undefined : generation + Number(changed) };
    const same = stored(type, next, server);
    if (equal(before, same)) return old;
    if (isReleased(same)) {
      if (!dryRun) this.#remove(old);
      return new Version(type, "MODIFIED", same, old);
    }
    const version = new Version(type, "MODIFIED", { ...same, metadata: { ...same.metadata, resourceVersion: String(this.#resourceVersion + 1) } }, old);
    if (dryRun) return version;
    this.#quota.check(version, old);
    return this.#commit(version, old);
  }

  delete(resource: ResourceName, namespace: string, name: string, options: DeletionOptions = {}): void {
    this.erase(this.need(typeOf(resource), namespace, name), options);
  }

  /** Deletes as far as grace period and finalizers let it. Throws ApiError 409 if a precondition does not hold. */
  erase(old: Version, options: DeletionOptions, dryRun = false): { readonly version: Version; readonly gone: boolean } {
    checkPreconditions(old, options);
    if (old.type.plural === "namespaces") return dryRun ? { version: old, gone: false } : this.#eraseNamespace(old);
    const decision = decideDeletion(old.type, old.object, options.gracePeriodSeconds, this.#options.clock.now());
    if (decision.kind === "pending") return { version: old, gone: false };
    const version = decision.kind === "remove" ? old : this.#marked(old, decision.kind === "mark" ? decision.graceSeconds : 0, decision.timestamp);
    const gone = decision.kind !== "mark";
    if (dryRun) return { version, gone };
    if (version !== old) this.#commit(version, old);
    if (gone) this.#remove(version);
    return { version, gone };
  }

  /** Calls back after each change of the resource, in order. */
  subscribe(resource: ResourceName, listener: (type: ChangeType, object: KubeObject) => void): () => void {
    return this.listen(typeOf(resource), ({ version }) => listener(version.change, version.object));
  }

  listen(type: ResourceType, listener: ChangeListener): () => void {
    const listeners = this.#listeners.get(type.plural) ?? new Set<ChangeListener>();
    this.#listeners.set(type.plural, listeners);
    const own: ChangeListener = (change) => listener(change);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Forgets the history so far, as etcd's compaction does. */
  compact(): void {
    this.#history.compact();
  }

  #of(type: ResourceType): Collection {
    const collection = this.#collections.get(type.plural);
    if (!collection) throw new RangeError(`no such resource: ${type.plural}`);
    return collection;
  }

  #marked(old: Version, graceSeconds: number | undefined, at: number, state: JsonObject = old.object): Version {
    const { generation } = old.object.metadata;
    const first = old.object.metadata.deletionTimestamp === undefined;
    const server: ServerMeta = {
      ...identity(old.object), resourceVersion: String(this.#resourceVersion + 1), generation: generation === undefined ? undefined : generation + Number(first),
      deletionTimestamp: timestamp(at), deletionGracePeriodSeconds: graceSeconds,
    };
    return new Version(old.type, "MODIFIED", stored(old.type, state, server), old);
  }

  /** What watchers get is the last stored state with a resourceVersion of its own. */
  #remove({ type, key, object }: Version): void {
    const old = this.#of(type).get(key);
    // A listener that heard of the deletion may have been faster.
    if (old?.object.metadata.uid !== object.metadata.uid) return;
    const last = { ...old.object, metadata: { ...old.object.metadata, resourceVersion: String(this.#resourceVersion + 1) } };
    this.#commit(new Version(type, "DELETED", last, old), old);
    const namespace = old.object.metadata.namespace;
    const holder = namespace === undefined ? undefined : this.version(typeOf("namespaces"), "", namespace);
    if (holder?.object.metadata.deletionTimestamp !== undefined) this.#removeIfEmpty(holder);
  }

  #eraseNamespace(old: Version): { readonly version: Version; readonly gone: boolean } {
    if (old.object.metadata.deletionTimestamp !== undefined) return { version: old, gone: false };
    const state = { ...old.object, status: { ...objectOr(old.object["status"]), phase: "Terminating" } };
    const marked = this.#commit(this.#marked(old, undefined, this.#options.clock.now(), state), old);
    const { name } = marked.object.metadata;
    for (const type of resourceTypes.values()) if (type.namespaced) for (const version of this.versions(type, name)) this.erase(version, {});
    const current = this.version(old.type, "", name);
    if (current) this.#removeIfEmpty(current);
    return { version: marked, gone: false };
  }

  #removeIfEmpty(namespace: Version): void {
    const { name, finalizers = [] } = namespace.object.metadata;
    const empty = [...resourceTypes.values()].every((type) => !type.namespaced || this.versions(type, name).length === 0);
    if (empty && finalizers.length === 0) this.#remove(namespace);
  }

  #commit(version: Version, previous: Version | undefined): Version {
    this.#resourceVersion = version.resourceVersion;
    const change: Change = { version, previous };
    if (version.change === "DELETED") this.#of(version.type).delete(version.key);
    else this.#of(version.type).set(version);
    this.#history.add(change);
    this.#quota.add(version, previous);
    this.#pending.push(change);
    this.#notify();
    return version;
  }

  #notify(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    try {
      for (let change = this.#pending.shift(); change; change = this.#pending.shift()) {
        for (const listener of this.#listeners.get(change.version.type.plural) ?? []) listener(change);
      }
    } finally {
      this.#notifying = false;
    }
  }
}

function identity({ metadata }: KubeObject): ServerMeta & Pick<ObjectMeta, "name"> {
  const { name, namespace = "", uid, resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  return { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds };
}

/** The part of a spec whose changes generation counts: a pod that gets its node keeps its generation. */
function countedSpec(spec: unknown): unknown {
  return isObject(spec) ? without(spec, "nodeName") : spec;
}

function checkPreconditions({ type, object }: Version, { uid, resourceVersion }: DeletionOptions): void {
  const { name, uid: known, resourceVersion: current } = object.metadata;
  if (uid !== undefined && uid !== known) {
    throw conflict(type.kind, type, name, `the UID in the precondition (${uid}) does not match the UID in record (${known}). The object might have been deleted and then recreated`);
  }
  if (resourceVersion !== undefined && resourceVersion !== current) {
    throw conflict(type.kind, type, name, `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${current}). The object might have been modified`);
  }
}
