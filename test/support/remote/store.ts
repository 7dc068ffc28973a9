/**
 * The objects of any API server, as scheduler, kubelets and node daemons of the built-in cluster see those of theirs: so they bring pods of a cluster to life that has none of its own.
 * What is written is seen here at once and sent in order; the server's word counts in the end. Kubernetes Events are not written.
 */
import { ApiError } from "../../../src/embedded/index.ts";
import type { ChangeType, ClusterStore, Draft, KubeObject, ResourceName } from "../../../src/embedded/contract.ts";
import { equal } from "../../../src/embedded/apiserver/json.ts";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import type { Player } from "../player.ts";
import { objectOf } from "./objects.ts";
import { Track } from "./track.ts";
import { follow } from "./watch.ts";

type Listener = (type: ChangeType, object: KubeObject) => void;

interface Known {
  readonly track: Track;
  /** As listeners were told last. */
  told: KubeObject | undefined;
}

/** What it follows. */
const followed = ["nodes", "persistentvolumeclaims", "leases", "pods"] as const satisfies readonly ResourceName[];

/** Those of one namespace, and the nodes. */
export class RemoteStore implements ClusterStore {
  readonly #player: Player;
  readonly #onError: (error: unknown) => void;
  readonly #known = new Map<ResourceName, Map<string, Known>>(followed.map((resource) => [resource, new Map<string, Known>()]));
  readonly #listeners = new Map<ResourceName, Set<Listener>>();
  readonly #over = new AbortController();
  #untold: (() => void)[] = [];
  #telling = false;

  private constructor(player: Player, onError: (error: unknown) => void) {
    this.#player = player;
    this.#onError = onError;
  }

  /** Begins to follow the cluster; resolves once everything in it is known. @param onError hears of writes that failed. */
  static async open(player: Player, onError: (error: unknown) => void): Promise<RemoteStore> {
    const store = new RemoteStore(player, onError);
    for (const resource of followed) {
      const hooks = { listed: (objects: readonly KubeObject[]) => store.#listed(resource, objects), changed: (object: KubeObject, gone: boolean) => store.#changed(resource, object, gone), broke: () => {} };
      await follow(player, resource, hooks, store.#over.signal);
    }
    return store;
  }

  get(resource: ResourceName, _namespace: string, name: string): KubeObject | undefined {
    return this.#known.get(resource)?.get(name)?.track.view();
  }

  list(resource: ResourceName): readonly KubeObject[] {
    return [...(this.#known.get(resource)?.values() ?? [])].map(({ track }) => track.view()).filter((object) => object !== undefined);
  }

  /** The object is there later, with what the server gives it; one that the server refuses is an error. */
  create(resource: ResourceName, object: object, namespace: string): KubeObject {
    void this.made(resource, object).catch(this.#onError);
    const metadata = record(record(object)["metadata"]);
    return objectOf(resource, { ...object, metadata: { ...metadata, namespace, uid: "none-yet", resourceVersion: "0", creationTimestamp: new Date().toISOString() } });
  }

  /** Creates an object, with its status if it has one. @throws ApiFailure if the server refuses it. */
  async made(resource: ResourceName, object: object): Promise<void> {
    if (resource === "events") return;
    await this.#of(resource, text(record(record(object)["metadata"])["name"])).track.make(object);
  }

  update(resource: ResourceName, namespace: string, name: string, change: (draft: Draft) => void): KubeObject {
    const { track, seen } = this.#seen(resource, namespace, name);
    void track.update(seen.metadata.uid, change).catch(this.#onError);
    return track.view() ?? seen;
  }

  delete(resource: ResourceName, namespace: string, name: string, { gracePeriodSeconds, uid }: { gracePeriodSeconds?: number; uid?: string } = {}): void {
    const { track, seen } = this.#seen(resource, namespace, name);
    void track.delete(uid ?? seen.metadata.uid, gracePeriodSeconds).catch(this.#onError);
  }

  subscribe(resource: ResourceName, listener: Listener): () => void {
    const listeners = this.#listeners.get(resource) ?? new Set<Listener>();
    this.#listeners.set(resource, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Everything that was asked for is done. */
  async idle(): Promise<void> {
    await Promise.all([...this.#known.values()].flatMap((all) => [...all.values()]).map(({ track }) => track.idle()));
  }

  /** Follows no more. */
  close(): void {
    this.#over.abort();
  }

  #seen(resource: ResourceName, namespace: string, name: string): { readonly track: Track; readonly seen: KubeObject } {
    const track = this.#known.get(resource)?.get(name)?.track;
    const seen = track?.view();
    if (!track || !seen) throw new ApiError(404, "NotFound", `${resource} "${namespace}/${name}" not found`);
    return { track, seen };
  }

  #listed(resource: ResourceName, objects: readonly KubeObject[]): void {
    const there = new Set(objects.map(({ metadata }) => metadata.name));
    for (const [name, { track }] of this.#known.get(resource) ?? []) if (!there.has(name)) track.gone();
    for (const object of objects) this.#changed(resource, object, false);
  }

  #changed(resource: ResourceName, object: KubeObject, gone: boolean): void {
    const { track } = this.#of(resource, object.metadata.name);
    if (gone) track.gone(object.metadata.uid);
    else track.told(object);
  }

  #of(resource: ResourceName, name: string): Known {
    const all = this.#known.get(resource);
    if (!all) throw new RangeError(`${resource} are not followed`);
    const made = all.get(name) ?? { track: new Track(this.#player, resource, name, () => this.#look(resource, name)), told: undefined };
    all.set(name, made);
    return made;
  }

  /** Tells listeners what is different, one thing after the other also where a listener changes something. */
  #look(resource: ResourceName, name: string): void {
    const known = this.#known.get(resource)?.get(name);
    if (!known) return;
    const [before, now] = [known.told, known.track.view()];
    known.told = now;
    const same = before !== undefined && now !== undefined && before.metadata.uid === now.metadata.uid;
    if (same && equal(before, now)) return;
    if (before && !same) this.#tell(resource, "DELETED", before);
    if (now) this.#tell(resource, same ? "MODIFIED" : "ADDED", now);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#untold.shift(); next; next = this.#untold.shift()) next();
    } finally {
      this.#telling = false;
    }
  }

  #tell(resource: ResourceName, type: ChangeType, object: KubeObject): void {
    this.#untold.push(() => {
      for (const listener of this.#listeners.get(resource) ?? []) listener(type, object);
    });
  }
}
