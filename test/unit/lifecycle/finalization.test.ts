/** The end of contents, step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteError, WsmanError } from "../../../src/domain/errors.ts";
import { withBackupFailure } from "../../../src/domain/failed.ts";
import { parseObject, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { silentLog } from "../../../src/domain/log.ts";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { wsman } from "../../../src/gen/proto.js";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isConflict } from "../../../src/main/kube/objects.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { Finalization, finalizationLimits } from "../../../src/main/lifecycle/finalization.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { workspaceResult } from "../../support/results.ts";
import { until } from "../../support/until.ts";
import { deletedPod, type RawPod } from "../workers/pods.ts";

const limitMs = 600_000;
const [begun, ended, since] = ["gitpod.io/startedDisposal", "gitpod.io/disposalStatus", "gitpod.io/disposalSince"] as const;

interface Options {
  readonly pod?: (pod: RawPod) => void;
  readonly facts?: Partial<WorkspaceFacts>;
  /** What the node daemon answers, by method, the last answer again and again; numbers are codes. */
  readonly snapshot?: (number | string)[];
  readonly dispose?: (number | "ok" | "long" | "not reached")[];
  readonly volume?: "ready" | "never";
  readonly nodeGone?: boolean;
  /** The write of the end is seen before it is answered, and overtakes the work; or the answer is lost besides, and the pod is gone when it is looked at, or when that is told, or another replica leads, or the backup was given up meanwhile. */
  readonly seenFirst?: "answered" | "lost" | "gone" | "forgotten" | "elsewhere" | "given up" | "given up, gone" | "forced away";
  /** Requests of the API server that fail, by what they are for, each so many times. */
  readonly ill?: { readonly take?: Illness; readonly note?: Illness; readonly claim?: Illness; readonly deleteClaim?: Illness };
  /** The claim's uid, now and once its snapshot is ready; undefined: there is none. */
  readonly claims?: readonly [string | undefined, string | undefined];
  /** The pod has no room for so much in its annotation of the end. */
  readonly room?: number;
  /** When this replica began to lead, Unix milliseconds. */
  readonly leadsSince?: number;
}

interface Illness {
  times: number;
  readonly status: number;
}

