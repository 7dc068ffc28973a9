/** Tests of the files that the load tool reads and writes: what can not be used is told before it is late, and keeps nothing else from being written. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bench } from "../../../src/bench/command.ts";
import { checkFiles, writeFiles } from "../../../src/bench/report/files.ts";
import { command } from "../cli/helpers.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "wsmand-bench-files-"));
});
after(() => rm(folder, { recursive: true, force: true }));

test("a look whether files can be written leaves what is there as it is, and nothing where nothing was", async () => {
  const [there, fresh] = [join(folder, "there"), join(folder, "fresh")];
  await writeFile(there, "before");
  await checkFiles([{ flag: "--json", path: there }, { flag: "--html", path: fresh }]);
  assert.deepEqual([await readFile(there, "utf8"), existsSync(fresh)], ["before", false]);
});

test("what can not be written is told with its flag, and before anything is measured", async () => {
  const out = { write: () => {} };
  await assert.rejects(bench(["stream", "--json", join(folder, "no", "x.json"), "--html", folder], { stdout: out, stderr: out, signal: new AbortController().signal }), (error: unknown) => {
    assert.match(error instanceof Error ? error.message : "", /^--json: the file ".*x\.json" can not be written: its folder is not there\n--html: the file ".*" can not be written: it is a directory$/);
    return true;
  });
});

test("a program or a certificate that can not be read is a wrong command line, and nothing is started", async () => {
  for (const flag of ["--entry", "--tls-ca", "--tls-cert", "--tls-key"]) {
    const { code, out, err } = await command(["bench", "stream", flag, join(folder, "nope")]);
    assert.deepEqual([code, out], [2, ""], flag);
    assert.match(err, new RegExp(`^error: option '${flag} <file>' argument '.*nope' is invalid\\. The file can not be read: there is no such file\\.$`, "m"));
  }
  const { code, err } = await command(["bench", "stream", "--entry", folder]);
  assert.equal(code, 2);
  assert.match(err, /The file can not be read: it is a directory\./);
});

test("flags that contradict each other, or would do nothing, are a wrong command line", async () => {
  const file = join(folder, "both");
  for (const [flags, message] of [
    [["--json", file, "--html", join(folder, ".", "both")], "--json and --html name the same file"],
    [["--metrics", "http://127.0.0.1:1/metrics"], "--metrics needs --target"],
    [["--tls"], "the --tls flags need --target"],
    [["--metrics", "nonsense"], "--metrics must be an http or https URL"],
    [["--storm", "5"], "--storm does nothing in stream: it is for start"],
    [["--changes", "5"], "--changes does nothing in stream: it is for burst"],
    [["--rest", "5"], "--rest does nothing in stream: it is for scale, ready, connect"],
    [["--concurrency", "5"], "--concurrency does nothing in stream: it is for list, start, markactive, calls"],
    [["--image", "registry.example.com/a:b"], "--image does nothing in stream: start, calls, lifecycle start workspaces"],
  ] as const) {
    const { code, err } = await command(["bench", "stream", ...flags]);
    assert.equal(code, 2, err);
    assert.ok(err.includes(message), err);
  }
});

test("a scenario's help says what it does, and leaves out the flags that do nothing there", async () => {
  const { code, out } = await command(["bench", "stream", "--help"]);
  assert.equal(code, 0);
  assert.match(out, /stream: the delay of changes at a fixed rate/);
  assert.match(out, /--stalled <n>/);
  assert.doesNotMatch(out, /--(changes|rest|concurrency|storm) </);
  const all = await command(["bench", "--help"]);
  for (const flag of ["changes", "rest", "concurrency", "storm", "stalled"]) assert.match(all.out, new RegExp(`--${flag} <`));
});

test("Events are refused where there is no API server that they could be written to", async () => {
  const { code, err } = await command(["bench", "burst", "--events", "5"]);
  assert.equal(code, 2, err);
  assert.match(err, /--events does nothing in burst without --kubeconfig/);
});

test("an image is refused where nothing pulls it, and where it is none", async () => {
  const target = ["--kubeconfig", "k", "--target", "h:1"];
  for (const [args, message] of [
    [["calls", "--kubeconfig", "k", "--image", "a"], "--image needs --target: otherwise calls starts no workspaces whose images are pulled"],
    [["start", "--image", "a"], "--image needs --target"],
    [["lifecycle", ...target, "--ide-image", "a"], "--ide-image needs --image"],
    [["lifecycle", ...target, "--image", "a:b", "--supervisor-image", "docker://a:b@c"], "--supervisor-image must be a reference"],
  ] as const) {
    const { code, err } = await command(["bench", ...args]);
    assert.equal(code, 2, err);
    assert.ok(err.includes(message), err);
  }
});

test("what is refused of the metrics' address is told without it: a password may stand in it", async () => {
  for (const url of ["http://me:hunter2@127.0.0.1/metrics", "ftp://me:hunter2@127.0.0.1/metrics", "me:hunter2@127.0.0.1"]) {
    const { code, out, err } = await command(["bench", "stream", "--kubeconfig", "k", "--target", "h:1", "--metrics", url]);
    assert.equal(code, 2, err);
    assert.match(err, /--metrics must /);
    assert.ok(!`${out}${err}`.includes("hunter2"), err);
  }
});

test("a file that can not be written keeps no other from being written", async () => {
  const html = join(folder, "page.html");
  const written: string[] = [];
  await assert.rejects(writeFiles([{ flag: "--json", path: folder, content: () => "{}" }, { flag: "--html", path: html, content: () => Promise.resolve("page") }], ({ flag }) => written.push(flag)), /^Error: --json: the file ".*" can not be written: it is a directory$/);
  assert.equal(await readFile(html, "utf8"), "page");
  assert.deepEqual(written, ["--html"]);
});
