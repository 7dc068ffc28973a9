/** Bad input, call by call and field by field: the answer names the field, and nothing else happens. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { metricsOf } from "../support/daemon.ts";
import type { TestClient, UnaryResult } from "../support/grpc-client.ts";
import { simplePod, type KubeApi } from "../support/kube-api.ts";
import { sumOf } from "../support/metrics.ts";
import { secret, secretSshKey } from "../support/secrets.ts";
import { calls, claimsOf, describe, podsOf, request, start, startCalls, started, type Calls } from "../support/workspace-calls.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const mebi = 1024 * 1024;
const { INVALID_ARGUMENT, NOT_FOUND } = code;

/** The message, in which XX was replaced by a byte that is in no UTF-8. */
function notUtf8(message: Uint8Array): Uint8Array {
  const bytes = Buffer.from(message);
  const at = bytes.indexOf("XX");
  assert.ok(at > 0);
  bytes[at] = 0xff;
  return bytes;
}

/** A field of type int32 or enum, with any value. */
function varint(field: number, value: bigint): Buffer {
  const bytes = [field << 3];
  for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}

const id = "instance-1";
const encoded = {
  id: (given: string): Uint8Array => wsman.MarkActiveRequest.encode({ id: given }).finish(),
  timeout: (duration: string): Uint8Array => wsman.SetTimeoutRequest.encode({ id, duration }).finish(),
  port: (spec: wsman.PortSpec.$Properties): Uint8Array => wsman.ControlPortRequest.encode({ id, expose: true, spec }).finish(),
  keys: (keys: string[]): Uint8Array => wsman.UpdateSSHKeyRequest.encode({ id, keys }).finish(),
  filter: (mustMatch: wsman.MetadataFilter.$Properties): Uint8Array => wsman.GetWorkspacesRequest.encode({ mustMatch }).finish(),
  snapshot: (members: wsman.DeleteVolumeSnapshotRequest.$Properties): Uint8Array => wsman.DeleteVolumeSnapshotRequest.encode(members).finish(),
};

/** What a call needs beside the ID to be in order. */
const rests: Readonly<Record<string, Uint8Array>> = {
  DescribeWorkspace: Buffer.alloc(0), StopWorkspace: Buffer.alloc(0), MarkActive: Buffer.alloc(0), TakeSnapshot: Buffer.alloc(0), BackupWorkspace: Buffer.alloc(0), ControlAdmission: Buffer.alloc(0), UpdateSSHKey: Buffer.alloc(0),
  SetTimeout: wsman.SetTimeoutRequest.encode({ duration: "1h" }).finish(), ControlPort: wsman.ControlPortRequest.encode({ expose: true, spec: { port: 1 } }).finish(),
};

async function call(client: TestClient, method: string, bytes: Uint8Array): Promise<Pick<UnaryResult, "code" | "details">> {
  if (method !== "Subscribe") return client.wsman(method, bytes);
  const stream = client.subscribe(bytes).read();
  // One that is taken has no end of its own.
  await stream.headers.then(() => stream.call.cancel(), () => undefined);
  return stream.status;
}

/** Requests to the API server that are none of a watch or list. */
async function requestsOf({ daemon }: Calls): Promise<number> {
  const metrics = await metricsOf(daemon);
  return ["get", "create", "patch", "delete"].reduce((sum, verb) => sum + sumOf(metrics, "wsmand_api_requests_total", { verb }), 0);
}

/** Runs the work, which must change no pod and no claim, and make no request to the API server. */
async function changesNothing(setup: Calls, work: () => Promise<void>): Promise<void> {
  const state = async (): Promise<unknown> => [await podsOf(setup.api), await claimsOf(setup.api), await requestsOf(setup)];
  const before = await state();
  await work();
  assert.deepEqual(await state(), before);
}

/** Pods that are no workspaces, whatever their names and labels say. */
async function addOthers(api: KubeApi): Promise<readonly string[]> {
  const others = [
    simplePod("ws-other"), simplePod("ws-labelled", {}, { labels: { workspaceID: "labelled", app: "gitpod", component: "workspace", gpwsman: "false" }, annotations: { "gitpod/id": "labelled" } }),
    simplePod("unmarked", {}, { labels: { workspaceID: "unmarked", component: "workspace" }, annotations: { "gitpod/id": "unmarked", "gitpod/ownerToken": secret("others-token") } }),
  ];
  for (const other of others) await api.create("pods", other);
  return ["other", "ws-other", "labelled", "ws-labelled", "unmarked"];
}