function setup({ pod: change = () => {}, facts = {}, snapshot = ["url"], dispose = ["ok"], volume = "ready", nodeGone = false, seenFirst, ill = {}, claims = ["claim-1", "claim-1"], room = Infinity, leadsSince = 0 }: Options = {}) {
  const clock = new FakeClock(Date.parse("2026-03-01T11:00:01Z"));
  const did: string[] = [];
  const pod = deletedPod(change);
  let version = 7;
  const next = <T>(list: T[]): T | undefined => (list.length > 1 ? list.shift() : list[0]);
  const answer = (name: string, value: number | string | undefined): string => {
    did.push(name);
    if (typeof value === "number") throw new RemoteError(value, `${name} said ${value}`);
    if (value === "long") throw new RemoteError(13, "no space left on device. ".repeat(100));
    if (value === "not reached") throw new WsmanError("UNAVAILABLE", "cannot connect to workspace daemon");
    return value ?? "";
  };
  const fail = (illness: Illness | undefined): void => {
    if (illness === undefined || illness.times-- <= 0) return;
    throw new KubeError(`API server answered ${illness.status}`, { status: illness.status, reason: "" });
  };
  const bytes = (): Uint8Array => Buffer.from(JSON.stringify(pod));
  const apply = (annotations: Readonly<Record<string, string | null>>, resourceVersion?: string): Uint8Array => {
    // As an API server has it: "0" is whatever is there.
    if (resourceVersion !== undefined && resourceVersion !== "0" && resourceVersion !== pod.metadata["resourceVersion"]) throw new KubeError("conflict", { status: 409, reason: "Conflict" });
    Object.assign(pod.metadata.annotations, annotations);
    pod.metadata["resourceVersion"] = String(++version);
    did.push(...Object.keys(annotations).filter((key) => key !== since));
    return bytes();
  };
  /** As the pod's writer does it: on the version that is known, and on the one that was read after a conflict. */
  const decided = (decide: () => Readonly<Record<string, string | null>> | undefined, version: string): Uint8Array | undefined => {
    const changes = decide();
    try {
      const answer = changes && apply(changes, version);
      if (answer) record.resourceVersion = String(pod.metadata["resourceVersion"]);
      return answer;
    } catch (error) {
      if (!isConflict(error)) throw error;
      did.push("look");
      onLook.call();
      return decided(decide, String(pod.metadata["resourceVersion"]));
    }
  };
  /** Another one has written an end. Gives what our write fails with. */
  const givenUpFirst = (): KubeError => {
    record.facts = { ...record.facts, backupComplete: true, failed: "last backup failed: it took too long." };
    if (seenFirst === "given up, gone") return new KubeError("API server answered 404", { status: 404, reason: "NotFound" });
    overtaking.abort();
    forgetting.abort();
    return new KubeError("API server answered 503", { status: 503, reason: "ServiceUnavailable" });
  };
  /** Our end is not written. */
  const throwIfOverBefore = (): void => {
    isGone = seenFirst === "forced away";
    if (isGone) throw new KubeError("API server answered 404", { status: 404, reason: "NotFound" });
    if (seenFirst?.startsWith("given up")) throw givenUpFirst();
  };
  const onLook = { call: (): void => {} };
  const metrics: string[] = [];
  let [claimUid] = claims;
  /** Uids of claims that were to be deleted; undefined: of whichever is there. */
  const deleted: (string | undefined)[] = [];
  /** Uids and creation times of pods of whose claims snapshots were taken. */
  const subjects: [string, number | undefined][] = [];
  const notes: string[] = [];
  let isGone = false;
  const ending = new AbortController();
  const [overtaking, forgetting] = [new AbortController(), new AbortController()];
  const finalization = new Finalization({
    clock, random: () => 0.5, log: silentLog, note: (_record, { reason, message }) => notes.push(`${reason}: ${message}`), limitMs,
    objects: {
      get: async () => {
        if (isGone || ((seenFirst === "gone" || seenFirst === "given up, gone") && record.facts.backupComplete)) throw new KubeError("API server answered 404", { status: 404, reason: "NotFound" });
        return bytes();
      },
    },
    writer: {
      change: async (_record, annotations, { signal }, change) => {
        if ((annotations[ended] ?? "").length > room) throw new KubeError("API server answered 422 Invalid: metadata.annotations", { status: 422, reason: "Invalid" });
        if (ended in annotations) throwIfOverBefore();
        const answer = apply(annotations, change?.resourceVersion);
        if (seenFirst === undefined || !(ended in annotations)) return answer;
        record.facts = { ...record.facts, backupComplete: true, failed: failedBy(annotations[ended]) };
        overtaking.abort();
        if (seenFirst === "forgotten") forgetting.abort();
        if (seenFirst === "elsewhere") ending.abort();
        if (seenFirst !== "answered" || signal.aborted) throw new KubeError("request was cut off", { status: 0, reason: signal.aborted ? "Aborted" : "ECONNRESET", retryable: !signal.aborted });
        return answer;
      },
      annotate: async (_record, annotations) => {
        fail(ill.note);
        apply(annotations);
      },
      decide: async ({ resourceVersion }, decide) => decided(decide, resourceVersion),
      claimUid: async () => {
        fail(ill.claim);
        return claimUid;
      },
      deleteClaim: async (_record, _wish, uid) => {
        did.push("delete claim");
        fail(ill.deleteClaim);
        deleted.push(uid);
      },
      deleteUnused: async () => {
        did.push("delete unused claim");
        fail(ill.deleteClaim);
        return false;
      },
    },
    nodes: {
      isThere: () => !nodeGone,
      takeSnapshot: async () => answer("TakeSnapshot", next(snapshot)),
      disposeWorkspace: async (_node, { backup, backupLogs }) => {
        answer(`Dispose${backup === true ? " backup" : ""}${backupLogs === true ? " logs" : ""}`, next(dispose));
        return { branch: "main" };
      },
    },
    volumeSnapshots: {
      take: ({ id: name, claim, uid, createdAt }, { signal }) => new Promise((resolve, reject) => {
        did.push(`volume snapshot ${name} of ${claim}`);
        subjects.push([uid, createdAt]);
        fail(ill.take);
        claimUid = claims[1];
        if (volume === "ready") resolve({ name, handle: "handle" });
        else signal.addEventListener("abort", () => reject(new Error("it did not become ready")));
      }),
    },
    metrics: { finalized: () => metrics.push("finalized"), backup: (_of, succeeded) => metrics.push(`backup ${succeeded}`), volumeSnapshot: () => metrics.push("volume") },
  });
  const record = { ...newRecord(workspaceResult({ id: "one", podName: "ws-one", ...facts }, { uid: "uid-one", rv: 7 }).result, 0) };
  const term = { signal: ending.signal, goesOn: () => !ending.signal.aborted };
  const [permit, last] = [new Permit(term, leadsSince, AbortSignal.any([ending.signal, overtaking.signal])), new Permit(term, leadsSince, AbortSignal.any([ending.signal, forgetting.signal]))];
  const run = async (resume = false): Promise<void> => {
    await passing(clock, finalization.finalize(record, resume, permit, last));
  };
  const outcome = (): JsonObject => {
    const text = pod.metadata.annotations["gitpod.io/disposalStatus"];
    return parseObject(Buffer.from(typeof text === "string" ? text : "{}")) ?? {};
  };
  return { clock, did, deleted, subjects, pod, onLook, metrics, notes, ending, finalization, record, permit, last, run, outcome };
}

