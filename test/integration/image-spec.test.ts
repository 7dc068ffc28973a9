/** GetImageSpec end to end, with contents in a real S3 server where there is one. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test, type TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { annotations, labels } from "../../src/domain/names.ts";
import { contentservice, registryfacade, wsman } from "../../src/gen/proto.js";
import { Secret } from "../../src/main/config/secret.ts";
import type { RateLimit, StorageConfig } from "../../src/main/config/types.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient, type UnaryResult } from "../support/grpc-client.ts";
import { noObjectStorage, startObjectServer, storageKeys, type ObjectServer } from "../support/object-storage.ts";
import { Player } from "../support/player.ts";
import { podIn, type WorkspacePodOptions } from "../support/pods.ts";
import { keepSecret, secret } from "../support/secrets.ts";
import { startScriptedServer } from "../support/scripted-http.ts";
import { entriesOf } from "../support/tar.ts";
import { until } from "../support/until.ts";
import { command } from "../unit/cli/helpers.ts";
import { manifestType } from "../unit/content/memory-storage.ts";
import { MemoryLog } from "../unit/rpc/helpers.ts";

let cluster: TestCluster;
let namespaces = 0;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const bucket = "gitpod-user-jane";
const stored = { baseRef: "registry.example.com/base:1", ideRef: "registry.example.com/ide:2", supervisorRef: "registry.example.com/supervisor:3" };
const gitSecret = secret("git-password");
const git = { git: { remoteUri: "https://git.example.com/r.git", checkoutLocation: "r", config: { authentication: 1, authUser: "u", authPassword: gitSecret } } };

interface Setup {
  readonly client: TestClient;
  readonly port: number;
  readonly log: MemoryLog;
  /** Adds a workspace and waits until the daemon knows it. */
  readonly add: (id: string, options?: Omit<WorkspacePodOptions, "id" | "phase">) => Promise<void>;
  readonly specOf: (id: string) => Promise<UnaryResult>;
}

function storageAt(endpoint: string): StorageConfig {
  const { accessKey, secretKey } = storageKeys;
  return { kind: "minio", stage: "dev", gcloud: {}, minio: { endpoint, accessKey: new Secret(accessKey), secretKey: new Secret(secretKey), secure: false }, backupTrail: { enabled: false } };
}

async function setup(t: TestContext, storage?: StorageConfig, rateLimits: readonly RateLimit[] = []): Promise<Setup> {
  const namespace = `images-${++namespaces}`;
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  await player.ensureNamespace();
  const log = new MemoryLog();
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace, log, storage, rateLimits });
  const client = new TestClient(daemon.rpcPort);
  t.after(async () => {
    client.close();
    await daemon.close();
    await player.removeAll();
    await player.close();
    // Secrets were searched for when the daemon ended; links are not told of at all.
    assert.doesNotMatch(JSON.stringify(log.lines), new RegExp(`X-Amz-|${storageKeys.accessKey}`));
  });
  await daemon.synced;
  const specOf = async (id: string): Promise<UnaryResult> => {
    const answer = await client.unary("/registryfacade.SpecProvider/GetImageSpec", registryfacade.GetImageSpecRequest.encode({ id }).finish());
    // Layers that are made are not compressed: the links in them are seen as well.
    for (const [, signature = ""] of answer.response.toString("latin1").matchAll(/X-Amz-Signature=(\w+)/g)) keepSecret("the signature of a link", signature);
    return answer;
  };
  const add: Setup["add"] = async (id, options = {}) => {
    await player.play(podIn("unscheduled", id, { owner: "jane", metaId: `meta-${id}`, ...options, namespace, annotations: { [annotations.imageSpec]: packed(registryfacade.ImageSpec.encode(stored).finish()), ...options.annotations } }));
    await until("it is known", async () => (await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish())).code === code.OK);
  };
  return { client, port: daemon.rpcPort, log, add, specOf };
}

