/** A cluster whose etcd is restored from a backup while the daemon runs. Needs a real one: nobody else accepts watches of a history that there is no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../src/gen/proto.js";
import { onRealCluster, startTestCluster } from "../support/cluster.ts";
import { metricsOf, startTestDaemon } from "../support/daemon.ts";
import { TestClient } from "../support/grpc-client.ts";
import { Player } from "../support/player.ts";
import { podIn } from "../support/pods.ts";
import { until } from "../support/until.ts";

const { RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;

test("after a restore of etcd what the store says is told: who had ended lives again, who was not there yet has ended, and changes are told as before", { skip: !onRealCluster && "the built-in cluster has no store that can be restored" }, async (t) => {
  const cluster = await startTestCluster();
  t.after(() => cluster.close());
  const { store } = cluster;
  assert.ok(store);
  const namespace = "restored";
  const newPlayer = () => Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  let player = await newPlayer();
  await player.ensureNamespace();
  await player.ensureNode("node-1");
  const ended = await player.play(podIn("running", "ended"));
  const stays = await player.play(podIn("running", "stays"));
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace });
  const client = new TestClient(daemon.rpcPort);
  t.after(async () => {
    client.close();
    await daemon.close();
    await player.close();
  });
  await daemon.synced;
  const stream = client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }).read();
  const phases = (id: string): (wsman.WorkspacePhase | null | undefined)[] =>
    stream.messages.map((message) => wsman.SubscribeResponse.decode(message).status).filter((status) => status?.id === id).map((status) => status?.phase).filter((phase, i, all) => phase !== all[i - 1]);
  const reconnect = async (): Promise<void> => {
    await player.close();
    player = await newPlayer();
  };
  await until("both are told", () => phases("ended").length > 0 && phases("stays").length > 0);
  await store.backUp();
  await reconnect();
  await player.play(podIn("running", "late"));
  await until("the late one is told", () => phases("late").includes(RUNNING), 120_000);
  await player.terminating(ended);
  await player.remove(ended);
  await until("one has ended", () => phases("ended").includes(STOPPED));

  await store.restore();
  await reconnect();
  await until("it lives again, and the late one has ended", () => phases("ended").at(-1) === RUNNING && phases("late").at(-1) === STOPPED, 120_000);
  await player.terminating(stays);
  await until("a change is told", () => phases("stays").at(-1) === STOPPING, 120_000);
  assert.deepEqual([phases("ended"), phases("late").slice(-2), phases("stays")], [[RUNNING, STOPPING, STOPPED, RUNNING], [RUNNING, STOPPED], [RUNNING, STOPPING]]);
  assert.match(await metricsOf(daemon), /wsmand_relists_total\{[^}]*resource="pods"[^}]*reason="went-back"[^}]*\} [1-9]/);
});