/** What is told of a workspace with this end. */
function failedBy(status: string | null | undefined): string {
  const failure = textAt(parseObject(Buffer.from(status ?? "")), "backupFailure");
  return failure === "" ? "" : withBackupFailure("", failure);
}

const prebuild = { facts: { type: wsman.WorkspaceType.PREBUILD, headless: true } };
const withClaim = (pod: RawPod): void => void (pod.metadata.labels["gitpod.io/pvcFeature"] = "true");

test("work is backed up and the Git status is kept", async () => {
  const { run, did, outcome, metrics } = setup();
  await run();
  assert.deepEqual(did, [begun, "Dispose backup", ended]);
  assert.deepEqual(outcome(), { backupComplete: true, gitStatus: { branch: "main" } });
  assert.deepEqual(metrics, ["backup true", "finalized"]);
});

test("a prebuild's snapshot is taken first, and noted; one that was noted before is not taken again", async () => {
  const fresh = setup(prebuild);
  await fresh.run();
  assert.deepEqual(fresh.did, [begun, "TakeSnapshot", "gitpod/snapshot", "Dispose logs", ended]);
  const again = setup({ ...prebuild, pod: (pod) => void (pod.metadata.annotations["gitpod/snapshot"] = "s") });
  await again.run(true);
  assert.deepEqual(again.did, [begun, "Dispose logs", ended]);
});

test("a snapshot that can not be taken fails the prebuild, unless there never was content", async () => {
  const failed = setup({ ...prebuild, snapshot: [15] });
  await failed.run();
  assert.equal(failed.pod.metadata.annotations["gitpod/explicitFail"], "cannot take snapshot: TakeSnapshot said 15");
  assert.deepEqual(failed.outcome(), { backupComplete: true, gitStatus: { branch: "main" } });
  const empty = setup({ ...prebuild, snapshot: [5], dispose: [5], pod: (pod) => void (pod.metadata.annotations["gitpod/never-ready"] = "true") });
  await empty.run();
  assert.equal(empty.pod.metadata.annotations["gitpod/explicitFail"], undefined);
  assert.deepEqual(empty.outcome(), { backupComplete: true });
});

test("what passes is tried again; content that is not there any more after that was disposed of", async () => {
  for (const code of [14, 1, 4]) {
    const { run, did, outcome } = setup({ dispose: [code, 5] });
    await run();
    assert.deepEqual(did, [begun, "Dispose backup", "Dispose backup", ended]);
    assert.deepEqual(outcome(), { backupComplete: true });
  }
  const resumed = setup({ dispose: [5] });
  await resumed.run(true);
  assert.deepEqual(resumed.outcome(), { backupComplete: true });
  const lost = setup({ dispose: [5] });
  await lost.run();
  assert.deepEqual(lost.outcome(), { backupComplete: true, backupFailure: "Dispose backup said 5" });
});

test("content that a daemon does not know of is lost, where no daemon had learned of its end before", async () => {
  const { run, did, outcome } = setup({ dispose: ["not reached", "not reached", 5] });
  await run();
  assert.equal(did.filter((step) => step === "Dispose backup").length, 3);
  assert.deepEqual(outcome(), { backupComplete: true, backupFailure: "Dispose backup said 5" });
  const reached = setup({ dispose: ["not reached", 14, "not reached", 5] });
  await reached.run();
  assert.deepEqual(reached.outcome(), { backupComplete: true });
});