test("an ID that is no workspace's is not found by any call, whatever pods there are, and its pods stay as they are", async (t) => {
  const setup = await startCalls(t, cluster);
  await started(setup.client);
  const others = await addOthers(setup.api);
  const hostile = ["ws-instance-1", "INSTANCE-1", "instance-1 ", "instance-1\0", "../pods/ws-other", "ws-other?x=1", "%2e%2e%2fws-other", "constructor", "__proto__", "toString", "\u202einstance-1", "a\r\nb: c", "😀", "*", "x".repeat(60_000)];
  await changesNothing(setup, async () => {
    for (const [method, rest] of Object.entries(rests)) {
      for (const given of [...others, ...hostile]) {
        const { code: got, details } = await call(setup.client, method, Buffer.concat([encoded.id(given), rest]));
        assert.deepEqual([got, details.slice(0, 1000)], [NOT_FOUND, `workspace ${given} does not exist`.slice(0, 1000)], method);
        assert.ok(details.length < 1100, String(details.length));
      }
      const missing = await call(setup.client, method, rest);
      assert.deepEqual([missing.code, missing.details], [NOT_FOUND, "workspace  does not exist"], method);
    }
  });
});

test("a text that is not UTF-8 is named by every call that has one", async (t) => {
  const setup = await startCalls(t, cluster);
  await started(setup.client);
  const cases: (readonly [method: string, message: Uint8Array, field: string])[] = [
    ...["GetWorkspaces", "Subscribe"].flatMap((method) => [
      [method, encoded.filter({ owner: "XX" }), "must_match.owner"], [method, encoded.filter({ metaId: "XX" }), "must_match.meta_id"], [method, encoded.filter({ annotations: { a: "XX" } }), "must_match.annotations"],
    ] as const),
    ["SetTimeout", encoded.timeout("XX"), "duration"], ["UpdateSSHKey", encoded.keys([secretSshKey(), "XX"]), "keys[1]"], ["ControlPort", encoded.port({ port: 1, url: "XX" }), "spec.url"],
    ["DeleteVolumeSnapshot", encoded.snapshot({ id: "XX" }), "id"], ["DeleteVolumeSnapshot", encoded.snapshot({ id: "a", volumeHandle: "XX" }), "volume_handle"],
    ["StartWorkspace", wsman.StartWorkspaceRequest.encode(request({}, { envvars: [{ name: "TOKEN", value: secret("variable") }, { name: "B", value: "XX" }] })).finish(), "spec.envvars[1].value"],
    ...Object.keys(rests).map((method) => [method, encoded.id("XX"), "id"] as const),
  ];
  await changesNothing(setup, async () => {
    for (const [method, message, field] of cases) {
      const { code: got, details } = await call(setup.client, method, notUtf8(message));
      assert.equal(got, INVALID_ARGUMENT, method);
      assert.ok(details.endsWith(`: ${field} is not UTF-8`), `${method}: ${details}`);
    }
  });
});

