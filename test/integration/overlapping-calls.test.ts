/** Calls that are given up, or overlap: nothing is left half-made, and every change counts. Runs on the built-in cluster, slow and failing, and on a real API server. */
import { setTimeout as pause } from "node:timers/promises";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { record, text, type Json } from "../../src/embedded/kubelet/json.ts";
import { seededRandom } from "../../src/embedded/kubelet/random.ts";
import { wsman } from "../../src/gen/proto.js";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { TestClient, type UnaryResult } from "../support/grpc-client.ts";
import { metaOf, type KubeApi } from "../support/kube-api.ts";
import { getWorkspaces, StatusStream, type ReadStatus } from "../support/status-stream.ts";
import { until } from "../support/until.ts";
import { assertOk, calls, claimsOf, describe, podsOf, removePods, request, start, startCalls, started } from "../support/workspace-calls.ts";

const { STOPPED } = wsman.WorkspacePhase;
const { ADMIT_EVERYONE, ADMIT_OWNER_ONLY } = wsman.AdmissionLevel;
const seed = Number(process.env["WSMAND_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const nameOf = (object: Json): string => text(metaOf(object)["name"]);

/** Names of pods, and of the claims that go with them; each has the other, and its token. */
async function whole(api: KubeApi): Promise<readonly string[]> {
  const pods = await podsOf(api);
  const names = pods.map(nameOf).toSorted();
  assert.deepEqual((await claimsOf(api)).map(nameOf).toSorted(), names);
  for (const pod of pods) assert.match(text(record(metaOf(pod)["annotations"])["gitpod/ownerToken"]), /^[\w.-]{32}$/);
  return names;
}

test("a start that is given up, at whatever moment and however slow the API server is, is there whole or not at all", async (t) => {
  t.diagnostic(`WSMAND_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const { api, client } = await startCalls(t, cluster, { withClaims: true });
  t.after(() => cluster.faults?.clear());
  for (const rule of [
    { verbs: ["create"] as const, resources: ["pods"], percent: 15, code: 403, delayMs: 10 },
    { verbs: ["create"] as const, resources: ["pods"], percent: 15, resetAfterBytes: 0, delayMs: 15 },
    { verbs: ["create"] as const, resources: ["persistentvolumeclaims"], percent: 15, resetAfterBytes: 0, delayMs: 5 },
    { verbs: ["create", "get", "delete"] as const, percent: 50, delayMs: 20 },
  ]) cluster.faults?.add(rule);
  const from = (i: number): wsman.StartWorkspaceRequest => request({ id: `given-up-${i}` }, { featureFlags: ["PERSISTENT_VOLUME_CLAIM"] });
  const count = 120;
  const codes = new Set<code>();
  const giveUp = async (i: number): Promise<void> => {
    const bytes = wsman.StartWorkspaceRequest.encode(from(i)).finish();
    const after = random() * 80;
    const path = "/wsman.WorkspaceManager/StartWorkspace";
    const byDeadline = i % 2 === 0;
    const given = byDeadline ? client.unary(path, bytes, { deadline: Date.now() + after }) : client.unary(path, bytes, {}, (cancel) => void setTimeout(cancel, after));
    codes.add((await given).code);
  };
  for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => giveUp(i + k)));
  assert.ok([...codes].every((each) => [code.OK, code.CANCELLED, code.DEADLINE_EXCEEDED, code.FAILED_PRECONDITION].includes(each)), [...codes].join());
  assert.ok(codes.has(code.CANCELLED) && codes.has(code.DEADLINE_EXCEEDED));
  cluster.faults?.clear();
  let names: readonly string[] = [];
  await until("everything that was begun is finished or taken away", async () => {
    const [pods, claims] = [(await podsOf(api)).map(nameOf).toSorted(), (await claimsOf(api)).map(nameOf).toSorted()];
    const isSettled = pods.join() === claims.join() && pods.join() === names.join();
    names = pods;
    if (!isSettled) await pause(300);
    return isSettled;
  }, 60_000);
  const known = await getWorkspaces(client);
  assert.deepEqual(known.map((status) => `ws-${status.id}`).toSorted(), await whole(api));
  // No controller takes the finalizers of claims here that were deleted.
  for (let i = 0; i < count; i++) await api.patch(api.path("persistentvolumeclaims", `ws-given-up-${i}`), { metadata: { finalizers: null } });
  for (let i = 0; i < count; i += 20) {
    for (const answer of await Promise.all(Array.from({ length: 20 }, async (_, k) => start(client, from(i + k))))) assertOk(answer);
  }
  assert.equal((await whole(api)).length, count);
});

test("stops against starts of one workspace, in any order and overlap, leave what was answered, and at the end nothing", async (t) => {
  t.diagnostic(`WSMAND_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const { api, client } = await startCalls(t, cluster);
  const stream = new StatusStream(client.subscribe());
  await stream.stream.headers;
  cluster.faults?.add({ verbs: ["create", "patch"], percent: 50, delayMs: 5 });
  t.after(() => cluster.faults?.clear());
  const seen = new Set<string>();
  for (let round = 0; round < 60; round++) {
    const [id, pod] = [`contested-${round % 3}`, `ws-contested-${round % 3}`];
    const sent: string[] = [];
    const late = async (what: string, call: () => Promise<UnaryResult>): Promise<{ readonly isFirst: boolean; readonly result: UnaryResult }> => {
      await pause(random() * 15);
      const isFirst = !sent.includes("start");
      sent.push(what);
      return { isFirst, result: await call() };
    };
    // In some rounds a start has answered before anyone stops, or the stops before anyone starts, so that both ways are gone however busy the machine is.
    const ended = Promise.withResolvers<void>();
    const startLate = async (): Promise<Awaited<ReturnType<typeof late>>> => {
      if (round % 4 === 1) await ended.promise;
      return late("start", () => start(client, request({ id })));
    };
    const begun = [startLate(), startLate()] as const;
    const stopLate = async (policy: number): Promise<Awaited<ReturnType<typeof late>>> => {
      if (round % 4 === 3) await Promise.race(begun);
      return late("stop", () => calls.stop(client, policy, id));
    };
    const [stop, hard] = await Promise.all([stopLate(0), stopLate(1)]).finally(() => ended.resolve());
    const [first, second] = await Promise.all(begun);
    assertOk(first.result);
    assertOk(second.result);
    // Only one that comes before any start finds nothing to stop.
    for (const { isFirst, result: { code: got, details } } of [stop, hard]) assert.ok(got === code.OK || (isFirst && got === code.NOT_FOUND && details === `workspace ${id} does not exist`), `${isFirst ? "before" : "after"} a start: ${code[got]} ${details}`);
    const isStopped = [stop, hard].some(({ result: { code: got } }) => got === code.OK);
    const grace = record(metaOf(await api.get(api.path("pods", pod)))["annotations"])["gitpod.io/stoppedByRequest"];
    assert.equal(grace !== undefined, isStopped);
    assert.equal((await describe(client, id)).status?.conditions?.stoppedByRequest === wsman.WorkspaceConditionBool.TRUE, isStopped);
    seen.add(String(isStopped));
    // As what ends pods would do it, while somebody still stops it.
    const [, more] = await Promise.all([removePods(api, pod), calls.stop(client, 1, id)]);
    assert.ok([code.OK, code.NOT_FOUND].includes(more.code), more.details);
    await until("it has stopped", () => stream.last(id)?.phase === STOPPED);
    assert.equal((await calls.stop(client, 0, id)).code, code.NOT_FOUND);
  }
  assert.deepEqual(await podsOf(api), []);
  assert.deepEqual(await getWorkspaces(client), []);
  assert.deepEqual([...seen].toSorted(), ["false", "true"]);
});

test("a start whose client has given up, and that is stopped before it has answered, is stopped", async (t) => {
  const { api, client } = await startCalls(t, cluster);
  t.after(() => cluster.faults?.clear());
  // On a real API server the stop comes while the pod is being made as well, if only for some milliseconds.
  cluster.faults?.add({ verbs: ["create"], resources: ["pods"], percent: 100, delayMs: 300 });
  for (let i = 0; i < 10; i++) {
    const id = `stopped-early-${i}`;
    let giveUp = (): void => {};
    const begun = client.unary("/wsman.WorkspaceManager/StartWorkspace", wsman.StartWorkspaceRequest.encode(request({ id })).finish(), {}, (cancel) => (giveUp = cancel));
    // What came before on the connection has begun by then.
    assertOk(await client.wsman("DescribeCluster"));
    await pause(cluster.faults ? 100 : 0);
    const stopped = calls.stop(client, 0, id);
    giveUp();
    const { code: started } = await begun;
    const { code: got, details } = await stopped;
    const pods = (await podsOf(api)).filter((pod) => nameOf(pod) === `ws-${id}`);
    // One that nobody waits for before its request has gone out is not made.
    assert.equal(got, pods.length === 0 ? code.NOT_FOUND : code.OK, details);
    if (cluster.faults) assert.deepEqual([started, pods.length], [code.CANCELLED, 1]);
    for (const pod of pods) assert.equal(record(metaOf(pod)["annotations"])["gitpod.io/stoppedByRequest"], "30s");
  }
});

test("fifty clients that expose ports of one workspace at once all have what they asked for", async (t) => {
  const { client, daemon } = await startCalls(t, cluster);
  await started(client);
  const clients = Array.from({ length: 50 }, () => new TestClient(daemon.rpcPort));
  t.after(() => clients.forEach((each) => each.close()));
  const results = await Promise.all(clients.map(async (each, i) => {
    const answer = await calls.port(each, true, { port: 3000 + i, visibility: i % 2 });
    const { status } = await describe(each);
    return [answer.code, status?.spec?.exposedPorts?.find(({ port }) => port === 3000 + i)?.visibility ?? 0];
  }));
  assert.deepEqual(results, clients.map((_, i) => [code.OK, i % 2]));
  assert.equal((await describe(client)).status?.spec?.exposedPorts?.length, 50);
});

/** A workspace's status, which both calls tell alike. */
async function readByBoth(client: TestClient, id: string): Promise<ReadStatus | undefined> {
  const { status } = await describe(client, id);
  assert.deepEqual((await getWorkspaces(client)).find((each) => each.id === id), status);
  return status ?? undefined;
}

const admissionOf = (status: ReadStatus | undefined): wsman.AdmissionLevel => status?.auth?.admission ?? ADMIT_OWNER_ONLY;
const portsOf = (status: ReadStatus | undefined): readonly unknown[] => (status?.spec?.exposedPorts ?? []).map(({ port }) => port);

test("who changes something sees it with the next call, whatever others change meanwhile", async (t) => {
  const { client, daemon } = await startCalls(t, cluster);
  const others = Array.from({ length: 4 }, () => new TestClient(daemon.rpcPort));
  t.after(() => others.forEach((other) => other.close()));
  const work = async (own: TestClient, worker: number): Promise<void> => {
    for (let round = 0; round < 6; round++) {
      const id = `written-${worker}-${round}`;
      const { ownerToken } = await started(own, request({ id }));
      const read = (): Promise<ReadStatus | undefined> => readByBoth(own, id);
      assert.equal((await read())?.auth?.ownerToken, ownerToken);
      const timeout = `${worker + 1}h${round}m`;
      assertOk(await calls.timeout(own, timeout, id));
      assert.equal((await read())?.spec?.timeout, timeout);
      for (const level of [ADMIT_EVERYONE, ADMIT_OWNER_ONLY]) {
        assertOk(await calls.admission(own, level, id));
        assert.equal(admissionOf(await read()), level);
      }
      for (const expose of [true, false]) {
        assertOk(await calls.port(own, expose, { port: 4000 }, id));
        assert.deepEqual(portsOf(await read()), expose ? [4000] : []);
      }
      assertOk(await calls.active(own, true, id));
      assert.ok(Date.parse((await describe(own, id)).lastActivity) > 0);
      assertOk(await calls.stop(own, 0, id));
      assert.equal((await read())?.conditions?.stoppedByRequest, wsman.WorkspaceConditionBool.TRUE);
    }
  };
  await Promise.all([client, ...others].map(work));
});

test("a start that is given up while it waits for its turn at the API server makes nothing, and takes nobody's place; whoever asks for the same meanwhile gets it", async (t) => {
  const { api, client } = await startCalls(t, cluster, { kubernetes: { qps: 0.5, burst: 1 } });
  const path = "/wsman.WorkspaceManager/StartWorkspace";
  const bytes = (i: number): Uint8Array => wsman.StartWorkspaceRequest.encode(request({ id: `queued-${i}` })).finish();
  const first = client.unary(path, bytes(0));
  const cancels: (() => void)[] = [];
  const givenUp = Array.from({ length: 20 }, (_, i) => client.unary(path, bytes(i + 1), {}, (cancel) => cancels.push(cancel)));
  const kept = client.unary(path, bytes(20));
  // What came before on the connection has got as far as the budget by then.
  assertOk(await client.wsman("DescribeCluster"));
  for (const cancel of cancels) cancel();
  assert.ok((await Promise.all(givenUp)).every((answer) => answer.code === code.CANCELLED));
  for (const answer of await Promise.all([first, kept, client.unary(path, bytes(19))])) assertOk(answer);
  const names = (await podsOf(api)).map(nameOf);
  for (const name of ["ws-queued-0", "ws-queued-19", "ws-queued-20"]) assert.ok(names.includes(name), name);
  // One or two may have had their turn before they were given up.
  assert.ok(names.length <= 5, names.join());
});
