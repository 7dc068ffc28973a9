/** Bringing content in place: what is tried again, for how long, and what is told in the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../../../src/domain/clock.ts";
import { RemoteError, WsmanError } from "../../../src/domain/errors.ts";
import { silentLog } from "../../../src/domain/log.ts";
import { wsdaemon, wsman } from "../../../src/gen/proto.js";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { Content, contentLimits, failure } from "../../../src/main/lifecycle/content.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { workspaceResult } from "../../support/results.ts";

/** `{ code, afterMs }`: the daemon has the call for so long; `away`: there is none. */
type Answer = number | "ok" | "away" | { readonly code: number; readonly afterMs: number };
const classes = [{ id: "default", container: { requests: {}, limits: { storage: "30Gi" } }, templates: {}, pvc: {} }];

/** Content whose node daemon answers each method as it is told, the last answer again and again. */
function setup(answers: { init?: Answer[]; wait?: Answer[] } = {}, initializer: object = { empty: {} }, members: object = {}) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const written: Readonly<Record<string, string | null>>[] = [];
  const priorities: string[] = [];
  const metrics: string[] = [];
  const notes: string[] = [];
  const requests: wsdaemon.InitWorkspaceRequest[] = [];
  const onWritten = { call: (): void => {} };
  const manifests = { of: (_whose: string): Uint8Array | undefined => undefined };
  const ending = new AbortController();
  const probing = { hangs: false, done: Promise.withResolvers<void>() };
  const answer = async (name: string, list: Answer[]): Promise<void> => {
    const next = list.length > 1 ? list.shift() : list[0];
    calls.push(name);
    if (typeof next === "number") throw new RemoteError(next, `${name} said ${next}`);
    if (next === "away") throw new WsmanError("UNAVAILABLE", "there is none that is ready");
    if (typeof next !== "object") return;
    await sleep(clock, next.afterMs, ending.signal);
    throw new RemoteError(next.code, `${name} was at work`);
  };
  const nodes = { init: (): Promise<void> => answer("init", (answers.init ??= ["ok"])) };
  const content = new Content({
    clock, random: () => 0.5, log: silentLog, note: (_record, { reason }) => notes.push(reason), classes,
    nodes: {
      initWorkspace: async (_node, request) => {
        requests.push(wsdaemon.InitWorkspaceRequest.decode(request));
        await nodes.init();
      },
      waitForInit: async () => answer("wait", (answers.wait ??= ["ok"])),
    },
    probe: {
      ready: async () => {
        calls.push("probe");
        if (probing.hangs) await probing.done.promise;
      },
    },
    writer: {
      decide: async (_record, decide, { priority, signal }) => {
        const changes = decide();
        if (!changes) return undefined;
        written.push(changes);
        priorities.push(priority);
        onWritten.call();
        if (signal.aborted) throw new KubeError("request was cut off", { status: 0, reason: "Aborted" });
        return new Uint8Array();
      },
    },
    urlOf: async () => "https://one", reread: async () => {}, manifestOf: async ({ owner, metaId }) => manifests.of(`${owner}/${metaId}`),
    metrics: { initialized: () => metrics.push("initialized"), restore: (_of, succeeded) => metrics.push(`restore ${succeeded}`), volumeRestored: () => metrics.push("volume") },
  });
  const record: WorkspaceRecord = { ...newRecord(workspaceResult({ phase: wsman.WorkspacePhase.CREATING, everReady: false }).result, 0), init: wsdaemon.InitWorkspaceRequest.encode(wsdaemon.InitWorkspaceRequest.fromObject({ id: "ws1", initializer, ...members })).finish() };
  const permit = new Permit({ signal: ending.signal, goesOn: () => !ending.signal.aborted }, 0, ending.signal);
  const during = (work: Promise<void>): Promise<void> => passing(clock, work);
  return { clock, calls, written, priorities, metrics, notes, onWritten, requests, manifests, ending, probing, nodes, content, record, permit, during };
}

test("a node daemon that is away is tried again for two minutes; then the workspace has failed, and says why", async () => {
  const away = setup({ init: [14, 14, 1, "ok"] });
  await away.during(away.content.initialize(away.record, away.permit));
  assert.deepEqual([away.calls.length, away.written.length], [4, 0]);
  const gone = setup({ init: [14] });
  await gone.during(gone.content.initialize(gone.record, gone.permit));
  assert.equal(gone.calls.length, 25);
  assert.deepEqual(gone.written, [{ "gitpod/explicitFail": "cannot initialize workspace: init said 14", "gitpod/failedBeforeStopping": "true" }]);
});

