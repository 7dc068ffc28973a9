/** Pods that are made anew: what they are then, that nothing said meanwhile is lost, and that another process can go on at any point. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { objectAt, parseObject, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { silentLog } from "../../../src/domain/log.ts";
import { wsman } from "../../../src/gen/proto.js";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isConflict } from "../../../src/main/kube/objects.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { claimMarkOf } from "../../../src/main/lifecycle/claim-maker.ts";
import { anew, filled, placeholderFor, writtenSince } from "../../../src/main/lifecycle/pod-copies.ts";
import { Recreation } from "../../../src/main/lifecycle/recreation.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

const limitMs = 60_000;
const [podName, placeholder] = ["ws-ws1", "placeholder-ws-ws1"];
type Verb = "get" | "release" | "remove" | "create" | "annotate" | "seen";

/** A cluster with the one pod, and what happens right before and right after a request of ours. `stands`: the placeholder instead. */
function setup({ stands = false }: { readonly stands?: boolean } = {}) {
  const clock = new FakeClock();
  const ending = new AbortController();
  const permit = new Permit({ signal: ending.signal, goesOn: () => !ending.signal.aborted }, 0, ending.signal);
  const name = stands ? placeholder : podName;
  const record = Object.assign(recordOf("u", { podName: name, phase: wsman.WorkspacePhase.PENDING, everReady: false, createdAt: clock.now() }), { resourceVersion: "1", actions: [{ action: stands ? "fillPlaceholder" : "recreatePod" }] as const });
  const did: string[] = [];
  const pods = new Map<string, JsonObject>([[name, podOf(name, "u", 1)]]);
  const state: { readonly before: Partial<Record<Verb, () => void>>; readonly after: Partial<Record<Verb, () => void>> } = { before: {}, after: {} };
  let versions = 10;
  const request = async (verb: Verb, of: string, work: (pod: JsonObject | undefined) => JsonObject | undefined, version?: string): Promise<Uint8Array> => {
    did.push(`${verb} ${of}${version === undefined ? "" : ` ${version}`}`);
    state.before[verb]?.();
    const pod = pods.get(of);
    if (version !== undefined && pod && versionOf(pod) !== version) throw new KubeError("changed", { status: 409, reason: "Conflict" });
    if (!pod && verb !== "create" && verb !== "remove") throw new KubeError("gone", { status: 404, reason: "NotFound" });
    const now = work(pod);
    if (now) pods.set(of, now);
    else pods.delete(of);
    state.after[verb]?.();
    return Buffer.from(JSON.stringify(now ?? {}));
  };
  const givenUp: string[] = [];
  const dropped: string[] = [];
  const recreation = new Recreation({
    clock, random: () => 0, log: silentLog, note: () => {}, limitMs, dryRun: false, isAwaited: () => !record.stopped, giveUp: (uid) => void givenUp.push(uid), dropped: ({ uid }, { podName: name }) => void dropped.push(`${name} of ${uid}`),
    seen: async () => state.after.seen?.(),
    objects: {
      get: (path) => request("get", path.replace("pods/", ""), (pod) => pod),
      release: (of, _uid, _wish, on) => request("release", of, (pod) => versioned(pod, ++versions, {}, null), on?.resourceVersion),
      remove: (path, _uid, _grace, _wish, on) => request("remove", path.replace("pods/", ""), () => undefined, on?.resourceVersion),
      annotate: (patch) => request("annotate", patch.podName, (pod) => versioned(pod, ++versions, patch.annotations)),
      create: async (_path, body, { may }) => {
        const object = parseObject(Buffer.from(body));
        const of = nameOf(object);
        if (may?.() === false) throw new KubeError("not wanted", { status: 0, reason: "Aborted" });
        return request("create", of, (pod) => {
          if (pod) throw new KubeError("there", { status: 409, reason: "AlreadyExists" });
          return { ...object, metadata: { ...objectAt(object, "metadata"), uid: `new-${of}`, resourceVersion: String(++versions) } };
        });
      },
    },
  });
  return {
    clock, did, dropped, ending, givenUp, record, state, pods,
    recreate: () => passing(clock, recreation.recreate(record, permit)),
    fill: () => passing(clock, recreation.fill(record, permit)),
    drop: (behind: string) => recreation.drop(record, { podName: placeholder, uid: behind }, permit.wish("finalization")),
  };
}

function podOf(name: string, uid: string, version: number, annotations: Readonly<Record<string, string>> = {}): JsonObject {
  return { kind: "Pod", metadata: { name, uid, resourceVersion: String(version), annotations, finalizers: ["gitpod.io/finalizer"] }, spec: {}, status: { reason: "OutOfcpu" } };
}