test("a value out of range, too long, or that makes no sense, is refused by its name", async (t) => {
  const setup = await startCalls(t, cluster);
  await started(setup.client);
  const withId = (...fields: readonly Buffer[]): Buffer => Buffer.concat([encoded.id(id), ...fields]);
  const enums = [2n, -1n, 2_147_483_647n, -2_147_483_648n];
  const cases: (readonly [method: string, message: Uint8Array, expected: RegExp])[] = [
    ...enums.flatMap((value) => [["StopWorkspace", withId(varint(2, value)), /policy/], ["ControlAdmission", withId(varint(2, value)), /level/], ["ControlPort", Buffer.concat([withId(varint(2, 1n)), Buffer.from([0x1a, 2 + varint(3, value).length, 8, 80]), varint(3, value)]), /visibility/]] as const),
    ...["", "0x10", "1h ", "１h", "1h\n", "9999999999h", "-", "1", "NaN", "1ns".repeat(50), "x".repeat(60_000)].map((duration) => ["SetTimeout", encoded.timeout(duration), /^invalid duration "/] as const),
    ["SetTimeout", encoded.timeout("-5m"), /^invalid duration "-5m": duration must not be negative$/],
    ...[0, 65_536, 4_294_967_295].map((port) => ["ControlPort", encoded.port({ port }), new RegExp(`^port ${port} is out of range`)] as const),
    ["ControlPort", withId(varint(2, 1n)), /^spec is required/],
    ...["", "ssh-ed25519", `${secretSshKey()}\n${secretSshKey()}`, "-----BEGIN PRIVATE KEY-----", `# ${secretSshKey()}`, `${secretSshKey()}${"x".repeat(20_000)}`].map((key) => ["UpdateSSHKey", encoded.keys([secretSshKey(), key]), /^keys\[1\] /] as const),
    ["UpdateSSHKey", encoded.keys(Array.from({ length: 2500 }, () => secretSshKey())), /^keys take \d+ bytes, and may take 196608/],
    ...["", "A", "../x", "a/b", ".", "x".repeat(254), "a\0"].map((name) => ["DeleteVolumeSnapshot", encoded.snapshot({ id: name, volumeHandle: "h" }), /^id /] as const),
    ["Subscribe", encoded.filter({ owner: "x".repeat(600_000) }), /^the request takes 6\d+ bytes, and may take 524288$/],
  ];
  await changesNothing(setup, async () => {
    for (const [method, message, expected] of cases) {
      const { code: got, details } = await call(setup.client, method, message);
      assert.equal(got, INVALID_ARGUMENT, `${method}: ${details}`);
      assert.match(details, expected, method);
    }
    assert.equal((await call(setup.client, "DescribeCluster", Buffer.from("ffffff", "hex"))).code, code.OK, "whose request has no members");
  });
});

test("a start is refused by the names of all fields that are wrong, and makes neither pod nor claim", async (t) => {
  const setup = await startCalls(t, cluster, { withClaims: true });
  const long = "a".repeat(100_000);
  const metadata = (members: object): object => ({ metadata: { owner: "jane", metaId: "meta-1", ...members } });
  const claim = { featureFlags: ["PERSISTENT_VOLUME_CLAIM"] };
  const cases: (readonly [field: string, members: object, spec?: object])[] = [
    ...["", long, "../x", "a\0", "__proto__", "😀"].flatMap((given) => [["id", { id: given }], ["owner", metadata({ owner: given })], ["meta_id", metadata({ metaId: given })], ["service_prefix", { servicePrefix: given }]] as const),
    ["metadata", { metadata: undefined }],
    ["team", metadata({ team: long })], ["project", metadata({ project: "a\nb" })],
    ...["__proto__", "a/b", long, "\u0000", "é"].map((given) => ["annotations", metadata({ annotations: Object.fromEntries([[given, "x"]]) })] as const),
    ["annotations", metadata({ annotations: { a: "x".repeat(300_000) } })],
    ["spec", { spec: undefined }],
    ...["", long, "a\0"].flatMap((given) => [["workspace_image", {}, { workspaceImage: given }], ["workspace_location", {}, { workspaceLocation: given }]] as const),
    ["deprecated_ide_image", {}, { deprecatedIdeImage: long }], ["ide_image", {}, { ideImage: { desktopRef: long } }],
    ["initializer", {}, { initializer: undefined }], ["initializer", {}, { initializer: {} }], ["initializer", {}, { initializer: { git: { config: { authPassword: secret("git-password").repeat(20_000) } } } }],
    ["ports", {}, { ports: [{ port: 4_294_967_295 }] }], ["ports", {}, { ports: Array.from({ length: 70_000 }, (_, i) => ({ port: (i % 65_535) + 1 })) }],
    ["envvars", {}, { envvars: [{ name: "A", value: `${secret("variable")}\0` }] }], ["envvars", {}, { envvars: [{ name: "A\0", value: "x" }] }], ["envvars", {}, { envvars: [{ name: long, secret: { secretName: "../../s", key: ".." } }] }],
    ["envvars", {}, { envvars: [{ name: "A", value: secret("variable").repeat(45_000) }] }], ["envvars", {}, { envvars: [{ name: "A", value: secret("variable").repeat(5_100) }] }],
    ["timeout", {}, { timeout: long }], ["git", {}, { git: { username: long } }], ["class", {}, { class: long }],
    ["volume_snapshot", {}, { ...claim, volumeSnapshot: { volumeSnapshotName: "../pods/x" } }], ["volume_snapshot", {}, { ...claim, volumeSnapshot: { volumeSnapshotName: "a", volumeSnapshotHandle: long } }],
    ["ssh_public_keys", {}, { sshPublicKeys: Array.from({ length: 3000 }, () => secretSshKey()) }],
  ];
  await changesNothing(setup, async () => {
    for (const [field, members, spec] of cases) {
      const { code: got, details } = await start(setup.client, request(members, { ...claim, ...spec }));
      assert.equal(got, INVALID_ARGUMENT, field);
      assert.match(details, new RegExp(`^invalid start workspace request: invalid request: ${field}: `), field);
    }
    for (const [field, number, sub] of [["type", 6, undefined], ["admission", 4, 11], ["feature_flags", 4, 3]] as const) {
      for (const value of [3n, 99n, -1n]) {
        const inner = sub === undefined ? undefined : varint(sub, value);
        const broken = inner ? Buffer.from([(number << 3) | 2, inner.length, ...inner]) : varint(number, value);
        const { code: got, details } = await setup.client.wsman("StartWorkspace", Buffer.concat([wsman.StartWorkspaceRequest.encode(request()).finish(), broken]));
        assert.equal(got, INVALID_ARGUMENT, field);
        assert.match(details, new RegExp(`: ${field}: value -?\\d+ is out of range\\.$`));
      }
    }
  });
});

test("ten thousand environment variables are all on the pod; sixteen mebibytes are refused, and one byte more is not even read", async (t) => {
  const setup = await startCalls(t, cluster);
  const envvars = Array.from({ length: 10_000 }, (_, i) => ({ name: `V${i}`, value: "x" }));
  await started(setup.client, request({}, { envvars }));
  const [container] = records(record((await setup.api.get(setup.api.path("pods", "ws-instance-1")))["spec"])["containers"]);
  assert.equal(records(container?.["env"]).filter((variable) => /^V\d+$/.test(text(variable["name"]))).length, 10_000);
  assert.equal((await describe(setup.client)).status?.id, id);
  await changesNothing(setup, async () => {
    const large = (size: number): Uint8Array => {
      const message = (fill: number): Uint8Array => wsman.StartWorkspaceRequest.encode(request({ id: "large" }, { envvars: [{ name: "A", value: "x".repeat(fill) }] })).finish();
      return message(size - (message(size).length - size));
    };
    const most = await setup.client.wsman("StartWorkspace", large(16 * mebi - 8));
    assert.equal(most.code, INVALID_ARGUMENT);
    assert.match(most.details, /^the request takes 1677\d+ bytes, and may take 1572864$/);
    const more = await setup.client.wsman("StartWorkspace", Buffer.concat([large(16 * mebi - 8), Buffer.alloc(16)]));
    assert.deepEqual([more.code, /larger than max/.test(more.details)], [code.RESOURCE_EXHAUSTED, true]);
    assert.match((await setup.client.wsman("StartWorkspace", large(1.4 * mebi))).details, /: envvars: take 14\d+ bytes on the pod, and may take 1048576\.$/);
  });
});

test("sixteen mebibytes of small members, one of them not UTF-8, are refused by every call before they are decoded", async (t) => {
  const setup = await startCalls(t, cluster);
  const many = Buffer.concat([Buffer.alloc(16 * mebi - 3, Buffer.of(0x12, 0)), Buffer.of(0x0a, 1, 0xff)]);
  const refused = /^the request takes 16777216 bytes, and may take (?:65536|524288|1572864)$/;
  await changesNothing(setup, async () => {
    for (const method of [...Object.keys(rests), "GetWorkspaces", "Subscribe", "StartWorkspace", "DeleteVolumeSnapshot"]) {
      const { code: got, details } = await call(setup.client, method, many);
      assert.deepEqual([got, refused.test(details)], [INVALID_ARGUMENT, true], `${method}: ${details}`);
    }
    assert.match((await setup.client.unary("/registryfacade.SpecProvider/GetImageSpec", many)).details, refused);
  });
});

test("the largest request that is taken makes a pod", async (t) => {
  const setup = await startCalls(t, cluster);
  const annotations = { a: "x".repeat(190_000) };
  await started(setup.client, request({ metadata: { owner: "jane", metaId: "m", annotations } }, { envvars: Array.from({ length: 8 }, (_, i) => ({ name: `A${i}`, value: "x".repeat(130_500) })), sshPublicKeys: [] }));
  await started(setup.client, request({ id: "many", metadata: { owner: "jane", metaId: "m", annotations } }, { envvars: Array.from({ length: 10_700 }, (_, i) => ({ name: `VAR_${i}`, value: "x" })), sshPublicKeys: [] }));
  assert.equal((await describe(setup.client)).status?.metadata?.annotations?.["a"]?.length, 190_000);
});

test("names of prototypes are names like others where they may be, and a URL that a client gives is not taken", async (t) => {
  const { client } = await startCalls(t, cluster);
  await started(client, request({ id: "constructor", metadata: { owner: "constructor", metaId: "tostring", annotations: { constructor: "a", "x.__proto__.x": "b", toString: "c" } } }));
  assert.deepEqual((await describe(client, "constructor")).status?.metadata?.annotations, { constructor: "a", "x.__proto__.x": "b", toString: "c" });
  const matching = async (annotations: object): Promise<number> => {
    const { code: got, response } = await client.wsman("GetWorkspaces", wsman.GetWorkspacesRequest.encode(wsman.GetWorkspacesRequest.fromObject({ mustMatch: { annotations } })).finish());
    assert.equal(got, code.OK);
    return wsman.GetWorkspacesResponse.decode(response).status.length;
  };
  assert.deepEqual([await matching({ constructor: "a" }), await matching({ toString: "c", constructor: "a" }), await matching(Object.fromEntries([["__proto__", "a"]])), await matching({ hasOwnProperty: "" }), await matching({ valueOf: "a" })], [1, 1, 0, 0, 0]);
  const { code: got } = await calls.port(client, true, { port: 3000, url: "https://evil.example" }, "constructor");
  assert.equal(got, code.OK);
  assert.deepEqual((await describe(client, "constructor")).status?.spec?.exposedPorts?.map(({ url }) => url), ["https://3000-constructor.ws.wsmand.localhost"]);
});
