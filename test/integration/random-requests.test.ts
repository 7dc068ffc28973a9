/** A hundred thousand random requests to all calls of the running daemon: each has a documented answer, and afterwards all is as it was. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { record, text, type Json } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { onRealCluster, startTestCluster } from "../support/cluster.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { TestClient, type UnaryResult } from "../support/grpc-client.ts";
import { kubeApi, metaOf, simplePod, type KubeApi } from "../support/kube-api.ts";
import { RandomMessages, type RandomRequest } from "../support/random-messages.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { getWorkspaces, StatusStream } from "../support/status-stream.ts";
import { until } from "../support/until.ts";
import { assertOk, calls, claimsOf, describe, podsOf, removePods, request, started } from "../support/workspace-calls.ts";

const seed = Number(process.env["WSMAND_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const count = Number(process.env["WSMAND_TEST_REQUESTS"] ?? (onRealCluster ? 20_000 : 100_000));
const atOnce = 64;
/** What may be resident more at the end than after three tenths of the requests, MiB. By then most workspaces were started, and the collector has made itself at home; two kibibytes kept of each request would be more. */
const bearableMiB = 128;

/** The codes of docs/api.md. */
const reads = [code.OK, code.INVALID_ARGUMENT];
const steers = [...reads, code.NOT_FOUND];
const documented: Readonly<Record<string, readonly code[]>> = {
  GetWorkspaces: reads, Subscribe: reads, DescribeCluster: [code.OK], DescribeWorkspace: steers, StopWorkspace: steers, MarkActive: steers, SetTimeout: steers, ControlPort: steers, ControlAdmission: steers, UpdateSSHKey: steers,
  StartWorkspace: [...reads, code.ALREADY_EXISTS], DeleteVolumeSnapshot: [...reads, code.FAILED_PRECONDITION],
  TakeSnapshot: [code.INVALID_ARGUMENT, code.NOT_FOUND, code.FAILED_PRECONDITION], BackupWorkspace: [code.INVALID_ARGUMENT, code.NOT_FOUND, code.UNAVAILABLE],
};
/** Those that only few requests come to. */
const rare: Readonly<Record<string, readonly code[]>> = { StartWorkspace: [code.FAILED_PRECONDITION, code.UNAVAILABLE] };
/** Words of codes that say more than that something is wrong with the request. */
const words: Readonly<Partial<Record<code, RegExp>>> = {
  [code.NOT_FOUND]: /^workspace [^]* does not exist$|\.\.\.$/,
  [code.ALREADY_EXISTS]: /^workspace instance already exists$/,
  [code.UNAVAILABLE]: /^cannot connect to workspace daemon: |^the volume claim \S+ of an earlier start is being deleted/,
  [code.FAILED_PRECONDITION]: /^can only take snapshots of running workspaces$|volume snapshot class|snapshotClass/,
};

/** A start that was answered OK. */
interface Answered {
  readonly asked: wsman.StartWorkspaceRequest;
  readonly token: string;
}

async function send(client: TestClient, { method, bytes }: RandomRequest): Promise<UnaryResult> {
  if (method !== "Subscribe") return client.wsman(method, bytes);
  const stream = client.subscribe(bytes).read();
  const isOpen = await stream.headers.then(() => true, () => false);
  stream.call.cancel();
  const ended = await stream.status;
  return { ...(isOpen ? { code: code.OK, details: "" } : ended), response: Buffer.alloc(0) };
}

function isDocumented({ method }: RandomRequest, { code: got, details }: UnaryResult): boolean {
  return [...(documented[method] ?? []), ...(rare[method] ?? [])].includes(got) && (words[got]?.test(details) ?? true);
}

/** A request for each documented code: random ones may, by chance, not come to all of them. @param id of a workspace that there is. @param other one that may be stopped. */
function knownRequests(id: string, other: string): readonly (RandomRequest & { readonly expected: code })[] {
  const named = (of: string): Uint8Array => wsman.DescribeWorkspaceRequest.encode({ id: of }).finish();
  const sound: Readonly<Record<string, Uint8Array>> = {
    ...Object.fromEntries(["DescribeWorkspace", "MarkActive", "ControlAdmission", "UpdateSSHKey", "TakeSnapshot", "BackupWorkspace"].map((method) => [method, named(id)])), StopWorkspace: named(other),
    SetTimeout: wsman.SetTimeoutRequest.encode({ id, duration: "1h" }).finish(), ControlPort: wsman.ControlPortRequest.encode({ id, expose: true, spec: { port: 3000 } }).finish(),
    StartWorkspace: wsman.StartWorkspaceRequest.encode(request({ id: "known" })).finish(), DeleteVolumeSnapshot: wsman.DeleteVolumeSnapshotRequest.encode({ id: "nothing", softDelete: true }).finish(),
  };
  const bytesFor = (method: string, expected: code): Uint8Array => {
    const bytes = sound[method] ?? new Uint8Array();
    if (expected === code.INVALID_ARGUMENT) return Buffer.of(0xff);
    // The last value of a field counts.
    if (expected === code.NOT_FOUND) return Buffer.concat([bytes, named("nobody")]);
    if (expected === code.ALREADY_EXISTS) return wsman.StartWorkspaceRequest.encode(request({ id }, { workspaceLocation: "elsewhere" })).finish();
    return method === "DeleteVolumeSnapshot" && expected === code.FAILED_PRECONDITION ? wsman.DeleteVolumeSnapshotRequest.encode({ id: "nothing", volumeHandle: "handle" }).finish() : bytes;
  };
  return Object.entries(documented).flatMap(([method, codes]) => codes.map((expected) => ({ method, expected, bytes: Buffer.from(bytesFor(method, expected)) })));
}