function versioned(pod: JsonObject | undefined, version: number, annotations: Readonly<Record<string, string | null>> = {}, finalizers = objectAt(pod, "metadata")?.["finalizers"]): JsonObject {
  const metadata = objectAt(pod, "metadata");
  return { ...pod, metadata: { ...metadata, finalizers, resourceVersion: String(version), annotations: { ...objectAt(metadata, "annotations"), ...annotations } } };
}

function nameOf(pod: JsonObject | undefined): string {
  return textAt(objectAt(pod, "metadata"), "name");
}

function versionOf(pod: JsonObject | undefined): string {
  return textAt(objectAt(pod, "metadata"), "resourceVersion");
}

function uidOf(pod: JsonObject | undefined): string {
  return textAt(objectAt(pod, "metadata"), "uid");
}

function failing(error = new KubeError("ill", { status: 500, reason: "InternalError" })): () => never {
  return () => {
    throw error;
  };
}

test("before a pod goes a placeholder stands for it; each step is of the version of the pod that the one before it found", async () => {
  const { did, pods, recreate } = setup();
  await recreate();
  assert.deepEqual(did, [`get ${podName}`, `create ${placeholder}`, `release ${podName} 1`, `remove ${podName} 12`]);
  assert.deepEqual([...pods.keys()], [placeholder]);
});

test("what is written on the pod before it goes, as a user's stop, is not overlooked: the pod stays, and it is decided anew", async () => {
  for (const verb of ["release", "remove"] as const) {
    const { recreate, pods, state } = setup();
    state.before[verb] = () => pods.set(podName, podOf(podName, "u", 5));
    await assert.rejects(recreate(), isConflict);
    assert.equal(versionOf(pods.get(podName)), "5", verb);
  }
});

test("the pauses before it is made anew grow with each refusal of the same workspace, and begin anew for another one that has its ID later", async () => {
  const { clock, pods, record, recreate } = setup();
  const pause = async (): Promise<number> => {
    pods.clear();
    pods.set(podName, podOf(podName, "u", 1));
    const since = clock.monotonic();
    await recreate();
    return clock.monotonic() - since;
  };
  for (let i = 0; i < 6; i++) await pause();
  assert.ok((await pause()) > 24_000);
  record.facts = { ...record.facts, createdAt: clock.now() };
  assert.ok((await pause()) < 5_000);
});

test("a pod that is gone, turns out to be another one, to be asked to stop, to have had its time, or not to be known here yet, is left alone", async () => {
  const gone = setup();
  gone.pods.clear();
  await gone.recreate();
  const other = setup();
  other.pods.set(podName, podOf(podName, "other", 1));
  await other.recreate();
  const asked = setup();
  asked.state.after.seen = () => Object.assign(asked.record, { actions: [{ action: "deletePod", gracePeriodSeconds: 1 }] });
  await asked.recreate();
  const over = setup();
  over.clock.setWall(over.record.facts.createdAt + limitMs);
  await over.recreate();
  const late = setup();
  late.pods.set(podName, podOf(podName, "u", 4));
  await assert.rejects(late.recreate(), isConflict);
  for (const { did } of [gone, other, asked, over, late]) assert.deepEqual(did, [`get ${podName}`]);
});

test("a placeholder of an earlier attempt is replaced: what it says may be outdated, but for a stop, which is written on the pod", async () => {
  const { pods, recreate } = setup();
  pods.set(placeholder, podOf(placeholder, "old", 3, { "gitpod.io/stoppedByRequest": "1s", "gitpod.io/sshPublicKeys": "old" }));
  await assert.rejects(recreate(), isConflict);
  assert.deepEqual([...pods.keys()], [podName]);
  assert.deepEqual(objectAt(objectAt(pods.get(podName), "metadata"), "annotations"), { "gitpod.io/stoppedByRequest": "1s" });
});

test("the pod is made from the placeholder, which stays until it is dropped; what was written on it meanwhile is on the pod then", async () => {
  const { did, dropped, pods, record, fill, drop } = setup({ stands: true });
  await fill();
  assert.deepEqual(did, [`get ${placeholder}`, `create ${podName}`]);
  pods.set(placeholder, versioned(pods.get(placeholder), 7, { "gitpod/customTimeout": "1h" }));
  Object.assign(record, { uid: uidOf(pods.get(podName)), facts: { ...record.facts, podName } });
  await drop("another");
  assert.equal(pods.size, 2);
  await drop("u");
  assert.deepEqual([...pods.keys()], [podName]);
  assert.deepEqual(dropped, [`${placeholder} of new-${podName}`, `${placeholder} of new-${podName}`]);
  assert.equal(textAt(objectAt(objectAt(pods.get(podName), "metadata"), "annotations"), "gitpod/customTimeout"), "1h");
});

