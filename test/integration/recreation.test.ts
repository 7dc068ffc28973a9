/** A pod that a node refused is made anew, also if the process dies at any point between its requests; a workspace that waits is told to wait, and nothing else. On the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { annotations } from "../../src/domain/names.ts";
import { silentLog } from "../../src/domain/log.ts";
import { wsman } from "../../src/gen/proto.js";
import { KubeClient, type KubeRequest, type KubeResponse } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { record, text } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient } from "../support/grpc-client.ts";
import { kubeApi, metaOf } from "../support/kube-api.ts";
import { Player } from "../support/player.ts";
import { podIn } from "../support/pods.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { StatusStream } from "../support/status-stream.ts";
import { until } from "../support/until.ts";

const { PENDING, STOPPED } = wsman.WorkspacePhase;
let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

/** A client of a process that may die: from then on nothing that it asks for is sent, and nothing is answered. */
class MortalClient extends KubeClient {
  /** Writes to pods that are still sent; the next one is the death. */
  left = Number.POSITIVE_INFINITY;
  /** The last one takes effect, but its answer is not seen any more. */
  deaf = false;
  writes = 0;
  dead = false;

  override async request(request: KubeRequest): Promise<KubeResponse> {
    const writes = request.method !== "GET" && request.path.includes("/pods");
    if (writes && this.left-- <= 0) this.dead = true;
    if (this.dead) return this.#nothing(request.signal);
    if (writes) this.writes++;
    const answer = await super.request(request);
    if (writes && this.deaf && this.left <= 0) this.dead = true;
    return this.dead ? this.#nothing(request.signal) : answer;
  }

  #nothing(signal: AbortSignal): Promise<never> {
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("dead")), { once: true });
      if (signal.aborted) reject(new Error("dead"));
    });
  }
}

async function setup(t: TestContext) {
  const { namespace } = await kubeApi(t, cluster.kubeconfig);
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  t.after(() => player.close());
  await player.ensureNode("node-1");
  const daemon = async (lifecycle: boolean) => {
    const clients: MortalClient[] = [];
    const credentials = new Credentials({ kind: "kubeconfig", files: [await daemonKubeconfig(cluster.kubeconfig, namespace)] }, systemClock, silentLog);
    const running = await startTestDaemon(cluster.kubeconfig, {
      namespace, lifecycle, drainTimeoutMs: 200,
      connect: (hooks) => {
        const client = new MortalClient({ credentials, clock: systemClock, hooks });
        clients.push(client);
        return client;
      },
    });
    t.after(() => running.close());
    await running.synced;
    const client = new TestClient(running.rpcPort);
    t.after(() => client.close());
    const stream = new StatusStream(client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }));
    await stream.stream.headers;
    return { clients, client, stream, close: () => running.close(), mortal: (): MortalClient => clients[0] ?? assert.fail("no client") };
  };
  const refuse = async (): Promise<string> => {
    await player.bind("ws-one");
    const uid = text(metaOf((await player.pod("ws-one")) ?? {})["uid"]);
    await player.status("ws-one", { phase: "Failed", reason: "OutOfcpu", message: "Pod was rejected: Node didn't have enough resource: cpu" });
    return uid;
  };
  const made = async (old: string): Promise<boolean> => {
    const pod = await player.pod("ws-one");
    return pod !== undefined && text(metaOf(pod)["uid"]) !== old;
  };
  const names = async (): Promise<readonly string[]> => {
    const list = record(await player.request("GET", player.path("pods")));
    const items = list["items"];
    return Array.isArray(items) ? items.map((item) => text(metaOf(record(item))["name"])) : [];
  };
  return { namespace, player, daemon, refuse, made, names };
}

/** One that nothing has to be written on when it is bound: each write that follows belongs to its being made anew. */
function waiting(): object {
  const pod = podIn("unscheduled", "one");
  const { [annotations.attemptingToCreate]: _, ...noted } = pod.metadata.annotations;
  return { ...pod, metadata: { ...pod.metadata, annotations: noted } };
}

const phasesOf = (stream: StatusStream): readonly unknown[] => [...new Set(stream.of("one").map(({ phase }) => phase))];

test("a pod that is refused is made anew, and its placeholder goes", async (t) => {
  const { player, daemon, refuse, made, names } = await setup(t);
  const leader = await daemon(true);
  await player.createPod(waiting());
  await until("it is known", () => leader.stream.last("one")?.phase === PENDING);
  const old = await refuse();
  await until("it is made anew", () => made(old));
  await until("the placeholder is gone", async () => (await names()).join() === "ws-one");
  assert.deepEqual(phasesOf(leader.stream), [PENDING]);
  const pod = (await player.pod("ws-one")) ?? {};
  assert.equal(record(metaOf(pod)["labels"])["component"], "workspace");
  assert.equal(record(pod["spec"])["schedulerName"], "default-scheduler");
});

for (const deaf of [false, true]) {
  test(`a process that dies ${deaf ? "before it has the answer to any of its requests" : "between any two of its requests"} leaves a start behind that the next one goes on with`, async (t) => {
    for (const left of [0, 1, 2, 3, 4, 5]) {
      const { player, daemon, refuse, made, names } = await setup(t);
      const follower = await daemon(false);
      const leader = await daemon(true);
      await player.createPod(waiting());
      await until("it is known", () => leader.stream.last("one")?.phase === PENDING && follower.stream.last("one")?.phase === PENDING);
      const mortal = leader.mortal();
      Object.assign(mortal, { left, deaf });
      const old = await refuse();
      const point = `${deaf ? "before the answer to" : "before"} write ${left + (deaf ? 0 : 1)}`;
      const alive = async (): Promise<boolean> => (await made(old)) && (await names()).join() === "ws-one";
      await until(`the leader is dead ${point}, or has done all that there was`, async () => mortal.dead || alive());
      // What a client that comes now is told: the follower, and a process that begins, know of it.
      const next = await daemon(true);
      await until(`${point}: it is told at once`, () => next.stream.last("one")?.phase === PENDING);
      await until(`${point}: it is made anew, and nothing else is left`, alive);
      for (const { stream } of [follower, leader, next]) assert.deepEqual(phasesOf(stream), [PENDING], point);
      await Promise.all([follower.close(), leader.close(), next.close()]);
    }
  });
}

test("a workspace that has nothing but its placeholder can be asked for, and stopped", async (t) => {
  const { player, daemon, refuse, names } = await setup(t);
  const [follower, leader] = [await daemon(false), await daemon(true)];
  await player.createPod(waiting());
  await until("it is known", () => leader.stream.last("one")?.phase === PENDING);
  leader.mortal().left = 3;
  await refuse();
  await until("there is the placeholder only", async () => leader.mortal().dead && (await names()).join() === "placeholder-ws-one");
  // The pod's end was told to the follower, and the placeholder is read.
  await until("it is known there", () => follower.stream.last("one")?.runtime?.nodeName === "");
  assert.equal(follower.stream.last("one")?.runtime?.podName, "ws-one");
  const stop = wsman.StopWorkspaceRequest.encode({ id: "one", policy: wsman.StopWorkspacePolicy.IMMEDIATELY }).finish();
  assert.equal((await follower.client.wsman("StopWorkspace", stop)).code, 0);
  const next = await daemon(true);
  for (const { stream } of [follower, next]) await until("it has ended", () => stream.last("one")?.phase === STOPPED);
  await until("nothing is left", async () => (await names()).length === 0);
});
