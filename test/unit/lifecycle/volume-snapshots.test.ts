/** Snapshots of claims: when one counts as taken, and when it does not. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { objectAt, parseObject, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import type { Wish } from "../../../src/main/kube/objects.ts";
import type { ReflectorSink } from "../../../src/main/kube/sink.ts";
import { SnapshotWatch } from "../../../src/main/lifecycle/snapshot-watch.ts";
import { VolumeSnapshots } from "../../../src/main/lifecycle/volume-snapshots.ts";
import { RecordingLog } from "../kube/helpers.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
}

interface World {
  /** Undefined: it is not there. */
  metadata: object | undefined;
  spec: object;
  status: object;
  /** The provider's side of it; undefined: not there. */
  content: object | undefined;
}

const ready = { readyToUse: true, boundVolumeSnapshotContentName: "content" };
const ofClaim = { source: { persistentVolumeClaimName: "ws-one" } };
const subject = { id: "one", claim: "ws-one", className: "default", uid: "5ad3e1c0-0b8e-4c55-9d2e-6a1f0b7c2d11", createdAt: Date.parse("2026-03-01T10:00:00Z") };
const [mark, ownName] = ["gitpod.io/snapshotOf", "one-5ad3e1c0"] as const;
/** As a Go daemon makes it at the end of this pod. */
const unmarked = { name: "one", creationTimestamp: "2026-03-01T12:00:00Z" };

/** A cluster in which a snapshot of that name is there already, or no snapshots are known of at all. */
function setup(first: Partial<World> = {}, { known = true, watchable = true }: { readonly known?: boolean; readonly watchable?: boolean } = {}) {
  const clock = new FakeClock();
  const world: World = { metadata: unmarked, spec: ofClaim, status: ready, content: { status: { snapshotHandle: "handle" } }, ...first };
  const [ending, leading] = [new AbortController(), new AbortController()];
  const reads: string[] = [];
  /** Those that were made beside it, by name. */
  const made = new Map<string, JsonObject>();
  const snapshotAt = (name: string): object | undefined => {
    if (name === "one") return world.metadata && { metadata: world.metadata, spec: world.spec, status: world.status };
    const own = made.get(name);
    return own && { ...own, status: world.status };
  };
  const create = async (_path: string, body: string): Promise<Uint8Array> => {
    if (!known) throw new KubeError("the server could not find the requested resource", { status: 404, reason: "NotFound" });
    const snapshot = parseObject(Buffer.from(body)) ?? {};
    const name = textAt(objectAt(snapshot, "metadata"), "name");
    if (snapshotAt(name) !== undefined) throw new KubeError("there", { status: 409, reason: "AlreadyExists" });
    made.set(name, snapshot);
    return Buffer.from(body);
  };
  const get = async (path: string, { signal }: Wish): Promise<Uint8Array> => {
    reads.push(path);
    if (signal.aborted) throw new KubeError("aborted", { status: 0, reason: "Aborted" });
    const object = path.includes("/volumesnapshotcontents/") ? (path.endsWith("/content") ? world.content : undefined) : snapshotAt(path.slice(path.lastIndexOf("/") + 1));
    if (object === undefined) throw new KubeError("not found", { status: 404, reason: "NotFound" });
    return Buffer.from(JSON.stringify(object));
  };
  const log = new RecordingLog();
  const sinks: ReflectorSink[] = [];
  const watch = new SnapshotWatch({
    clock,
    reflect: async (sink, signal) => {
      sinks.push(sink);
      if (watchable) sink.listFinished("1");
      await once(signal, "abort");
      sinks.splice(sinks.indexOf(sink), 1);
    },
  });
  /** The watch tells of the snapshot as it is. */
  const tell = (changes: Partial<World> = {}, type = "MODIFIED"): void => {
    Object.assign(world, changes);
    for (const sink of sinks) void sink.line(Buffer.from(JSON.stringify({ type, object: { metadata: { name: "one", resourceVersion: "9" }, spec: world.spec, status: world.status } })));
  };
  const snapshots = new VolumeSnapshots({
    manager: { namespace: "here", workspaceClasses: [{ id: "default", container: { requests: {}, limits: {} }, templates: {}, pvc: {} }] }, clock, watch, log,
    objects: { get, create },
  });
  const take = () => snapshots.take(subject, { priority: "finalization", signal: ending.signal }, { priority: "finalization", signal: leading.signal });
  return { clock, world, made, ending, leading, log, reads, sinks, take, tell, watch };
}

test("a snapshot is taken once it is told to be ready and the provider's name of it is known", async () => {
  for (const missing of [{ status: {} }, { status: { readyToUse: true } }, { content: undefined }, { content: {} }, { content: { status: { snapshotHandle: "" } } }]) {
    const { clock, reads, take, tell } = setup(missing);
    clock.timer(60_000, () => tell({ status: ready, content: { status: { snapshotHandle: "handle" } } }));
    assert.deepEqual(await passing(clock, take()), { name: "one", handle: "handle" }, JSON.stringify(missing));
    assert.ok(reads.length > 2);
    assert.ok(reads.every((path) => !path.endsWith("/")), "no list is read for a content that has no name yet");
  }
});