test("a node daemon that goes while it is at work has two minutes to come back from then on, and again if it has worked meanwhile", async () => {
  for (const code of [14, 1]) {
    const long = { code, afterMs: 150_000 };
    const restarts = setup({ init: [long, "away", ...Array.from({ length: 20 }, () => "away" as const), long, 14, "ok"], wait: [long, 14, "ok"] });
    await restarts.during(restarts.content.initialize(restarts.record, restarts.permit));
    await restarts.during(restarts.content.waitForReady(restarts.record, restarts.permit, restarts.permit));
    assert.deepEqual([restarts.calls.length, restarts.written.map((changes) => Object.keys(changes))], [28 + 1, [["gitpod/never-ready", "gitpod.io/nodeName"]]]);
  }
  const gone = setup({ init: [{ code: 14, afterMs: 150_000 }, "away"] });
  const began = gone.clock.monotonic();
  await gone.during(gone.content.initialize(gone.record, gone.permit));
  assert.equal(gone.written[0]?.["gitpod/explicitFail"], "cannot initialize workspace: there is none that is ready");
  assert.ok(gone.clock.monotonic() - began <= 150_000 + 121_000, "two minutes, and no more");
});

test("a daemon that can not be reached is not taken for one that was at work, however long it takes to find that out", async () => {
  const { clock, calls, content, record, permit, during, nodes } = setup();
  nodes.init = async () => {
    calls.push("init");
    await sleep(clock, 20_000, permit.signal);
    throw new WsmanError("UNAVAILABLE", "no route to host");
  };
  const began = clock.monotonic();
  await during(content.initialize(record, permit));
  assert.ok(clock.monotonic() - began < 200_000, `${calls.length} tries`);
});

test("content that is there already is as good, and what the daemon refuses is told at once", async () => {
  const there = setup({ init: [6] });
  await there.during(there.content.initialize(there.record, there.permit));
  assert.deepEqual([there.calls, there.written], [["init"], []]);
  const refused = setup({ init: [9] });
  await refused.during(refused.content.initialize(refused.record, refused.permit));
  assert.equal(refused.calls.length, 1);
  assert.equal(refused.written[0]?.["gitpod/explicitFail"], "cannot initialize workspace: init said 9");
});

test("the request is the pod's, with the quota of its class", async () => {
  const { content, record, permit, during, requests } = setup();
  await during(content.initialize(record, permit));
  assert.equal(Number(requests[0]?.storageQuotaBytes), 30 * 2 ** 30);
  assert.equal(requests[0]?.id, "ws1");
  assert.ok(requests[0]?.initializer?.empty);
});

test("an initializer that can not be read fails the workspace, without being quoted", async () => {
  const { content, record, permit, during, written } = setup();
  await during(content.initialize({ ...record, init: undefined }, permit));
  assert.equal(written[0]?.["gitpod/explicitFail"], "cannot initialize workspace: its initializer can not be read");
  await during(content.initialize({ ...record, init: Buffer.from("SECRET") }, permit));
  assert.ok(!JSON.stringify(written).includes("SECRET"));
  assert.equal(written.length, 2);
});

test("a workspace is ready once it answers and its content is there; content that was missed is asked for again, but not for ever", async () => {
  const missed = setup({ wait: [5, "ok"] });
  await missed.during(missed.content.waitForReady(missed.record, missed.permit, missed.permit));
  assert.deepEqual(missed.calls, ["probe", "wait", "init", "wait"]);
  assert.deepEqual(missed.written, [{ "gitpod/never-ready": null, "gitpod.io/nodeName": "node1" }]);
  assert.deepEqual(missed.priorities, ["finalization"], "a backup depends on it");
  const never = setup({ wait: [5] });
  await never.during(never.content.waitForReady(never.record, never.permit, never.permit));
  assert.equal(never.calls.filter((call) => call === "init").length, 3);
  assert.equal(never.written[0]?.["gitpod/explicitFail"], "cannot wait for workspace to initialize: wait said 5");
});

test("workspaces that do not answer take no place from those that wait for their content", async () => {
  const { content, record, permit, during, written, probing } = setup();
  probing.hangs = true;
  const hanging = Array.from({ length: contentLimits.wait.perNode + 1 }, () => content.waitForReady(record, permit, permit));
  await new Promise(setImmediate);
  probing.hangs = false;
  await during(content.waitForReady(record, permit, permit));
  assert.equal(written.length, 1);
  probing.done.resolve();
  await Promise.all(hanging);
});

