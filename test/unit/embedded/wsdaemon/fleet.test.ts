/** The node daemons of the built-in cluster: a pod for each, which it lives and dies with, and addresses that can be reached. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { status } from "@grpc/grpc-js";
import type { KubeObject } from "../../../../src/embedded/contract.ts";
import { record, text } from "../../../../src/embedded/kubelet/json.ts";
import { NodeDaemons } from "../../../../src/embedded/wsdaemon/fleet.ts";
import type { NodeDaemonsOptions } from "../../../../src/embedded/wsdaemon/fleet.ts";
import { loopbackAddress } from "../../../../src/embedded/wsdaemon/listeners.ts";
import { isReady } from "../../../../src/embedded/wsdaemon/pods.ts";
import { wsdaemon } from "../../../../src/gen/proto.js";
import { clusterLife, type ClusterLife } from "../../../support/cluster-life.ts";
import { TestClient } from "../../../support/grpc-client.ts";

const id = "ws-one";

interface Setup extends ClusterLife {
  readonly all: NodeDaemons;
  /** The daemon's pod of a node, as it is now. */
  readonly daemonPod: (node: string) => KubeObject | undefined;
  /** Status code of a WaitForInit at the pod's own address. */
  readonly ask: (node: string) => Promise<status>;
}

async function setup(t: TestContext, options: NodeDaemonsOptions = {}, nodes = 2): Promise<Setup> {
  const life = clusterLife({ nodes });
  const all = await NodeDaemons.start({ store: life.store, clock: life.clock, namespace: "default", nodes: life.kubelet.nodes, random: () => 0, onError: (error) => life.errors.push(error) }, options);
  t.after(() => {
    all.close();
    life.kubelet.close();
    assert.deepEqual(life.errors, []);
  });
  const daemonPod = (node: string): KubeObject | undefined => life.store.get("pods", "default", `ws-daemon-${node}`);
  return {
    ...life, all, daemonPod,
    async ask(node) {
      const client = new TestClient(`${text(record(daemonPod(node)?.["status"])["podIP"])}:${all.port}`);
      const { code } = await client.unary("/wsdaemon.WorkspaceContentService/WaitForInit", wsdaemon.WaitForInitRequest.encode({ id }).finish());
      client.close();
      return code;
    },
  };
}

/** Whether this system has loopback addresses beside 127.0.0.1. */
function hasAddresses(): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(0, loopbackAddress(0), () => server.close(() => resolve(true)));
  });
}

test("each node has a daemon, found by labels and node, ready, and reached at its own IP and the one port", async (t) => {
  const { clock, all, daemonPod, ask } = await setup(t);
  assert.ok(!isReady(daemonPod("node-1") ?? assert.fail("there is no pod")));
  clock.advance(1000);
  for (const node of ["node-1", "node-2"]) {
    const pod = daemonPod(node) ?? assert.fail("there is no pod");
    assert.deepEqual([pod.metadata.labels?.["app"], pod.metadata.labels?.["component"], record(pod["spec"])["nodeName"], isReady(pod)], ["gitpod", "ws-daemon", node, true]);
    all.adopt(node, { id, owner: "jane", metaId: "m" });
    assert.equal(await ask(node), status.OK);
  }
  assert.ok(all.port > 0);
});

test("daemons of different nodes have contents of their own", async (t) => {
  if (!(await hasAddresses())) return t.skip("this system has one loopback address");
  const { clock, all, ask } = await setup(t);
  clock.advance(1000);
  all.adopt("node-2", { id, owner: "jane", metaId: "m" });
  assert.deepEqual([await ask("node-1"), await ask("node-2")], [status.NOT_FOUND, status.OK]);
  assert.deepEqual(all.daemons.map(({ host }) => host), ["127.0.0.2", "127.0.0.3"]);
  all.release("node-2", id, true);
  assert.equal(await ask("node-2"), status.NOT_FOUND);
  assert.deepEqual(all.storage.urls(), ["workspaces/jane/m/backup-1.tar@embedded"]);
});

test("where there is one address, one daemon stands for all nodes", async (t) => {
  const { clock, all, ask, daemonPod } = await setup(t, { shared: true });
  clock.advance(1000);
  all.adopt("node-1", { id, owner: "jane", metaId: "m" });
  assert.deepEqual([await ask("node-1"), await ask("node-2")], [status.OK, status.OK]);
  assert.deepEqual(["node-1", "node-2"].map((node) => record(daemonPod(node)?.["status"])["podIP"]), ["127.0.0.1", "127.0.0.1"]);
  assert.equal(all.daemons.length, 1);
});

test("a daemon whose container crashes does not answer until it runs again, and has its contents then", async (t) => {
  const { clock, all, kubelet, ask } = await setup(t, {}, 1);
  clock.advance(1000);
  all.adopt("node-1", { id, owner: "jane", metaId: "m" });
  kubelet.crash("ws-daemon-node-1", 1);
  clock.advance(1);
  assert.equal(await ask("node-1"), status.UNAVAILABLE);
  clock.advance(60_000);
  assert.equal(await ask("node-1"), status.OK);
});

test("a daemon on a lost node does not answer until the node is back; its pod stays", async (t) => {
  const { clock, all, kubelet, daemonPod, ask } = await setup(t, {}, 1);
  clock.advance(1000);
  all.adopt("node-1", { id, owner: "jane", metaId: "m" });
  const uid = daemonPod("node-1")?.metadata.uid;
  kubelet.loseNode("node-1");
  assert.equal(await ask("node-1"), status.UNAVAILABLE);
  clock.advance(3_600_000);
  assert.equal(daemonPod("node-1")?.metadata.uid, uid);
  kubelet.returnNode("node-1");
  clock.advance(1000);
  assert.equal(await ask("node-1"), status.OK);
});

test("a pod that is deleted or evicted is made anew", async (t) => {
  const { clock, store, kubelet, daemonPod, ask } = await setup(t, {}, 1);
  clock.advance(1000);
  const uids = [daemonPod("node-1")?.metadata.uid];
  store.delete("pods", "default", "ws-daemon-node-1");
  clock.advance(5000);
  uids.push(daemonPod("node-1")?.metadata.uid);
  kubelet.evict("ws-daemon-node-1");
  clock.advance(5000);
  uids.push(daemonPod("node-1")?.metadata.uid);
  assert.equal(new Set(uids).size, 3);
  assert.ok(!uids.includes(undefined));
  assert.equal(await ask("node-1"), status.NOT_FOUND);
  assert.equal(store.list("pods").length, 1);
});

test("a port that is taken is told, and nothing is left running", async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  t.after(() => taken.close());
  const address = taken.address();
  assert.ok(typeof address === "object" && address !== null);
  await assert.rejects(setup(t, { shared: true, port: address.port }), /EADDRINUSE/);
});
