/** The command line as a process: the Node that it runs on, and an output that can not be written. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { command } from "./helpers.ts";

const entry = "src/main/index.ts";

test("an older Node is told which one is needed, also where its own modules lack what newer ones have", async () => {
  // As Node 20 is to what the entry loads before it looks: another version, and a node:module without enableCompileCache.
  const older = `import { registerHooks } from "node:module";
    registerHooks({ resolve: (name, context, next) => (name === "node:module" ? { url: "data:text/javascript,export const createRequire = undefined", shortCircuit: true } : next(name, context)) });
    Object.defineProperty(process.versions, "node", { value: "20.11.0" });`;
  for (const [script, hint] of [[undefined, "npm scripts use the one that `npm ci` installs: npm start, or npm run wsmand -- COMMAND."], ["start", "The one that npm scripts use is not installed: run `npm ci` first, or wait until the one that runs is done."]] as const) {
    // One that is undefined is not in the child's environment, though these tests are a script of npm's.
    const env = { ...process.env, npm_lifecycle_event: script };
    const run = promisify(execFile)(process.execPath, ["--import", `data:text/javascript,${encodeURIComponent(older)}`, entry, "version"], { env });
    await assert.rejects(run, { code: 1, stdout: "", stderr: `wsmand needs Node.js 24 or newer, and this is 20.11.0.\n${hint}\n` });
  }
});

test("output that can not be written is an error, whatever the command", { skip: !existsSync("/dev/full") && "this system has no /dev/full" }, async () => {
  for (const args of [["--help"], ["version"], ["validate-config", "examples/config.json"], ["explain", "--config", "examples/config.json"]]) {
    const full = await open("/dev/full", "w");
    const child = spawn(process.execPath, [entry, ...args], { stdio: ["pipe", full.fd, "pipe"] });
    let err = "";
    child.stderr?.on("data", (chunk) => (err += String(chunk)));
    child.stdin?.on("error", () => {});
    child.stdin?.end('{"metadata": {}}');
    const code = await once(child, "close").then(([value]: unknown[]) => value);
    await full.close();
    assert.equal(code, 1, args.join(" "));
    assert.match(err, /^error: the standard output can not be written to: its file system is full$/m, args.join(" "));
  }
});

test("JSON is the same for people and programs: on lines, two blanks a level; failures are told in words beside it", async () => {
  const args = ["explain", "--config", "examples/config.json", "--now", "2026-01-01T01:00:00Z"];
  const stdin = JSON.stringify({ pod: { metadata: { name: "ws-1", creationTimestamp: "2026-01-01T00:00:00Z", labels: { workspaceType: "regular" }, annotations: { "gitpod/id": "one", "gitpod/url": "https://one" } }, spec: { containers: [{ name: "workspace" }] }, status: { phase: "Pending" } } });
  const piped = await command(args, { stdin });
  const shown = await command(args, { stdin, terminal: { columns: 80, rows: 24 } });
  assert.equal(piped.out, shown.out);
  assert.match(piped.out, /^\{\n {2}"/);
  const failed = await command(["render", "--config", "examples/config.json"], { stdin: "{" });
  assert.match(failed.out, /^\{"error":"the input is not JSON/);
  assert.match(failed.err, /^error: the input is not JSON/);
});

test("a reader that goes away is no error", async () => {
  const child = spawn(process.execPath, [entry, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  let err = "";
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  child.stdout.destroy();
  const code = await once(child, "close").then(([value]: unknown[]) => value);
  assert.deepEqual([code, err], [0, ""]);
});
