/** What the overseer of a simulation takes for a broken promise, and what it allows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../../../src/embedded/contract.ts";
import { claimMarkOf } from "../../../src/main/lifecycle/claim-maker.ts";
import type { CarriedRequest } from "../../../src/main/kube/client.ts";
import { Ledger } from "../../support/simulation/laws.ts";
import { Overseer, type Actor } from "../../support/simulation/overseer.ts";
import { Truth } from "../../support/simulation/truth.ts";
import { WrongClocks } from "../../support/simulation/wrong-clocks.ts";

const [second, minute, hour] = [1_000, 60_000, 3_600_000];
const [leader, other] = [0, 1].map((slot) => ({ name: `r${slot}`, slot, identity: `host-${slot}`, machine: { runs: true } }) satisfies Actor);
const ofPods = "/api/v1/namespaces/default/pods/ws-one";
const ofClaims = "/api/v1/namespaces/default/persistentvolumeclaims/ws-one";

function object(kind: string, name: string, metadata: Partial<KubeObject["metadata"]>, more: object = {}): KubeObject {
  return { apiVersion: "v1", kind, metadata: { name, uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", ...metadata }, ...more };
}

interface Setup {
  /** Whether a client was told that it was started, and not only an earlier life of its ID; true unless said otherwise. */
  readonly started?: boolean;
  readonly now?: number;
  readonly noted?: Readonly<Record<string, string>>;
  readonly pod?: Pick<KubeObject["metadata"], "deletionTimestamp" | "finalizers"> & { readonly nodeName?: string };
  readonly mark?: string;
  readonly claimUid?: string;
  /** What is otherwise about the volume snapshot of the claim, which was made after the pod and is ready. */
  readonly snapshot?: { readonly name?: string; readonly of?: string; readonly created?: string; readonly ready?: boolean };
}

/** A pod of a workspace that was started, with the claim that was made for it; the first replica leads. */
function setup({ started = true, now = 10 * hour, noted = {}, pod: { nodeName, ...pod } = {}, mark = claimMarkOf("token"), claimUid = "c1", snapshot = {} }: Setup = {}) {
  const objects = new Map([
    ["pods/ws-one", object("Pod", "ws-one", { labels: { workspaceID: "one" }, annotations: { "gitpod/ownerToken": "token", "gitpod.io/annotation.life": "2", ...noted }, ...pod }, { spec: { nodeName } })],
    ["persistentvolumeclaims/ws-one", object("PersistentVolumeClaim", "ws-one", { uid: claimUid, annotations: { "gitpod.io/createdFor": mark } })],
    [`volumesnapshots/${snapshot.name ?? "one"}`, object("VolumeSnapshot", "one", { creationTimestamp: snapshot.created ?? "2026-01-01T01:00:00Z" }, { spec: { source: { persistentVolumeClaimName: snapshot.of ?? "ws-one" } }, status: { readyToUse: snapshot.ready ?? true } })],
    ["leases/ws-manager-leader.gitpod.io", object("Lease", "ws-manager-leader.gitpod.io", {}, { spec: { holderIdentity: leader?.identity } })],
  ]);
  const [ledger, truth, clocks] = [new Ledger(() => now, () => {}), new Truth(), new WrongClocks()];
  truth.started(started ? 2 : 1);
  const overseer = new Overseer({ store: { get: (resource, _namespace, name) => objects.get(`${resource}/${name}`) }, ledger, truth, clocks, timeouts: { regularWorkspace: 30 * minute, afterClose: 2 * minute }, now: () => now });
  /** The request is sent, and arrives. */
  const does = (actor: Actor | undefined, method: CarriedRequest["method"], path: string, body: object): readonly string[] => {
    assert.ok(actor);
    const request: CarriedRequest = { method, path, headers: {}, body: JSON.stringify(body) };
    overseer.sent(actor, request);
    overseer.arrived(actor, request);
    return ledger.breaches.map(({ law }) => law);
  };
  const calls = {
    begin: (actor: Actor | undefined) => {
      assert.ok(actor);
      return overseer.called(actor, "DisposeWorkspace", "one");
    },
    laws: () => ledger.breaches.map(({ law }) => law),
  };
  return { truth, clocks, does, calls };
}

/** A leader marks a workspace as timed out that was active, as another replica was told, so long ago; its clock was set so long ago. */
function marks(activeAgo: number, settings: readonly (readonly [ago: number, byMs: number])[], why = "period of inactivity"): readonly string[] {
  const now = 10 * hour;
  const { truth, clocks, does } = setup({ now });
  if (other) truth.told("one", now - activeAgo, other);
  for (const [ago, byMs] of settings) clocks.set(0, now - ago, byMs);
  return does(leader, "PATCH", ofPods, { metadata: { uid: "u", annotations: { "gitpod/timedout": `workspace timed out after ${why} (00h30m) took longer than 00h30m` } } });
}

const tooEarly = ["who was active is not stopped"];

