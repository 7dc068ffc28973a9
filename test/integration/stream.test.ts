/** The main job, end to end: pods of a cluster in, statuses over gRPC out. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { wsman } from "../../src/gen/proto.js";
import type { Daemon, DaemonOptions } from "../../src/main/daemon.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient, type TestStream } from "../support/grpc-client.ts";
import { Player } from "../support/player.ts";
import { podIn } from "../support/pods.ts";
import { until } from "../support/until.ts";

const { PENDING, CREATING, INITIALIZING, RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;

let cluster: TestCluster;
let namespaces = 0;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

interface Setup {
  readonly daemon: Daemon;
  readonly player: Player;
  readonly client: TestClient;
  readonly start: (options?: Partial<DaemonOptions>) => Promise<{ daemon: Daemon; client: TestClient }>;
}

/** A daemon on a namespace of its own. */
async function setup(t: TestContext, options: Partial<DaemonOptions> = {}): Promise<Setup> {
  const namespace = `test-${++namespaces}`;
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  await player.ensureNamespace();
  await player.ensureNode("node-1");
  const start = async (more: Partial<DaemonOptions> = {}): Promise<{ daemon: Daemon; client: TestClient }> => {
    const daemon = await startTestDaemon(cluster.kubeconfig, { namespace, ...options, ...more });
    const client = new TestClient(daemon.rpcPort);
    t.after(async () => {
      client.close();
      await daemon.close();
    });
    await daemon.synced;
    return { daemon, client };
  };
  const first = await start();
  t.after(async () => {
    await player.removeAll();
    await player.close();
  });
  return { ...first, player, start };
}

function statuses(stream: TestStream, id?: string): wsman.WorkspaceStatus.$Properties[] {
  return stream.messages.map((message) => wsman.SubscribeResponse.decode(message).status ?? {}).filter((status) => id === undefined || status.id === id);
}

function phases(stream: TestStream, id: string): (wsman.WorkspacePhase | null | undefined)[] {
  return statuses(stream, id).map((status) => status.phase).filter((phase, i, all) => phase !== all[i - 1]);
}

async function workspaces(client: TestClient, request: wsman.GetWorkspacesRequest.$Properties = {}): Promise<wsman.WorkspaceStatus.$Properties[]> {
  const { response, code: got, details } = await client.wsman("GetWorkspaces", wsman.GetWorkspacesRequest.encode(request).finish());
  assert.equal(got, code.OK, details);
  return wsman.GetWorkspacesResponse.decode(response).status;
}

async function describe(client: TestClient, id: string): Promise<wsman.WorkspaceStatus.$Properties | undefined> {
  const { response, code: got } = await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish());
  return got === code.OK ? (wsman.DescribeWorkspaceResponse.decode(response).status ?? undefined) : undefined;
}

test("a subscriber sees a workspace's whole life, versions rising, STOPPED once and last", async (t) => {
  const { player, client } = await setup(t);
  const stream = client.subscribe().read();
  await stream.headers;
  const name = await player.play(podIn("unscheduled", "life"));
  await player.creating(name);
  await until("it is creating", () => phases(stream, "life").includes(CREATING));
  await player.initializing(name);
  await until("it is initializing", () => phases(stream, "life").includes(INITIALIZING));
  await player.running(name);
  await until("it runs", () => phases(stream, "life").includes(RUNNING));
  await player.terminating(name);
  await until("it stops", () => phases(stream, "life").includes(STOPPING));
  await player.remove(name);
  await until("it stopped", () => phases(stream, "life").includes(STOPPED));
  assert.deepEqual(phases(stream, "life"), [PENDING, CREATING, INITIALIZING, RUNNING, STOPPING, STOPPED]);
  const all = statuses(stream, "life");
  assert.equal(all.filter((status) => status.phase === STOPPED).length, 1);
  assert.equal(all.at(-1)?.phase, STOPPED);
  const versions = all.map((status) => BigInt(status.statusVersion?.toString() ?? "0"));
  assert.ok(versions.every((version, i) => i === 0 || version > (versions[i - 1] ?? 0n)));
});

test("GetWorkspaces, DescribeWorkspace and the stream tell the same", async (t) => {
  const { player, client } = await setup(t);
  const stream = client.subscribe().read();
  await stream.headers;
  await player.play(podIn("running", "same"));
  await until("it runs", () => statuses(stream, "same").at(-1)?.phase === RUNNING);
  const told = statuses(stream, "same").at(-1);
  await until("all tell the same", async () => {
    const [listed] = await workspaces(client);
    return JSON.stringify(listed) === JSON.stringify(statuses(stream, "same").at(-1)) && JSON.stringify(await describe(client, "same")) === JSON.stringify(listed);
  });
  assert.equal(told?.runtime?.podName, "ws-same");
});

test("initial state comes first, then the changes", async (t) => {
  const { player, client } = await setup(t);
  await player.play(podIn("running", "i1"));
  await player.play(podIn("running", "i2"));
  await until("both are known", async () => (await workspaces(client)).filter((status) => status.phase === RUNNING).length === 2);
  const stream = client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }).read();
  await until("both came", () => new Set(statuses(stream).map((status) => status.id)).size === 2);
  await player.annotate("ws-i1", { "gitpod/timedout": "too long" });
  await until("the change came", () => statuses(stream, "i1").at(-1)?.conditions?.timeout === "too long");
});

