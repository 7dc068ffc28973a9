/** The commands that need no server: run, validate-config, explain, version; partly as a process of their own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { runCommand } from "../../../src/main/cli/main.ts";
import type { DaemonOptions, Parts } from "../../../src/main/cli/seams.ts";
import { textLog } from "../../../src/main/cli/log.ts";
import { painter } from "../../../src/main/cli/text.ts";
import { until } from "../../support/until.ts";
import { command, testIo } from "./helpers.ts";

const pod = {
  metadata: { name: "ws-1", creationTimestamp: "2026-01-01T00:00:00Z", labels: { workspaceType: "regular" }, annotations: { "gitpod/id": "one", "gitpod/url": "https://one" } },
  spec: { containers: [{ name: "workspace" }] },
  status: { phase: "Pending" },
};

function process_(args: readonly string[], input = ""): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["src/main/index.ts", ...args]);
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

test("explain prints status, actions and timeout as JSON", async () => {
  const args = ["explain", "--config", "examples/config.json", "--now", "2026-01-01T01:00:00Z", "--last-activity", "2026-01-01T00:00:00Z"];
  const { code, out, err } = await process_(args, JSON.stringify({ pod, events: [] }));
  assert.equal(code, 0, err);
  const result: unknown = JSON.parse(out);
  assert.ok(typeof result === "object" && result !== null && "status" in result && "actions" in result && "timedOut" in result);
  assert.equal(result.timedOut, "workspace timed out after initialization (01h00m) took longer than 00h30m");
});

test("explain answers what it can not explain with an error as JSON, and code 1", async () => {
  for (const input of ["", "{", "null", "[]", '{"pod":{}}', JSON.stringify({ pod: { ...pod, spec: {} } }), '{"pod":{"metadata":{"annotations":{"__proto__":1}}}}']) {
    const { code, out } = await command(["explain", "--config", "examples/config.json"], { stdin: input });
    assert.equal(code, 1, input);
    const result: unknown = JSON.parse(out);
    assert.ok(typeof result === "object" && result !== null && "error" in result && typeof result.error === "string" && result.error !== "", out);
  }
});

test("explain does not quote an input that is not JSON", async () => {
  const { out } = await command(["explain", "--config", "examples/config.json"], { stdin: '{"token": hunter2' });
  assert.ok(!out.includes("hunter2"), out);
});

test("explain tells problems of the configuration the same way", async () => {
  const { code, out } = await command(["explain", "--config", "/does/not/exist"], { stdin: "{}" });
  assert.equal(code, 1);
  assert.match(out, /^\{"error":"\/does\/not\/exist can not be used/);
});

test("validate-config accepts the examples, by argument and by flag", async () => {
  for (const args of [["validate-config", "examples/config.json"], ["validate-config", "--config", "examples/local.json"]]) {
    const { code, out, err } = await command(args);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /is valid/);
  }
});

test("validate-config ends with code 1 and every problem; a process prints no stack trace", async () => {
  const { code, out, err } = await process_(["validate-config", "package.json"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(err, /^error: package\.json can not be used:\n {2}manager\.timeouts\.startup: is required\n/);
  assert.doesNotMatch(err, /\n\s+at /);
});

test("version prints the package's version", async () => {
  const { code, out } = await process_(["version"]);
  assert.equal(code, 0);
  assert.match(out, /^wsmand \d+\.\d+\.\d+ /);
});

test("help goes to the standard output with code 0", async () => {
  const { code, out } = await command(["--help"]);
  assert.equal(code, 0);
  for (const name of ["run", "validate-config", "explain", "version", "embedded", "watch", "list", "describe", "classes"]) assert.match(out, new RegExp(`^ {2}${name} `, "m"));
});

/** Parts that note what happens to them. */
function fakeParts(start: () => Promise<void> = () => Promise.resolve()): { parts: Parts; events: string[]; started: DaemonOptions[] } {
  const events: string[] = [];
  const started: DaemonOptions[] = [];
  const parts: Parts = {
    async daemon() {
      return async (options) => {
        await start();
        started.push(options);
        events.push("daemon started");
        return { rpcPort: 8080, metricsPort: 9500, synced: Promise.resolve(), close: async () => void events.push("daemon closed") };
      };
    },
    async embeddedCluster() {
      return async (options) => {
        events.push(`cluster started ${JSON.stringify(options)}`);
        return { url: "http://127.0.0.1:1", kubeconfigPath: "/tmp/kubeconfig", close: async () => void events.push("cluster closed") };
      };
    },
  };
  return { parts, events, started };
}

test("run --embedded starts the cluster, then the daemon on it, tells what to try, and ends both in reverse", async () => {
  const { io, stop, out } = testIo({ terminal: { columns: 80, rows: 24 } });
  const { parts, events, started } = fakeParts();
  const ended = runCommand(["run", "--embedded"], io, parts);
  await until("the banner", () => out().includes("Try"));
  for (const part of ["127.0.0.1:8080", "http://127.0.0.1:9500/", "-- watch\n", "-- list\n", "kubectl --kubeconfig /tmp/kubeconfig"]) assert.ok(out().includes(part), part);
  assert.equal(started[0]?.kubeconfig, "/tmp/kubeconfig");
  stop.abort();
  assert.equal(await ended, 0);
  assert.deepEqual(events, ['cluster started {"namespace":"default","demo":8}', "daemon started", "daemon closed", "cluster closed"]);
});

test("run hands over configuration and kubeconfig", async () => {
  const { io, stop } = testIo();
  const { parts, started } = fakeParts();
  stop.abort();
  assert.equal(await runCommand(["run", "--config", "examples/local.json", "--kubeconfig", "k"], io, parts), 0);
  assert.equal(started[0]?.kubeconfig, "k");
  assert.equal(started[0]?.config.manager.hostURL, "https://gitpod.example.com");
});

test("a port that is taken is told with what to do, and the cluster is closed", async () => {
  const { parts, events } = fakeParts(() => Promise.reject(new Error("can not listen on 127.0.0.1:8080: listen EADDRINUSE")));
  const { code, err } = await command(["run", "--embedded"], {}, parts);
  assert.equal(code, 1);
  assert.match(err, /error: wsmand can not start: can not listen on 127\.0\.0\.1:8080.*\nhint: .*--rpc-addr/);
  assert.equal(events.at(-1), "cluster closed");
});

test("a configuration with problems starts nothing", async () => {
  const { parts, events } = fakeParts();
  const { code, err } = await command(["run", "--config", "package.json"], {}, parts);
  assert.equal(code, 1);
  assert.match(err, /manager\.timeouts\.startup: is required/);
  assert.deepEqual(events, []);
});

test("the log for people shows level, message and fields, and keeps to its level", () => {
  let text = "";
  const log = textLog({ level: "info", write: (line) => void (text += line), now: () => 0, paint: painter(false) });
  log.debug({}, "unseen");
  const loop: { self?: object } = {};
  loop.self = loop;
  log.warn({ pod: "ws-1", n: 3, gone: undefined, big: 5n, text: "a b\u001b[2J", error: new Error("boom"), loop }, "odd\nthing");
  assert.equal(text, '00:00:00.000 WARN  odd thing pod=ws-1 n=3 big=5 text="a b\\u001b[2J" error="boom" loop=[not printable]\n');
});