test("what the node daemon can not save is a failed backup", async () => {
  for (const code of [15, 9, 13]) {
    const { run, did, outcome, metrics } = setup({ dispose: [code] });
    await run();
    assert.equal(did.filter((step) => step.startsWith("Dispose")).length, 1);
    assert.deepEqual(outcome(), { backupComplete: true, backupFailure: `Dispose backup said ${code}` });
    assert.deepEqual(metrics, ["backup false", "finalized"]);
  }
});

test("a node that is gone, and a daemon that is never done, are told as such before the time is over", async () => {
  const gone = setup({ dispose: [14], nodeGone: true });
  await gone.run();
  assert.match(textAt(gone.outcome(), "backupFailure"), /^node node-1 is gone/);
  assert.ok(gone.clock.now() < Date.parse("2026-03-01T11:00:00Z") + limitMs);
  const away = setup({ dispose: [14] });
  await away.run();
  assert.equal(away.outcome()["backupFailure"], "Dispose backup said 14");
});

test("a backup's time counts from when it was first begun, whoever leads; one whose time is over long since is tried once more, and given up", async () => {
  const deletedAt = Date.parse("2026-03-01T11:00:00Z");
  const first = setup({ facts: { deletedAt } });
  await first.run();
  assert.equal(first.pod.metadata.annotations[since], "2026-03-01T11:00:00Z");
  const noted = "2026-03-01T11:05:00Z";
  const begunThen = { facts: { deletedAt, disposalSince: Date.parse(noted) }, pod: (pod: RawPod) => void (pod.metadata.annotations[since] = noted), dispose: [14] };
  const flapping = setup({ ...begunThen, leadsSince: deletedAt });
  flapping.clock.setWall(Date.parse(noted) + 60_000);
  await flapping.run(true);
  assert.equal(flapping.pod.metadata.annotations[since], noted);
  assert.ok(flapping.clock.now() <= Date.parse(noted) + limitMs, "the whole time, and no more");
  const late = setup({ ...begunThen, leadsSince: deletedAt + 10 * limitMs });
  late.clock.setWall(deletedAt + 10 * limitMs);
  await late.run(true);
  assert.ok(late.did.includes("Dispose backup"));
  assert.ok(late.clock.now() <= deletedAt + 10 * limitMs + 60_000);
});

test("nothing is done once the end is written down, and it is not written over what somebody else wrote meanwhile", async () => {
  const done = setup({ pod: (pod) => void (pod.metadata.annotations[ended] = '{"backupComplete":true}') });
  await done.run(true);
  assert.deepEqual(done.did, [begun]);
  const { run, pod, did, metrics } = setup({ dispose: [14, "ok"] });
  const work = run();
  await new Promise(setImmediate);
  pod.metadata.annotations["gitpod.io/disposalStatus"] = '{"backupComplete":true,"backupFailure":"given up"}';
  pod.metadata["resourceVersion"] = "99";
  await work;
  assert.ok(!did.includes(ended));
  assert.match(String(pod.metadata.annotations["gitpod.io/disposalStatus"]), /given up/);
  assert.deepEqual(metrics, []);
});

test("the end is not written over somebody else's where no version of the pod is known, as after the API server's store was set back", async () => {
  const { run, record, pod, did } = setup({ dispose: [14, "ok"] });
  const work = run();
  await new Promise(setImmediate);
  record.resourceVersion = "0";
  pod.metadata.annotations["gitpod.io/disposalStatus"] = '{"backupComplete":true,"backupFailure":"given up"}';
  pod.metadata["resourceVersion"] = "3";
  await work;
  assert.ok(!did.includes(ended));
  assert.match(String(pod.metadata.annotations["gitpod.io/disposalStatus"]), /given up/);
});

test("an end that is seen before its write is answered, or whose answer is lost, also if the pod has gone with it, is ours and is told", async () => {
  for (const seenFirst of ["answered", "lost", "gone", "forgotten"] as const) {
    const { run, did, metrics } = setup({ seenFirst });
    await run();
    assert.deepEqual(did, [begun, "Dispose backup", ended]);
    assert.deepEqual(metrics, ["backup true", "finalized"], seenFirst);
  }
});

test("so is a failed one, however long what the node daemon said: as much of it is compared as was written", async () => {
  for (const seenFirst of ["gone", "forgotten"] as const) {
    const { run, metrics, notes } = setup({ seenFirst, dispose: ["long"] });
    await run();
    assert.deepEqual([metrics, notes.length], [["backup false", "finalized"], 1], seenFirst);
  }
});

