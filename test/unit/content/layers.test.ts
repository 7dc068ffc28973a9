/** Which layers a workspace gets: every branch of the decision. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import type { contentservice } from "../../../src/gen/proto.js";
import { ContentLayers } from "../../../src/main/content/layers.ts";
import type { Layer } from "../../../src/main/content/made-layers.ts";
import { contentLimits } from "../../../src/main/lifecycle/content.ts";
import type { StorageConfig } from "../../../src/main/config/types.ts";
import { entriesOf } from "../../support/tar.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";
import { MemoryLog } from "../rpc/helpers.ts";
import { digestOf, manifestText, manifestType, MemoryStorage } from "./memory-storage.ts";

type Initializer = contentservice.WorkspaceInitializer.$Properties;

const never = new AbortController().signal;
const config: StorageConfig = { kind: "minio", stage: "dev", gcloud: {}, minio: { secure: false }, backupTrail: { enabled: false } };
const backupJson = "gitpod-user-jane/workspaces/meta/wsfull.json";
const backupTar = "gitpod-user-jane/workspaces/meta/full.tar";
const git: Initializer = { git: { remoteUri: "https://git.example.com/r.git", upstream_RemoteUri: "https://git.example.com/up.git", targetMode: 2, cloneTaget: "main", checkoutLocation: "r", config: { authentication: 1, authUser: "u", authPassword: "hunter2" } } };
const gitJson = { git: { remoteUri: "https://git.example.com/r.git", upstreamRemoteUri: "https://git.example.com/up.git", targetMode: "REMOTE_BRANCH", cloneTaget: "main", checkoutLocation: "r", config: { authentication: "BASIC_AUTH", authUser: "u", authPassword: "hunter2" } } };
const unavailable = new WsmanError("UNAVAILABLE", "the storage answered 503");

function setup(): { storage: MemoryStorage; log: MemoryLog; layers: ContentLayers; clock: FakeClock; of: (initializer: Initializer, onClaim?: boolean) => Promise<readonly Shown[]> } {
  const storage = new MemoryStorage();
  const log = new MemoryLog();
  const clock = new FakeClock();
  const layers = new ContentLayers({ storage, config, clock, log });
  const of = async (initializer: Initializer, onClaim = false): Promise<readonly Shown[]> => Promise.all((await layers.of({ owner: "jane", metaId: "meta", initializer, onClaim }, never)).map(shown));
  return { storage, log, layers, clock, of };
}

/** A layer as it is compared: the link and digests of a remote one; the files of one that was made. */
type Shown = object;

async function shown({ remote, direct }: Layer): Promise<Shown> {
  if (remote) return { ...remote, size: Number(remote.size) };
  const entries = await entriesOf(direct?.content ?? Buffer.alloc(0));
  return Object.fromEntries(entries.filter(({ type }) => type === "file").map(({ name, text }) => [name, name.endsWith(".sh") ? "script" : JSON.parse(text)]));
}

