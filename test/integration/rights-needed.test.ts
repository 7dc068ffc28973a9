/** The daemon lives with the rights that the chart gives it, and needs each of them: with one less something is not done. Needs RBAC, and so a real API server. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { KubeClient, type ClientHooks } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { snapshotGroup, snapshotRoot } from "../../src/main/lifecycle/snapshots.ts";
import { onRealCluster, startTestCluster, type TestCluster, unlessReal } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { exercises, type Exercise, type ExercisePlace } from "../support/exercises.ts";
import { TestClient } from "../support/grpc-client.ts";
import { kubeApi, type KubeApi } from "../support/kube-api.ts";
import { Player } from "../support/player.ts";
import { chartRights, limitedKubeconfig, type PolicyRule, type Rights } from "../support/rights.ts";
import { defineSnapshotKinds } from "../support/snapshot-kinds.ts";
import { removePods } from "../support/workspace-calls.ts";

const rights = await chartRights();
/** Verbs on resources: "get pods". */
const allRights = [...rights.namespace, ...rights.cluster].flatMap(({ verbs, resources }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)));
/** A busy machine has its time; without a right it is waited for less, but for longer than what a daemon waits for before it does without its Events. */
const [withinMs, withoutMs] = [30_000, 7_000];

let cluster: TestCluster;
let folder: string;
before(async () => {
  if (!onRealCluster) return;
  cluster = await startTestCluster();
  folder = await mkdtemp(join(tmpdir(), "wsmand-needed-"));
});
after(async () => {
  if (!onRealCluster) return;
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

/** The same without one of them. */
function without(right: string): Rights {
  const rest = (rules: readonly PolicyRule[]): readonly PolicyRule[] => rules
    .map((rule) => ({ ...rule, verbs: rule.verbs.filter((verb) => !rule.resources.some((resource) => `${verb} ${resource}` === right)) }))
    .filter(({ verbs }) => verbs.length > 0);
  return { namespace: rest(rights.namespace), cluster: rest(rights.cluster) };
}

async function defineSnapshots(api: KubeApi): Promise<void> {
  await defineSnapshotKinds(api, "volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses");
  await api.send("POST", `${snapshotRoot}/volumesnapshotclasses`, { apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshotClass", metadata: { name: "snaps" }, driver: "disk.example", deletionPolicy: "Delete" });
}

/** A namespace with a service account of these rights; everything ends with the test. */
async function open(t: TestContext, given: Rights, within: number): Promise<ExercisePlace> {
  const ends: (() => unknown)[] = [];
  t.after(async () => {
    for (const end of ends.toReversed()) await end();
  });
  const api = await kubeApi(t, cluster.kubeconfig);
  await defineSnapshots(api);
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace: api.namespace });
  ends.push(() => player.close(), () => removePods(api));
  await player.ensureNode("node-1");
  const kubeconfig = await limitedKubeconfig(cluster.kubeconfig, api.namespace, given, join(folder, api.namespace));
  const credentials = new Credentials({ kind: "kubeconfig", files: [kubeconfig] }, systemClock, silentLog);
  const asked: { right: string; code: string }[] = [];
  const connect = (hooks: ClientHooks): KubeClient => new KubeClient({
    credentials, clock: systemClock,
    hooks: {
      ...hooks,
      onRequest: (done) => {
        asked.push({ right: `${done.verb} ${done.resource}`, code: done.code });
        hooks.onRequest?.(done);
      },
    },
  });
  return {
    api, player, within, asked,
    daemon: async (options = {}) => {
      const daemon = await startTestDaemon(kubeconfig, { namespace: api.namespace, drainTimeoutMs: 500, connect, ...options });
      const client = new TestClient(daemon.rpcPort);
      ends.push(() => daemon.close(), () => client.close());
      return client;
    },
    client: () => {
      const client = connect({});
      ends.push(() => client.close());
      return client;
    },
  };
}

function refusals({ asked }: ExercisePlace): readonly string[] {
  return [...new Set(asked.filter(({ code }) => code === "403").map(({ right }) => right))];
}

function needing(right: string): Exercise {
  return exercises.find(({ needs }) => needs.includes(right)) ?? assert.fail(`nothing here needs the right to ${right}: either the daemon does not need it, or an exercise is missing`);
}

test("there is an exercise for each right in the chart, and none for others", () => {
  assert.deepEqual(exercises.flatMap(({ needs }) => needs).toSorted(), allRights.toSorted());
});

for (const { name, needs, run } of exercises) {
  test(`with the rights in the chart: ${name}`, { skip: unlessReal }, async (t) => {
    const place = await open(t, rights, withinMs);
    await run(place);
    assert.deepEqual(refusals(place), []);
    const used = new Set(place.asked.map(({ right }) => right));
    assert.deepEqual(needs.filter((right) => !used.has(right)), [], "each right that it is here for was used");
  });
}

for (const right of allRights) {
  test(`without the right to ${right} something is not done`, { skip: unlessReal }, async (t) => {
    const { run } = needing(right);
    const place = await open(t, without(right), withoutMs);
    await assert.rejects(run(place));
    assert.deepEqual(refusals(place), [right]);
  });
}
