/** Scripts that run for long, as processes: wrong command lines, readers that go away, Ctrl-C. */
import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { childrenOf, isRunning } from "../support/processes.ts";
import { until } from "../support/until.ts";

interface Run {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly out: () => string;
  readonly err: () => string;
  readonly code: Promise<unknown>;
}

function run(script: "chaos" | "simulate", ...args: readonly string[]): Run {
  return runWith({}, script, ...args);
}

function runWith(env: Readonly<Record<string, string>>, script: "chaos" | "simulate", ...args: readonly string[]): Run {
  return started([`scripts/${script}.ts`, ...args], env);
}

function started(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  return { child, out: () => out, err: () => err, code: once(child, "close").then(([code]: unknown[]) => code) };
}

test("a command line that makes no sense ends with code 2, a file that is not there with 1 and its name", async () => {
  for (const [script, args, expected, text] of [
    ["chaos", ["--only", "nope"], 2, /there is no nope; there are /],
    ["simulate", ["--days", "0"], 2, /must be a whole number from 1 on/],
    ["simulate", ["--days", "2", "--log", "x"], 2, /^error: --log and --save are for one day/],
    ["simulate", ["--plan", "/nope.json"], 1, /^error: --plan: the file "\/nope\.json" can not be read: there is no such file\n$/],
    ["simulate", ["--log", "/nope/day.log"], 1, /^error: --log: the file "\/nope\/day\.log" can not be written: its folder is not there\n$/],
    ["chaos", ["--json", "/nope/x.json"], 1, /^error: --json: the file "\/nope\/x\.json" can not be written: its folder is not there\n$/],
  ] as const) {
    const { code, err } = run(script, ...args);
    assert.equal(await code, expected, args.join(" "));
    assert.match(err(), text);
  }
});

test("the help tells the default of --only in a word", async () => {
  const { code, out } = run("chaos", "--help");
  assert.equal(await code, 0);
  assert.match(out(), /--only <names> .*\(default:\s+all\)/);
});

test("a reader that goes away ends them without a word", async () => {
  const { child, code, err } = run("simulate", "--workspaces", "1", "--faults", "0");
  child.stdout.destroy();
  assert.equal(await code, 0);
  assert.equal(err(), "");
});

test("Ctrl-C tells what was done so far, with code 130, and ends the processes that work", async () => {
  const { child, code, err } = run("simulate", "--days", "1000000", "--workspaces", "1", "--faults", "0", "--jobs", "1");
  await until("fifty days", () => err().includes("50 of 1000000 days"));
  const working = await childrenOf(child.pid ?? 0);
  child.kill("SIGINT");
  assert.equal(await code, 130);
  assert.match(err(), /^interrupted: \d+ days done, 0 broke a promise\n$/m);
  await untilGone(working);
});

async function untilGone(processes: readonly number[]): Promise<void> {
  assert.notEqual(processes.length, 0);
  await until("the processes are gone", async () => !(await Promise.all(processes.map(isRunning))).includes(true));
}

test("fault tests tell what they are doing, and leave neither daemons nor folders when a signal ends them", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-scripts-"));
  t.after(() => rm(folder, { recursive: true }));
  // Kills without end: it is under way whenever the signal comes.
  const args = ["--only", "crashes", "--small", "--rounds", "1000"];
  for (const [signal, expected, seen] of [
    ["SIGTERM", 143, /opening the cluster/],
    ["SIGINT", 130, /^crashes \(1 of 1\), \d+s: wave \d+, until 1000 kills: .*; [1-9]\d* there, \d+ ready, \d+ gone; daemons \d+ \(killed \d+\); wrong so far 0$/m],
  ] as const) {
    const { child, code, err, out } = runWith({ TMPDIR: folder }, "chaos", ...args);
    let daemons: readonly number[] = [];
    await until("it tells how far it is", () => seen.test(err()));
    await until("there are daemons", async () => (daemons = await childrenOf(child.pid ?? 0)).length > 0);
    assert.ok((await readdir(folder)).some((name) => name.startsWith("wsmand-process-")));
    child.kill(signal);
    assert.equal(await code, expected, err());
    assert.match(err(), /^crashes \(1 of 1\), 0s: opening the cluster$/m);
    assert.match(err(), /^interrupted: 0 scenarios done, nothing lost; crashes was under way$/m);
    assert.deepEqual([await readdir(folder), out()], [[], ""]);
    await untilGone(daemons);
  }
});

test("what a script could not take away before its end is told, whatever kept it", async () => {
  for (const [leave, told] of [
    ["() => new Promise(() => {})", "not all could be taken away within 0.05 s: the namespace x\n"],
    ["async () => {}", "not all could be taken away: the namespace x\n"],
    ["() => Promise.reject(new Error('no way'))", "error: no way\nnot all could be taken away: the namespace x\n"],
    ["async () => (left = '')", ""],
  ] as const) {
    const script = `
      import { Command } from "commander";
      import { runScript } from "./scripts/command.ts";
      let left = "the namespace x";
      const work = () => new Promise(() => { setInterval(() => {}, 1_000); process.stdout.write("working"); });
      await runScript(new Command("x"), work, { soFar: () => "nothing", behind: { leave: ${leave}, left: () => left, withinMs: 50 } });`;
    const { child, code, out, err } = started(["--input-type=module", "--eval", script]);
    await until("it works", () => out() === "working");
    child.kill("SIGINT");
    assert.equal(await code, 130);
    assert.equal(err(), `interrupted: nothing\n${told}`);
  }
});