test("making the pod is tried again, in time, and by whoever leads; a pod that an unanswered request made is found", async () => {
  const ill = setup({ stands: true });
  let fails = 3;
  ill.state.before.create = () => {
    if (fails-- > 0) failing()();
  };
  await ill.fill();
  assert.deepEqual([...ill.pods.keys()], [placeholder, podName]);
  const lost = setup({ stands: true });
  lost.state.before.create = () => {
    lost.ending.abort();
    failing()();
  };
  await lost.fill();
  assert.equal(lost.did.length, 2);
  const unanswered = setup({ stands: true });
  unanswered.state.after.create = () => {
    unanswered.state.after.create = () => {};
    failing()();
  };
  await unanswered.fill();
  assert.equal(uidOf(unanswered.pods.get(podName)), `new-${podName}`);
  assert.deepEqual(unanswered.did.slice(-2), [`create ${podName}`, `get ${podName}`]);
});

test("the old pod that is about to go is waited for; another one is taken as it is", async () => {
  const { did, fill, pods, clock } = setup({ stands: true });
  pods.set(podName, { ...podOf(podName, "old", 2), metadata: { name: podName, uid: "old", resourceVersion: "2", deletionTimestamp: "2026-01-01T00:00:00Z" } });
  clock.timer(1_500, () => pods.delete(podName));
  await fill();
  assert.equal(uidOf(pods.get(podName)), `new-${podName}`);
  assert.ok(did.filter((each) => each === `create ${podName}`).length > 1);
});

test("where a quota has room for one of the two only, the placeholder goes first; then no loss of the lead keeps the pod from being made, and that none could be is told", async () => {
  const full = (world: ReturnType<typeof setup>): void => {
    world.state.before.create = () => {
      if (world.pods.has(placeholder)) failing(new KubeError("exceeded quota", { status: 403, reason: "Forbidden" }))();
    };
  };
  const tight = setup({ stands: true });
  full(tight);
  tight.state.after.remove = () => tight.ending.abort();
  await tight.fill();
  assert.deepEqual([...tight.pods.keys()], [podName]);
  const never = setup({ stands: true });
  never.state.before.create = failing(new KubeError("exceeded quota", { status: 403, reason: "Forbidden" }));
  await never.fill();
  assert.deepEqual([never.pods.size, never.givenUp], [0, ["u"]]);
});

test("where it can not be known whether a pod was made, or one is about to go, the workspace is not given up, and its claim stays: others go on looking", async () => {
  for (const found of ["unknown", "going"] as const) {
    const { state, pods, clock, record, fill, givenUp, did } = setup({ stands: true });
    state.before.create = () => {
      if (pods.has(placeholder)) failing(new KubeError("exceeded quota", { status: 403, reason: "Forbidden" }))();
    };
    state.after.create = () => {
      clock.setWall(record.facts.createdAt + limitMs);
      const pod = pods.get(podName);
      if (found === "unknown") state.before.get = failing();
      else pods.set(podName, { ...pod, metadata: { ...objectAt(pod, "metadata"), deletionTimestamp: "2026-01-01T00:00:00Z" } });
      throw new KubeError("no answer", { status: 0, reason: "Timeout" });
    };
    await fill();
    assert.deepEqual([[...pods.keys()], givenUp], [[podName], []]);
    assert.ok(!did.some((each) => each.startsWith("remove persistentvolumeclaims")));
  }
});

test("the claim of a pod that could not be made goes, if it was made for it: one of an earlier life of the ID stays, with what that left in it", async () => {
  const claim = `persistentvolumeclaims/${podName}`;
  for (const [token, goes] of [["token", true], ["another's", false]] as const) {
    const world = setup({ stands: true });
    const stands = versioned(world.pods.get(placeholder), 1, { "gitpod/ownerToken": "token" });
    world.pods.set(placeholder, { ...stands, metadata: { ...objectAt(stands, "metadata"), labels: { "gitpod.io/pvcFeature": "true" } } });
    world.pods.set(claim, { metadata: { name: podName, uid: "claim", resourceVersion: "2", annotations: { "gitpod.io/createdFor": claimMarkOf(token) } } });
    world.state.before.create = failing(new KubeError("exceeded quota", { status: 403, reason: "Forbidden" }));
    await world.fill();
    assert.deepEqual([world.pods.has(placeholder), world.pods.has(claim), world.givenUp], [false, !goes, ["u"]]);
  }
});

test("where the pod is refused for another reason than a full quota, the placeholder stays, so that a crash loses nothing, and it is tried again", async () => {
  for (const reason of ['pods is forbidden: User "wsmand" cannot create resource "pods"', 'admission webhook "policy.example.org" denied the request']) {
    const { did, givenUp, pods, state, fill } = setup({ stands: true });
    let refused = 3;
    state.before.create = () => {
      assert.ok(pods.has(placeholder));
      if (refused-- > 0) failing(new KubeError(reason, { status: 403, reason: "Forbidden" }))();
    };
    await fill();
    assert.deepEqual([...pods.keys()], [placeholder, podName], reason);
    assert.deepEqual(did.filter((each) => each.startsWith("release")), []);
    assert.deepEqual(givenUp, []);
  }
});

