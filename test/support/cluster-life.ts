/** The built-in cluster's objects, without its server, with scheduler and kubelet on a virtual clock, and short ways to look at pods in it. */
import type { Identities } from "../../src/embedded/apiserver/metadata.ts";
import type { KubeObject } from "../../src/embedded/contract.ts";
import { startKubelet } from "../../src/embedded/kubelet/index.ts";
import type { Kubelet, KubeletOptions, Timings } from "../../src/embedded/kubelet/index.ts";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { ObjectStore } from "../../src/embedded/apiserver/store.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { podIn } from "./pods.ts";
import type { WorkspacePodOptions } from "./pods.ts";

/** Fixed timings, so that tests know what happens when. */
export const fixedTimings: Timings = { admit: [100, 100], pull: [2000, 2000], start: [300, 300], ready: [1000, 1000], stop: [1500, 1500], recover: [5000, 5000], strike: [4000, 4000], backoff: 10_000, backoffLimit: 300_000 };

/** What a test works with. */
export interface ClusterLife {
  readonly clock: VirtualClock;
  readonly store: ObjectStore;
  readonly kubelet: Kubelet;
  readonly errors: unknown[];
  /** Creates a workspace pod; gives its name. */
  add(id: string, options?: Omit<WorkspacePodOptions, "id"> & { readonly fault?: string | undefined; readonly spec?: object }): string;
  pod(name: string): KubeObject;
  status(name: string): Json;
  container(name: string): Json;
  condition(name: string, type: string): Json;
  /** Reasons of the events on a pod, in order. */
  reasons(name: string): readonly string[];
}

/** Identities that are the same in each run. */
function countedIdentities(): Identities {
  let uids = 0;
  let names = 0;
  return { uid: () => `uid-${++uids}`, suffix: () => String(++names).padStart(5, "0") };
}

/** Starts them. */
export function clusterLife(options: Partial<KubeletOptions> = {}): ClusterLife {
  const clock = new VirtualClock();
  const store = new ObjectStore({ clock, identities: countedIdentities(), history: { changes: 1000, bytes: 64 * 1024 * 1024 }, quota: { objects: 100_000, bytes: 512 * 1024 * 1024 } });
  const errors: unknown[] = [];
  const kubelet = startKubelet(store, { namespace: "default", clock, timings: fixedTimings, onError: (error) => errors.push(error), ...options });
  const pod = (name: string): KubeObject => {
    const found = store.get("pods", "default", name);
    if (!found) throw new Error(`no pod ${name}`);
    return found;
  };
  const status = (name: string): Json => record(pod(name)["status"]);
  return {
    clock, store, kubelet, errors, pod, status,
    add(id, { fault, spec, ...rest } = {}) {
      const made = podIn("unscheduled", id, { ...rest, annotations: { ...rest.annotations, "embedded.wsmand.dev/fault": fault } });
      store.create("pods", { ...made, spec: { ...made.spec, ...spec } }, "default");
      return made.metadata.name;
    },
    container: (name) => record(records(status(name)["containerStatuses"])[0]),
    condition: (name, type) => record(records(status(name)["conditions"]).find((condition) => condition["type"] === type)),
    reasons: (name) => store.list("events").filter((event) => record(event["involvedObject"])["name"] === name).map((event) => text(event["reason"])),
  };
}
