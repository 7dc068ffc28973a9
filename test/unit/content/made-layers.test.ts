/** The layers that are made here, down to their owners and modes; and the hook that runs in a real shell. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { claimLayer, descriptorLayer, readyLayer, type Layer } from "../../../src/main/content/made-layers.ts";
import { preStopHook } from "../../../src/main/content/pre-stop-hook.ts";
import { namesIn, tarOf } from "../../../src/main/content/tar.ts";
import { entriesOf, type Entry } from "../../support/tar.ts";

async function entries(layer: Layer): Promise<readonly Entry[]> {
  return entriesOf(layer.direct?.content ?? Buffer.alloc(0));
}

const directory = (name: string): Entry => ({ name, type: "directory", mode: "755", owner: "33333:33333", text: "" });
const file = (name: string, text: string): Entry => ({ name, type: "file", mode: "755", owner: "33333:33333", text });

test("a descriptor, a ready file and a claim's files belong to the workspace's user, the hook to root", async () => {
  const folders = [directory("/workspace"), directory("/workspace/.gitpod")];
  assert.deepEqual(await entries(await descriptorLayer({ fromBackupURL: "https://x?a&b<>" })), [...folders, file("/workspace/.gitpod/content.json", '{"fromBackupURL":"https://x?a&b<>"}')]);
  assert.deepEqual(await entries(await readyLayer("from-prebuild")), [...folders, file("/workspace/.gitpod/ready", '{"source":"from-prebuild"}')]);
  const claims = [directory("/.workspace"), directory("/.workspace/.gitpod"), { name: "/.supervisor/prestophook.sh", type: "file", mode: "775", owner: "0:0", text: preStopHook }];
  assert.deepEqual(await entries(await claimLayer(undefined)), claims);
  assert.deepEqual(await entries(await claimLayer({ req: { git: {} } })), [...claims, file("/.workspace/.gitpod/content.json", '{"req":{"git":{}}}')]);
});

test("a tar has whole records and reads back as it was, with any text; equal entries are equal bytes", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ name: fc.stringMatching(/^\/[a-z]{1,90}$/), content: fc.string({ unit: "grapheme", maxLength: 2000 }) }), { maxLength: 5 }), async (files) => {
    const made = files.map(({ name, content }) => ({ name, content, mode: 0o640, owner: 7 }));
    const tar = await tarOf(made);
    assert.equal(tar.length % 512, 0);
    assert.ok(tar.equals(await tarOf(made)));
    assert.deepEqual((await entriesOf(tar)).map(({ name, text, mode, owner }) => ({ name, text, mode, owner })), files.map(({ name, content }) => ({ name, text: Buffer.from(content).toString(), mode: "640", owner: "7:7" })));
    assert.deepEqual(await namesIn(tar), files.map(({ name }) => name));
  }), { numRuns: 50 });
});

test("what is no tar has no names", async () => {
  assert.deepEqual(await namesIn(Buffer.from("x".repeat(2000))), []);
  assert.deepEqual(await namesIn(Buffer.alloc(0)), []);
});

/** Runs the hook with its paths below a folder. */
function runHook(root: string, repository: string): void {
  const script = preStopHook.replaceAll("/.workspace/", `${root}/.workspace/`).replaceAll(" /workspace/", ` ${root}/workspace/`);
  execFileSync("bash", ["-c", script], { env: { PATH: process.env["PATH"] ?? "", HOME: root, GITPOD_REPO_ROOT: repository, GIT_CONFIG_NOSYSTEM: "1" }, stdio: ["ignore", "pipe", "pipe"] });
}

test("the hook saves the state of the working copy, what was not pushed, and logs of a prebuild", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "hook-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const repository = join(root, "workspace", "repo with space");
  await mkdir(join(root, "workspace", ".gitpod"), { recursive: true });
  await writeFile(join(root, "workspace", ".gitpod", "prebuild-log-0"), "built");
  const git = (...args: string[]): string => execFileSync("git", ["-c", "user.name=n", "-c", "user.email=e@x", "-C", repository, ...args], { env: { PATH: process.env["PATH"] ?? "", HOME: root }, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  await mkdir(repository);
  git("init", "--quiet", "--initial-branch=main");
  await writeFile(join(repository, "a"), "1");
  git("add", "a");
  git("commit", "--quiet", "-m", "first thing");
  await writeFile(join(repository, "b"), "2");
  runHook(root, repository);
  const saved = join(root, ".workspace", "prestophookdata");
  const read = (name: string): Promise<string> => readFile(join(saved, name), "utf8");
  assert.deepEqual((await readdir(saved)).toSorted(), ["git_log_1.txt", "git_log_2.txt", "git_status.txt", "prebuild-log-0"]);
  assert.match(await read("git_status.txt"), /^# branch\.oid [0-9a-f]{40}\n# branch\.head main\n\? b\n$/);
  assert.equal(await read("git_log_1.txt"), `${git("log", "--pretty=%h", "-n", "1")}: first thing\n`);
  assert.equal(await read("git_log_2.txt"), `${git("rev-parse", "HEAD")}\n`);
});

test("without a repository the hook saves what there is and ends well", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "hook-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  runHook(root, "");
  runHook(root, join(root, "nowhere"));
  assert.deepEqual(await readdir(join(root, ".workspace", "prestophookdata")), []);
});