test("no pod is made of a workspace whose time is over by the wall clock; one that comes after the workspace's end was told is taken away again", async () => {
  const woken = setup({ stands: true });
  woken.state.after.get = () => woken.clock.setWall(woken.record.facts.createdAt + limitMs);
  await woken.fill();
  assert.deepEqual([[...woken.pods.keys()], woken.givenUp], [[placeholder], []]);
  const stopped = setup({ stands: true });
  stopped.state.after.create = () => void (stopped.record.stopped = true);
  await stopped.fill();
  assert.deepEqual([...stopped.pods.keys()], [placeholder]);
});

test("a placeholder has all of the pod, but nobody schedules it or finds it, and the pod is made from it as it was", () => {
  const fresh = { apiVersion: "v1", kind: "Pod", metadata: { name: "ws-one", labels: { app: "gitpod", component: "workspace", owner: "o" }, annotations: { "gitpod/id": "one" }, finalizers: ["gitpod.io/finalizer"] }, spec: { schedulerName: "s", hostname: "h" } };
  const stands = placeholderFor(fresh);
  assert.deepEqual(objectAt(stands, "spec"), { schedulerName: "wsmand-placeholder", hostname: "h" });
  assert.deepEqual(objectAt(objectAt(stands, "metadata"), "labels"), { owner: "o" });
  const created = { ...stands, metadata: { ...objectAt(stands, "metadata"), uid: "u", resourceVersion: "7", creationTimestamp: "2026-03-01T10:00:00Z" }, status: { phase: "Pending" } };
  const pod = filled(created);
  assert.deepEqual(pod, { ...fresh, metadata: { ...fresh.metadata, annotations: { "gitpod/id": "one", "gitpod.io/firstCreated": "2026-03-01T10:00:00Z", "gitpod.io/placeholder": "7" } } });
  assert.equal(writtenSince(created, pod), undefined);
  const since = { ...created, metadata: { ...created.metadata, resourceVersion: "8", annotations: { "gitpod/id": "one", "gitpod/closed": "true" } } };
  assert.deepEqual(writtenSince(since, pod), { "gitpod/closed": "true" });
  const ready = { ...pod, metadata: { ...objectAt(pod, "metadata"), annotations: { "gitpod/id": "one", "gitpod.io/placeholder": "7" } } };
  const outdated = { ...since, metadata: { ...since.metadata, annotations: { "gitpod/id": "one", "gitpod/never-ready": "true" } } };
  assert.equal(writtenSince(outdated, ready), undefined, "what the controller has taken away stays away");
  assert.equal(writtenSince({ ...since, metadata: { ...since.metadata, finalizers: undefined } }, pod), undefined, "it was written before");
});

test("a stop that is written on a placeholder between the two requests that take it away is written on the pod", async () => {
  const { pods, record, state, fill, drop } = setup({ stands: true });
  await fill();
  pods.set(placeholder, versioned(pods.get(placeholder), 7));
  Object.assign(record, { uid: uidOf(pods.get(podName)), facts: { ...record.facts, podName } });
  state.after.release = () => {
    state.after.release = () => {};
    pods.set(placeholder, versioned(pods.get(placeholder), 99, { "gitpod.io/stoppedByRequest": "30s" }));
  };
  await assert.rejects(drop("u"), isConflict);
  await drop("u");
  assert.deepEqual([...pods.keys()], [podName]);
  assert.equal(textAt(objectAt(objectAt(pods.get(podName), "metadata"), "annotations"), "gitpod.io/stoppedByRequest"), "30s");
});

test("the times of activity that a placeholder has do not replace what was written on the pod since: the first stays, and the later counts", () => {
  const pod = (annotations: Readonly<Record<string, string>>): JsonObject => ({ metadata: { annotations: { "gitpod.io/placeholder": "7", ...annotations } } });
  const stands = (annotations: Readonly<Record<string, string>>): JsonObject => ({ metadata: { resourceVersion: "8", finalizers: ["f"], annotations } });
  const [early, late] = ["2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00.75Z"];
  const [last, first] = ["gitpod.io/lastActivity", "gitpod/firstUserActivity"];
  assert.equal(writtenSince(stands({ [last]: early }), pod({ [last]: late })), undefined);
  assert.deepEqual(writtenSince(stands({ [last]: late }), pod({ [last]: early })), { [last]: late });
  assert.deepEqual(writtenSince(stands({ [last]: early }), pod({})), { [last]: early });
  assert.equal(writtenSince(stands({ [first]: late }), pod({ [first]: early })), undefined);
  assert.deepEqual(writtenSince(stands({ [first]: early }), pod({})), { [first]: early });
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
