/** Calls that go through node daemons, end to end, with a daemon that speaks the real protocol. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { startEmbeddedCluster, type EmbeddedCluster, type NodeDaemonsOptions } from "../../src/embedded/index.ts";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import { startNodeDaemon, type EmbeddedNodeDaemon, type NodeDaemonTls } from "../../src/embedded/wsdaemon/index.ts";
import { wsdaemon, wsman } from "../../src/gen/proto.js";
import { readStartRequest } from "../../src/main/cli/start-request.ts";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { createAuthority } from "../support/certs.ts";
import { onRealCluster, startTestCluster, type TestCluster } from "../support/cluster.ts";
import { closedAtLast } from "../support/closing.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient, type UnaryResult } from "../support/grpc-client.ts";
import { kubeApi, type KubeApi } from "../support/kube-api.ts";
import { Player } from "../support/player.ts";
import { podIn } from "../support/pods.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
let namespaces = 0;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const id = "ws-one";

interface Setup {
  readonly client: TestClient;
  readonly player: Player;
  readonly nodeDaemon: EmbeddedNodeDaemon;
  readonly take: (options?: { readonly deadline?: number }) => Promise<UnaryResult>;
  readonly backup: () => Promise<UnaryResult>;
}

/** A workspace that runs on node-1, and a node daemon, there or not yet. */
async function setup(t: TestContext, tls?: { readonly files: { readonly ca: string; readonly crt: string; readonly key: string }; readonly server: NodeDaemonTls }): Promise<Setup> {
  const namespace = `nodes-${++namespaces}`;
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  await player.ensureNamespace();
  await player.ensureNode("node-1");
  const nodeDaemon = await startNodeDaemon({ tls: tls?.server });
  nodeDaemon.service.contents.put({ id, owner: "jane", metaId: "meta" });
  const { config } = await embeddedConfig();
  const manager = { ...config.manager, namespace, wsdaemon: { port: nodeDaemon.port, ...(tls && { tls: tls.files }) } };
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace, manager });
  const client = new TestClient(daemon.rpcPort);
  t.after(async () => {
    client.close();
    await daemon.close();
    nodeDaemon.close();
    await player.removeAll();
    await player.close();
  });
  await daemon.synced;
  await player.play(podIn("running", id, { namespace }));
  await until("it runs", async () => (await phase(client)) === wsman.WorkspacePhase.RUNNING);
  return {
    client, player, nodeDaemon,
    take: (options = {}) => client.wsman("TakeSnapshot", wsman.TakeSnapshotRequest.encode({ id }).finish(), options),
    backup: () => client.wsman("BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id }).finish()),
  };
}

async function phase(client: TestClient): Promise<wsman.WorkspacePhase | null | undefined> {
  const { response } = await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish());
  return wsman.DescribeWorkspaceResponse.decode(response).status?.phase;
}

/** The node daemon's pod, ready. */
async function addDaemonPod(player: Player, name = "ws-daemon-1"): Promise<void> {
  await player.play({
    apiVersion: "v1", kind: "Pod", metadata: { name, namespace: player.namespace, labels: { app: "gitpod", component: "ws-daemon" } },
    spec: { nodeName: "node-1", containers: [{ name: "ws-daemon", image: "ws-daemon" }] },
    status: { phase: "Running", podIP: "127.0.0.1", podIPs: [{ ip: "127.0.0.1" }], conditions: [{ type: "Ready", status: "True" }] },
  });
}

test("a snapshot and a backup are made by the daemon of the workspace's node, as soon as there is one", async (t) => {
  const { player, nodeDaemon, take, backup } = await setup(t);
  const without = await take();
  assert.deepEqual([without.code, without.details], [code.UNAVAILABLE, "cannot connect to workspace daemon: there is none that is ready on node node-1"]);
  await addDaemonPod(player);
  await until("the node daemon is known", async () => (await take()).code === code.OK);
  const made = await take();
  assert.match(wsman.TakeSnapshotResponse.decode(made.response).url, /^workspaces\/jane\/meta\/snapshot-\d+\.tar@embedded$/);
  assert.match(wsman.BackupWorkspaceResponse.decode((await backup()).response).url, /^workspaces\/jane\/meta\/backup-1\.tar@embedded$/);
  const { method, id: whose } = nodeDaemon.service.calls.at(-1) ?? {};
  assert.deepEqual([method, whose], ["BackupWorkspace", id]);
});

test("what the node daemon says is passed on, a deadline ends the call there, and a daemon that goes is told", async (t) => {
  const { player, nodeDaemon, take } = await setup(t);
  await addDaemonPod(player);
  await until("the node daemon is known", async () => (await take()).code === code.OK);
  nodeDaemon.service.faults.add({ method: "TakeSnapshot", code: code.DATA_LOSS, message: "disk full", times: 1 });
  const refused = await take();
  assert.deepEqual([refused.code, refused.details], [code.DATA_LOSS, "disk full"]);
  nodeDaemon.service.faults.add({ method: "TakeSnapshot", delayMs: 60_000 });
  assert.equal((await take({ deadline: Date.now() + 300 })).code, code.DEADLINE_EXCEEDED);
  nodeDaemon.service.faults.clear();
  assert.equal((await take()).code, code.OK);
  nodeDaemon.close();
  const gone = await take();
  assert.equal(gone.code, code.UNAVAILABLE);
  assert.match(gone.details, /^cannot connect to workspace daemon: /);
});

