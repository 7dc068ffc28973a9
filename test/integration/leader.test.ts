/** Leader election on an API server: replicas take turns, as client-go's do, and a Lease of another kind of manager is respected. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/domain/clock.ts";
import { startEmbeddedCluster } from "../../src/embedded/index.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { KubeClient, type Requester } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { Leader, electionIdentity, type LeaderOptions } from "../../src/main/lifecycle/leader.ts";
import { leaseName, microTime } from "../../src/main/lifecycle/lease.ts";
import { silentLog } from "../../src/domain/log.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { kubeApi, metaOf, type KubeApi } from "../support/kube-api.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

interface Replica {
  readonly leader: Leader;
  readonly identity: string;
  readonly started: AbortSignal[];
  readonly leave: () => Promise<void>;
}

/** Counts the pauses between looks; all that has a deadline takes longer. */
class PausingClock extends FakeClock {
  pauses = 0;

  override timer(ms: number, callback: () => void): () => void {
    if (ms <= 500) this.pauses++;
    return super.timer(ms, callback);
  }
}

/** A client whose answers, refusals too, are counted. */
interface Counting {
  readonly client: Requester;
  answers: number;
}

function countingClient(t: TestContext, kubeconfig: string): Counting {
  const client = clientOf(kubeconfig);
  t.after(() => client.close());
  const counting: Counting = {
    answers: 0,
    client: {
      request: async (request) => {
        const answer = await client.request(request);
        counting.answers++;
        return answer;
      },
    },
  };
  return counting;
}

function clientOf(kubeconfig: string): KubeClient {
  return new KubeClient({ credentials: new Credentials({ kind: "kubeconfig", files: [kubeconfig] }, systemClock, silentLog), clock: systemClock, maxConnections: 1 });
}

async function replica(t: TestContext, api: { readonly namespace: string }, options: Partial<LeaderOptions> = {}, kubeconfig = cluster.kubeconfig): Promise<Replica> {
  const client = clientOf(await daemonKubeconfig(kubeconfig, api.namespace));
  const leaving = new AbortController();
  const started: AbortSignal[] = [];
  const identity = electionIdentity("host", randomUUID());
  const leader = new Leader({
    enabled: true,
    leaseDurationMs: 3_000,
    renewDeadlineMs: 2_000,
    retryPeriodMs: 500,
    drainMs: 1_000,
    identity,
    client,
    namespace: api.namespace,
    hooks: { onStarted: (signal) => void started.push(signal), onStopped: () => {} },
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    ...options,
  });
  const running = leader.run(leaving.signal);
  const leave = async (): Promise<void> => {
    leaving.abort();
    await running;
    await client.close();
  };
  t.after(leave);
  return { leader, identity, started, leave };
}

const leaseOf = async (api: KubeApi): Promise<Json> => api.get(api.path("leases", leaseName));

test("the first one makes the Lease and renews it; the others wait; one of them takes over at once when it is given back", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  // One that is not given back lasts for longer than anything here takes.
  const long = { leaseDurationMs: 60_000, renewDeadlineMs: 40_000 };
  const replicas = await Promise.all([replica(t, api, long), replica(t, api, long), replica(t, api, long)]);
  const leading = (): readonly Replica[] => replicas.filter(({ leader }) => leader.leads());
  await until("one leads", () => leading().length > 0);
  const first = leading()[0];
  assert.ok(first);
  const made = await leaseOf(api);
  await until("it is renewed", async () => record((await leaseOf(api))["spec"])["renewTime"] !== record(made["spec"])["renewTime"]);
  assert.equal(leading().length, 1);
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime } = record(made["spec"]);
  assert.deepEqual([holderIdentity, leaseDurationSeconds, leaseTransitions], [first.identity, 60, 0]);
  assert.match(String(acquireTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  await first.leave();
  const from = performance.now();
  await until("another one leads", () => leading().length > 0);
  assert.ok(performance.now() - from < 40_000, `${performance.now() - from} ms`);
  assert.ok(first.started.every((signal) => signal.aborted));
  assert.equal(record((await leaseOf(api))["spec"])["leaseTransitions"], 1);
  for (const each of replicas) await each.leave();
  const { holderIdentity: nobody, leaseDurationSeconds: second } = record((await leaseOf(api))["spec"]);
  assert.deepEqual([nobody, second], ["", 1]);
});

test("a Lease that a Go manager holds is left alone while it is renewed, and taken when it is not any more; what else is in it stays", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("leases", leaseName);
  const now = Date.now();
  await api.create("leases", {
    metadata: { name: leaseName, labels: { kept: "yes" } },
    spec: { holderIdentity: "ws-manager-7d9_5f0c", leaseDurationSeconds: 2, acquireTime: microTime(now - 1e9), renewTime: microTime(now - 1e9), leaseTransitions: 7 },
  });
  const clock = new PausingClock();
  const one = await replica(t, api, { clock });
  // No pause between two looks is longer.
  const pass = async (): Promise<void> => {
    const before = clock.pauses;
    clock.advance(500);
    await until("it has looked", () => clock.pauses > before);
  };
  await until("it has looked", () => clock.pauses > 0);
  for (let i = 0; i < 6; i++) {
    // As client-go renews: the whole object of the version that it read.
    const lease = await api.get(path);
    await api.ok("PUT", path, { ...lease, spec: { ...record(lease["spec"]), renewTime: microTime(Date.now() - 1e9) } });
    await pass();
    assert.equal(one.leader.leads(), false);
  }
  const from = clock.monotonic();
  while (!one.leader.leads()) {
    assert.ok(clock.monotonic() - from < 10_000, "it is taken");
    await pass();
  }
  assert.ok(clock.monotonic() - from > 1_000);
  const taken = await leaseOf(api);
  assert.deepEqual([record(taken["spec"])["holderIdentity"], record(taken["spec"])["leaseTransitions"], metaOf(taken)["labels"]], [one.identity, 8, { kept: "yes" }]);
});

