/** The built-in node daemon's answers: contents that come and go, calls that overlap, faults and delays, and its bounds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import type { NodeDaemonMethod } from "../../../../src/embedded/wsdaemon/contents.ts";
import { Refusal } from "../../../../src/embedded/wsdaemon/refusal.ts";
import { NodeDaemonService } from "../../../../src/embedded/wsdaemon/service.ts";
import { wsdaemon } from "../../../../src/gen/proto.js";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const id = "ws-one";
const git = { git: { remoteUri: "https://git.example.com/a.git", targetMode: 2, cloneTaget: "feature" } };

interface Daemon {
  readonly clock: VirtualClock;
  readonly service: NodeDaemonService;
  /** Gives the answer's bytes; rejects with the Refusal. */
  readonly call: (method: NodeDaemonMethod, request: Uint8Array) => Promise<Uint8Array>;
  readonly init: (request?: wsdaemon.InitWorkspaceRequest.$Properties) => Promise<Uint8Array>;
  readonly wait: () => Promise<Uint8Array>;
  readonly snapshot: (returnImmediately?: boolean) => Promise<string>;
  readonly backup: () => Promise<string>;
  readonly dispose: (backup?: boolean, backupLogs?: boolean) => Promise<wsdaemon.DisposeWorkspaceResponse>;
}

function daemon(): Daemon {
  const clock = new VirtualClock();
  const service = new NodeDaemonService({ clock, nodes: ["node-1"] });
  const call: Daemon["call"] = (method, request) => {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    void service.answer(method, request, (reply) => (reply instanceof Refusal ? reject(reply) : resolve(reply)));
    return promise;
  };
  return {
    clock, service, call,
    init: (request) => call("InitWorkspace", wsdaemon.InitWorkspaceRequest.encode({ id, metadata: { owner: "jane", metaId: "meta" }, initializer: git, ...request }).finish()),
    wait: () => call("WaitForInit", wsdaemon.WaitForInitRequest.encode({ id }).finish()),
    snapshot: async (returnImmediately = false) => wsdaemon.TakeSnapshotResponse.decode(await call("TakeSnapshot", wsdaemon.TakeSnapshotRequest.encode({ id, returnImmediately }).finish())).url ?? "",
    backup: async () => wsdaemon.BackupWorkspaceResponse.decode(await call("BackupWorkspace", wsdaemon.BackupWorkspaceRequest.encode({ id }).finish())).url ?? "",
    dispose: async (backup = false, backupLogs = false) => wsdaemon.DisposeWorkspaceResponse.decode(await call("DisposeWorkspace", wsdaemon.DisposeWorkspaceRequest.encode({ id, backup, backupLogs }).finish())),
  };
}

/** What a call is refused with. */
async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "OK";
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return `${status[error.code]}: ${error.message}`;
  }
}

