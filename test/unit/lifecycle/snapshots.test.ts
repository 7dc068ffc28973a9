/** Deleting volume snapshots: what the provider has of them goes too, whoever restored them and however often they are asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { embeddedConfig } from "../../../src/main/config/embedded.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { Snapshots } from "../../../src/main/lifecycle/snapshots.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";

const never = new AbortController().signal;
const notFound = (): KubeError => new KubeError("not found", { status: 404, reason: "NotFound" });
const restored = { source: { volumeSnapshotContentName: "restored-one" } };

/** A cluster with one snapshot, or none until it is restored. It is the cluster's own from `readyAt` on (monotonic ms). */
async function setup(first?: { readonly metadata?: object; readonly spec: object }) {
  const { config } = await embeddedConfig();
  const clock = new FakeClock();
  const manager = { ...config.manager, workspaceClasses: config.manager.workspaceClasses.map((one) => ({ ...one, pvc: { snapshotClass: "snaps" } })) };
  const world = { snapshot: first, readyAt: Number.POSITIVE_INFINITY };
  const isReady = (): boolean => clock.monotonic() >= world.readyAt;
  const removed: string[] = [];
  const bytes = (object: object): Uint8Array => Buffer.from(JSON.stringify(object));
  const snapshots = new Snapshots(manager, {
    get: async (path) => {
      if (path.includes("/volumesnapshotclasses/")) return bytes({ driver: "disk" });
      if (!world.snapshot) throw notFound();
      return bytes({ ...world.snapshot, metadata: { uid: "u1", ...world.snapshot.metadata }, ...(isReady() && { status: { readyToUse: true } }) });
    },
    create: async (path, body) => {
      if (path.endsWith("/volumesnapshots")) world.snapshot = { spec: restored };
      return Buffer.from(body);
    },
    remove: async (_, uid) => {
      removed.push(`${uid} ${isReady() ? "ready" : "not ready"}`);
      world.snapshot = undefined;
      return undefined;
    },
  }, clock);
  const remove = (): Promise<boolean> => passing(clock, snapshots.delete("one", "handle", false, never));
  return { snapshots, clock, world, removed, remove };
}

test("a snapshot that was restored to be deleted waits until the cluster has made it its own; so does the same call again, and one of a start's", async () => {
  const { clock, world, removed, remove } = await setup();
  await assert.rejects(remove(), { code: "UNAVAILABLE" });
  await assert.rejects(remove(), { code: "UNAVAILABLE" });
  assert.deepEqual(removed, []);
  world.readyAt = clock.monotonic() + 10_000;
  assert.equal(await remove(), true);
  assert.deepEqual(removed, ["u1 ready"]);
});

test("of two calls at once one deletes it, and the other does not wait for what is gone", async () => {
  const { snapshots, clock, world, removed } = await setup({ spec: restored });
  world.readyAt = 10_000;
  const both = [snapshots.delete("one", "handle", false, never), snapshots.delete("one", "handle", false, never)];
  assert.deepEqual(await passing(clock, Promise.all(both)), [true, true]);
  assert.ok(clock.monotonic() < 15_000, `${clock.monotonic()} ms`);
  assert.deepEqual(new Set(removed), new Set(["u1 ready"]));
});

test("one that goes while it is waited for was there, and is deleted", async () => {
  const { snapshots, clock, world, removed } = await setup({ spec: restored });
  clock.timer(5_000, () => (world.snapshot = undefined));
  assert.equal(await passing(clock, snapshots.delete("one", "handle", false, never)), true);
  assert.deepEqual(removed, []);
});

test("one that was taken of a claim, and one that is being deleted already, are not waited for", async () => {
  for (const first of [{ spec: { source: { persistentVolumeClaimName: "ws-one" } } }, { spec: restored, metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }]) {
    const { removed, remove } = await setup(first);
    assert.equal(await remove(), true);
    assert.deepEqual(removed, ["u1 not ready"]);
  }
});
