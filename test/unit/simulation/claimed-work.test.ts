/** What simulations know of work on claims: where it is, and when it is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChangeType, ClusterStore, KubeObject } from "../../../src/embedded/contract.ts";
import { claimMarkOf } from "../../../src/main/lifecycle/claim-maker.ts";
import { ClaimedWork } from "../../support/simulation/claimed-work.ts";
import { Ledger } from "../../support/simulation/laws.ts";

function setup() {
  const objects = new Map<string, KubeObject>();
  const listeners = new Map<string, ((type: ChangeType, object: KubeObject) => void)[]>();
  const ledger = new Ledger(() => 0, () => {});
  const store: Pick<ClusterStore, "get" | "subscribe"> = {
    get: (resource, _namespace, name) => objects.get(`${resource}/${name}`),
    subscribe: (resource, listener) => {
      listeners.set(resource, [...(listeners.get(resource) ?? []), listener]);
      return () => {};
    },
  };
  const work = new ClaimedWork(store, ledger);
  const put = (resource: string, name: string, members: object = {}, uid = name, noted: Readonly<Record<string, string>> = {}): KubeObject => {
    const key = `${resource}/${name}`;
    const type = objects.has(key) ? "MODIFIED" : "ADDED";
    const object: KubeObject = { apiVersion: "v1", kind: resource, metadata: { name, namespace: "default", uid, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", annotations: noted }, ...members };
    objects.set(key, object);
    for (const listener of listeners.get(resource) ?? []) listener(type, object);
    return object;
  };
  const remove = (resource: string, name: string): void => {
    const object = objects.get(`${resource}/${name}`);
    objects.delete(`${resource}/${name}`);
    for (const listener of listeners.get(resource) ?? []) if (object) listener("DELETED", object);
  };
  /** A pod of a life uses the claim, and could be used. */
  const use = (life: number, neverReady = false, ownerToken = "token"): void => void put("pods", "ws-one", { spec: { volumes: [{ persistentVolumeClaim: { claimName: "ws-one" } }] } }, `p${life}`, { "gitpod.io/annotation.life": String(life), "gitpod/ownerToken": ownerToken, ...(neverReady && { "gitpod/never-ready": "true" }) });
  const snapshot = (ready: boolean): void => void put("volumesnapshots", "one", { spec: { source: { persistentVolumeClaimName: "ws-one" } }, status: { readyToUse: ready } });
  return { work, put, remove, use, snapshot, wrongs: () => ledger.breaches.map(({ what }) => what) };
}

test("work on a claim is there from when its pod could be used; a claim may go once a snapshot that is ready has it", () => {
  const { work, put, remove, use, snapshot, wrongs } = setup();
  const claim = put("persistentvolumeclaims", "ws-one");
  use(1, true);
  assert.deepEqual([work.has(1), work.hasUnsaved(claim)], [false, false]);
  use(1);
  assert.deepEqual([work.has(1), work.hasUnsaved(claim)], [true, true]);
  snapshot(false);
  assert.deepEqual([work.isIn("one", 1), work.hasUnsaved(claim)], [false, true]);
  snapshot(true);
  assert.deepEqual([work.isIn("one", 1), work.hasUnsaved(claim)], [true, false]);
  remove("persistentvolumeclaims", "ws-one");
  assert.deepEqual(wrongs(), []);
});

test("a snapshot has what was on the claim when it was asked for: a later life's work is not in it, and lost with the claim", () => {
  const { work, put, remove, use, snapshot, wrongs } = setup();
  put("persistentvolumeclaims", "ws-one", {}, "c1");
  use(1);
  snapshot(true);
  remove("persistentvolumeclaims", "ws-one");
  put("persistentvolumeclaims", "ws-one", { spec: { dataSource: { kind: "VolumeSnapshot", name: "one" } } }, "c2");
  use(2);
  snapshot(true);
  assert.deepEqual([work.isIn("one", 1), work.isIn("one", 2)], [true, false]);
  remove("persistentvolumeclaims", "ws-one");
  assert.deepEqual(wrongs(), ["claim ws-one is gone, and with it the work of life 2, which no snapshot has"]);
});

test("a claim that an earlier life left is the only copy of its work, whatever becomes of the next start", () => {
  const { put, remove, use, wrongs } = setup();
  put("persistentvolumeclaims", "ws-one");
  use(1);
  use(2, true);
  remove("persistentvolumeclaims", "ws-one");
  assert.deepEqual(wrongs(), ["claim ws-one is gone, and with it the work of life 1, which no snapshot has"]);
});

test("a claim is inherited from when a pod of another start uses it", () => {
  const { work, put, use } = setup();
  const claim = put("persistentvolumeclaims", "ws-one", {}, "c1", { "gitpod.io/createdFor": claimMarkOf("token") });
  use(1);
  assert.equal(work.isInherited(claim), false);
  use(2, true, "another token");
  assert.equal(work.isInherited(claim), true);
});