test("only workspaces that run can be snapshot", async (t) => {
  const { client, player } = await setup(t);
  await player.play(podIn("unscheduled", "ws-two", { namespace: player.namespace }));
  await until("it is known", async () => (await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id: "ws-two" }).finish())).code === code.OK);
  const answer = await client.wsman("TakeSnapshot", wsman.TakeSnapshotRequest.encode({ id: "ws-two" }).finish());
  assert.deepEqual([answer.code, answer.details], [code.FAILED_PRECONDITION, "can only take snapshots of running workspaces"]);
  assert.equal((await client.wsman("BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id: "nobody" }).finish())).code, code.NOT_FOUND);
});

test("node daemons are talked to with mutual TLS, by their own name", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-nodes-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const authority = await createAuthority("nodes");
  const other = await createAuthority("other");
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const pair = await authority.issue("client", { usage: "client" });
  const files = { ca: await file("ca", authority.crt), crt: await file("crt", pair.crt), key: await file("key", pair.key) };
  const serving = await authority.issue("wsdaemon", { usage: "server" });
  const { player, take } = await setup(t, { files, server: { ca: authority.crt, ...serving } });
  await addDaemonPod(player);
  await until("the node daemon is known", async () => (await take()).code === code.OK);
  const stranger = await other.issue("wsdaemon", { usage: "server" });
  const second = await setup(t, { files, server: { ca: authority.crt, ...stranger } });
  await addDaemonPod(second.player);
  await until("the node daemon is known", async () => !(await second.take()).details.includes("none that is ready"));
  assert.equal((await second.take()).code, code.UNAVAILABLE);
});

/** What a test of the built-in cluster's own node daemons works with. */
interface BuiltIn {
  readonly cluster: EmbeddedCluster;
  readonly api: KubeApi;
  readonly client: TestClient;
  readonly call: (method: string, request: Uint8Array) => Promise<Buffer>;
}

/** The built-in cluster with node daemons, fifty times as fast as life, and a daemon on it. */
async function builtIn(t: TestContext, nodeDaemons: NodeDaemonsOptions = {}, demo = 0): Promise<BuiltIn> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-nodes-"));
  const own = await startEmbeddedCluster({ admin: true, kubelet: { speed: 50 }, nodeDaemons, demo: demo > 0 && { workspaces: demo, speed: 50 } });
  const kubeconfig = join(folder, "kubeconfig");
  await own.writeKubeconfig(kubeconfig);
  const api = await kubeApi(t, kubeconfig);
  const { config } = await embeddedConfig({ wsdaemon: { port: own.nodeDaemons?.port ?? 0 } });
  const daemon = await startTestDaemon(kubeconfig, { manager: config.manager });
  const client = new TestClient(daemon.rpcPort);
  const close = closedAtLast(async () => {
    await own.close();
    await rm(folder, { recursive: true, force: true });
  });
  // After the API client's own end.
  t.after(async () => {
    client.close();
    await daemon.close();
    await close();
  });
  await daemon.synced;
  const call = async (method: string, request: Uint8Array): Promise<Buffer> => {
    const { code: got, details, response } = await client.wsman(method, request);
    assert.equal(got, code.OK, `${method}: ${details}`);
    return response;
  };
  return { cluster: own, api, client, call };
}

/** Does to a workspace that was started what the lifecycle controller does, with the node daemon at its pod's address. */
async function initialize({ cluster: { store, nodeDaemons } }: BuiltIn, started: wsman.StartWorkspaceRequest): Promise<TestClient> {
  const name = `ws-${started.id}`;
  await until("it runs", () => record(store.get("pods", "default", name)?.["status"])["phase"] === "Running");
  const pod = store.get("pods", "default", name);
  const nodeName = text(record(pod?.["spec"])["nodeName"]);
  const daemonPod = store.list("pods", "default").find(({ metadata, spec }) => metadata.labels?.["component"] === "ws-daemon" && record(spec)["nodeName"] === nodeName);
  const node = new TestClient(`${text(record(daemonPod?.["status"])["podIP"])}:${nodeDaemons?.port}`);
  const metadata = { owner: started.metadata?.owner ?? "", metaId: started.metadata?.metaId ?? "" };
  const request = wsdaemon.InitWorkspaceRequest.encode({ id: started.id, metadata, initializer: started.spec?.initializer ?? null }).finish();
  assert.equal((await node.unary("/wsdaemon.WorkspaceContentService/InitWorkspace", request)).code, code.OK);
  store.update("pods", "default", name, (draft) => {
    const { "gitpod/never-ready": _ready, "gitpod.io/attemptingToCreate": _creating, ...annotations } = record(record(draft["metadata"])["annotations"]);
    draft["metadata"] = { ...record(draft["metadata"]), annotations };
  });
  return node;
}

