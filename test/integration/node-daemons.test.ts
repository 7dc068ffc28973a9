/** Calls that go through node daemons, end to end, with a daemon that speaks the real protocol. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { startNodeDaemon, type EmbeddedNodeDaemon, type NodeDaemonOptions } from "../../src/embedded/wsdaemon/index.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { createAuthority } from "../support/certs.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient, type UnaryResult } from "../support/grpc-client.ts";
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
async function setup(t: TestContext, tls?: { readonly files: { readonly ca: string; readonly crt: string; readonly key: string }; readonly server: NodeDaemonOptions["tls"] }): Promise<Setup> {
  const namespace = `nodes-${++namespaces}`;
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  await player.ensureNamespace();
  await player.ensureNode("node-1");
  const nodeDaemon = await startNodeDaemon(tls?.server ? { tls: tls.server } : {});
  nodeDaemon.contents.set(id, { owner: "jane", metaId: "meta", initializer: undefined, snapshots: 0, backups: 0 });
  const { config } = await embeddedConfig();
  const manager = { ...config.manager, namespace, wsdaemon: { port: nodeDaemon.port, ...(tls && { tls: tls.files }) } };
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace, manager });
  const client = new TestClient(daemon.rpcPort);
  t.after(async () => {
    client.close();
    await daemon.close();
    await nodeDaemon.close();
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
  assert.deepEqual(nodeDaemon.calls.at(-1), { method: "BackupWorkspace", id });
});

test("what the node daemon says is passed on, a deadline ends the call there, and a daemon that goes is told", async (t) => {
  const { player, nodeDaemon, take } = await setup(t);
  await addDaemonPod(player);
  await until("the node daemon is known", async () => (await take()).code === code.OK);
  nodeDaemon.setFault("TakeSnapshot", { status: { code: code.DATA_LOSS, details: "disk full" } });
  const refused = await take();
  assert.deepEqual([refused.code, refused.details], [code.DATA_LOSS, "disk full"]);
  nodeDaemon.setFault("TakeSnapshot", { delayMs: 60_000 });
  assert.equal((await take({ deadline: Date.now() + 300 })).code, code.DEADLINE_EXCEEDED);
  nodeDaemon.setFault("TakeSnapshot", undefined);
  assert.equal((await take()).code, code.OK);
  await nodeDaemon.close();
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
