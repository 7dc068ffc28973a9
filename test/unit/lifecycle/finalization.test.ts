/** The end of contents, step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteError } from "../../../src/domain/errors.ts";
import { parseObject, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { silentLog } from "../../../src/domain/log.ts";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { wsman } from "../../../src/gen/proto.js";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { Finalization } from "../../../src/main/lifecycle/finalization.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { workspaceResult } from "../../support/results.ts";
import { deletedPod, type RawPod } from "../workers/pods.ts";

const limitMs = 600_000;

interface Options {
  readonly pod?: (pod: RawPod) => void;
  readonly facts?: Partial<WorkspaceFacts>;
  /** What the node daemon answers, by method, the last answer again and again; numbers are codes. */
  readonly snapshot?: (number | string)[];
  readonly dispose?: (number | "ok")[];
  readonly volume?: "ready" | "never";
  readonly nodeGone?: boolean;
  /** What happens to the answer to the writing of the end: the watch is faster, or it is lost, and the attempt after that meets a conflict. */
  readonly lastAnswer?: "late" | "lost";
}

function setup({ pod: edit = () => {}, facts = {}, snapshot = ["url"], dispose = ["ok"], volume = "ready", nodeGone = false, lastAnswer }: Options = {}) {
  const clock = new FakeClock(Date.parse("2026-03-01T11:00:01Z"));
  const did: string[] = [];
  const pod = deletedPod(edit);
  let version = 7;
  const next = <T>(list: T[]): T | undefined => (list.length > 1 ? list.shift() : list[0]);
  const answer = (name: string, value: number | string | undefined): string => {
    did.push(name);
    if (typeof value === "number") throw new RemoteError(value, `${name} said ${value}`);
    return value ?? "";
  };
  const bytes = (): Uint8Array => Buffer.from(JSON.stringify(pod));
  const apply = (annotations: Readonly<Record<string, string | null>>, resourceVersion?: string): Uint8Array => {
    if (resourceVersion !== undefined && resourceVersion !== pod.metadata["resourceVersion"]) throw new KubeError("conflict", { status: 409, reason: "Conflict" });
    Object.assign(pod.metadata.annotations, annotations);
    pod.metadata["resourceVersion"] = String(++version);
    did.push(...Object.keys(annotations));
    return bytes();
  };
  const metrics: string[] = [];
  const ending = new AbortController();
  const overtaken = new AbortController();
  const change = (annotations: Readonly<Record<string, string | null>>, signal: AbortSignal, resourceVersion?: string): Uint8Array => {
    const answer = apply(annotations, resourceVersion);
    if (!("gitpod.io/disposalStatus" in annotations)) return answer;
    if (lastAnswer !== undefined) overtaken.abort();
    if (signal.aborted) throw new KubeError("cancelled", { status: 0, reason: "Aborted" });
    if (lastAnswer === "lost") throw new KubeError("conflict", { status: 409, reason: "Conflict" });
    return answer;
  };
  const finalization = new Finalization({
    clock, random: () => 0.5, log: silentLog, note: () => {}, limitMs,
    objects: { get: async () => bytes() },
    writer: { change: async (_record, annotations, { signal }, options) => change(annotations, signal, options?.resourceVersion), annotate: async (_record, annotations) => void apply(annotations), deleteClaim: async () => void did.push("delete claim") },
    nodes: {
      isThere: () => !nodeGone,
      takeSnapshot: async () => answer("TakeSnapshot", next(snapshot)),
      disposeWorkspace: async (_node, { backup, backupLogs }) => {
        answer(`Dispose${backup === true ? " backup" : ""}${backupLogs === true ? " logs" : ""}`, next(dispose));
        return { branch: "main" };
      },
    },
    volumeSnapshots: {
      take: (name, claim, _class, { signal }) => new Promise((resolve, reject) => {
        did.push(`volume snapshot ${name} of ${claim}`);
        if (volume === "ready") resolve({ name, handle: "handle" });
        else signal.addEventListener("abort", () => reject(new Error("it did not become ready")));
      }),
    },
    metrics: { finalized: () => metrics.push("finalized"), backup: (_of, succeeded) => metrics.push(`backup ${succeeded}`), volumeSnapshot: () => metrics.push("volume") },
  });
  const record = { ...newRecord(workspaceResult({ id: "one", podName: "ws-one", ...facts }, { uid: "uid-one", rv: 7 }).result, 0) };
  const permit = new Permit({ signal: ending.signal, goesOn: () => !ending.signal.aborted }, 0, AbortSignal.any([ending.signal, overtaken.signal]));
  const run = async (resume = false): Promise<void> => {
    await passing(clock, finalization.finalize(record, resume, permit));
  };
  const outcome = (): JsonObject => {
    const text = pod.metadata.annotations["gitpod.io/disposalStatus"];
    return parseObject(Buffer.from(typeof text === "string" ? text : "{}")) ?? {};
  };
  return { clock, did, pod, metrics, ending, run, outcome };
}