test("a workspace is timed out when its time is over, and not a second before", () => {
  assert.deepEqual(marks(30 * minute, []), []);
  assert.deepEqual(marks(30 * minute - second, []), tooEarly);
  assert.deepEqual(marks(2 * minute, [], "being closed"), []);
  assert.deepEqual(marks(2 * minute - second, [], "being closed"), tooEarly);
});

test("a clock that is ahead by too little to be noticed is allowed for, and by no more than it is", () => {
  assert.deepEqual(marks(30 * minute - 40 * second, [[10 * minute, 40 * second]]), []);
  assert.deepEqual(marks(30 * minute - 41 * second, [[10 * minute, 40 * second]]), tooEarly);
});

test("a jump that was noticed is allowed for where the activity came after it, and was written by a right clock", () => {
  assert.deepEqual(marks(5 * minute, [[30 * minute, 2 * hour]]), []);
  assert.deepEqual(marks(5 * minute, [[29 * minute, 2 * hour]]), tooEarly, "it counts from the jump at least");
  assert.deepEqual(marks(20 * minute, [[10 * minute, 2 * hour]]), tooEarly, "what was left of its time is left still");
});

test("a claim is ended by the leader, once it is saved", () => {
  const [uid, saved] = [{ preconditions: { uid: "c1" } }, { "gitpod.io/volumeSnapshotName": '{"volumeSnapshotName":"one"}' }];
  assert.deepEqual(setup({ noted: saved }).does(leader, "DELETE", ofClaims, uid), []);
  assert.deepEqual(setup({ noted: saved }).does(other, "DELETE", ofClaims, uid), ["only one acts"]);
  assert.deepEqual(setup().does(leader, "DELETE", ofClaims, uid), ["a claim stays until it is saved"]);
  assert.deepEqual(setup().does(leader, "DELETE", ofClaims, {}), ["a claim stays until it is saved"]);
});

test("a claim is saved by the volume snapshot that stands on its pod alone: there, ready, of this claim, and taken since the pod was made", () => {
  const noted = { "gitpod.io/volumeSnapshotName": '{"volumeSnapshotName":"one"}' };
  for (const snapshot of [{ name: "other" }, { ready: false }, { of: "ws-two" }, { created: "2025-12-31T23:59:59Z" }]) {
    assert.deepEqual(setup({ noted, snapshot }).does(leader, "DELETE", ofClaims, { preconditions: { uid: "c1" } }), ["a claim stays until it is saved"], JSON.stringify(snapshot));
  }
});

test("attempts at a backup are counted by calls, not by who makes them", () => {
  const { calls } = setup();
  const laws = (): number => calls.laws().filter((law) => law === "one backup at a time").length;
  const first = calls.begin(leader);
  const second = calls.begin(leader);
  assert.equal(laws(), 1);
  first("OK");
  const third = calls.begin(leader);
  assert.equal(laws(), 2, "one of the first two runs still");
  second("OK");
  third("OK");
  calls.begin(leader);
  assert.equal(laws(), 2);
});

test("what a failed start made may be taken away by whoever made it, and a request that means another life's claim does nothing", () => {
  const [uid, saved] = [{ preconditions: { uid: "c1" } }, { "gitpod.io/volumeSnapshotName": '{"volumeSnapshotName":"one"}' }];
  assert.deepEqual(setup({ noted: saved, mark: claimMarkOf("of another start") }).does(other, "DELETE", ofClaims, uid), []);
  assert.deepEqual(setup({ claimUid: "c2" }).does(other, "DELETE", ofClaims, uid), []);
});

test("who does not lead deletes no pod but one of a failed start, in the version that was looked at", () => {
  const [byUid, byVersion] = [{ uid: "u" }, { uid: "u", resourceVersion: "1" }].map((preconditions) => ({ gracePeriodSeconds: 0, preconditions }));
  assert.deepEqual(setup({ started: false }).does(other, "DELETE", ofPods, byVersion ?? {}), []);
  assert.deepEqual(setup({ started: false }).does(other, "DELETE", ofPods, byUid ?? {}), ["only one acts", "nothing is deleted that was not to be"]);
  // Asked again after an answer that was lost: it does nothing.
  assert.deepEqual(setup({ started: false }).does(other, "DELETE", ofPods.replace("ws-one", "ws-gone"), byVersion ?? {}), []);
  assert.deepEqual(setup().does(other, "DELETE", ofPods, byVersion ?? {}), ["only one acts", "nothing is deleted that was not to be"]);
});

test("the pod of a failed start is released only where nothing can be on a node: while it is being deleted, and has none", () => {
  const release = { metadata: { uid: "u", finalizers: null } };
  const deletionTimestamp = "2026-01-01T01:00:00Z";
  const asks = (pod: Setup["pod"]): readonly string[] => setup({ started: false, pod: { finalizers: ["gitpod.io/finalizer"], ...pod }, noted: { "gitpod/never-ready": "true" } }).does(other, "PATCH", ofPods, release);
  assert.deepEqual(asks({ deletionTimestamp }), []);
  assert.deepEqual(asks({}), ["nothing is let go that is not saved"]);
  assert.deepEqual(asks({ deletionTimestamp, nodeName: "node-1" }), ["nothing is let go that is not saved"]);
});