test("of an end that was not answered nothing is said where another one may have been written: by whoever leads now, or for lack of time", async () => {
  for (const seenFirst of ["elsewhere", "given up"] as const) {
    for (const dispose of [["ok"], [5]] as const) {
      const { run, metrics, notes } = setup({ seenFirst, dispose: [...dispose] });
      await assert.rejects(run());
      assert.deepEqual([metrics, notes], [[], []], seenFirst);
    }
  }
});

test("of a pod that was forced away before its end was written nothing is said: it was not saved as far as anybody knows", async () => {
  for (const dispose of [["ok"], [5]] as const) {
    const { run, metrics, notes } = setup({ seenFirst: "forced away", dispose: [...dispose] });
    await run();
    assert.deepEqual([metrics, notes], [[], []]);
  }
});

test("of a pod that is gone with the end that another one gave it, nothing is said once more", async () => {
  for (const dispose of [["ok"], [5]] as const) {
    const { run, metrics, notes } = setup({ seenFirst: "given up, gone", dispose: [...dispose] });
    await run();
    assert.deepEqual([metrics, notes], [[], []]);
  }
});

test("what became of work is told as an Event and counted, also where somebody else gave its backup up", async () => {
  const [saved, lost, elsewhere] = [setup(), setup({ dispose: [15] }), setup()];
  const [headless, quiet] = [setup({ facts: { headless: true } }), setup({ facts: { headless: true } })];
  for (const { run } of [saved, lost, quiet]) await run();
  for (const { finalization, record } of [elsewhere, headless]) finalization.gaveUp(record, '{"backupComplete":true,"backupFailure":"too late"}');
  assert.deepEqual([saved.notes, lost.notes, elsewhere.notes], [["BackedUp: the workspace's content was saved"], ["BackupFailed: Dispose backup said 15"], ["BackupFailed: too late"]]);
  assert.deepEqual([headless.notes, quiet.notes], [["BackupFailed: too late"], []], "a headless workspace has no work to be saved, but an end that may fail");
  assert.deepEqual([lost.metrics, elsewhere.metrics, headless.metrics], [["backup false", "finalized"], ["backup false"], []]);
});

test("other changes of the pod do not keep the end from being written", async () => {
  const { run, pod, outcome } = setup({ dispose: [14, "ok"] });
  const work = run();
  await new Promise(setImmediate);
  pod.metadata["resourceVersion"] = "99";
  await work;
  assert.equal(outcome()["backupComplete"], true);
});

test("a leader that comes late takes neither the time that another one has noted nor its end away", async () => {
  const noted = setup();
  noted.pod.metadata["resourceVersion"] = "9";
  noted.onLook.call = () => void (noted.record.facts = { ...noted.record.facts, disposalSince: 5 });
  await noted.run();
  assert.deepEqual([noted.did.slice(0, 2), noted.pod.metadata.annotations[since]], [["look", begun], undefined]);
  const over = setup();
  over.pod.metadata["resourceVersion"] = "9";
  over.onLook.call = () => void (over.record.facts = { ...over.record.facts, backupComplete: true });
  await over.run();
  assert.deepEqual([over.did, over.metrics], [["look"], []]);
});

test("a claim's content goes into a volume snapshot, and the claim goes; without a snapshot it stays", async () => {
  const taken = setup({ pod: withClaim });
  await taken.run();
  assert.deepEqual(taken.did, [begun, "volume snapshot one of ws-one", "gitpod.io/volumeSnapshotName", "delete claim", "Dispose", ended]);
  assert.equal(taken.pod.metadata.annotations["gitpod.io/volumeSnapshotName"], '{"volumeSnapshotName":"one","volumeSnapshotHandle":"handle"}');
  assert.deepEqual(taken.subjects, [["uid-one", Date.parse(String(taken.pod.metadata["creationTimestamp"]))]]);
  assert.deepEqual(taken.metrics, ["volume", "backup true", "finalized"]);
  const never = setup({ pod: withClaim, volume: "never" });
  await never.run();
  assert.ok(!never.did.includes("delete claim"));
  assert.match(textAt(never.outcome(), "backupFailure"), /did not become ready/);
  const unused = setup({ pod: (pod) => { withClaim(pod); pod.metadata.annotations["gitpod/never-ready"] = "true"; } });
  await unused.run();
  assert.deepEqual(unused.did, [begun, "delete unused claim", "Dispose", ended]);
  const noted = setup({ pod: (pod) => { withClaim(pod); pod.metadata.annotations["gitpod.io/volumeSnapshotName"] = '{"volumeSnapshotName":"one","volumeSnapshotHandle":"handle"}'; } });
  await noted.run(true);
  assert.deepEqual(noted.did, [begun, "delete claim", "Dispose", ended]);
});

