/** Tests of workspaces that are started for a call and run on nodes: what is told of those that do not run, and how they end. */
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { placeWorkspaces, whatLacks, whyNotRunning } from "../../../src/bench/load/placed.ts";
import type { Site } from "../../../src/bench/load/placed.ts";
import { asIs } from "../../../src/domain/as-is.ts";
import type { JsonObject } from "../../../src/domain/json.ts";
import { wsman } from "../../../src/gen/proto.js";

const { PENDING, RUNNING } = wsman.WorkspacePhase;
const { IMMEDIATELY } = wsman.StopWorkspacePolicy;

/** Workspaces that were started, and the policies of stops, of a daemon that is told what to do. */
const started: string[] = [];
const stops: wsman.StopWorkspacePolicy[] = [];
/** Pods that are there. */
const pods = new Set<string>();
let onStart: (n: number) => void = () => {};
let phaseOf: (n: number) => wsman.WorkspacePhase = () => RUNNING;
let goesAtStop = true;

type Call = handleUnaryCall<Buffer, Buffer>;
const startWorkspace: Call = (call, callback) => {
  const { id } = wsman.StartWorkspaceRequest.decode(call.request);
  started.push(id);
  pods.add(id);
  onStart(started.length);
  callback(null, Buffer.alloc(0));
};
const stopWorkspace: Call = (call, callback) => {
  const { id, policy } = wsman.StopWorkspaceRequest.decode(call.request);
  if (!pods.has(id)) {
    callback({ code: status.NOT_FOUND, details: "no" });
    return;
  }
  stops.push(policy);
  if (goesAtStop) pods.delete(id);
  callback(null, Buffer.alloc(0));
};
const describeWorkspace: Call = (call, callback) => {
  const { id } = wsman.DescribeWorkspaceRequest.decode(call.request);
  callback(null, Buffer.from(wsman.DescribeWorkspaceResponse.encode({ status: { id, phase: phaseOf(started.indexOf(id)) } }).finish()));
};
const codecs = { requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } as const;
const server = new Server();
server.addService(
  { start: { path: "/wsman.WorkspaceManager/StartWorkspace", ...codecs }, stop: { path: "/wsman.WorkspaceManager/StopWorkspace", ...codecs }, describe: { path: "/wsman.WorkspaceManager/DescribeWorkspace", ...codecs } },
  { start: startWorkspace, stop: stopWorkspace, describe: describeWorkspace },
);
const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
after(() => server.forceShutdown());
const daemon = { endpoint: { host: "127.0.0.1", port } };
/** No test waits for the last of these: what is to be waited for comes, or the time is the subject, and short. */
const patient = { runMs: 60_000, goMs: 60_000, hurryMs: 50 };

beforeEach(() => {
  for (const list of [started, stops]) list.length = 0;
  pods.clear();
  onStart = () => {};
  phaseOf = () => RUNNING;
  goesAtStop = true;
});

/** A cluster with nodes. @param look what a look at its pods is followed by. */
function site({ look = () => {}, signal = new AbortController().signal, pod = () => Promise.resolve({}) }: { readonly look?: (n: number) => void; readonly signal?: AbortSignal; readonly pod?: (name: string) => Promise<JsonObject> } = {}): { readonly site: Site; readonly notes: readonly string[]; readonly removed: () => number } {
  const notes: string[] = [];
  let [looks, removed] = [0, 0];
  return {
    notes,
    removed: () => removed,
    site: {
      ownsAll: false, options: { target: daemon.endpoint, size: 0 }, signal, say: () => {}, note: (text) => void notes.push(text),
      cluster: {
        owner: "me", ownerSelector: "owner=me", hasNodes: () => Promise.resolve(true), prepareStarts: () => Promise.resolve(), pod,
        pods: async () => {
          await Promise.resolve();
          look(++looks);
          return [...pods].map((name) => ({ name, uid: name }));
        },
        removeStarted: () => {
          removed++;
          pods.clear();
          return Promise.resolve();
        },
      },
    },
  };
}

test("they are stopped at once, whose end is waited for, and nothing is told of that", async () => {
  const { site: place, notes } = site();
  {
    await using placed = await placeWorkspaces(place, daemon, 3, patient);
    assert.deepEqual([placed.workspaces.map(({ id }) => id), placed.problem], [started, undefined]);
  }
  assert.deepEqual([stops, pods.size, notes], [[IMMEDIATELY, IMMEDIATELY, IMMEDIATELY], 0, []]);
});

test("those that do not go in time are removed by force, which is told", async () => {
  goesAtStop = false;
  const { site: place, notes, removed } = site();
  const placed = await placeWorkspaces(place, daemon, 2, { ...patient, goMs: 1 });
  await placed[Symbol.asyncDispose]();
  assert.equal(removed(), 1);
  assert.match(notes.join("\n"), /^2 workspaces that ran on nodes did not come to their end in time: pods that were left were removed by force, and their nodes may still hold their contents$/);
});

