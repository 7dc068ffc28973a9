/** The Containerfile, and the archives that are made without a builder: the same bytes for the same files, and what is in them. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { asObject, objectAt, objectsAt, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { entriesBelow, sha256Of, tarOf } from "../../../scripts/image/archive.ts";
import { differences } from "../../../scripts/image/compare.ts";
import { settingsOf, stagesOf } from "../../../scripts/image/containerfile.ts";
import { ociImageOf } from "../../../scripts/image/oci.ts";
import { imageUser } from "../../../scripts/image/tree.ts";
import { containerfile } from "../../../scripts/image/whole.ts";
import { entriesOf } from "../../support/tar.ts";

const text = readFileSync(containerfile, "utf8");
const epoch = 1_700_000_000;

test("the image's last stage begins with nothing, runs nothing, and is not root's", () => {
  const last = stagesOf(text).at(-1) ?? [];
  assert.deepEqual(last[0], { name: "FROM", value: "scratch" });
  const names = new Set(last.map(({ name }) => name));
  for (const instruction of ["RUN", "ADD", "SHELL", "VOLUME", "HEALTHCHECK"]) assert.equal(names.has(instruction), false, instruction);
  for (const { value } of last.filter(({ name }) => name === "COPY")) assert.match(value, /^--from=build \/image\//);
  const { user, entrypoint, command, ports } = settingsOf(text);
  assert.equal(user, `${imageUser}:${imageUser}`);
  // In the form without a shell: the daemon is process 1 and gets the signals.
  assert.deepEqual(entrypoint, ["/usr/bin/wsmand"]);
  assert.equal(command[0], "run");
  assert.deepEqual(ports, ["8080/tcp", "9500/tcp"]);
});

test("the base of the build is an argument whose default is pinned", () => {
  const [, value = ""] = /^ARG BUILD_BASE=(\S+)$/m.exec(text) ?? [];
  assert.match(value, /^[\w./-]+:\d+\.\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?$/, "a point release, or a digest");
  const stages = stagesOf(text);
  assert.equal(stages.length, 2);
  assert.equal(stages[0]?.[0]?.value, "--platform=linux/amd64 ${BUILD_BASE} AS build", "whatever builds it");
});

test("arguments fill the labels, comments and continued lines are understood", () => {
  const settings = settingsOf('FROM a\nUSER root\n# USER none\nFROM scratch\nARG VERSION=0\nLABEL version="${VERSION}"\nENV A=b\nUSER \\\n  5:5\nCMD ["x", \\\n "y"]\n', { VERSION: "7" });
  assert.deepEqual([settings.user, settings.labels, settings.environment, settings.command, settings.entrypoint], ["5:5", { version: "7" }, ["A=b"], ["x", "y"], []]);
  assert.deepEqual(settingsOf("FROM scratch\nARG VERSION=0\nLABEL v=${VERSION}\nENTRYPOINT run me\n").labels, { v: "0" });
});

/** A small tree, with times and modes of its own. */
function makeSmall(t: TestContext, when: number): { readonly base: string; readonly app: string } {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-tree-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const tree = { base: join(folder, "base"), app: join(folder, "app") };
  for (const path of ["base/usr/bin", "base/tmp", "app/app/dist"]) mkdirSync(join(folder, path), { recursive: true });
  chmodSync(join(tree.base, "tmp"), 0o1777);
  writeFileSync(join(tree.base, "usr/bin/node"), "program");
  chmodSync(join(tree.base, "usr/bin/node"), when % 2 === 0 ? 0o700 : 0o775);
  symlinkSync("usr/bin", join(tree.base, "bin"));
  writeFileSync(join(tree.app, "app/dist/index.js"), "code");
  chmodSync(join(tree.app, "app/dist/index.js"), when % 2 === 0 ? 0o600 : 0o664);
  utimesSync(join(tree.app, "app/dist/index.js"), when, when);
  return tree;
}

test("an archive tells nothing of when, where and by whom it was made", async (t) => {
  const [one, other] = [makeSmall(t, 1000), makeSmall(t, 2001)];
  const tar = await tarOf(entriesBelow(one.base), epoch);
  assert.equal(sha256Of(tar), sha256Of(await tarOf(entriesBelow(other.base).toReversed(), epoch)));
  assert.deepEqual((await entriesOf(tar)).map(({ name, type, mode, owner }) => `${name} ${type} ${mode} ${owner}`), [
    "bin symlink 777 0:0", "tmp directory 1777 0:0", "usr directory 755 0:0", "usr/bin directory 755 0:0", "usr/bin/node file 755 0:0",
  ]);
});

test("an image without a builder holds both layers, and what the Containerfile says, under digests that are true", async (t) => {
  const source = { settings: settingsOf(text, { VERSION: "1.2.3", REVISION: "abc" }), architecture: "amd64", name: "wsmand:1.2.3", epoch };
  const { archive, digest } = await ociImageOf({ ...source, tree: makeSmall(t, 1000) });
  assert.equal(sha256Of(archive), sha256Of((await ociImageOf({ ...source, tree: makeSmall(t, 2001) })).archive), "the same bytes");
  const blobs = await blobsOf(archive);
  const [only] = objectsAt(json(blobs.get("index.json")), "manifests");
  assert.deepEqual([textAt(only, "digest"), textAt(objectAt(only, "annotations"), "org.opencontainers.image.ref.name")], [digest, "wsmand:1.2.3"]);
  const blob = (description: JsonObject | undefined): Buffer => {
    const hex = textAt(description, "digest").replace("sha256:", "");
    const bytes = blobs.get(`blobs/sha256/${hex}`) ?? Buffer.alloc(0);
    assert.deepEqual([sha256Of(bytes), bytes.length], [hex, description?.["size"]]);
    return bytes;
  };
  const manifest = json(blob(only));
  const config = json(blob(objectAt(manifest, "config")));
  assert.deepEqual([textAt(objectAt(config, "config"), "User"), textAt(objectAt(objectAt(config, "config"), "Labels"), "org.opencontainers.image.version")], [`${imageUser}:${imageUser}`, "1.2.3"]);
  const layers = objectsAt(manifest, "layers").map((layer) => gunzipSync(blob(layer)));
  assert.deepEqual(objectAt(config, "rootfs")?.["diff_ids"], layers.map((layer) => `sha256:${sha256Of(layer)}`));
  assert.deepEqual(await Promise.all(layers.map(async (layer) => (await entriesOf(layer)).at(-1)?.name)), ["usr/bin/node", "app/dist/index.js"]);
});

async function blobsOf(archive: Buffer): Promise<ReadonlyMap<string, Buffer>> {
  const { extract } = await import("tar-stream");
  const reader = extract();
  reader.end(archive);
  const blobs = new Map<string, Buffer>();
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    blobs.set(entry.header.name, Buffer.concat(chunks));
  }
  return blobs;
}

function json(bytes: Buffer | undefined): JsonObject | undefined {
  return asObject(JSON.parse(String(bytes)));
}

test("what differs between a tree and a built image is told", (t) => {
  const [tree, built] = [makeSmall(t, 1000), makeSmall(t, 1000)];
  mkdirSync(join(built.base, "app/dist"), { recursive: true });
  writeFileSync(join(built.base, "app/dist/index.js"), "code");
  mkdirSync(join(built.base, "proc"));
  assert.deepEqual(differences(tree, built.base), []);
  writeFileSync(join(built.base, "app/dist/index.js"), "other code");
  writeFileSync(join(built.base, "secret"), "");
  assert.deepEqual(differences(tree, built.base).map((line) => line.split(":")[0]), ["app/dist/index.js", "secret"]);
});
