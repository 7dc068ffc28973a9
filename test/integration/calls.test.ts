/** The calls that start, stop and steer workspaces, end to end. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { record, text, type Json } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient, type UnaryResult } from "../support/grpc-client.ts";
import { metaOf, type KubeApi } from "../support/kube-api.ts";
import { secretSshKey } from "../support/secrets.ts";
import { defineSnapshotKinds } from "../support/snapshot-kinds.ts";
import { until } from "../support/until.ts";
import { assertOk, calls, claimsOf, describe, podsOf, request, start, startCalls, started, type Calls } from "../support/workspace-calls.ts";

const { PENDING } = wsman.WorkspacePhase;
const key = secretSshKey();

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

function setup(t: TestContext, options: { readonly withClaims?: boolean } = {}): Promise<Calls> {
  return startCalls(t, cluster, options);
}

async function annotationsOf(api: KubeApi, name = "ws-instance-1"): Promise<Json> {
  return record(metaOf(await api.get(api.path("pods", name)))["annotations"]);
}

test("a started workspace has its pod, and is known with URL and token before the answer", async (t) => {
  const { api, client } = await setup(t);
  const stream = client.subscribe().read();
  await stream.headers;
  const { url, ownerToken } = await started(client);
  const { status } = await describe(client);
  assert.deepEqual([status?.phase, status?.spec?.url, status?.auth?.ownerToken], [PENDING, url, ownerToken]);
  assert.match(ownerToken, /^[\w.-]{32}$/);
  assert.equal((await annotationsOf(api))["gitpod/ownerToken"], ownerToken);
  await until("the subscriber knows it", () => stream.messages.length > 0);
  assert.equal(wsman.SubscribeResponse.decode(stream.messages[0] ?? Buffer.alloc(0)).status?.id, "instance-1");
});

test("a start that is in any way wrong is refused with every field, and makes nothing", async (t) => {
  const { api, client } = await setup(t);
  const { code: got, details } = await start(client, request({ id: "", metadata: { owner: "a b", metaId: "m" } }, { workspaceImage: "", ports: [{ port: 1 }, { port: 1 }] }));
  assert.equal(got, code.INVALID_ARGUMENT);
  assert.match(details, /^invalid start workspace request: invalid request: id: cannot be blank; owner: .*; ports: port 1 is not unique; workspace_image: cannot be blank\.$/);
  assert.deepEqual(await podsOf(api), []);
});

test("the same request again gets the same answer, another one for the same ID is told that it exists", async (t) => {
  const { api, client } = await setup(t);
  const [first, second, third] = await Promise.all([started(client), started(client), started(client)]);
  assert.deepEqual([second, third], [first, first]);
  assert.deepEqual(await started(client), first);
  const other = await start(client, request({}, { workspaceImage: "another" }));
  assert.deepEqual([other.code, other.details], [code.ALREADY_EXISTS, "workspace instance already exists"]);
  assert.equal((await podsOf(api)).length, 1);
});

test("a pod that is there already under the name is told as existing", async (t) => {
  const { api, client } = await setup(t);
  await api.create("pods", { metadata: { name: "ws-instance-1" }, spec: { containers: [{ name: "c", image: "i" }] } });
  const { code: got, details } = await start(client);
  assert.deepEqual([got, details], [code.ALREADY_EXISTS, "workspace instance already exists"]);
});

test("a volume claim is made with the pod, and goes again if the pod can not be made", async (t) => {
  const { api, client } = await setup(t, { withClaims: true });
  const flags = { featureFlags: ["PERSISTENT_VOLUME_CLAIM"] };
  await api.create("pods", { metadata: { name: "ws-instance-1" }, spec: { containers: [{ name: "c", image: "i" }] } });
  assert.equal((await start(client, request({}, flags))).code, code.ALREADY_EXISTS);
  await until("the claim is gone, or on its way", async () => (await claimsOf(api)).length === 0);
  await started(client, request({ id: "instance-2" }, flags));
  assert.deepEqual((await claimsOf(api)).map((claim) => metaOf(claim)["name"]), ["ws-instance-2"]);
});

const snapshotRoot = "/apis/snapshot.storage.k8s.io/v1";
const snapshotOf = (client: TestClient, members: wsman.DeleteVolumeSnapshotRequest.$Properties): Promise<UnaryResult> => client.wsman("DeleteVolumeSnapshot", wsman.DeleteVolumeSnapshotRequest.encode(members).finish());

// A real API server has the snapshots' kinds only with the snapshot controller.
test("a workspace starts from a volume snapshot, restored if need be, and snapshots are deleted with what the provider has of them", async (t) => {
  const { api, client } = await setup(t, { withClaims: true });
  await defineSnapshotKinds(api, "volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses");
  await api.ok("POST", `${snapshotRoot}/volumesnapshotclasses`, { apiVersion: "snapshot.storage.k8s.io/v1", kind: "VolumeSnapshotClass", metadata: { name: "snaps" }, driver: "disk.example", deletionPolicy: "Delete" });
  const from = (id: string, volumeSnapshot: object): wsman.StartWorkspaceRequest => request({ id }, { featureFlags: ["PERSISTENT_VOLUME_CLAIM"], volumeSnapshot });
  assert.equal((await start(client, from("a", { volumeSnapshotName: "snap-1" }))).code, code.INVALID_ARGUMENT);
  await started(client, from("a", { volumeSnapshotName: "snap-1", volumeSnapshotHandle: "handle-1" }));
  await started(client, from("b", { volumeSnapshotName: "snap-1", volumeSnapshotHandle: "handle-1" }));
  const content = record((await api.get(`${snapshotRoot}/volumesnapshotcontents/restored-snap-1`))["spec"]);
  assert.deepEqual([content["deletionPolicy"], content["driver"], record(content["source"])["snapshotHandle"], record(content["volumeSnapshotRef"])["name"]], ["Delete", "disk.example", "handle-1", "snap-1"]);
  assert.equal(record(record((await api.get(api.path("persistentvolumeclaims", "ws-a")))["spec"])["dataSource"])["name"], "snap-1");
  const deleted = async (members: wsman.DeleteVolumeSnapshotRequest.$Properties): Promise<boolean> => {
    const { code: got, details, response } = await snapshotOf(client, members);
    assert.equal(got, code.OK, details);
    return wsman.DeleteVolumeSnapshotResponse.decode(response).wasDeleted;
  };
  // Restored by a start, and not the cluster's own yet: deleted now it would leave the provider's behind.
  const early = deleted({ id: "snap-1" });
  assert.equal((await describe(client, "a")).status?.id, "a");
  assert.equal((await api.patch(`${api.path("volumesnapshots", "snap-1")}/status`, { status: { readyToUse: true } })).code, 200);
  assert.equal(await early, true);
  assert.equal(await deleted({ id: "snap-1", softDelete: true }), false);
  assert.equal((await snapshotOf(client, { id: "snap-1" })).code, code.INVALID_ARGUMENT);
  const restored = deleted({ id: "snap-2", volumeHandle: "handle-2" });
  await until("it is restored", async () => (await api.patch(`${api.path("volumesnapshots", "snap-2")}/status`, { status: { readyToUse: true } })).code === 200);
  assert.equal(await restored, true);
  assert.equal((await api.send("GET", api.path("volumesnapshots", "snap-2"))).code, 404);
  for (const id of ["", "../x", "A"]) assert.equal((await snapshotOf(client, { id })).code, code.INVALID_ARGUMENT);
});

test("an image build for the same owner and thing is joined", async (t) => {
  const { api, client } = await setup(t);
  const build = (id: string, annotations: object): wsman.StartWorkspaceRequest => request({ id, type: "IMAGEBUILD", metadata: { owner: "jane", metaId: "meta-1", annotations } });
  const first = await started(client, build("build-1", { ref: "a", more: "b" }));
  assert.deepEqual(await started(client, build("build-2", { ref: "a" })), first);
  assert.notDeepEqual(await started(client, build("build-3", { ref: "other" })), first);
  assert.equal((await podsOf(api)).length, 2);
});

test("stop, timeout, admission and keys are on the pod and in the status when they are answered", async (t) => {
  const { api, client } = await setup(t);
  await started(client);
  assertOk(await calls.stop(client));
  assert.equal((await annotationsOf(api))["gitpod.io/stoppedByRequest"], "30s");
  assert.equal((await describe(client)).status?.conditions?.stoppedByRequest, wsman.WorkspaceConditionBool.TRUE);
  assertOk(await calls.stop(client, wsman.StopWorkspacePolicy.IMMEDIATELY));
  assert.equal((await annotationsOf(api))["gitpod.io/stoppedByRequest"], "1s");
  assertOk(await calls.timeout(client, "1h30m"));
  assert.equal((await describe(client)).status?.spec?.timeout, "1h30m");
  assertOk(await calls.admission(client, wsman.AdmissionLevel.ADMIT_EVERYONE));
  assert.equal((await describe(client)).status?.auth?.admission, wsman.AdmissionLevel.ADMIT_EVERYONE);
  assertOk(await calls.keys(client, [key, `${key} jane@example`]));
  assert.equal((await annotationsOf(api))["gitpod.io/sshPublicKeys"], Buffer.from(wsman.SSHPublicKeys.encode({ keys: [key, `${key} jane@example`] }).finish()).toString("base64"));
  assertOk(await calls.keys(client, []));
});

test("ports are exposed, changed and hidden, and fifty at once all take effect", async (t) => {
  const { client } = await setup(t);
  await started(client);
  const exposed = async (): Promise<Map<number, wsman.PortSpec.$Properties>> => new Map(((await describe(client)).status?.spec?.exposedPorts ?? []).map((port) => [port.port ?? 0, port]));
  const numbers = Array.from({ length: 50 }, (_, i) => 3000 + i);
  for (const result of await Promise.all(numbers.map(async (port) => calls.port(client, true, { port, visibility: port % 2 })))) assertOk(result);
  const all = await exposed();
  assert.deepEqual([...all.keys()].toSorted((a, b) => a - b), numbers);
  assert.deepEqual([all.get(3001)?.visibility, all.get(3001)?.url], [1, "https://3001-instance-1.ws.wsmand.localhost"]);
  assertOk(await calls.port(client, true, { port: 3001, visibility: 0 }));
  assertOk(await calls.port(client, false, { port: 3000 }));
  assertOk(await calls.port(client, false, { port: 3000 }));
  const after = await exposed();
  assert.deepEqual([after.get(3001)?.visibility ?? 0, after.has(3000), after.size], [0, false, 49]);
});

test("ports that another daemon changes meanwhile are kept", async (t) => {
  const first = await setup(t);
  await started(first.client);
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace: first.api.namespace });
  const client = new TestClient(daemon.rpcPort);
  t.after(async () => {
    client.close();
    await daemon.close();
  });
  await daemon.synced;
  const results = await Promise.all(Array.from({ length: 20 }, async (_, i) => calls.port(i % 2 === 0 ? client : first.client, true, { port: 3000 + i })));
  for (const result of results) assertOk(result);
  assert.equal(wsman.ExposedPorts.decode(Buffer.from(text((await annotationsOf(first.api))["gitpod/exposedPorts"]), "base64")).ports.length, 20);
});

test("activity is remembered at once; only the first call and a change of closed are written, and the rest at the end", async (t) => {
  const { api, client, daemon } = await setup(t);
  await started(client);
  assert.equal((await describe(client)).lastActivity, "");
  assertOk(await calls.active(client));
  const { lastActivity } = await describe(client);
  assert.equal(Date.parse(lastActivity) > 0, true);
  assert.ok(Date.parse(text((await annotationsOf(api))["gitpod/firstUserActivity"])) > 0);
  const version = metaOf(await api.get(api.path("pods", "ws-instance-1")))["resourceVersion"];
  for (let i = 0; i < 20; i++) assertOk(await calls.active(client));
  assert.equal(metaOf(await api.get(api.path("pods", "ws-instance-1")))["resourceVersion"], version);
  assert.ok(Date.parse((await describe(client)).lastActivity) >= Date.parse(lastActivity));
  assertOk(await calls.active(client, true));
  assert.equal((await annotationsOf(api))["gitpod/closed"], "true");
  assertOk(await calls.active(client, false));
  assert.equal((await annotationsOf(api))["gitpod/closed"], undefined);
  const before = text((await annotationsOf(api))["gitpod.io/lastActivity"]);
  assertOk(await calls.active(client));
  await daemon.close();
  assert.ok(Date.parse(text((await annotationsOf(api))["gitpod.io/lastActivity"])) >= Date.parse(before));
});

test("what is wrong is refused by its reason, and what is not there as not found", async (t) => {
  const { client } = await setup(t);
  await started(client);
  const refused: [Promise<UnaryResult>, code, RegExp][] = [
    [calls.stop(client, 7), code.INVALID_ARGUMENT, /policy 7/],
    [calls.timeout(client, "soon"), code.INVALID_ARGUMENT, /^invalid duration "soon": /],
    [calls.timeout(client, ""), code.INVALID_ARGUMENT, /invalid duration/],
    [calls.port(client, true, undefined), code.INVALID_ARGUMENT, /spec is required/],
    [calls.port(client, true, { port: 0 }), code.INVALID_ARGUMENT, /port 0 is out of range/],
    [calls.port(client, true, { port: 65536 }), code.INVALID_ARGUMENT, /port 65536/],
    [client.wsman("ControlPort", Buffer.from("0a0a696e7374616e63652d3110011a0408011809", "hex")), code.INVALID_ARGUMENT, /visibility 9/],
    [calls.admission(client, 9), code.INVALID_ARGUMENT, /level 9/],
    [calls.keys(client, [key, "ssh-rsa secret"]), code.INVALID_ARGUMENT, /^keys\[1\] is no line/],
    [client.wsman("StopWorkspace", Buffer.from("ffff", "hex")), code.INVALID_ARGUMENT, /cannot decode/],
  ];
  for (const id of ["", "nobody", "__proto__", "../instance-1"]) {
    const missing = new RegExp(`^workspace ${id.replaceAll(".", "\\.")} does not exist$`);
    refused.push([calls.stop(client, 0, id), code.NOT_FOUND, missing], [calls.active(client, false, id), code.NOT_FOUND, missing], [calls.timeout(client, "1h", id), code.NOT_FOUND, missing],
      [calls.port(client, true, { port: 1 }, id), code.NOT_FOUND, missing], [calls.admission(client, 0, id), code.NOT_FOUND, missing], [calls.keys(client, [], id), code.NOT_FOUND, missing]);
  }
  for (const [call, expected, message] of refused) {
    const { code: got, details } = await call;
    assert.equal(got, expected, details);
    assert.match(details, message);
  }
});
