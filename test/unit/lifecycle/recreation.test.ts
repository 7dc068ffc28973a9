/** Pods that are made anew: what they are then, and that nothing said meanwhile is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { objectAt, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { silentLog } from "../../../src/domain/log.ts";
import { wsman } from "../../../src/gen/proto.js";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isConflict } from "../../../src/main/kube/objects.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { anew, Recreation } from "../../../src/main/lifecycle/recreation.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

const limitMs = 60_000;
type Verb = "get" | "release" | "remove" | "create" | "seen";

/** A cluster with the one pod, and what happens right before and right after a request of ours. */
function setup() {
  const clock = new FakeClock();
  const ending = new AbortController();
  const permit = new Permit({ signal: ending.signal, goesOn: () => !ending.signal.aborted }, 0, ending.signal);
  const record = Object.assign(recordOf("u", { phase: wsman.WorkspacePhase.PENDING, everReady: false, createdAt: clock.now() }), { resourceVersion: "1", actions: [{ action: "recreatePod" }] as const });
  const did: string[] = [];
  const state: { pod: JsonObject | undefined; before: Partial<Record<Verb, () => void>>; after: Partial<Record<Verb, () => void>> } = { pod: podOf("u", 1), before: {}, after: {} };
  const request = async (verb: Verb, what: string, work: () => void, version?: string): Promise<Uint8Array> => {
    did.push(what);
    state.before[verb]?.();
    if (version !== undefined && versionOf(state.pod) !== version) throw new KubeError("changed", { status: 409, reason: "Conflict" });
    work();
    state.after[verb]?.();
    if (!state.pod && verb !== "remove") throw new KubeError("gone", { status: 404, reason: "NotFound" });
    return Buffer.from(JSON.stringify(state.pod ?? {}));
  };
  const givenUp: string[] = [];
  const recreation = new Recreation({
    clock, random: () => 0, log: silentLog, note: () => {}, limitMs, dryRun: false, isAwaited: () => !record.stopped, giveUp: (uid) => void givenUp.push(uid),
    seen: async () => state.after.seen?.(),
    objects: {
      get: (_path) => request("get", "get", () => {}),
      release: (_name, _uid, _wish, on) => request("release", `release ${on?.resourceVersion}`, () => (state.pod = podOf("u", 2)), on?.resourceVersion),
      remove: (_path, _uid, _grace, _wish, on) => request("remove", `remove ${on?.resourceVersion}`, () => (state.pod = undefined), on?.resourceVersion),
      create: async (_path, _object, { may }) => {
        if (may?.() === false) throw new KubeError("not wanted", { status: 0, reason: "Aborted" });
        return request("create", "create", () => (state.pod = podOf("next", 9)));
      },
    },
  });
  return { clock, did, ending, givenUp, record, state, recreate: () => passing(clock, recreation.recreate(record, permit)) };
}

function podOf(uid: string, version: number): JsonObject {
  return { kind: "Pod", metadata: { name: "ws-ws1", uid, resourceVersion: String(version), annotations: {} }, spec: {}, status: { reason: "OutOfcpu" } };
}

function versionOf(pod: JsonObject | undefined): string {
  return textAt(objectAt(pod, "metadata"), "resourceVersion");
}

function failing(error = new KubeError("ill", { status: 500, reason: "InternalError" })): () => never {
  return () => {
    throw error;
  };
}

test("each step is of the version of the pod that the one before it found", async () => {
  const { did, recreate } = setup();
  await recreate();
  assert.deepEqual(did, ["get", "release 1", "remove 2", "create"]);
});

test("what is written on the pod before it goes, as a user's stop, is not overlooked: the pod stays, and it is decided anew", async () => {
  for (const verb of ["release", "remove"] as const) {
    const { did, recreate, state } = setup();
    state.before[verb] = () => (state.pod = podOf("u", 5));
    await assert.rejects(recreate(), isConflict);
    assert.equal(versionOf(state.pod), "5", verb);
    assert.ok(!did.includes("create"));
  }
});

test("a pod that turns out to be another one, to be asked to stop, to have had its time, or not to be known here yet, is left alone", async () => {
  const other = setup();
  other.state.pod = podOf("other", 1);
  await other.recreate();
  const asked = setup();
  asked.state.after.seen = () => Object.assign(asked.record, { actions: [{ action: "deletePod", gracePeriodSeconds: 1 }] });
  await asked.recreate();
  const over = setup();
  over.clock.setWall(over.record.facts.createdAt + limitMs);
  await over.recreate();
  const late = setup();
  late.state.pod = podOf("u", 4);
  await assert.rejects(late.recreate(), isConflict);
  for (const { did } of [other, asked, over, late]) assert.deepEqual(did, ["get"]);
});