test("a look at the end that fails is followed by others, and no error takes away what was measured", async () => {
  const fails = (n: number): void => {
    if (n === 1) throw new Error("no answer");
  };
  const once = site({ look: fails });
  await (await placeWorkspaces(once.site, daemon, 1, patient))[Symbol.asyncDispose]();
  assert.deepEqual(once.notes, []);
  const always = site({ look: () => fails(1) });
  await (await placeWorkspaces(always.site, daemon, 1, { ...patient, goMs: 1 }))[Symbol.asyncDispose]();
  assert.match(always.notes.join("\n"), /^it is not known whether all .* \(no answer\): /);
  assert.equal(always.removed(), 1);
});

test("what can not be removed is told, and is no error either", async () => {
  const { site: place, notes } = site();
  const cluster = { ...place.cluster, removeStarted: () => Promise.reject(new Error("403")) };
  await (await placeWorkspaces({ ...place, cluster }, daemon, 1, patient))[Symbol.asyncDispose]();
  assert.deepEqual(notes, ["workspaces that ran on nodes could not be removed at once: 403"]);
});

test("when the user wants an end no more are started, and those that were are not waited for long", async () => {
  const wish = new AbortController();
  goesAtStop = false;
  onStart = (n) => {
    if (n === 2) wish.abort();
  };
  const { site: place, notes } = site({ signal: wish.signal });
  await using placed = await placeWorkspaces(place, daemon, 5, patient);
  assert.deepEqual([started.length, placed.workspaces, placed.problem], [2, [], "the user wanted an end before the workspaces for it ran"]);
  assert.match(notes.join("\n"), /^2 workspaces /);
});

test("the wish for an end also shortens a wait that has begun", async () => {
  const wish = new AbortController();
  goesAtStop = false;
  const { site: place, removed } = site({ signal: wish.signal, look: (n) => {
    if (n === 2) wish.abort();
  } });
  await (await placeWorkspaces(place, daemon, 1, { ...patient, goMs: 600_000 }))[Symbol.asyncDispose]();
  assert.equal(removed(), 1);
});

test("of the one that does not run the reason is told", async () => {
  phaseOf = (n) => (n === 1 ? PENDING : RUNNING);
  const pod = (name: string): Promise<JsonObject> => Promise.resolve(name === `ws-${started[1]}` ? { spec: { nodeName: "n2" } } : { spec: { nodeName: "n1" } });
  await using placed = await placeWorkspaces(site({ pod }).site, daemon, 3, { ...patient, runMs: 50 });
  assert.match(placed.problem ?? "", /was not told as RUNNING within 0\.05 s: its container does not run on the node n2$/);
});

test("a pod that can not be looked at is the reason that is told", async () => {
  phaseOf = () => PENDING;
  await using placed = await placeWorkspaces(site({ pod: () => Promise.reject(new Error("404 not found")) }).site, daemon, 1, { ...patient, runMs: 50 });
  assert.match(placed.problem ?? "", /was not told as RUNNING within 0\.05 s: 404 not found$/);
});

test("what a cluster or a daemon lacks is told before anything is started", async () => {
  const target = { host: "h", port: 1 };
  const nodes = (known: boolean | undefined) => ({ hasNodes: () => Promise.resolve(known) });
  assert.equal(await whatLacks({ ownsAll: true, options: {}, cluster: nodes(false) }), undefined);
  assert.match((await whatLacks({ ownsAll: false, options: {}, cluster: nodes(true) })) ?? "", /the daemon that the tool starts on a given cluster knows of no node daemons \(--target/);
  assert.match((await whatLacks({ ownsAll: false, options: { target }, cluster: nodes(false) })) ?? "", /the cluster has no nodes$/);
  // Who may not know tries.
  for (const known of [true, undefined]) assert.equal(await whatLacks({ ownsAll: false, options: { target }, cluster: nodes(known) }), undefined);
});

test("a pod that has no node lacks a scheduler, or the scheduler says what it did not find", () => {
  assert.equal(whyNotRunning({ spec: {} }), "no scheduler has given its pod a node");
  const scheduled = { type: "PodScheduled", status: "False", reason: "Unschedulable" };
  assert.equal(whyNotRunning({ status: { conditions: [{ type: "Ready", status: "False", message: "other" }, { ...scheduled, message: "0/3 nodes are available: 3 Insufficient cpu." }] } }), "its pod has no node: 0/3 nodes are available: 3 Insufficient cpu.");
  assert.equal(whyNotRunning({ status: { conditions: [scheduled] } }), "its pod has no node: Unschedulable");
});

test("of a container that does not run the kubelet's own reason is told, if it has one", () => {
  assert.equal(whyNotRunning({ spec: { nodeName: "n1" }, status: { containerStatuses: [{ state: { waiting: { reason: "ImagePullBackOff" } } }] } }), "its container does not run on the node n1 (ImagePullBackOff)");
  assert.equal(whyNotRunning({ spec: { nodeName: "n1" } }), "its container does not run on the node n1");
});

test("where the container runs, it is the node daemon that is missing", () => {
  assert.match(whyNotRunning({ spec: { nodeName: "n1" }, status: { containerStatuses: [{ state: { running: {} } }] } }), /runs on the node n1, but .*is there a node daemon/);
});