function packed(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** A workspace whose image has its content. */
function withContent(initializer: contentservice.WorkspaceInitializer.$Properties, label: string = labels.fullWorkspaceBackup): Omit<WorkspacePodOptions, "id" | "phase"> {
  return { labels: { [label]: "true" }, annotations: { [annotations.contentInitializer]: packed(contentservice.WorkspaceInitializer.encode(initializer).finish()) } };
}

/** The spec of an answer that must be good. */
function specIn({ code: got, details, response }: UnaryResult): registryfacade.ImageSpec {
  assert.equal(got, code.OK, details);
  return registryfacade.ImageSpec.create(registryfacade.GetImageSpecResponse.decode(response).spec ?? {});
}

function layersIn(answer: UnaryResult): registryfacade.ContentLayer.$Properties[] {
  return specIn(answer).contentLayer;
}

/** The files of a layer that was made. */
async function filesIn({ direct }: registryfacade.ContentLayer.$Properties): Promise<Record<string, unknown>> {
  const entries = await entriesOf(direct?.content ?? Buffer.alloc(0));
  return Object.fromEntries(entries.filter(({ type }) => type === "file").map(({ name, text }) => [name, name.endsWith(".json") || name.endsWith("ready") ? JSON.parse(text) : text]));
}

test("a workspace without content layers has the image spec that stands on its pod, byte by byte", async (t) => {
  const { add, specOf } = await setup(t);
  // A member that this version does not know stays.
  const spec = Buffer.concat([registryfacade.ImageSpec.encode(stored).finish(), Buffer.from([0x7a, 1, 0x78])]);
  await add("plain", { annotations: { [annotations.imageSpec]: packed(spec) } });
  const answer = await specOf("plain");
  assert.deepEqual(answer.response, Buffer.concat([Buffer.from([0x0a, spec.length]), spec]));
  assert.deepEqual({ ...registryfacade.ImageSpec.toObject(specIn(answer)) }, stored);
});

test("what is not there, or can not be used, is told by code and words", async (t) => {
  const { client, add, specOf } = await setup(t);
  const told = async (id: string): Promise<[number, string]> => {
    const { code: got, details } = await specOf(id);
    return [got, details];
  };
  for (const id of ["nobody", "", "../pods", "a/b", "\u0000"]) assert.deepEqual(await told(id), [code.NOT_FOUND, "not found"]);
  assert.equal((await client.unary("/registryfacade.SpecProvider/GetImageSpec", Buffer.from("ffff", "hex"))).code, code.INVALID_ARGUMENT);
  await add("layered", withContent(git));
  assert.deepEqual(await told("layered"), [code.FAILED_PRECONDITION, "the workspace's content comes in layers, and content.storage is not configured"]);
});

test("a method's limit counts for GetImageSpec as well", async (t) => {
  const limit = { method: "/registryfacade.SpecProvider/GetImageSpec", block: false, bucketSize: 1, refillInterval: 3_600_000, keyCacheSize: 10, key: "id" };
  const { add, specOf } = await setup(t, undefined, [limit]);
  await add("one");
  assert.equal((await specOf("one")).code, code.OK);
  const { code: got, details } = await specOf("one");
  assert.deepEqual([got, details], [code.RESOURCE_EXHAUSTED, "too many calls of /registryfacade.SpecProvider/GetImageSpec: try again later"]);
  assert.equal((await specOf("another")).code, code.NOT_FOUND);
});

test("a storage that does not answer, or refuses, is UNAVAILABLE, also where the initializer would do", async (t) => {
  const server = await startScriptedServer(t);
  const { add, specOf } = await setup(t, storageAt(server.address));
  await add("git", withContent(git));
  server.respond = (_request, response) => void response.writeHead(403).end();
  const refused = await specOf("git");
  assert.equal(refused.code, code.UNAVAILABLE);
  assert.match(refused.details, /^the content storage can not be asked for gitpod-user-jane\/workspaces\/meta-git\/wsfull\.json: it answered 403/);
  const nowhere = await setup(t, storageAt("127.0.0.1:1"));
  await nowhere.add("git", withContent(git, labels.pvcFeature));
  const gone = await nowhere.specOf("git");
  assert.deepEqual([gone.code, gone.details], [code.UNAVAILABLE, "the content storage can not be asked for gitpod-user-jane/workspaces/meta-git/full.tar: ECONNREFUSED"]);
  // Workspaces without content layers need no storage.
  await nowhere.add("plain");
  assert.equal((await nowhere.specOf("plain")).code, code.OK);
});

test("a call ends with its deadline, and so does what it asked the storage for", async (t) => {
  const server = await startScriptedServer(t);
  const { client, add, specOf } = await setup(t, storageAt(server.address));
  await add("git", withContent(git));
  // Loads the library for the storage.
  assert.equal((await specOf("git")).code, code.UNAVAILABLE);
  let closed = false;
  server.respond = (request) => void request.socket.once("close", () => (closed = true));
  const answer = await client.unary("/registryfacade.SpecProvider/GetImageSpec", registryfacade.GetImageSpecRequest.encode({ id: "git" }).finish(), { deadline: Date.now() + 1_500 });
  assert.equal(answer.code, code.DEADLINE_EXCEEDED);
  await until("the storage is not waited for", () => closed);
});

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** A manifest in the storage, with the layers that it names. */
async function putManifest(server: ObjectServer, object: string, layers: readonly string[]): Promise<void> {
  const parts = layers.map((text, i) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf(text), diffID: digestOf(text), size: text.length, bucket, object: `${object}-layer-${i}`, instanceID: "i" }));
  for (const [i, { object: name, digest }] of parts.entries()) await server.put(bucket, name, layers[i] ?? "", { digest });
  await server.put(bucket, object, JSON.stringify({ type: "application/vnd.gitpod.wsfull.v1", layers: parts }), { contentType: manifestType });
}