test("a pod that could not be taken away is told as a failure; one whose deletion was only not answered is made anew", async () => {
  const failed = setup();
  failed.state.before.remove = failing();
  await assert.rejects(failed.recreate(), /ill/);
  assert.ok(!failed.did.includes("create"));
  const unanswered = setup();
  let looks = 0;
  unanswered.state.after.remove = () => {
    unanswered.ending.abort();
    // Neither is the first look.
    unanswered.state.before.get = () => {
      if (looks++ === 0) failing()();
    };
    failing()();
  };
  await unanswered.recreate();
  assert.equal(versionOf(unanswered.state.pod), "9");
  assert.equal(looks, 2);
});

test("no pod is made of a workspace whose end was told, or whose time is over by the wall clock; that it has none is told", async () => {
  const stopped = setup();
  stopped.state.after.remove = () => void (stopped.record.stopped = true);
  await stopped.recreate();
  const woken = setup();
  woken.state.after.remove = () => woken.clock.setWall(woken.record.facts.createdAt + limitMs);
  await woken.recreate();
  for (const { did, givenUp } of [stopped, woken]) {
    assert.ok(!did.includes("create"));
    assert.deepEqual(givenUp, ["u"]);
  }
});

test("creation is tried again, in time; a pod that an unanswered request made at the last moment is found", async () => {
  const ill = setup();
  let fails = 3;
  ill.state.before.create = () => {
    if (fails-- > 0) failing()();
  };
  await ill.recreate();
  assert.deepEqual([versionOf(ill.state.pod), ill.givenUp], ["9", []]);
  const last = setup();
  last.state.after.create = () => {
    last.clock.setWall(last.record.facts.createdAt + limitMs);
    failing()();
  };
  await last.recreate();
  assert.deepEqual(last.givenUp, []);
  const never = setup();
  never.state.before.create = failing();
  await never.recreate();
  assert.deepEqual(never.givenUp, ["u"]);
});

test("a pod is made anew from its own spec, without what the cluster gave it, and keeps when its first one was made", () => {
  const container = { name: "workspace", image: "i", volumeMounts: [{ name: "vol-this-workspace", mountPath: "/workspace" }, { name: "kube-api-access-x1", mountPath: "/var/run/secrets" }] };
  const pod = {
    kind: "Pod", apiVersion: "v1",
    metadata: {
      name: "ws-one", namespace: "default", uid: "u", resourceVersion: "7", generation: 3, creationTimestamp: "2026-03-01T10:00:00Z", deletionTimestamp: "2026-03-01T10:00:02Z", deletionGracePeriodSeconds: 0,
      managedFields: [{}], labels: { a: "b" }, annotations: { "gitpod/id": "one" }, finalizers: ["other.io/f"],
    },
    spec: { nodeName: "node-1", priority: 7, preemptionPolicy: "Never", schedulerName: "s", hostname: "h", volumes: [{ name: "vol-this-workspace" }, { name: "kube-api-access-x1" }], containers: [container] },
    status: { phase: "Failed" },
  };
  const fresh = anew(pod);
  assert.deepEqual(fresh, {
    apiVersion: "v1", kind: "Pod",
    metadata: { name: "ws-one", namespace: "default", labels: { a: "b" }, annotations: { "gitpod/id": "one", "gitpod.io/firstCreated": "2026-03-01T10:00:00Z" }, finalizers: ["gitpod.io/finalizer", "other.io/f"] },
    spec: { schedulerName: "s", hostname: "h", volumes: [{ name: "vol-this-workspace" }], containers: [{ ...container, volumeMounts: [container.volumeMounts[0]] }] },
  });
  const metadata = { ...pod.metadata, creationTimestamp: "2026-03-01T10:05:00Z", annotations: { "gitpod.io/firstCreated": "2026-03-01T10:00:00Z" } };
  assert.deepEqual(objectAt(objectAt(anew({ ...pod, metadata }), "metadata"), "annotations"), { "gitpod.io/firstCreated": "2026-03-01T10:00:00Z" });
});