/** Lets what waits for promises alone go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("a workspace is initialized once, saved, and disposed of with its Git status", async () => {
  const { service, init, wait, snapshot, backup, dispose } = daemon();
  assert.equal(await refusal(wait()), "NOT_FOUND: workspace ws-one does not exist");
  await init();
  await wait();
  assert.equal(await refusal(init()), "ALREADY_EXISTS: workspace exists already");
  assert.equal(await snapshot(), "workspaces/jane/meta/snapshot-1.tar@embedded");
  assert.equal(await backup(), "workspaces/jane/meta/backup-1.tar@embedded");
  const content = service.contents.get(id);
  assert.deepEqual([content?.state, content?.snapshots, content?.backups], ["ready", 1, 1]);
  const { gitStatus } = await dispose(true, true);
  assert.equal(gitStatus?.branch, "feature");
  assert.match(gitStatus?.latestCommit ?? "", /^[0-9a-f]{40}$/);
  assert.deepEqual(service.contents.list(), []);
  assert.deepEqual(service.storage.urls().map((url) => url.replace("workspaces/jane/meta/", "")), ["snapshot-1.tar@embedded", "backup-1.tar@embedded", "backup-2.tar@embedded", "logs-1.tar@embedded"]);
  assert.equal(await refusal(dispose(true)), "NOT_FOUND: workspace ws-one does not exist");
});

test("a workspace without a repository has no Git status, and one without remote storage is not saved", async () => {
  const { init, snapshot, backup, dispose } = daemon();
  await init({ initializer: { empty: {} }, remoteStorageDisabled: true });
  for (const call of [snapshot(), backup(), dispose(true)]) assert.equal(await refusal(call), "FAILED_PRECONDITION: workspace has no remote storage");
  assert.equal((await dispose()).gitStatus, null);
});

test("a workspace begins with a snapshot that was taken, not with one that was not", async () => {
  const { init, snapshot, dispose } = daemon();
  await init();
  const url = await snapshot();
  await dispose();
  assert.equal(await refusal(init({ initializer: { composite: { initializer: [{ snapshot: { snapshot: url.replace("-1", "-7") } }] } } })), `FAILED_PRECONDITION: snapshot ${url.replace("-1", "-7")} does not exist`);
  assert.equal(await refusal(init({ initializer: { prebuild: { prebuild: { snapshot: url }, git: [git.git] } } })), "OK");
  assert.equal((await dispose()).gitStatus?.branch, "feature");
  assert.equal(await refusal(init({ initializer: { snapshot: { snapshot: "workspaces/a/b.tar@another-bucket" } } })), "OK");
});

test("requests that lack something are told what, and bytes that are none are no harm", async () => {
  const { service, init, call } = daemon();
  assert.equal(await refusal(init({ id: "" })), "INVALID_ARGUMENT: id is required");
  assert.equal(await refusal(init({ metadata: { owner: "jane" } })), "INVALID_ARGUMENT: metadata.meta_id is required");
  assert.equal(await refusal(init({ metadata: null })), "INVALID_ARGUMENT: metadata.owner is required");
  assert.equal(await refusal(call("WaitForInit", new Uint8Array())), "INVALID_ARGUMENT: id is required");
  assert.match(await refusal(call("InitWorkspace", Buffer.from("ffffff", "hex"))), /^INTERNAL: /);
  assert.deepEqual(service.contents.list(), []);
});

test("initialization that takes its time is waited for; until then nothing is saved", async () => {
  const { clock, service, init, wait, snapshot, dispose } = daemon();
  service.faults.add({ method: "InitWorkspace", delayMs: 5000 });
  const first = init();
  assert.equal(await refusal(init()), "ALREADY_EXISTS: workspace exists already");
  let waited = false;
  const waiting = wait().then(() => (waited = true));
  assert.match(await refusal(snapshot()), /^FAILED_PRECONDITION: workspace is not ready/);
  assert.match(await refusal(dispose(true)), /^FAILED_PRECONDITION: workspace is not ready/);
  clock.advance(4999);
  await turn();
  assert.equal(waited, false);
  clock.advance(1);
  await Promise.all([first, waiting]);
});

test("who waits for content that is disposed of meanwhile is told so, and who initializes it as well", async () => {
  const { clock, service, init, wait, dispose } = daemon();
  service.faults.add({ method: "InitWorkspace", delayMs: 5000 });
  const calls = [init(), wait()].map(refusal);
  await dispose();
  clock.advance(5000);
  assert.deepEqual(await Promise.all(calls), ["ABORTED: workspace ws-one was disposed of meanwhile", "NOT_FOUND: workspace ws-one does not exist"]);
});

test("a second disposal joins the first: there is one backup, and both get the same answer", async () => {
  const { clock, service, init, snapshot, dispose } = daemon();
  await init();
  service.faults.add({ method: "DisposeWorkspace", delayMs: 5000, times: 1 });
  const both = [dispose(true), dispose(true)];
  assert.equal(await refusal(snapshot()), "FAILED_PRECONDITION: workspace is being disposed of");
  clock.advance(5000);
  const [first, second] = await Promise.all(both);
  assert.deepEqual(second, first);
  assert.equal(service.storage.urls().length, 1);
});

test("a disposal whose workspace is taken away meanwhile stores nothing and is told so, and so is the one that joined it", async () => {
  const { clock, service, init, dispose } = daemon();
  await init();
  service.faults.add({ method: "DisposeWorkspace", delayMs: 5000, times: 1 });
  const both = [dispose(true, true), dispose(true)].map(refusal);
  service.contents.remove(id, false);
  await init();
  clock.advance(5000);
  assert.deepEqual(await Promise.all(both), ["ABORTED: workspace ws-one was disposed of meanwhile", "UNAVAILABLE: another attempt to dispose of the workspace ended without success"]);
  assert.deepEqual([service.storage.urls(), service.contents.get(id)?.state], [[], "ready"]);
});

test("faults strike the calls that they name, so many times; nothing is done then, unless the answer alone is lost", async () => {
  const { service, init, wait, dispose, backup } = daemon();
  service.faults.add({ node: "node-2", code: status.INTERNAL });
  service.faults.add({ workspace: "another", code: status.INTERNAL });
  service.faults.add({ method: "InitWorkspace", node: "node-1", workspace: id, code: status.UNAVAILABLE, message: "not yet", times: 2 });
  assert.deepEqual([await refusal(init()), await refusal(init()), await refusal(init())], ["UNAVAILABLE: not yet", "UNAVAILABLE: not yet", "OK"]);
  await wait();
  service.faults.add({ method: "BackupWorkspace", code: status.DATA_LOSS });
  assert.equal(await refusal(backup()), "DATA_LOSS: fault on demand");
  service.faults.add({ method: "DisposeWorkspace", code: status.UNAVAILABLE, afterwards: true, times: 1 });
  assert.equal(await refusal(dispose(true)), "UNAVAILABLE: fault on demand");
  assert.equal(await refusal(dispose(true)), "NOT_FOUND: workspace ws-one does not exist");
  assert.equal(service.storage.urls().length, 1);
  service.faults.clear();
  for (let i = 0; i < 1000; i++) service.faults.add({ code: status.INTERNAL });
  assert.throws(() => service.faults.add({ code: status.INTERNAL }), RangeError);
});

test("a snapshot that need not be waited for has its location at once, and is there later", async () => {
  const { clock, service, init, snapshot } = daemon();
  await init();
  service.faults.add({ method: "TakeSnapshot", delayMs: 5000 });
  const url = await snapshot(true);
  assert.deepEqual(service.storage.urls(), []);
  clock.advance(5000);
  await turn();
  assert.deepEqual(service.storage.urls(), [url]);
});

test("a daemon that goes breaks off what is under way, and has its contents when it is back", async () => {
  const { clock, service, init, wait, dispose, backup } = daemon();
  await init();
  service.faults.add({ method: "DisposeWorkspace", delayMs: 60_000, times: 1 });
  const calls = [dispose(true), dispose(true)].map(refusal);
  await turn();
  service.setServing(false);
  assert.deepEqual(await Promise.all(calls), Array(2).fill("UNAVAILABLE: the node daemon is gone"));
  assert.equal(await refusal(wait()), "UNAVAILABLE: the node daemon is gone");
  assert.equal(clock.pending, 0);
  service.setServing(true);
  await wait();
  await backup();
  await dispose(true);
  service.faults.add({ method: "InitWorkspace", delayMs: 60_000, times: 1 });
  const initializing = refusal(init());
  service.setServing(false);
  service.setServing(true);
  assert.equal(await initializing, "UNAVAILABLE: the node daemon is gone");
  await init();
});

test("of each call it is known when it came, and when it was answered, or its client had gone", async () => {
  const { clock, service, init, wait } = daemon();
  await init();
  const from = clock.monotonic();
  service.faults.add({ method: "WaitForInit", delayMs: 1_000 });
  const [waiting, gone] = [wait(), new AbortController()];
  void service.answer("WaitForInit", wsdaemon.WaitForInitRequest.encode({ id }).finish(), () => {}, gone.signal);
  const times = (): unknown => service.calls.slice(1).map(({ began, ended }) => [began - from, ended && ended - from]);
  clock.advance(400);
  gone.abort();
  assert.deepEqual(times(), [[0, undefined], [0, 400]]);
  clock.advance(600);
  await waiting;
  assert.deepEqual(times(), [[0, 1_000], [0, 400]]);
});

test("contents, calls, what is stored and what is under way are bounded", async () => {
  const { clock, service, init, backup, snapshot } = daemon();
  await init();
  const first = await snapshot();
  for (let i = 0; i < 10_000; i++) await backup();
  assert.equal(service.calls.length, 10_000);
  assert.equal(service.storage.urls().length, 10_000);
  assert.ok(!service.storage.urls().includes(first));
  for (let i = 1; i < 10_000; i++) service.contents.put({ id: `w${i}`, owner: "jane", metaId: "m" });
  assert.equal(await refusal(init({ id: "one-more" })), "RESOURCE_EXHAUSTED: there are 10000 workspaces on this node already");
  service.faults.add({ method: "BackupWorkspace", delayMs: 1000 });
  const all = Array.from({ length: 10_001 }, () => refusal(backup()));
  assert.equal(await all.at(-1), "RESOURCE_EXHAUSTED: 10000 calls are under way");
  clock.advance(1000);
  assert.ok((await Promise.all(all)).slice(0, -1).every((answer) => answer === "OK"));
});