/** What a link of a layer downloads. */
async function downloaded({ remote }: registryfacade.ContentLayer.$Properties): Promise<string> {
  return (await fetch(remote?.url ?? "")).text();
}

/** A workspace with a full backup of two layers. */
async function withBackup(t: TestContext): Promise<Setup & { readonly server: ObjectServer }> {
  const server = await startObjectServer(t);
  await server.createBucket(bucket);
  const parts = await setup(t, storageAt(server.endpoint));
  await putManifest(server, "workspaces/meta-full/wsfull.json", ["first layer", "second layer"]);
  await parts.add("full", withContent(git));
  return { ...parts, server };
}

test("a backup's layers are links that download it, and a layer that says that it is ready", { skip: noObjectStorage }, async (t) => {
  const { specOf } = await withBackup(t);
  const { contentLayer, ...spec } = specIn(await specOf("full"));
  assert.deepEqual([spec.baseRef, spec.ideRef, spec.supervisorRef], [stored.baseRef, stored.ideRef, stored.supervisorRef]);
  const [first = {}, second = {}, ready = {}, ...more] = contentLayer;
  const { url: _url, ...members } = registryfacade.RemoteContentLayer.toObject(registryfacade.RemoteContentLayer.create(first.remote ?? {}), { longs: Number });
  assert.deepEqual(members, { digest: digestOf("first layer"), diffId: digestOf("first layer"), size: 11, mediaType: "application/vnd.oci.image.layer.v1.tar" });
  assert.deepEqual([await downloaded(first), await downloaded(second)], ["first layer", "second layer"]);
  assert.deepEqual([await filesIn(ready), more], [{ "/workspace/.gitpod/ready": { source: "from-backup" } }, []]);
  // The layers that are made are the same every time.
  assert.deepEqual(layersIn(await specOf("full"))[2]?.direct, ready.direct);
});

test("a backup of the old kind is downloaded by the workspace", { skip: noObjectStorage }, async (t) => {
  const { add, specOf, server } = await withBackup(t);
  await server.put(bucket, "workspaces/meta-legacy/full.tar", "old backup");
  await add("legacy", withContent({ backup: {} }));
  const { "/workspace/.gitpod/content.json": descriptor } = await filesIn(layersIn(await specOf("legacy"))[0] ?? {});
  const url = String(Reflect.get(Object(descriptor), "fromBackupURL"));
  assert.equal(await (await fetch(url)).text(), "old backup");
});

test("`wsmand image-spec` shows it, and links only if they are asked for", { skip: noObjectStorage }, async (t) => {
  const { port } = await withBackup(t);
  const shown = await command(["image-spec", "full", "--address", `127.0.0.1:${port}`]);
  assert.deepEqual([shown.code, shown.err], [0, ""]);
  assert.match(shown.out, /^Image: +registry\.example\.com\/base:1$/m);
  assert.match(shown.out, /^Layer 1: +11 bytes of application\/vnd\.oci\.image\.layer\.v1\.tar from the storage, sha256:/m);
  assert.match(shown.out, /^Layer 3: +made for the workspace: \/workspace.*, \/workspace\/\.gitpod\/ready$/m);
  const json = await command(["image-spec", "full", "--json", "--address", `127.0.0.1:${port}`]);
  assert.doesNotMatch(shown.out + json.out, /X-Amz/);
  assert.match((await command(["image-spec", "full", "--json", "--show-secrets", "--address", `127.0.0.1:${port}`])).out, /X-Amz-Signature/);
});