test("restores are counted, successes and failures, and so are volumes from snapshots", async () => {
  const good = setup({}, { backup: { fromVolumeSnapshot: true } });
  await good.during(good.content.initialize(good.record, good.permit));
  assert.deepEqual(good.metrics, ["volume", "restore true", "initialized"]);
  await good.during(good.content.initialize(good.record, good.permit));
  assert.equal(good.metrics.filter((each) => each === "volume").length, 1, "it was there once");
  const bad = setup({ init: [13] }, { backup: {} });
  await bad.during(bad.content.initialize(bad.record, bad.permit));
  assert.deepEqual(bad.metrics, ["restore false"]);
});

test("however long a failure is, what is written of it has a bound", () => {
  const text = String(failure(`it failed: ${"é".repeat(10_000)}`)["gitpod/explicitFail"]);
  assert.ok(text.startsWith("it failed: é"));
  assert.ok(Buffer.byteLength(text) <= 2_048);
});

test("whoever is overtaken writes nothing", async () => {
  const { content, record, permit, during, ending, written } = setup({ init: [14] });
  const work = during(content.initialize(record, permit));
  ending.abort();
  await assert.rejects(work);
  assert.deepEqual(written, []);
});

test("the manifest that a full backup's content comes from goes with the request; a storage that is away is asked again, and no other workspace's", async () => {
  const members = { fullWorkspaceBackup: true, metadata: { owner: "jane", metaId: "meta" } };
  const full = setup({}, { backup: {} }, members);
  let away = 2;
  full.manifests.of = (whose) => {
    if (away-- > 0) throw new WsmanError("UNAVAILABLE", "the storage answered 503");
    return Buffer.from(whose);
  };
  await full.during(full.content.initialize(full.record, full.permit));
  assert.deepEqual(full.requests.map(({ contentManifest, storageQuotaBytes }) => [Buffer.from(contentManifest).toString(), Number(storageQuotaBytes)]), [["jane/meta", 30 * 2 ** 30]]);
  assert.deepEqual(full.written, []);
  const wrong = setup({}, { backup: {} }, members);
  wrong.manifests.of = () => {
    throw new WsmanError("FAILED_PRECONDITION", "invalid content manifest b/o: type");
  };
  await wrong.during(wrong.content.initialize(wrong.record, wrong.permit));
  assert.deepEqual([wrong.requests.length, wrong.written[0]?.["gitpod/explicitFail"]], [0, "cannot initialize workspace: invalid content manifest b/o: type"]);
  const other = setup();
  other.manifests.of = () => assert.fail("it has none");
  await other.during(other.content.initialize(other.record, other.permit));
  assert.equal(other.requests[0]?.contentManifest.length, 0);
});

test("what another process has initialized and counted is not counted again; what this one did, and was not answered, is", async () => {
  const theirs = setup({ init: [6] }, { backup: { fromVolumeSnapshot: true } });
  await theirs.during(theirs.content.initialize(theirs.record, theirs.permit));
  assert.deepEqual(theirs.metrics, []);
  const ours = setup({ init: [14, 6] }, { backup: {} });
  await ours.during(ours.content.initialize(ours.record, ours.permit));
  assert.deepEqual(ours.metrics, ["restore true", "initialized"]);
});

test("that a workspace is ready is told also where its note is seen before it is answered, which ends the wait", async () => {
  const { content, record, permit, notes, onWritten, written } = setup();
  const overtaking = new AbortController();
  onWritten.call = () => overtaking.abort();
  await content.waitForReady(record, new Permit({ signal: permit.signal, goesOn: () => true }, 0, overtaking.signal), permit);
  assert.deepEqual([written.length, notes], [1, ["Ready"]]);
});

test("a start that is over by now is neither noted as failed nor as ready", async () => {
  const ready = setup({ init: [9] });
  ready.record.facts = { ...ready.record.facts, everReady: true };
  await ready.during(ready.content.initialize(ready.record, ready.permit));
  assert.deepEqual(ready.written, []);
  const leaving = setup();
  leaving.record.facts = { ...leaving.record.facts, deletedAt: 1 };
  await leaving.during(leaving.content.waitForReady(leaving.record, leaving.permit, leaving.permit));
  assert.deepEqual([leaving.written, leaving.notes], [[], []]);
});