test("filters select by owner, meta ID and annotations", async (t) => {
  const { player, client } = await setup(t);
  await player.play(podIn("running", "f1", { owner: "alice", annotations: { "gitpod.io/annotation.kind": "a" } }));
  await player.play(podIn("running", "f2", { owner: "bob" }));
  await until("both are known", async () => (await workspaces(client)).length === 2);
  assert.deepEqual((await workspaces(client, { mustMatch: { owner: "bob" } })).map((status) => status.id), ["f2"]);
  assert.deepEqual((await workspaces(client, { mustMatch: { annotations: { kind: "a" } } })).map((status) => status.id), ["f1"]);
  assert.deepEqual(await workspaces(client, { mustMatch: { owner: "alice", annotations: { kind: "b" } } }), []);
});

test("a stopped workspace stays describable, an unknown one is not found", async (t) => {
  const { player, client } = await setup(t);
  const name = await player.play(podIn("running", "gone"));
  await until("it is known", async () => (await describe(client, "gone")) !== undefined);
  await player.remove(name);
  await until("it stopped", async () => (await describe(client, "gone"))?.phase === STOPPED);
  // A pod that has ended is listed for as long as it is there.
  await until("it is in no list", async () => (await workspaces(client)).length === 0);
  assert.equal((await describe(client, "gone"))?.phase, STOPPED);
  const unknown = await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id: "nobody" }).finish());
  assert.equal(unknown.code, code.NOT_FOUND);
  assert.equal(unknown.details, "workspace nobody does not exist");
});

test("a FailedMount Event changes the status of a pending pod", async (t) => {
  const { player, client } = await setup(t);
  const name = await player.play(podIn("scheduled", "mount", { annotations: { "gitpod.io/attemptingToCreate": undefined } }));
  await until("it is known", async () => (await describe(client, "mount")) !== undefined);
  await player.event(name, "FailedMount", "MountVolume.SetUp failed for volume \"vol-this-workspace\"");
  await until("it failed", async () => (await describe(client, "mount"))?.conditions?.failed === "cannot mount workspace");
});

test("a pod that breaks the rules is skipped and disturbs nobody", async (t) => {
  const { player, client } = await setup(t);
  await player.play(podIn("running", "bad1", { annotations: { "gitpod/url": undefined } }));
  await player.play(podIn("running", "bad2", { labels: { workspaceType: "nonsense" } }));
  await player.play(podIn("running", "good", { annotations: { "gitpod/exposedPorts": "not base64!" } }));
  await until("the good one is known", async () => (await workspaces(client)).some((status) => status.phase === RUNNING));
  assert.deepEqual((await workspaces(client)).map((status) => status.id), ["good"]);
});

test("a daemon that starts anew tells the present, and what vanished while it was away is no more", async (t) => {
  const { player, client, daemon, start } = await setup(t);
  await player.play(podIn("running", "stays"));
  const vanishing = await player.play(podIn("running", "vanishes"));
  await until("both are known", async () => (await workspaces(client)).length === 2);
  await daemon.close();
  await player.remove(vanishing);
  const again = await start();
  assert.deepEqual((await workspaces(again.client)).map((status) => status.id), ["stays"]);
});

test("statuses that were evicted from the cache are rebuilt from the API server, with the version they had", async (t) => {
  const { player, client } = await setup(t, { cache: { maxEntries: 1, maxBytes: 1024 * 1024 } });
  const stream = client.subscribe().read();
  await stream.headers;
  for (const id of ["e1", "e2", "e3"]) await player.play(podIn("running", id));
  const settledIds = (): string[] => ["e1", "e2", "e3"].filter((id) => statuses(stream, id).at(-1)?.phase === RUNNING);
  await until("all run", () => settledIds().length === 3);
  const listed = await workspaces(client);
  assert.equal(listed.length, 3);
  for (const status of listed) assert.deepEqual(status, statuses(stream, status.id ?? "").at(-1));
});

test("changes cost the API server nothing beyond the running watches", async (t) => {
  const { player, client, daemon } = await setup(t);
  const name = await player.play(podIn("running", "busy"));
  const stream = client.subscribe().read();
  await stream.headers;
  const requests = async (): Promise<string[]> => (await (await fetch(`http://127.0.0.1:${daemon.metricsPort}/metrics`)).text()).split("\n").filter((line) => line.startsWith("wsmand_api_requests_total"));
  const before = await requests();
  for (let i = 0; i < 50; i++) await player.annotate(name, { "gitpod/customTimeout": `${i + 1}m` });
  await until("the last change came", () => statuses(stream, "busy").at(-1)?.spec?.timeout === "50m");
  assert.deepEqual(await requests(), before);
});

test("shutdown ends streams with UNAVAILABLE", async (t) => {
  const { client, daemon } = await setup(t);
  const stream = client.subscribe().read();
  await stream.headers;
  await daemon.close();
  assert.equal((await stream.status).code, code.UNAVAILABLE);
});
