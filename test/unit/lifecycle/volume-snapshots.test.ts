/** Snapshots of claims: when one counts as taken, and when it does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeError } from "../../../src/main/kube/errors.ts";
import type { Wish } from "../../../src/main/kube/objects.ts";
import { VolumeSnapshots } from "../../../src/main/lifecycle/volume-snapshots.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";

interface World {
  spec: object;
  status: object;
  /** The provider's side of it; undefined: not there. */
  content: object | undefined;
}

const ready = { readyToUse: true, boundVolumeSnapshotContentName: "content" };
const ofClaim = { source: { persistentVolumeClaimName: "ws-one" } };

/** A cluster in which a snapshot of that name is there already. */
function setup(first: Partial<World> = {}) {
  const clock = new FakeClock();
  const world: World = { spec: ofClaim, status: ready, content: { status: { snapshotHandle: "handle" } }, ...first };
  const ending = new AbortController();
  const reads: string[] = [];
  const get = async (path: string, { signal }: Wish): Promise<Uint8Array> => {
    reads.push(path);
    if (signal.aborted) throw new KubeError("aborted", { status: 0, reason: "Aborted" });
    const object = path.includes("/volumesnapshotcontents/") ? (path.endsWith("/content") ? world.content : undefined) : { spec: world.spec, status: world.status };
    if (object === undefined) throw new KubeError("not found", { status: 404, reason: "NotFound" });
    return Buffer.from(JSON.stringify(object));
  };
  const snapshots = new VolumeSnapshots({
    manager: { namespace: "here", workspaceClasses: [{ id: "default", container: { requests: {}, limits: {} }, templates: {}, pvc: {} }] }, clock,
    objects: { get, create: () => Promise.reject(new KubeError("there", { status: 409, reason: "AlreadyExists" })) },
  });
  const take = () => snapshots.take("one", "ws-one", "default", { priority: "finalization", signal: ending.signal });
  return { clock, world, ending, reads, take };
}

test("a snapshot is taken once it is ready and the provider's name of it is known", async () => {
  for (const missing of [{ status: {} }, { status: { readyToUse: true } }, { content: undefined }, { content: {} }, { content: { status: { snapshotHandle: "" } } }]) {
    const { clock, world, reads, take } = setup(missing);
    clock.timer(60_000, () => Object.assign(world, { status: ready, content: { status: { snapshotHandle: "handle" } } }));
    assert.deepEqual(await passing(clock, take()), { name: "one", handle: "handle" }, JSON.stringify(missing));
    assert.ok(reads.length > 2);
    assert.ok(reads.every((path) => !path.endsWith("/")), "no list is read for a content that has no name yet");
  }
});

test("one that never has a name at the provider is not ready when the time is over, and what the storage said is told", async () => {
  const { clock, ending, take } = setup({ status: { error: { message: "disk on fire" } } });
  clock.timer(600_000, () => ending.abort());
  await assert.rejects(passing(clock, take()), /volume snapshot one did not become ready: disk on fire/);
});

test("a snapshot of that name which is of something else is not taken for this claim's", async () => {
  for (const spec of [{ source: { persistentVolumeClaimName: "ws-two" } }, { source: { volumeSnapshotContentName: "restored-one" } }, {}]) {
    const { clock, take } = setup({ spec });
    await assert.rejects(passing(clock, take()), /already, which is not one of claim ws-one/);
  }
});
