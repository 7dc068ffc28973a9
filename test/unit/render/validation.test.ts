/** Validation of start requests: what a client is told, field by field. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wsman } from "../../../src/gen/proto.js";
import { invalidStart, startProblems } from "../../../src/main/render/validation.ts";
import { toStatus } from "../../../src/main/rpc/status.ts";
import { request } from "./helpers.ts";

function problems(members: object = {}, spec: object = {}): readonly string[] {
  return startProblems(request(members, spec)).map(({ field, message }) => `${field}: ${message}`);
}

function fields(members: object = {}, spec: object = {}): readonly string[] {
  return startProblems(request(members, spec)).map(({ field }) => field);
}

test("a request in order has no problems, with everything that is optional and without", () => {
  assert.deepEqual(problems(), []);
  const metadata = { owner: "0a1B_2.3", metaId: "gitpodio-gitpod-abc", team: "team-1", project: "", annotations: { key: "any value\n", "a.b_c-D": "" } };
  const spec = {
    class: "no-such-class", ports: [{ port: 1 }, { port: 65535, visibility: 1 }], featureFlags: [0, 4, 4, 5, 7], admission: 1, timeout: "1h30m", volumeSnapshot: { volumeSnapshotName: "snap-1" },
    envvars: [{ name: "A", value: "=" }, { name: "B", secret: { secretName: "s", key: "k.pem" } }, { name: "GITPOD_DROPPED\n", value: "x" }, { name: "" }],
  };
  assert.deepEqual(problems({ metadata }, spec), []);
  for (const type of ["PREBUILD", "PROBE", "IMAGEBUILD"]) assert.deepEqual(problems({ type, servicePrefix: "" }), []);
});

test("an empty request is told everything that is required, sorted", () => {
  assert.deepEqual(
    startProblems({}).map(({ field, message }) => `${field}: ${message}`),
    ["id: cannot be blank", "metadata: cannot be blank", "service_prefix: cannot be blank", "spec: cannot be blank"],
  );
  assert.deepEqual(startProblems({ id: "a", servicePrefix: "b", metadata: {}, spec: {} }).map(({ field }) => field), ["initializer", "meta_id", "owner", "workspace_image", "workspace_location"]);
});

test("the error's text is the one that clients know", () => {
  const found = startProblems(request({}, { workspaceImage: "", ports: [{ port: 5900 }, { port: 5900 }] }));
  const error = invalidStart(found);
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.equal(error.message, "invalid start workspace request: invalid request: ports: port 5900 is not unique; workspace_image: cannot be blank.");
});

test("every field that is wrong is named in the status, however many they are and however much there is to say of each", () => {
  const bad = "_".repeat(200);
  const names = { id: bad, servicePrefix: bad, metadata: { owner: bad, metaId: bad, team: bad, project: bad, annotations: { [bad]: "" } } };
  const seven = startProblems(request(names));
  const { details } = toStatus(invalidStart(seven));
  assert.equal(seven.length, 7);
  for (const { field } of seven) assert.match(details, new RegExp(`[:;] ${field}: "_`));
  assert.match(details, /\.$/);
  const unprintable = "\u0001".repeat(200);
  const all = startProblems(request(
    { id: unprintable, servicePrefix: unprintable, type: 99, metadata: { owner: unprintable, metaId: unprintable, team: unprintable, project: unprintable, annotations: { [unprintable]: "" } } },
    {
      workspaceImage: "", workspaceLocation: "", initializer: {}, ports: [{ port: 0 }], featureFlags: [99], admission: 99, timeout: unprintable, envvars: [{ name: unprintable, value: "x" }], volumeSnapshot: { volumeSnapshotName: unprintable },
      deprecatedIdeImage: "x".repeat(5_000), ideImage: { webRef: "x".repeat(5_000) }, git: { username: "x".repeat(5_000) }, class: "x".repeat(5_000), sshPublicKeys: ["x".repeat(400_000)],
    },
  ));
  const told = toStatus(invalidStart(all)).details;
  assert.ok(all.length >= 20, String(all.length));
  for (const { field } of all) assert.match(told, new RegExp(`[:;] ${field}: `));
  assert.match(told, /\.$/);
});

test("an initializer needs one of its cases", () => {
  assert.deepEqual(problems({}, { initializer: {} }), ["initializer: cannot be blank"]);
  for (const name of ["empty", "git", "snapshot", "prebuild", "composite", "download", "backup"]) assert.deepEqual(fields({}, { initializer: { [name]: {} } }), [], name);
});

test("each field is refused for what it alone has wrong", () => {
  const long = "a".repeat(64);
  const metadata = (members: object): object => ({ metadata: { owner: "jane", metaId: "meta-1", ...members } });
  const cases: readonly (readonly [string, object, object?])[] = [
    ...["UPPER", "-a", "a-", "a/b", "..", "a..b", "a_b", "é", "a\n", long, "__proto__"].map((id) => ["id", { id }] as const),
    ...["a b", "-a", "a-", "a/b", "jane\n", "é", long].map((owner) => ["owner", metadata({ owner })] as const),
    ...["UPPER", "a.b", "a_b", "-a", "a\n", long].map((metaId) => ["meta_id", metadata({ metaId })] as const),
    ["team", metadata({ team: "a b" })],
    ["project", metadata({ project: "_" })],
    ...["a/b", "", "a b", "ends-", "é", "a".repeat(53)].map((key) => ["annotations", metadata({ annotations: { [key]: "" } })] as const),
    ["service_prefix", { servicePrefix: "evil.example/" }],
    ["type", { type: 3 }],
    ["admission", {}, { admission: 2 }],
    ["feature_flags", {}, { featureFlags: [4, 1] }],
    ["timeout", {}, { timeout: "1 hour" }], ["timeout", {}, { timeout: "-5m" }],
    ...[[{ port: 0 }], [{ port: 65536 }], [{ port: 80, visibility: 2 }], [{}]].map((ports) => ["ports", {}, { ports }] as const),
    ...[{ name: "", value: "x" }, { name: "A=B", value: "x" }, { name: "A\n", value: "x" }, { name: "A", secret: {} }, { name: "A", secret: { secretName: "../x", key: "k" } }, { name: "A", secret: { secretName: "x", key: ".." } }]
      .map((variable) => ["envvars", {}, { envvars: [variable] }] as const),
    ["volume_snapshot", {}, { volumeSnapshot: { volumeSnapshotName: "../pods/x" } }],
  ];
  for (const [field, members, spec] of cases) assert.deepEqual(fields(members, spec), [field], JSON.stringify([members, spec]));
});

test("what no pod can hold is refused, with the largest part of it", () => {
  const kib = 1024;
  const env = (count: number, size: number): object => ({ envvars: Array.from({ length: count }, (_, i) => ({ name: `VARIABLE_${i}`, value: "x".repeat(size) })) });
  assert.deepEqual(problems({}, env(8000, 10)), []);
  assert.deepEqual(problems({}, env(8, 120 * kib)), []);
  assert.match(problems({}, env(11_000, 1)).join(), /^envvars: take \d+ bytes on the pod, and may take 1048576$/);
  assert.match(problems({}, env(4, 300 * kib)).join(), /^envvars: take /);
  // NAME=VALUE and a NUL.
  const longest = 128 * kib - "VARIABLE_0".length - 2;
  assert.deepEqual(problems({}, env(1, longest)), []);
  assert.deepEqual(problems({}, env(1, longest + 1)), ['envvars: "VARIABLE_0" takes 131073 bytes, and one variable may take 131072']);
  assert.deepEqual(fields({}, { envvars: [{ name: "A", secret: { secretName: "s", key: "k" } }] }), []);
  assert.deepEqual(fields({}, { envvars: [{ name: "GITPOD_DROPPED", value: "x".repeat(2000 * kib) }] }), []);
  const large = "x".repeat(150 * kib);
  const sixth = "x".repeat(30 * kib);
  assert.match(problems({ metadata: { owner: "o", metaId: "m", annotations: { a: "x".repeat(200 * kib) } } }).join(), /^annotations: takes 204\d+ bytes on the pod, whose annotations may take 196608 together and take 204\d+$/);
  assert.deepEqual(fields({}, { initializer: { download: { files: [{ url: large }] } } }), ["initializer"]);
  assert.deepEqual(fields({}, { sshPublicKeys: [large] }), ["ssh_public_keys"]);
  assert.deepEqual(fields({ metadata: { owner: "o", metaId: "m", annotations: { a: large } } }, { sshPublicKeys: [sixth], initializer: { git: { cloneTaget: sixth } } }), ["annotations"]);
  assert.deepEqual(fields({ metadata: { owner: "o", metaId: "m", annotations: { a: sixth } } }, { sshPublicKeys: [sixth], initializer: { git: { cloneTaget: sixth } } }), []);
});

test("the places of repositories become one variable, and are counted with the others", () => {
  const prebuild = (count: number): object => ({ initializer: { prebuild: { git: Array.from({ length: count }, () => ({})) } } });
  const most = Math.floor((128 * 1024 - "GITPOD_REPO_ROOTS=".length) / "/workspace,".length);
  assert.deepEqual(problems({}, prebuild(most)), []);
  assert.match(problems({}, prebuild(most + 1)).join(), /^initializer: has checkout locations that take 1310\d+ bytes as a variable, and may take 131072$/);
  const envvars = Array.from({ length: 8 }, (_, i) => ({ name: `V${i}`, value: "x".repeat(130_000) }));
  assert.deepEqual([fields({}, { envvars }), fields({}, { envvars, ...prebuild(2_000) })], [[], ["envvars"]]);
  assert.ok(fields({}, prebuild(400_000)).includes("initializer"));
});

test("texts that no one means, and such as no environment can hold, are refused", () => {
  const long = "x".repeat(4097);
  const cases: readonly (readonly [string, object])[] = ["a\0b", long].flatMap((value) => [
    ["workspace_image", { workspaceImage: value }], ["deprecated_ide_image", { deprecatedIdeImage: value }], ["ide_image", { ideImage: { supervisorRef: value } }], ["workspace_location", { workspaceLocation: value }],
    ["git", { git: { email: value } }], ["class", { class: value }], ["volume_snapshot", { volumeSnapshot: { volumeSnapshotHandle: value } }], ["initializer", { initializer: { composite: { initializer: [{ git: { checkoutLocation: value } }] } } }],
  ]);
  for (const [field, spec] of cases) assert.deepEqual(fields({}, spec), [field], field);
  assert.deepEqual(problems({}, { envvars: [{ name: "A", value: "x\0" }] }), ['envvars: "A" has a NUL in its value, which no environment can hold']);
  assert.deepEqual(fields({}, { timeout: "1ns".repeat(50) }), ["timeout"]);
});

test("names of prototypes are names like others", () => {
  assert.deepEqual(fields({ metadata: { owner: "constructor", metaId: "tostring", annotations: { ["__proto__x"]: "1", constructor: "2" } } }), []);
  const annotations: unknown = JSON.parse('{"__proto__": "x"}');
  assert.deepEqual(fields({ metadata: { owner: "jane", metaId: "m", annotations } }), ["annotations"]);
});

test("values that may be secret are in no message", () => {
  const secret = "hunter2 \u0000";
  const spec = { envvars: [{ name: "bad=name", value: secret }], sshPublicKeys: [secret], initializer: {}, git: { username: secret } };
  assert.ok(!invalidStart(startProblems(request({}, spec))).message.includes("hunter2"));
});

test("long values are cut", () => {
  const { message } = invalidStart(startProblems(request({ id: "A".repeat(1_000_000), metadata: { owner: "!".repeat(1_000_000), metaId: "m" } })));
  assert.ok(message.length < 1000, String(message.length));
});

test("any decoded message is judged without throwing, one problem per field, sorted", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      let decoded;
      try {
        decoded = wsman.StartWorkspaceRequest.decode(bytes);
      } catch {
        return;
      }
      const names = startProblems(decoded).map(({ field }) => field);
      assert.deepEqual(names, [...new Set(names)].toSorted());
    }),
  );
});