test("the claim that goes is the one that was there before its snapshot was taken, whatever has its name then", async () => {
  const [same, another, none, unread] = [
    setup({ pod: withClaim }), setup({ pod: withClaim, claims: ["claim-1", "claim-2"] }), setup({ pod: withClaim, claims: [undefined, "claim-2"] }), setup({ pod: withClaim, ill: { claim: { times: 1, status: 403 } } }),
  ];
  for (const { run } of [same, another, none, unread]) await run();
  assert.deepEqual([same.deleted, another.deleted, none.deleted], [["claim-1"], ["claim-1"], []]);
  assert.deepEqual([unread.deleted, unread.outcome()["backupFailure"]], [[undefined], undefined], "a claim that may not be read is no reason to take no snapshot of it");
});

test("an API server that is ill for a while costs no claim's backup", async () => {
  const { run, did, outcome, pod } = setup({ pod: withClaim, ill: { claim: { times: 3, status: 503 }, take: { times: 3, status: 500 }, note: { times: 3, status: 503 }, deleteClaim: { times: 3, status: 0 } } });
  await run();
  assert.deepEqual(outcome(), { backupComplete: true, gitStatus: { branch: "main" } });
  assert.equal(pod.metadata.annotations["gitpod.io/volumeSnapshotName"], '{"volumeSnapshotName":"one","volumeSnapshotHandle":"handle"}');
  assert.equal(did.filter((step) => step === "delete claim").length, 4);
});

test("an API server that is ill until the time is over, or refuses the snapshot, fails the backup with its words, and the claim stays", async () => {
  for (const status of [500, 403]) {
    const { run, did, outcome, clock } = setup({ pod: withClaim, ill: { take: { times: Infinity, status } }, dispose: ["ok"] });
    const began = clock.now();
    await run();
    assert.equal(outcome()["backupComplete"], true);
    assert.match(textAt(outcome(), "backupFailure"), new RegExp(`^API server answered ${status}`));
    assert.ok(!did.includes("delete claim"));
    assert.equal(clock.now() - began > limitMs / 2, status === 500, "a refusal is final");
  }
});

test("a claim that can not be deleted is no failed backup", async () => {
  const { run, did, outcome } = setup({ pod: withClaim, ill: { deleteClaim: { times: Infinity, status: 403 } } });
  await run();
  assert.deepEqual(did.slice(-3), ["delete claim", "Dispose", ended]);
  assert.deepEqual(outcome(), { backupComplete: true, gitStatus: { branch: "main" } });
});

test("where the pod has no room for the Git status, the end is written without it", async () => {
  const { run, outcome, metrics } = setup({ room: 30 });
  await run();
  assert.deepEqual(outcome(), { backupComplete: true });
  assert.deepEqual(metrics, ["backup true", "finalized"]);
});

test("workspaces on no node do not wait for each other", async () => {
  const { clock, finalization, record, permit, last, did, ending } = setup({ facts: { nodeName: "" }, dispose: [14] });
  const hanging = Array.from({ length: finalizationLimits.perNode + 1 }, (_, i) => finalization.finalize({ ...record, uid: `uid-${i}` }, false, permit, last).catch(() => {}));
  await until("all have begun", () => did.filter((step) => step === begun).length === hanging.length);
  ending.abort();
  await passing(clock, Promise.all(hanging));
});

test("of a pod that is gone before its end could begin there is nothing to be finalized", async () => {
  const { run, did, record, onLook, pod, metrics } = setup();
  pod.metadata["resourceVersion"] = "9";
  onLook.call = () => {
    throw new KubeError("pod ws-one is another one now", { status: 404, reason: "NotFound" });
  };
  await run();
  assert.deepEqual([did, metrics, record.facts.backupComplete], [["look"], [], false]);
});

test("whoever is overtaken writes no end", async () => {
  const { run, did, ending } = setup({ dispose: [14] });
  const work = run();
  await new Promise(setImmediate);
  ending.abort();
  await assert.rejects(work);
  assert.ok(!did.includes(ended));
});