test("a leader that can not renew stops by itself, before the Lease can be taken, and leads again when it can", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  let refused = false;
  const credentials = new Credentials({ kind: "kubeconfig", files: [await daemonKubeconfig(cluster.kubeconfig, api.namespace)] }, systemClock, silentLog);
  const client = new KubeClient({ credentials, clock: systemClock });
  t.after(() => client.close());
  let looks = 0;
  const one = await replica(t, api, {
    client: {
      request: async (request) => {
        if (refused) throw new Error("partitioned");
        const answer = await client.request(request);
        looks++;
        return answer;
      },
    },
  });
  await until("it leads", () => one.leader.leads());
  const other = await replica(t, api);
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, Number(one.leader.leads()) + Number(other.leader.leads()));
  }, 1);
  t.after(() => clearInterval(watching));
  refused = true;
  await until("the other one leads", () => other.leader.leads());
  assert.equal(one.started[0]?.aborted, true);
  refused = false;
  const before = looks;
  await until("the first one has looked on for a while", () => looks >= before + 3);
  await other.leave();
  await until("it leads again", () => one.leader.leads());
  assert.equal(most, 1);
});

test("requests that are slow keep the lead; while none is answered, or all are refused, it ends in time, and it comes back at once when they are; the connection is not held up by those given up", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-test-"));
  const own = await startEmbeddedCluster();
  t.after(async () => {
    await own.close();
    await rm(folder, { recursive: true, force: true });
  });
  const kubeconfig = join(folder, "kubeconfig");
  await own.writeKubeconfig(kubeconfig);
  const counting = countingClient(t, kubeconfig);
  const { leader, started } = await replica(t, { namespace: own.namespace }, { client: counting.client }, kubeconfig);
  await until("it leads", () => leader.leads());
  own.faults.add({ resources: ["leases"], delayMs: 700 });
  const slow = counting.answers;
  // Each takes more than a third of the deadline.
  await until("it was renewed again and again", () => counting.answers >= slow + 4);
  assert.deepEqual([leader.leads(), started.length], [true, 1]);
  own.faults.clear();
  own.faults.add({ resources: ["leases"], percent: 30, code: 429, retryAfterSeconds: 1 });
  own.faults.add({ resources: ["leases"], percent: 30, code: 409 });
  const ill = counting.answers;
  await until("many are answered, and many of them refused", () => counting.answers >= ill + 8);
  own.faults.clear();
  await until("it leads", () => leader.leads());
  for (const fault of [{ delayMs: 60_000 }, { code: 403 }, { code: 503 }]) {
    const terms = started.length;
    own.faults.add({ resources: ["leases"], ...fault });
    // How soon is a matter of clocks: test/unit/lifecycle/leader.test.ts.
    await until("it leads no more", () => started.at(-1)?.aborted === true);
    own.faults.clear();
    const again = performance.now();
    await until("it leads again", () => started.length > terms);
    // The look under way has at most the deadline's time: not the minute that its answer would take.
    assert.ok(performance.now() - again < 30_000, `${JSON.stringify(fault)}: ${performance.now() - again} ms`);
  }
});

/** A process that acts while it leads, and the times at which it did. */
function elector(t: TestContext, api: KubeApi, kubeconfig: string): { readonly child: ChildProcess; readonly acts: number[]; readonly exited: Promise<unknown> } {
  const child = spawn(process.execPath, [fileURLToPath(new URL("../support/elector.ts", import.meta.url)), kubeconfig, api.namespace, randomUUID()], { stdio: ["ignore", "pipe", "inherit"] });
  const acts: number[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    acts.push(...lines.map(Number));
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  t.after(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return { child, acts, exited };
}

test("a process that is stopped while it leads, and goes on when another one leads, does nothing any more; one that is killed is replaced", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const kubeconfig = await daemonKubeconfig(cluster.kubeconfig, api.namespace);
  const first = elector(t, api, kubeconfig);
  await until("the first one leads", () => first.acts.length > 0);
  const second = elector(t, api, kubeconfig);
  for (let round = 0; round < 2; round++) {
    const [leading, other] = (first.acts.at(-1) ?? 0) > (second.acts.at(-1) ?? 0) ? [first, second] : [second, first];
    const before = other.acts.length;
    leading.child.kill("SIGSTOP");
    await until("the other one leads", () => other.acts.length > before + 20);
    const known = leading.acts.length;
    leading.child.kill("SIGCONT");
    const acted = other.acts.length;
    await until("it goes on leading", () => other.acts.length > acted + 50);
    // Those told before it stopped may have come since.
    assert.ok(leading.acts.slice(known).every((at) => at < (other.acts[before] ?? 0)), `round ${round}`);
  }
  const [leading, other] = (first.acts.at(-1) ?? 0) > (second.acts.at(-1) ?? 0) ? [first, second] : [second, first];
  const killedAt = Date.now();
  leading.child.kill("SIGKILL");
  await until("the other one leads", () => (other.acts.at(-1) ?? 0) > killedAt);
  other.child.kill("SIGTERM");
  await other.exited;
  assert.equal(record((await leaseOf(api))["spec"])["holderIdentity"], "");
  const times = [...first.acts.map((at) => ({ at, by: 1 })), ...second.acts.map((at) => ({ at, by: 2 }))].toSorted((a, b) => a.at - b.at);
  // The lead changed hands three times at most: nobody acted in between the other's actions.
  assert.ok(times.filter(({ by }, i) => i > 0 && times[i - 1]?.by !== by).length <= 3);
});