const podNameOf = ({ id, type }: wsman.StartWorkspaceRequest): string => `${["ws", "prebuild", "probe", "", "imagebuild"][type] ?? ""}-${id}`;

/** Fails unless each pod is one that was answered, with the names of its request. Gives the names of the pods. */
function checkPods(pods: readonly Json[], answered: ReadonlyMap<string, readonly Answered[]>): readonly string[] {
  return pods.map((pod) => {
    const { name, labels, annotations } = metaOf(pod);
    const token = text(record(annotations)["gitpod/ownerToken"]);
    const asked = answered.get(text(name))?.find((answer) => answer.token === token)?.asked;
    assert.ok(asked, `${text(name)} is there, and was not answered`);
    const { workspaceID, owner, metaID, workspaceType } = record(labels);
    assert.deepEqual([workspaceID, owner, metaID, workspaceType], [asked.id, asked.metadata?.owner, asked.metadata?.metaId, text(wsman.WorkspaceType[asked.type]).toLowerCase()]);
    return text(name);
  });
}

async function addOthers(api: KubeApi): Promise<readonly string[]> {
  const marks = { labels: { workspaceID: "other", component: "workspace", gpwsman: "false" }, annotations: { "gitpod/id": "other" } };
  for (const other of [simplePod("ws-other"), simplePod("ws-unmarked", {}, marks), simplePod("plain")]) await api.create("pods", other);
  return ["other", "ws-other", "unmarked", "ws-unmarked", "plain"];
}

