/** A shadow beside a manager that acts, which a second wsmand plays: it writes nothing, and its statuses are the same. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { asObject, objectAt } from "../../src/domain/json.ts";
import { annotations } from "../../src/domain/names.ts";
import { record, text, type Json } from "../../src/embedded/kubelet/json.ts";
import { registryfacade, wsman } from "../../src/gen/proto.js";
import type { Place } from "../support/chaos/place.ts";
import { openStage, shadowOf, writesOver, type Listened } from "../support/beside.ts";
import { onRealCluster, startTestCluster, type TestCluster } from "../support/cluster.ts";
import { metricsOf } from "../support/daemon.ts";
import { sumOf } from "../support/metrics.ts";
import { noCases, plantable, recordedCases, renamed } from "../support/recorded.ts";
import { getWorkspaces } from "../support/status-stream.ts";
import { until } from "../support/until.ts";
import { assertOk, calls, start, request } from "../support/workspace-calls.ts";
import { MemoryLog } from "../unit/rpc/helpers.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;

let real: TestCluster | undefined;
before(async () => {
  if (onRealCluster) real = await startTestCluster();
});
after(async () => real?.close());

async function metric({ daemon }: Listened, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  return sumOf(await metricsOf(daemon), name, labels);
}

async function toldAs({ stream }: Listened, ids: readonly string[], phase: number): Promise<void> {
  await until(`${ids.join()} are told as ${wsman.WorkspacePhase[phase]}`, () => ids.every((id) => stream.of(id).some((status) => Number(status.phase) === phase)), 60_000);
}

/** Waits until everything that has changed was compared, and something was. */
async function compared(shadow: Listened, times: number): Promise<void> {
  await until(`${times} comparisons, and none that waits`, async () => (await metric(shadow, "wsmand_shadow_compared_total")) >= times && (await metric(shadow, "wsmand_shadow_waiting_workspaces")) === 0, 30_000);
}

function lastWords(log: MemoryLog): Record<string, unknown> {
  return { ...log.lines.find(({ message }) => message === "what the shadow has seen")?.fields };
}

async function startAll({ client }: Listened, ids: readonly string[]): Promise<void> {
  for (const id of ids) assertOk(await start(client, request({ id, metadata: { owner: "jane", metaId: `meta-${id}` } })));
}

test("a shadow tells the same as the manager that acts through whole lives of workspaces, and sends nothing but reads; nor do its calls", async (t) => {
  const stage = await openStage(t, real?.kubeconfig);
  const acting = await stage.daemon();
  await startAll(acting, ["one", "two"]);
  await toldAs(acting, ["one", "two"], RUNNING);
  const log = new MemoryLog();
  // What one of them is told a moment later on a busy machine is no difference.
  const shadow = await stage.daemon({ ...(await shadowOf(acting, 3_000)), log });
  await startAll(acting, ["three", "four"]);
  await toldAs(acting, ["three", "four"], RUNNING);
  assertOk(await calls.active(acting.client, false, "one"));
  assertOk(await calls.port(acting.client, true, { port: 3000, visibility: 1 }, "one"));
  await compared(shadow, 4);
  assert.equal((await getWorkspaces(shadow.client)).length, 4);
  await refusesAll(shadow);
  await saysWhatItIs(shadow, `127.0.0.1:${acting.daemon.rpcPort}`);
  for (const id of ["one", "two", "three", "four"]) assertOk(await calls.stop(acting.client, 0, id));
  await toldAs(shadow, ["one", "two", "three", "four"], STOPPED);
  await until("nothing is left", async () => (await stage.place.left()).length === 0, 30_000);
  await compared(shadow, 8);
  assert.equal(text(record((await stage.place.lease())?.["spec"])["holderIdentity"]), "acting");
  assert.equal(await metric(shadow, "wsmand_shadow"), 1);
  assert.equal(await metric(shadow, "wsmand_leader"), 0);
  assert.equal(await metric(shadow, "wsmand_shadow_open_differences"), 0);
  await shadow.close();

  assert.ok(shadow.way.requests.length > 4 && writesOver(acting.way).length > 20);
  assert.deepEqual(writesOver(shadow.way), []);
  // All that node daemons heard of came from the manager that acts.
  assert.equal(stage.nodeCalls().filter((call) => call.startsWith("DisposeWorkspace")).length, 4);
  assert.ok(stage.nodeCalls().length <= (await metric(acting, "grpc_client_started_total")), stage.nodeCalls().join());
  const { would, differences, wanted, open } = lastWords(log);
  assert.deepEqual({ differences, wanted, open }, { differences: {}, wanted: {}, open: 0 });
  const counts = record(would);
  assert.deepEqual([counts["back up"], counts["delete pod"]], [4, 4]);
  for (const message of ["would back up its content", "would delete its pod"]) assert.deepEqual(log.lines.filter((line) => line.message === message).map(({ fields }) => ("id" in fields ? String(fields.id) : "")).toSorted(), ["four", "one", "three", "two"]);
});

