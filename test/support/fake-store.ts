/** A small in-memory ClusterStore with the API server's rules for deletion: enough for the kubelet's and the demo's tests. */
import type { ChangeType, ClusterStore, Draft, KubeObject, ObjectMeta, ResourceName } from "../../src/embedded/contract.ts";
import { isRecord, number, record, text, texts, timestamp } from "../../src/embedded/kubelet/json.ts";
import type { Clock } from "../../src/domain/clock.ts";

type Listener = (type: ChangeType, object: KubeObject) => void;

/** The store. */
export class FakeStore implements ClusterStore {
  readonly #clock: Clock;
  readonly #objects = new Map<ResourceName, Map<string, KubeObject>>();
  readonly #listeners = new Map<ResourceName, Set<Listener>>();
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many writes there were. */
  get writes(): number {
    return this.#version;
  }

  get(resource: ResourceName, namespace: string, name: string): KubeObject | undefined {
    return this.#of(resource).get(`${namespace}/${name}`);
  }

  list(resource: ResourceName, namespace?: string): readonly KubeObject[] {
    const all = [...this.#of(resource).values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  create(resource: ResourceName, object: object, namespace: string): KubeObject {
    const draft = structuredClone(record(object));
    const name = text(record(draft["metadata"])["name"]);
    if (this.get(resource, namespace, name)) throw new Error(`${resource} "${name}" already exists`);
    const version = String(++this.#version);
    const created = { uid: `uid-${version}`, creationTimestamp: timestamp(this.#clock.now()) };
    return this.#put(resource, "ADDED", { ...draft, metadata: { ...record(draft["metadata"]), ...created, ...(namespace === "" ? {} : { namespace }), resourceVersion: version } });
  }

  update(resource: ResourceName, namespace: string, name: string, change: (draft: Draft) => void): KubeObject {
    const old = this.get(resource, namespace, name);
    if (!old) throw new Error(`${resource} "${name}" not found`);
    const draft: Draft = structuredClone({ ...old });
    change(draft);
    if (JSON.stringify(draft) === JSON.stringify(old)) return old;
    const metadata = { ...record(draft["metadata"]), resourceVersion: String(++this.#version) };
    const gone = "deletionTimestamp" in metadata && record(metadata)["deletionGracePeriodSeconds"] === 0 && texts(record(metadata)["finalizers"]).length === 0;
    return this.#put(resource, gone ? "DELETED" : "MODIFIED", { ...draft, metadata });
  }

  delete(resource: ResourceName, namespace: string, name: string, options: { gracePeriodSeconds?: number; uid?: string } = {}): void {
    const old = this.get(resource, namespace, name);
    if (!old || (options.uid !== undefined && options.uid !== old.metadata.uid)) throw new Error(`${resource} "${name}" not found`);
    const grace = graceOf(resource, old, options.gracePeriodSeconds);
    const known = old.metadata.deletionGracePeriodSeconds;
    if (grace === 0 && (old.metadata.finalizers ?? []).length === 0) {
      this.#version++;
      this.#put(resource, "DELETED", { ...old, metadata: { ...old.metadata, resourceVersion: String(this.#version) } });
    } else if (known === undefined || grace < known) {
      this.update(resource, namespace, name, (draft) => {
        draft["metadata"] = { ...record(draft["metadata"]), deletionTimestamp: timestamp(this.#clock.now() + grace * 1000), deletionGracePeriodSeconds: grace };
      });
    }
  }

  subscribe(resource: ResourceName, listener: Listener): () => void {
    const listeners = this.#listeners.get(resource) ?? new Set();
    this.#listeners.set(resource, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  #of(resource: ResourceName): Map<string, KubeObject> {
    const objects = this.#objects.get(resource) ?? new Map<string, KubeObject>();
    this.#objects.set(resource, objects);
    return objects;
  }

  #put(resource: ResourceName, type: ChangeType, value: object): KubeObject {
    if (!isKubeObject(value)) throw new Error("not an object of Kubernetes");
    const key = `${value.metadata.namespace ?? ""}/${value.metadata.name}`;
    if (type === "DELETED") this.#of(resource).delete(key);
    else this.#of(resource).set(key, value);
    for (const listener of this.#listeners.get(resource) ?? []) listener(type, value);
    return value;
  }
}

function graceOf(resource: ResourceName, object: KubeObject, asked: number | undefined): number {
  if (resource !== "pods") return 0;
  const spec = record(object["spec"]);
  const phase = record(object["status"])["phase"];
  if (text(spec["nodeName"]) === "" || phase === "Succeeded" || phase === "Failed") return 0;
  return asked ?? number(spec["terminationGracePeriodSeconds"], 30);
}

function isKubeObject(value: object): value is KubeObject {
  return "kind" in value && typeof value.kind === "string" && "metadata" in value && isMeta(value.metadata);
}

function isMeta(value: unknown): value is ObjectMeta {
  return isRecord(value) && typeof value["name"] === "string" && typeof value["uid"] === "string";
}