const [begun, ended] = ["gitpod.io/startedDisposal", "gitpod.io/disposalStatus"];
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

test("nothing is done once the end is written down, and it is not written over what somebody else wrote meanwhile", async () => {
  const done = setup({ pod: (pod) => void (pod.metadata.annotations[ended ?? ""] = '{"backupComplete":true}') });
  await done.run(true);
  assert.deepEqual(done.did, [begun]);
  const { run, pod, did, metrics } = setup({ dispose: [14, "ok"] });
  const work = run();
  await new Promise(setImmediate);
  pod.metadata.annotations["gitpod.io/disposalStatus"] = '{"backupComplete":true,"backupFailure":"given up"}';
  pod.metadata["resourceVersion"] = "99";
  await work;
  assert.ok(!did.includes(ended ?? ""));
  assert.match(String(pod.metadata.annotations["gitpod.io/disposalStatus"]), /given up/);
  assert.deepEqual(metrics, []);
});

test("other changes of the pod do not keep the end from being written", async () => {
  const { run, pod, outcome } = setup({ dispose: [14, "ok"] });
  const work = run();
  await new Promise(setImmediate);
  pod.metadata["resourceVersion"] = "99";
  await work;
  assert.equal(outcome()["backupComplete"], true);
});

test("a claim's content goes into a volume snapshot, and the claim goes; without a snapshot it stays", async () => {
  const taken = setup({ pod: withClaim });
  await taken.run();
  assert.deepEqual(taken.did, [begun, "volume snapshot one of ws-one", "gitpod.io/volumeSnapshotName", "delete claim", "Dispose", ended]);
  assert.equal(taken.pod.metadata.annotations["gitpod.io/volumeSnapshotName"], '{"volumeSnapshotName":"one","volumeSnapshotHandle":"handle"}');
  assert.deepEqual(taken.metrics, ["volume", "backup true", "finalized"]);
  const never = setup({ pod: withClaim, volume: "never" });
  await never.run();
  assert.ok(!never.did.includes("delete claim"));
  assert.match(textAt(never.outcome(), "backupFailure"), /did not become ready/);
  const unused = setup({ pod: (pod) => { withClaim(pod); pod.metadata.annotations["gitpod/never-ready"] = "true"; } });
  await unused.run();
  assert.deepEqual(unused.did, [begun, "delete claim", "Dispose", ended]);
  const noted = setup({ pod: (pod) => { withClaim(pod); pod.metadata.annotations["gitpod.io/volumeSnapshotName"] = '{"volumeSnapshotName":"one"}'; } });
  await noted.run(true);
  assert.deepEqual(noted.did, [begun, "delete claim", "Dispose", ended]);
});

test("a backup is counted as well where the watch tells of its end before the answer comes, or the answer is lost", async () => {
  for (const lastAnswer of ["late", "lost"] as const) {
    const { run, metrics } = setup({ lastAnswer });
    await run();
    assert.deepEqual(metrics, ["backup true", "finalized"], lastAnswer);
  }
});

test("whoever is overtaken writes no end", async () => {
  const { run, did, ending } = setup({ dispose: [14] });
  const work = run();
  await new Promise(setImmediate);
  ending.abort();
  await assert.rejects(work);
  assert.ok(!did.includes(ended ?? ""));
});