function remote(name: string): Shown {
  return { url: `https://signed/layers/${name}?signature=secret`, digest: digestOf(name), diffId: digestOf(`${name}-plain`), mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", size: 1000 + name.length };
}

function addManifest(storage: MemoryStorage, key: string, names: readonly string[]): void {
  storage.objects.set(key, { contentType: manifestType, text: manifestText(names) });
  for (const name of names) storage.objects.set(`layers/${name}`, { digest: digestOf(name) });
}

const content = (descriptor: object): Shown => ({ "/workspace/.gitpod/content.json": descriptor });
const claim = (descriptor?: object): Shown => ({ "/.supervisor/prestophook.sh": "script", ...(descriptor && { "/.workspace/.gitpod/content.json": descriptor }) });
const ready = (source: string): Shown => ({ "/workspace/.gitpod/ready": { source } });
const snapshotOf = (snapshot: string): Initializer => ({ snapshot: { snapshot } });
const prebuildOf = (snapshot: string): Initializer => ({ prebuild: { prebuild: { snapshot }, git: git.git ? [git.git] : [] } });
const prebuildJson = (snapshot: string): object => ({ prebuild: { prebuild: { snapshot }, git: [gitJson.git] } });
const failed = (message: string | RegExp) => ({ name: "WsmanError", code: "FAILED_PRECONDITION", message });

test("a full backup is what its manifest says, and then ready; the initializer does not matter", async () => {
  const { storage, of } = setup();
  addManifest(storage, backupJson, ["a", "b"]);
  storage.objects.set(backupTar, {});
  assert.deepEqual(await of(snapshotOf("nonsense")), [remote("a"), remote("b"), ready("from-backup")]);
  assert.deepEqual(storage.asked, [backupJson, "layers/a", "layers/b"]);
});

test("a manifest of another kind is an error, as object and as text", async () => {
  const { storage, of } = setup();
  storage.objects.set(backupJson, { contentType: "application/json", text: manifestText([]) });
  storage.objects.set(backupTar, {});
  await assert.rejects(of(git), failed(`content manifest ${backupJson} has an unsupported content type`));
  storage.objects.set(backupJson, { contentType: manifestType, text: manifestText([], { type: "application/vnd.gitpod.other.v1" }) });
  await assert.rejects(of(git), failed(/^invalid content manifest gitpod-user-jane\/workspaces\/meta\/wsfull\.json: type: /));
  storage.objects.set(backupJson, { contentType: `${manifestType}; charset=utf-8`, text: manifestText([]) });
  assert.deepEqual(await of(git), [ready("from-backup")]);
});

test("without a manifest a backup of the old kind is restored by the workspace", async () => {
  const { storage, of } = setup();
  storage.objects.set(backupTar, {});
  const fromBackupURL = `https://signed/${backupTar}?signature=secret`;
  assert.deepEqual(await of(git), [content({ fromBackupURL })]);
  assert.deepEqual(storage.asked, [backupJson, backupTar]);
  assert.deepEqual(await of(git, true), [claim({ fromBackupURL })]);
});

test("a claim has no manifest of its own", async () => {
  const { storage, of } = setup();
  addManifest(storage, backupJson, ["a"]);
  assert.deepEqual(await of(git, true), [claim({ req: gitJson })]);
});

test("a snapshot's manifest gives its layers, another snapshot is downloaded by the workspace; on a claim as well", async () => {
  for (const onClaim of [false, true]) {
    const { storage, of } = setup();
    addManifest(storage, "snaps/workspaces/x/snapshot.json", ["s"]);
    storage.objects.set("snaps/workspaces/x/snapshot.tar", {});
    assert.deepEqual(await of(snapshotOf("workspaces/x/snapshot.json@snaps"), onClaim), [remote("s"), ready("from-other")]);
    const name = "workspaces/x/snapshot.tar@snaps";
    assert.deepEqual(await of(snapshotOf(name), onClaim), [content({ urls: { [name]: "https://signed/snaps/workspaces/x/snapshot.tar?signature=secret" }, req: { snapshot: { snapshot: name } } })]);
  }
});

test("a snapshot that is not there, or whose name is none, is an error", async () => {
  const { storage, of } = setup();
  await assert.rejects(of(snapshotOf("workspaces/x/nope@snaps")), failed("invalid snapshot: not found"));
  for (const name of ["", "object", "a@b@c", "@", "a@b@"]) await assert.rejects(of(snapshotOf(name)), failed(/^invalid snapshot: its name/));
  const before = storage.asked.length;
  for (const name of ["../../etc/passwd@snaps", "a/../../other/secret@snaps", "a//b@snaps", "/a@snaps", ".@snaps", "a/.@snaps", "a@../other", "a@..", "a@sn/aps", "a@snaps?x=y", "a@snaps#", "a@sna..ps", "a@", "a\0b@snaps", "a\nb@snaps", `${"x".repeat(1025)}@snaps`, "a@%2e%2e", "a@arn:aws:s3:::snaps", "\ud800@snaps"]) {
    await assert.rejects(of(snapshotOf(name)), failed("invalid snapshot: its name can be no object's and no bucket's"), name);
  }
  assert.deepEqual(storage.asked.slice(before).filter((key) => !key.startsWith("gitpod-user-jane/workspaces/meta/")), []);
});

test("a prebuild's manifest gives its layers, and Git brings them up to date", async () => {
  for (const onClaim of [false, true]) {
    const { storage, of, log } = setup();
    addManifest(storage, "snaps/p.json", ["p", "q"]);
    storage.objects.set("snaps/p.tar", {});
    assert.deepEqual(await of(prebuildOf("p.json@snaps"), onClaim), [remote("p"), remote("q"), content({ req: { prebuild: { git: [gitJson.git] } } })]);
    assert.deepEqual(await of(prebuildOf("p.tar@snaps"), onClaim), [content({ urls: { "p.tar@snaps": "https://signed/snaps/p.tar?signature=secret" }, req: prebuildJson("p.tar@snaps") })]);
    assert.deepEqual(log.lines, []);
  }
});

test("without its prebuild a workspace is cloned, whatever the reason, and that is warned of without secrets", async () => {
  const cases: [string, (storage: MemoryStorage) => void][] = [
    ["p@snaps", () => {}],
    ["no name", () => {}],
    ["p@snaps", (storage) => storage.failures.set("snaps/p", unavailable)],
    ["p@snaps", (storage) => storage.failures.set("snaps/p", new Error("https://signed/?signature=secret"))],
    ["p@snaps", (storage) => storage.objects.set("snaps/p", { contentType: manifestType, text: "{" })],
    ["p@snaps", (storage) => storage.objects.set("snaps/p", { contentType: manifestType, text: manifestText(["gone"]) })],
  ];
  for (const [snapshot, prepare] of cases) {
    const { storage, of, log } = setup();
    prepare(storage);
    assert.deepEqual(await of(prebuildOf(snapshot)), [content({ req: { composite: { initializer: [gitJson] } } })]);
    assert.deepEqual(await of(prebuildOf(snapshot), true), [claim({ req: { composite: { initializer: [gitJson] } } })]);
    assert.deepEqual(log.lines.map(({ level }) => level), ["warn", "warn"]);
    assert.doesNotMatch(JSON.stringify(log.lines), /secret|hunter2/);
  }
  const { of } = setup();
  assert.deepEqual(await of({ prebuild: {} }), [content({ req: { composite: {} } })]);
});

test("Git and composites are left to the workspace", async () => {
  const { of } = setup();
  const composite: Initializer = { composite: { initializer: [git, { download: { files: [{ url: "https://x", filePath: "f" }] } }] } };
  const compositeJson = { composite: { initializer: [gitJson, { download: { files: [{ url: "https://x", filePath: "f" }] } }] } };
  assert.deepEqual(await of(git), [content({ req: gitJson })]);
  assert.deepEqual(await of(composite), [content({ req: compositeJson })]);
  assert.deepEqual(await of(git, true), [claim({ req: gitJson })]);
  assert.deepEqual(await of(composite, true), [claim({ req: compositeJson })]);
});

test("a backup that is not there is an error, and so is an initializer that can not be used", async () => {
  const { of } = setup();
  for (const onClaim of [false, true]) {
    await assert.rejects(of({ backup: { checkoutLocation: "r" } }, onClaim), failed("no backup found"));
    for (const initializer of [{}, { empty: {} }, { download: {} }]) await assert.rejects(of(initializer, onClaim), failed("no backup or valid initializer present"));
  }
});

test("content that is on the claim's volume already needs the hook alone", async () => {
  const { of } = setup();
  const onVolume: Initializer[] = [{ backup: { fromVolumeSnapshot: true } }, { snapshot: { snapshot: "x@snaps", fromVolumeSnapshot: true } }, { prebuild: { prebuild: { snapshot: "x@snaps", fromVolumeSnapshot: true } } }];
  for (const initializer of onVolume) assert.deepEqual(await of(initializer, true), [claim()]);
  // Only a claim has a volume.
  await assert.rejects(of({ backup: { fromVolumeSnapshot: true } }), failed("no backup found"));
});

test("a storage that fails is never taken for one without a backup", async () => {
  for (const key of [backupJson, backupTar, "layers/b", "snaps/s"]) {
    const { storage, of } = setup();
    if (key.startsWith("layers")) addManifest(storage, backupJson, ["a", "b", "c"]);
    storage.failures.set(key, unavailable);
    await assert.rejects(of(snapshotOf("s@snaps")), unavailable);
  }
  const { storage, of } = setup();
  storage.failures.set(backupTar, unavailable);
  await assert.rejects(of(git, true), unavailable);
});

test("a manifest that was seen and can not be read is never taken for one that is not there", async () => {
  for (const [key, initializer] of [[backupJson, git], ["snaps/s", snapshotOf("s@snaps")]] as const) {
    const { storage, of } = setup();
    storage.objects.set(key, { contentType: manifestType });
    await assert.rejects(of(initializer), { code: "UNAVAILABLE", message: "the storage answered 404" });
  }
});

test("a layer that is not there, or is another one, is an error", async () => {
  const { storage, of } = setup();
  addManifest(storage, backupJson, ["a", "b"]);
  storage.objects.set("layers/b", { digest: digestOf("other") });
  await assert.rejects(of(git), failed(`digest mismatch for layers/b: expected ${digestOf("b")}, got ${digestOf("other")}`));
  storage.objects.set("layers/b", {});
  await assert.rejects(of(git), failed(`digest mismatch for layers/b: expected ${digestOf("b")}, got `));
  storage.objects.delete("layers/b");
  await assert.rejects(of(git), failed("content layer layers/b does not exist"));
});

test("an owner or a workspace that no storage can have is an error before anything is asked", async () => {
  const { storage, layers } = setup();
  for (const [owner, metaId] of [["a/b", "meta"], ["jane", ".."], ["jane", "a/../b"]] as const) {
    await assert.rejects(layers.of({ owner, metaId, initializer: git, onClaim: false }, never), failed("the workspace's owner and meta ID can be no names in the content storage"));
  }
  assert.deepEqual(storage.asked, []);
});

test("layers of a manifest are looked at few at a time, in its order", async () => {
  const { storage, of } = setup();
  const names = Array.from({ length: 30 }, (_, i) => `layer-${i}`);
  addManifest(storage, backupJson, names);
  assert.deepEqual(await of(git), [...names.map(remote), ready("from-backup")]);
  assert.equal(storage.peak, 8);
});

test("32 workspaces at once, a thousand wait, the next is refused, and one that gives up makes room", async () => {
  const { storage, layers } = setup();
  const open = Promise.withResolvers<void>();
  storage.gate = open.promise;
  const giveUp = new AbortController();
  const call = (signal = never): Promise<readonly Layer[]> => layers.of({ owner: "jane", metaId: "meta", initializer: git, onClaim: false }, signal);
  const calls = Array.from({ length: 1_031 }, () => call());
  const quitter = assert.rejects(call(giveUp.signal), { code: "CANCELLED" });
  await assert.rejects(call(), { code: "RESOURCE_EXHAUSTED", message: "1000 calls for content layers are waiting already: try again later" });
  assert.equal(storage.running, 32);
  giveUp.abort();
  await quitter;
  const last = call();
  open.resolve();
  assert.equal((await Promise.all([...calls, last])).length, 1_032);
  assert.equal(storage.peak, 32);
  await until("nothing is under way", () => storage.running === 0);
});

test("manifests wait for themselves alone: two thousand of them are refused none while image specs take all that they may", async () => {
  const { storage, layers } = setup();
  const open = Promise.withResolvers<void>();
  storage.gate = open.promise;
  const workspace = { owner: "jane", metaId: "meta", initializer: git, onClaim: false };
  const specs = Array.from({ length: 1_032 }, () => layers.of(workspace, never));
  await assert.rejects(layers.of(workspace, never), { code: "RESOURCE_EXHAUSTED" });
  const manifests = Array.from({ length: contentLimits.initialize.total }, () => layers.manifestOf(workspace, never));
  await until("as many of both as may are under way", () => storage.running === 64);
  open.resolve();
  assert.deepEqual(new Set(await Promise.all(manifests)), new Set([undefined]));
  await Promise.all(specs);
});

test("a call that takes too long is told so, and one that nobody waits for any more ends", async () => {
  const { storage, layers, clock } = setup();
  storage.gate = new Promise(() => {});
  const late = assert.rejects(layers.of({ owner: "jane", metaId: "meta", initializer: prebuildOf("p@snaps"), onClaim: false }, never), { code: "UNAVAILABLE", message: "the content layers are not there within 30 s: try again" });
  await until("it asks", () => storage.running === 1);
  clock.advance(30_000);
  await late;
  const stop = new AbortController();
  const cancelled = assert.rejects(layers.of({ owner: "jane", metaId: "meta", initializer: git, onClaim: false }, stop.signal), { code: "CANCELLED" });
  stop.abort();
  await cancelled;
  assert.equal(storage.running, 0);
});

test("the same answer has the same bytes every time", async () => {
  const { layers } = setup();
  const [first, second] = [await layers.of({ owner: "jane", metaId: "meta", initializer: git, onClaim: true }, never), await layers.of({ owner: "jane", metaId: "meta", initializer: git, onClaim: true }, never)];
  assert.deepEqual(first, second);
});

test("the manifest of a full backup is the one that its layers come from, and there is none if they come from something else", async () => {
  const { storage, layers } = setup();
  const manifest = async (initializer: Initializer): Promise<string | undefined> => {
    const bytes = await layers.manifestOf({ owner: "jane", metaId: "meta", initializer, onClaim: false }, never);
    return bytes && Buffer.from(bytes).toString();
  };
  storage.objects.set("snaps/other", { contentType: "application/x-tar" });
  addManifest(storage, "snaps/snap", ["one"]);
  assert.equal(await manifest(git), undefined);
  assert.equal(await manifest(snapshotOf("other@snaps")), undefined);
  assert.equal(await manifest(snapshotOf("snap@snaps")), manifestText(["one"]));
  assert.equal(await manifest(prebuildOf("snap@snaps")), manifestText(["one"]));
  assert.equal(await manifest(prebuildOf("gone@snaps")), undefined, "the repositories are cloned");
  await assert.rejects(manifest(snapshotOf("gone@snaps")), failed("invalid snapshot: not found"));
  storage.failures.set("snaps/snap", unavailable);
  await assert.rejects(manifest(prebuildOf("snap@snaps")), unavailable, "whether it can be used is not known");
  storage.failures.clear();
  storage.objects.set(backupTar, {});
  assert.equal(await manifest(snapshotOf("snap@snaps")), undefined);
  addManifest(storage, backupJson, ["two"]);
  assert.equal(await manifest(snapshotOf("snap@snaps")), manifestText(["two"]));
  storage.objects.set(backupJson, { contentType: "text/plain" });
  await assert.rejects(manifest(git), failed(/unsupported content type/));
  storage.failures.set(backupJson, unavailable);
  await assert.rejects(manifest(git), unavailable);
});