/** The page does. */
async function saysWhatItIs({ daemon: { metricsPort } }: Listened, other: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${metricsPort}/status.json`, { headers: { connection: "close" }, signal: AbortSignal.timeout(10_000) });
  const told: unknown = await response.json();
  assert.deepEqual([asObject(told)?.["role"], objectAt(asObject(told), "comparison")], ["shadow", { with: other, connected: true, open: 0, waiting: 0 }]);
}

/** Calls that change something are refused; those that read are not. */
async function refusesAll({ client }: Listened): Promise<void> {
  const id = "one";
  const requests: readonly (readonly [string, Uint8Array])[] = [
    ["StartWorkspace", wsman.StartWorkspaceRequest.encode(request({ id: "new" })).finish()],
    ["StopWorkspace", wsman.StopWorkspaceRequest.encode({ id }).finish()],
    ["MarkActive", wsman.MarkActiveRequest.encode({ id }).finish()],
    ["SetTimeout", wsman.SetTimeoutRequest.encode({ id, duration: "5m" }).finish()],
    ["ControlPort", wsman.ControlPortRequest.encode({ id, expose: true, spec: { port: 4000 } }).finish()],
    ["ControlAdmission", wsman.ControlAdmissionRequest.encode({ id, level: 1 }).finish()],
    ["UpdateSSHKey", wsman.UpdateSSHKeyRequest.encode({ id, keys: [] }).finish()],
    ["DeleteVolumeSnapshot", wsman.DeleteVolumeSnapshotRequest.encode({ id }).finish()],
    ["TakeSnapshot", wsman.TakeSnapshotRequest.encode({ id }).finish()],
    ["BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id }).finish()],
  ];
  for (const [method, bytes] of requests) {
    const answer = await client.wsman(method, bytes);
    assert.deepEqual([answer.code, answer.details], [code.FAILED_PRECONDITION, `${method} is refused: this wsmand is a shadow (--shadow), which only reads and streams: send it to the ws-manager that acts`]);
  }
  assertOk(await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish()));
  assertOk(await client.wsman("DescribeCluster"));
  assertOk(await client.unary("/registryfacade.SpecProvider/GetImageSpec", registryfacade.GetImageSpecRequest.encode({ id }).finish()));
  assert.equal((await client.unary("/builder.ImageBuilder/ListBuilds", new Uint8Array())).code, code.UNIMPLEMENTED);
}

test("what differs is told by field, once for each workspace; a manager that goes is missed, and one that comes back is compared with again", async (t) => {
  const stage = await openStage(t, real?.kubeconfig);
  const acting = await stage.daemon({ derive: { regularWorkspaceTimeoutMs: 1_800_000 } });
  await startAll(acting, ["one", "two"]);
  await toldAs(acting, ["one", "two"], RUNNING);
  const log = new MemoryLog();
  const shadow = await stage.daemon({ ...(await shadowOf(acting)), log });
  await compared(shadow, 2);
  const differing = (): readonly object[] => log.lines.filter(({ message }) => message === "its status differs from the other manager's").map(({ fields }) => fields).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const difference = (id: string): object => ({ id, fields: ["spec.timeout"], values: { "spec.timeout": { ours: "1h0m0s", theirs: "30m0s" } } });
  assert.deepEqual(differing(), [difference("one"), difference("two")]);
  assert.equal(await metric(shadow, "wsmand_shadow_differences_total", { field: "spec.timeout", known: "false" }), 2);
  // A change elsewhere does not tell them anew.
  assertOk(await calls.admission(acting.client, 1, "one"));
  await compared(shadow, 3);
  assert.equal(differing().length, 2);
  const { rpcPort } = acting.daemon;
  await acting.close();
  await until("it is missed", async () => (await metric(shadow, "wsmand_shadow_connected")) === 0);
  const again = await stage.daemon({ rpc: { addr: `127.0.0.1:${rpcPort}`, tls: undefined } });
  await until("it is there again", async () => (await metric(shadow, "wsmand_shadow_connected")) === 1, 30_000);
  await until("nothing differs any more", async () => (await metric(shadow, "wsmand_shadow_open_differences")) === 0, 30_000);
  await shadow.close();
  const { differences, open } = lastWords(log);
  assert.deepEqual({ differences, open }, { differences: { "spec.timeout": 2 }, open: 0 });
  assert.deepEqual(writesOver(shadow.way), []);
  await again.close();
});

/** Puts a recorded pod there, in deletion if it was. Gives whether the cluster takes it: some were recorded in ways that none does. */
async function plant(place: Place, pod: Json, node: string): Promise<boolean> {
  const { name, deletionTimestamp } = record(pod["metadata"]);
  const leaving = deletionTimestamp !== undefined;
  try {
    await place.create(plantable(pod, { namespace: place.namespace, node, held: leaving ? "example.com/held" : undefined }));
  } catch {
    return false;
  }
  if (leaving) place.store.delete("pods", place.namespace, text(name), { gracePeriodSeconds: 30 });
  return true;
}

test("recorded pods of the Go daemon are told by a shadow as by a manager that takes them over, in all states", { skip: noCases ?? false }, async (t) => {
  const stage = await openStage(t, real?.kubeconfig);
  const { place } = stage;
  let planted = 0;
  for (const [i, file] of recordedCases().entries()) {
    const given = record(JSON.parse(readFileSync(file, "utf8")));
    const pod = renamed(record(record(given["input"])["pod"]), `recorded-${i}`);
    if (await plant(place, pod, `node-${1 + (i % 2)}`)) planted++;
  }
  assert.ok(planted > 10, `${planted} pods`);
  const log = new MemoryLog();
  // Neither acts, so that they stay in all their states.
  const other = await stage.daemon({ lifecycle: false });
  const shadow = await stage.daemon({ ...(await shadowOf(other)), log });
  const count = (await getWorkspaces(other.client)).length;
  assert.ok(count > 10, `${count} workspaces`);
  await compared(shadow, count);
  assert.equal((await getWorkspaces(shadow.client)).length, count);
  await shadow.close();
  await other.close();
  const { would, differences, open } = lastWords(log);
  assert.deepEqual({ differences, open }, { differences: {}, open: 0 });
  assert.ok(Object.keys(record(would)).length > 3, JSON.stringify(would));
  assert.deepEqual(writesOver(shadow.way), []);
  assert.ok((await place.left()).some(({ metadata }) => metadata.annotations?.[annotations.id] !== undefined));
});