test("two hundred that do not become ready cost no request while they are waited for: one watch tells of all, and ends a minute after the last", async () => {
  const { clock, reads, sinks, ending, take, tell, watch } = setup({ status: {} });
  const waiting = Array.from({ length: 200 }, () => take().catch((error: unknown) => error));
  await settle();
  clock.advance(3_600_000);
  tell({ status: { error: { message: "disk on fire" } } });
  await settle();
  assert.deepEqual([reads.length, sinks.length], [200, 1]);
  ending.abort();
  for (const error of await Promise.all(waiting)) assert.match(String(error), /volume snapshot one did not become ready: disk on fire/);
  assert.equal(reads.length, 400, "a look at the end");
  clock.advance(59_000);
  assert.equal(watch.active, true);
  clock.advance(2_000);
  await settle();
  assert.deepEqual([watch.active, sinks.length], [false, 0]);
});

test("one that became ready unnoticed is found by the look at the end; not by who does not lead any more", async () => {
  const found = setup({ status: {} });
  const taking = found.take();
  await settle();
  Object.assign(found.world, { status: ready });
  found.ending.abort();
  assert.deepEqual(await taking, { name: "one", handle: "handle" });
  const lost = setup({ status: {} });
  const losing = lost.take();
  await settle();
  lost.leading.abort();
  lost.ending.abort();
  await assert.rejects(losing);
  assert.equal(lost.reads.length, 1);
});

test("where the watch sees nothing, as without the right to it, snapshots are looked at now and then", async () => {
  const { clock, world, take, reads } = setup({ status: {} }, { watchable: false });
  clock.timer(60_000, () => Object.assign(world, { status: ready }));
  assert.deepEqual(await passing(clock, take()), { name: "one", handle: "handle" });
  assert.ok(reads.length <= 6, `${reads.length} reads in a minute`);
});

test("in a cluster without snapshots none is waited for, and the log says so once", async () => {
  const { log, take, watch } = setup({}, { known: false });
  for (let i = 0; i < 3; i++) await assert.rejects(take(), /^Error: the cluster has no volume snapshots: there is no resource volumesnapshots\.snapshot\.storage\.k8s\.io/);
  assert.equal(log.entries.length, 1);
  assert.equal(watch.active, false);
});

test("a snapshot of that name which is of something else is not taken for this claim's: another one is made, and found again", async () => {
  for (const spec of [{ source: { persistentVolumeClaimName: "ws-two" } }, { source: { volumeSnapshotContentName: "restored-one" } }, {}]) {
    const { clock, made, take } = setup({ spec });
    for (let i = 0; i < 2; i++) assert.deepEqual(await passing(clock, take()), { name: ownName, handle: "handle" });
    assert.deepEqual([...made.keys()], [ownName]);
    assert.deepEqual([made.get(ownName)?.["spec"], objectAt(objectAt(made.get(ownName), "metadata"), "annotations")], [ofClaim, { [mark]: subject.uid }]);
  }
});

test("nor is one of an earlier life of the same ID, although it is of a claim of that name, and ready", async () => {
  const [theirs, ours] = ["0d9c1f52-aaaa-4c55-9d2e-6a1f0b7c2d11", subject.uid];
  const nameFor = async (metadata: object): Promise<string> => {
    const { clock, take } = setup({ metadata });
    return (await passing(clock, take())).name;
  };
  assert.equal(await nameFor({ ...unmarked, annotations: { [mark]: theirs } }), ownName);
  assert.equal(await nameFor({ ...unmarked, creationTimestamp: "2026-03-01T09:59:59Z" }), ownName, "a Go daemon's, older than the pod");
  assert.equal(await nameFor({ name: "one" }), ownName, "of an unknown age");
  assert.equal(await nameFor({ ...unmarked, annotations: { [mark]: ours } }), "one");
  assert.equal(await nameFor(unmarked), "one", "a Go daemon's, younger than the pod");
});

test("one that is replaced or deleted while it is waited for is made once more; where all its names are taken none is", async () => {
  for (const change of [{ metadata: { ...unmarked, annotations: { [mark]: "another" } } }, { metadata: undefined }]) {
    const { clock, take, tell } = setup({ status: {} });
    clock.timer(60_000, () => tell({ ...change, status: ready }));
    assert.deepEqual(await passing(clock, take()), { name: ownName, handle: "handle" });
  }
  const taken = setup({ spec: {} });
  taken.made.set(ownName, { metadata: { name: ownName }, spec: {} });
  await assert.rejects(passing(taken.clock, taken.take()), /there is a volume snapshot one already, which is not one of claim ws-one; there is a volume snapshot one-5ad3e1c0 already/);
});

test("one of its own that became ready unnoticed is found by the look at the end too", async () => {
  const { clock, ending, take, world } = setup({ spec: {}, status: {} });
  const taking = take();
  await settle();
  Object.assign(world, { status: ready });
  ending.abort();
  assert.deepEqual(await passing(clock, taking), { name: ownName, handle: "handle" });
});

test("once the watch is closed, whoever still comes does not begin it again", async () => {
  const { sinks, ending, take, watch } = setup({ status: {} });
  await watch.close();
  const late = take().catch((error: unknown) => error);
  await settle();
  assert.deepEqual([sinks.length, watch.active], [0, false]);
  ending.abort();
  assert.ok((await late) instanceof Error);
});