test("the built-in cluster's node daemons serve a workspace from its start to its end, with faults over HTTP", { skip: onRealCluster }, async (t) => {
  const all = await builtIn(t);
  const { client, call, api, cluster: own } = all;
  const request = readStartRequest(await readFile("examples/start-request.json", "utf8"), assert.fail);
  await call("StartWorkspace", wsman.StartWorkspaceRequest.encode(request).finish());
  const node = await initialize(all, request);
  t.after(() => node.close());
  const snapshot = wsman.TakeSnapshotRequest.encode({ id: request.id }).finish();
  await until("a snapshot can be taken", async () => (await client.wsman("TakeSnapshot", snapshot)).code === code.OK);
  const place = `workspaces/${request.metadata?.owner}/${request.metadata?.metaId}`;
  assert.equal(wsman.BackupWorkspaceResponse.decode(await call("BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id: request.id }).finish())).url, `${place}/backup-1.tar@embedded`);
  await api.ok("POST", "/embedded/v1/node-daemons/faults", { method: "TakeSnapshot", workspace: request.id, code: "DATA_LOSS", message: "disk full", times: 1 });
  const refused = await client.wsman("TakeSnapshot", snapshot);
  assert.deepEqual([refused.code, refused.details], [code.DATA_LOSS, "disk full"]);
  await call("TakeSnapshot", snapshot);
  const shown = await api.get("/embedded/v1/node-daemons");
  assert.deepEqual(records(shown["daemons"]).flatMap((daemon) => records(daemon["workspaces"])), [
    { id: request.id, owner: "ada", metaId: request.metadata?.metaId, initializer: "git", state: "ready", snapshots: 2, backups: 1 },
  ]);
  const disposed = await node.unary("/wsdaemon.WorkspaceContentService/DisposeWorkspace", wsdaemon.DisposeWorkspaceRequest.encode({ id: request.id, backup: true }).finish());
  assert.equal(wsdaemon.DisposeWorkspaceResponse.decode(disposed.response).gitStatus?.branch, "main");
  assert.equal((await client.wsman("TakeSnapshot", snapshot)).code, code.NOT_FOUND);
  assert.equal(own.watches.size, 4);
});

test("the node daemon of a lost node is told as not there, until the node is back", { skip: onRealCluster }, async (t) => {
  const all = await builtIn(t);
  const request = readStartRequest(await readFile("examples/start-request.json", "utf8"), assert.fail);
  await all.call("StartWorkspace", wsman.StartWorkspaceRequest.encode(request).finish());
  (await initialize(all, request)).close();
  const backup = (): Promise<UnaryResult> => all.client.wsman("BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id: request.id }).finish());
  await until("it is there", async () => (await backup()).code === code.OK);
  const node = text(record(all.cluster.store.get("pods", "default", `ws-${request.id}`)?.["spec"])["nodeName"]);
  const annotate = (fault: string | null): Promise<unknown> => all.api.patch(`/api/v1/nodes/${node}`, { metadata: { annotations: { "embedded.wsmand.dev/fault": fault } } });
  await annotate("lost");
  await until("it is gone", async () => (await backup()).code === code.UNAVAILABLE);
  await until("its pod is known as not ready", async () => (await backup()).details === `cannot connect to workspace daemon: there is none that is ready on node ${node}`);
  await annotate(null);
  await until("it is back", async () => (await backup()).code === code.OK);
});

test("workspaces of the demo can be saved, too", { skip: onRealCluster }, async (t) => {
  const { client, cluster: own } = await builtIn(t, {}, 4);
  await until("one of them is saved", async () => {
    for (const { id: workspace } of own.nodeDaemons?.daemons.flatMap(({ service }) => service.contents.list()) ?? []) {
      if ((await client.wsman("TakeSnapshot", wsman.TakeSnapshotRequest.encode({ id: workspace }).finish())).code === code.OK) return true;
    }
    return false;
  }, 30_000);
  assert.match(own.nodeDaemons?.storage.urls().join(" ") ?? "", /snapshot-1\.tar@embedded/);
});

test("faults of node daemons that make no sense are refused", { skip: onRealCluster }, async (t) => {
  const { api } = await builtIn(t);
  for (const fault of [{ method: "Explode" }, { code: "OK" }, { code: 99 }, { delayMs: -1 }, { afterwards: "yes" }, { nodes: ["node-1"] }, { node: 7 }, { node: "node-x" }, { percent: 101 }]) {
    assert.equal((await api.send("POST", "/embedded/v1/node-daemons/faults", fault)).code, 400, JSON.stringify(fault));
  }
  await api.ok("POST", "/embedded/v1/node-daemons/faults", { code: 14 });
  await api.ok("DELETE", "/embedded/v1/node-daemons/faults");
  assert.equal((await api.send("POST", "/embedded/v1/node-daemons")).code, 404);
});
