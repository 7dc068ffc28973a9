/** A busy cluster whose API server fails in every way, at random: once it stops failing, subscribers know what is so, and were told nothing twice or out of order. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { test, type TestContext } from "node:test";
import { annotations } from "../../src/domain/names.ts";
import { startDemo } from "../../src/embedded/demo/index.ts";
import { startEmbeddedCluster, type EmbeddedCluster } from "../../src/embedded/index.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { seededRandom } from "../../src/embedded/kubelet/random.ts";
import { wsman } from "../../src/gen/proto.js";
import { DaemonProcess } from "../support/daemon-process.ts";
import { TestClient } from "../support/grpc-client.ts";
import { podIn } from "../support/pods.ts";
import { getWorkspaces, StatusStream, type ReadStatus } from "../support/status-stream.ts";
import { storm } from "../support/storm.ts";
import { assertOrder, comparable, derived } from "../support/story.ts";
import { until } from "../support/until.ts";

const { STOPPED } = wsman.WorkspacePhase;
const speed = 20;
const stormMs = 6000;
const seeds = (process.env["WSMAND_TEST_SEEDS"] ?? "1").split(",").map(Number);

/** A cluster with demo workspaces, and one beside them whose custom timeout counts up all the time. */
interface BusyCluster {
  readonly cluster: EmbeddedCluster;
  /** IDs of workspaces whose pods are gone. */
  readonly gone: ReadonlySet<string>;
  /** No more new workspaces, no more counting. */
  readonly calm: () => void;
}

async function busyCluster(t: TestContext, seed: number): Promise<BusyCluster> {
  const cluster = await startEmbeddedCluster({ kubelet: { speed, random: seededRandom(seed) }, random: seededRandom(seed + 1), bookmarkIntervalMs: 500 });
  t.after(() => cluster.close());
  const { store } = cluster;
  const gone = new Set<string>();
  store.subscribe("pods", (type, pod) => {
    if (type === "DELETED") gone.add(pod.metadata.annotations?.[annotations.id] ?? "");
  });
  const demo = startDemo(store, { namespace: "default", workspaces: 15, speed, random: seededRandom(seed + 2) });
  store.create("pods", podIn("running", "counter"), "default");
  let count = 0;
  const counting = setInterval(() => {
    count++;
    store.update("pods", "default", "ws-counter", (draft) => void Object.assign(record(record(draft["metadata"])["annotations"]), { [annotations.customTimeout]: `${count}m` }));
  }, 10);
  const calm = (): void => {
    clearInterval(counting);
    demo.close();
  };
  t.after(calm);
  return { cluster, gone, calm };
}

/** What the pods of the cluster say, by workspace ID. */
function truth({ cluster }: BusyCluster, told: ReadonlyMap<string, ReadStatus>): Map<string, object> {
  const events = cluster.store.list("events");
  const pods = cluster.store.list("pods", "default").map((pod) => ({ pod, id: pod.metadata.annotations?.[annotations.id] ?? "" }));
  return new Map(pods.map(({ pod, id }) => [id, derived(pod, events, told.get(id))]));
}

function byId(statuses: Iterable<ReadStatus>): Map<string, ReadStatus> {
  return new Map([...statuses].map((status) => [status.id ?? "", status]));
}

/** What a subscriber was told last, GetWorkspaces tells and the pods say: where these are not the same. Undefined: nowhere. */
function difference(busy: BusyCluster, told: ReadonlyMap<string, ReadStatus>, stream: StatusStream): unknown {
  const so = truth(busy, told);
  const ids = new Set([...so.keys(), ...told.keys(), ...stream.lasts().keys()]);
  for (const id of ids) {
    const [status, last] = [told.get(id), stream.last(id)];
    const isSo = status ? isDeepStrictEqual(comparable(status), so.get(id)) : !so.has(id);
    const isTold = status ? isDeepStrictEqual(last, status) : last?.phase === STOPPED && busy.gone.has(id);
    if (!isSo || !isTold) return { id, pod: so.get(id), told: status, last };
  }
  return undefined;
}

for (const seed of seeds) {
  test(`after a storm of faults (seed ${seed}) every subscriber was told what the pods say, each STOPPED once, nothing older after newer`, async (t) => {
    const busy = await busyCluster(t, seed);
    const { cluster, calm } = busy;
    const daemon = await DaemonProcess.start({ kubeconfig: cluster.kubeconfig() });
    t.after(() => daemon.close());
    await daemon.synced();
    const client = new TestClient(daemon.rpcPort);
    t.after(() => client.close());
    const subscribe = (): StatusStream => new StatusStream(client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }));
    const stream = subscribe();
    await stream.stream.headers;
    const late: StatusStream[] = [];
    const joining = setInterval(() => late.push(subscribe()), 1000);
    const blows = await storm(cluster, seededRandom(seed + 3), stormMs).finally(() => clearInterval(joining));
    t.diagnostic(blows.join(" "));
    await until("it watches again", () => cluster.watches.size === 4);
    calm();

    // All at once, since the last workspaces are still on their way.
    let differences: unknown;
    const settled = async (): Promise<boolean> => {
      const told = byId(await getWorkspaces(client));
      differences = [stream, ...late].map((each) => difference(busy, told, each)).find((found) => found !== undefined);
      return differences === undefined;
    };
    await until("everyone is told what the pods say", settled, 30_000).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(differences)}`));
    for (const each of [stream, ...late]) assertOrder(each);
    const counts = stream.of("counter").map((status) => Number.parseInt(status.spec?.timeout ?? "0", 10));
    assert.ok(counts.every((count, i) => i === 0 || count > (counts[i - 1] ?? 0)), "nothing older follows");
    assert.equal(await daemon.metric("wsmand_skipped_pods_total"), 0);
    assert.equal(await daemon.metric("wsmand_worker_restarts_total"), 0);
    assert.deepEqual(daemon.log().filter((entry) => entry["level"] === "error" || entry["level"] === undefined), []);
  });
}