test(`${count} random requests, many at once, are answered as documented, and change nothing but what was answered OK`, { timeout: 600_000 }, async (t) => {
  t.diagnostic(`WSMAND_TEST_SEED=${seed}`);
  const cluster = await startTestCluster();
  let close = async (): Promise<void> => {};
  t.after(() => close());
  const api = await kubeApi(t, cluster.kubeconfig);
  t.after(() => cluster.close());
  const workspaceClass = { default: { name: "Standard", pvc: { size: "1Gi" } } };
  const daemon = await DaemonProcess.start({
    kubeconfig: await readFile(await daemonKubeconfig(cluster.kubeconfig, api.namespace), "utf8"),
    configure: (config) => ({
      ...config, manager: { ...record(config["manager"]), namespace: api.namespace, registryFacadeHost: "registry.example", portUrlTemplate: "https://{{ .WorkspacePort }}-{{ .ID }}.gitpod.example.com", workspaceClass },
      wsmand: { ...record(config["wsmand"]), kubernetes: { qps: 5000, burst: 5000 } },
    }),
  });
  const clients = Array.from({ length: 8 }, () => new TestClient(daemon.rpcPort));
  const [first = new TestClient(daemon.rpcPort)] = clients;
  close = async () => {
    clients.forEach((client) => client.close());
    await daemon.close();
    await removePods(api);
  };
  await daemon.synced();
  const others = await addOthers(api);
  const othersBefore = await podsOf(api);
  const stream = new StatusStream(first.subscribe());
  await stream.stream.headers;

  const answered = new Map<string, Answered[]>();
  const note = (bytes: Uint8Array, response: Uint8Array): void => {
    const asked = wsman.StartWorkspaceRequest.decode(bytes);
    const all = answered.get(podNameOf(asked)) ?? [];
    answered.set(podNameOf(asked), [...all, { asked, token: wsman.StartWorkspaceResponse.decode(response).ownerToken }]);
  };
  const workspaces = ["fixed-0", "fixed-1", "fixed-2"];
  for (const id of workspaces) {
    const from = request({ id });
    note(wsman.StartWorkspaceRequest.encode(from).finish(), wsman.StartWorkspaceResponse.encode(await started(first, from)).finish());
  }
  for (const id of workspaces) await until(`${id} is known`, async () => (await first.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish())).code === code.OK);
  for (const asked of knownRequests("fixed-0", "fixed-2")) {
    const answer = await send(first, asked);
    assert.deepEqual([answer.code, isDocumented(asked, answer)], [asked.expected, true], `${asked.method} ${code[answer.code]} ${answer.details}`);
    if (asked.method === "StartWorkspace" && answer.code === code.OK) note(asked.bytes, answer.response);
  }
  const messages = new RandomMessages(seed, { workspaces, startable: Array.from({ length: 40 }, (_, i) => `random-${i}`), others: [...others, "default", api.namespace, "kubernetes"] });
  assert.deepEqual(messages.methods.toSorted(), Object.keys(documented).toSorted());

  const tally = new Map<string, number>();
  const wrong: string[] = [];
  let next = 0;
  const worker = async (client: TestClient, end: number): Promise<void> => {
    while (next < end && wrong.length < 10) {
      const number = next++;
      const asked = messages.request(number);
      const answer = await send(client, asked);
      const key = `${asked.method} ${code[answer.code]}`;
      tally.set(key, (tally.get(key) ?? 0) + 1);
      if (!isDocumented(asked, answer)) wrong.push(`request ${number} of seed ${seed}: ${key} ${answer.details} for ${asked.bytes.subarray(0, 500).toString("hex")}`);
      if (asked.method === "StartWorkspace" && answer.code === code.OK) note(asked.bytes, answer.response);
    }
  };
  const sendUntil = (end: number): Promise<unknown> => Promise.all(Array.from({ length: atOnce }, (_, i) => worker(clients[i % clients.length] ?? first, end)));
  const residentMiB = async (): Promise<number> => (await daemon.metric("process_resident_memory_bytes")) / 2 ** 20;

  await sendUntil(count * 0.3);
  const before = await residentMiB();
  await sendUntil(count);
  assert.deepEqual(wrong, []);
  const taken = [...tally].filter(([key]) => key.endsWith(" OK")).reduce((sum, [, times]) => sum + times, 0);
  assert.ok(taken > count / 20, `${taken} of ${count} requests were answered OK: they are not what they should be`);
  t.diagnostic(Array.from(tally, ([key, times]) => `${key}: ${times}`).toSorted().join(", "));

  const serving = Buffer.from([0x08, 0x01]);
  assert.deepEqual((await first.unary("/grpc.health.v1.Health/Check", new Uint8Array())).response, serving);
  const from = request({ id: "afterwards" });
  note(wsman.StartWorkspaceRequest.encode(from).finish(), wsman.StartWorkspaceResponse.encode(await started(first, from)).finish());
  assertOk(await calls.stop(first, 0, "afterwards"));
  assert.equal((await describe(first, "afterwards")).status?.conditions?.stoppedByRequest, wsman.WorkspaceConditionBool.TRUE);
  await until("the stream tells it", () => stream.last("afterwards")?.conditions?.stoppedByRequest === wsman.WorkspaceConditionBool.TRUE);

  const pods = await podsOf(api);
  const isOther = (pod: Json): boolean => othersBefore.some((other) => metaOf(other)["uid"] === metaOf(pod)["uid"]);
  assert.deepEqual(pods.filter(isOther), othersBefore, "pods that are no workspaces are as they were");
  const names = checkPods(pods.filter((pod) => !isOther(pod)), answered);
  assert.deepEqual((await getWorkspaces(first)).length, names.length);
  const tokens = new Set(pods.map((pod) => record(metaOf(pod)["annotations"])["gitpod/ownerToken"]));
  for (const { asked, token } of [...answered.values()].flat()) assert.ok(tokens.has(token), `${asked.id} was answered, and is not there`);
  const withClaim = pods.filter((pod) => record(metaOf(pod)["labels"])["gitpod.io/pvcFeature"] === "true").map((pod) => text(metaOf(pod)["name"]));
  assert.deepEqual((await claimsOf(api)).map((claim) => text(metaOf(claim)["name"])).toSorted(), withClaim.toSorted());

  let after = 0;
  const collected = async (): Promise<boolean> => {
    // The collector does nothing where nothing is done.
    for (let i = 0; i < 20; i++) await getWorkspaces(first);
    return (after = await residentMiB()) < before + bearableMiB;
  };
  await until("memory is given back", collected, 30_000).catch((error: unknown) => assert.fail(`${String(error)}: ${before} MiB before, ${after} MiB after`));
  t.diagnostic(`${Math.round(before)} MiB resident after three tenths of the requests, ${Math.round(after)} MiB after all; ${names.length} workspaces`);
  assert.deepEqual(daemon.log().filter((entry) => entry["level"] !== "info").slice(0, 10), []);
  assert.equal(daemon.ended, false);
});