test("without a backup the initializer decides; on a claim as well", { skip: noObjectStorage }, async (t) => {
  const server = await startObjectServer(t);
  await server.createBucket(bucket);
  const { add, specOf, log } = await setup(t, storageAt(server.endpoint));
  const gitJson = { remoteUri: "https://git.example.com/r.git", checkoutLocation: "r", config: { authentication: "BASIC_AUTH", authUser: "u", authPassword: gitSecret } };
  await add("git", withContent(git));
  assert.deepEqual(await Promise.all(layersIn(await specOf("git")).map(filesIn)), [{ "/workspace/.gitpod/content.json": { req: { git: gitJson } } }]);
  await add("claim", withContent(git, labels.pvcFeature));
  const [files = {}] = await Promise.all(layersIn(await specOf("claim")).map(filesIn));
  assert.deepEqual([Object.keys(files), files["/.workspace/.gitpod/content.json"]], [["/.supervisor/prestophook.sh", "/.workspace/.gitpod/content.json"], { req: { git: gitJson } }]);
  await add("nothing", withContent({ backup: {} }));
  const { code: got, details } = await specOf("nothing");
  assert.deepEqual([got, details], [code.FAILED_PRECONDITION, "no backup found"]);
  await putManifest(server, "workspaces/other/snapshot.json", ["of the prebuild"]);
  await add("prebuilt", withContent({ prebuild: { prebuild: { snapshot: `workspaces/other/snapshot.json@${bucket}` }, git: [git.git] } }));
  const [layer, descriptor] = layersIn(await specOf("prebuilt"));
  assert.equal(await downloaded(layer ?? {}), "of the prebuild");
  assert.deepEqual(await filesIn(descriptor ?? {}), { "/workspace/.gitpod/content.json": { req: { prebuild: { git: [gitJson] } } } });
  await add("fallback", withContent({ prebuild: { prebuild: { snapshot: `workspaces/other/gone@${bucket}` }, git: [git.git] } }));
  assert.deepEqual(await Promise.all(layersIn(await specOf("fallback")).map(filesIn)), [{ "/workspace/.gitpod/content.json": { req: { composite: { initializer: [{ git: gitJson }] } } } }]);
  assert.deepEqual(log.lines.filter(({ message }) => message.includes("prebuild")).map(({ fields }) => fields), [{ owner: "jane", metaId: "meta-fallback", error: "invalid snapshot: not found" }]);
});

test("a manifest or a layer that is wrong, and names that lead elsewhere, are told and do no harm", { skip: noObjectStorage }, async (t) => {
  const server = await startObjectServer(t);
  for (const name of [bucket, "other-bucket"]) await server.createBucket(name);
  await server.put("other-bucket", "secret", "not for jane");
  const { add, specOf } = await setup(t, storageAt(server.endpoint));
  const told = async (id: string): Promise<string> => {
    const { code: got, details } = await specOf(id);
    assert.equal(got, code.FAILED_PRECONDITION, details);
    return details;
  };
  await add("broken", withContent(git));
  await server.put(bucket, "workspaces/meta-broken/wsfull.json", "{", { contentType: manifestType });
  assert.match(await told("broken"), /^invalid content manifest gitpod-user-jane\/workspaces\/meta-broken\/wsfull\.json: it is no JSON$/);
  await server.put(bucket, "workspaces/meta-broken/wsfull.json", " ".repeat(1024 * 1024 + 1), { contentType: manifestType });
  assert.equal(await told("broken"), "the object is larger than 1048576 bytes");
  await putManifest(server, "workspaces/meta-broken/wsfull.json", ["one"]);
  await server.put(bucket, "workspaces/meta-broken/wsfull.json-layer-0", "one", { digest: digestOf("two") });
  assert.equal(await told("broken"), `digest mismatch for ${bucket}/workspaces/meta-broken/wsfull.json-layer-0: expected ${digestOf("one")}, got ${digestOf("two")}`);
  const names = [`../other-bucket/secret@${bucket}`, `workspaces/../../other-bucket/secret@${bucket}`, "secret@../other-bucket", "secret@other-bucket/x", "secret@other-bucket?x=", "secret@@other-bucket", "%2e%2e/other-bucket/secret@gitpod-user-jane", "..\\other-bucket\\secret@gitpod-user-jane", "secret\u0000@other-bucket", "secret#@other-bucket"];
  for (const [i, snapshot] of names.entries()) {
    await add(`odd-${i}`, withContent({ snapshot: { snapshot } }));
    assert.match(await told(`odd-${i}`), /^invalid snapshot: /, snapshot);
  }
  await add("bytes", { labels: { [labels.fullWorkspaceBackup]: "true" }, annotations: { [annotations.contentInitializer]: "////" } });
  assert.match(await told("bytes"), /^annotation gitpod\/contentInitializer of the workspace's pod can not be decoded$/);
});
