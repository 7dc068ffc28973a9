/** The commands that need no server: run, validate-config, explain, version; partly as a process of their own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { makeWorkspacePod } from "../../../src/embedded/demo/index.ts";
import { startEmbeddedCluster } from "../../../src/embedded/index.ts";
import { systemClock } from "../../../src/domain/clock.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
import { runCommand } from "../../../src/main/cli/main.ts";
import type { RunOptions } from "../../../src/main/app.ts";
import { banner } from "../../../src/main/cli/run.ts";
import { load } from "../../../src/main/config/index.ts";
import type { Parts } from "../../../src/main/cli/seams.ts";
import { textLog } from "../../../src/main/cli/log.ts";
import { plainCause } from "../../../src/main/cli/errors.ts";
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

test("explain takes a pod as kubectl prints it", async () => {
  const args = ["explain", "--config", "examples/config.json", "--now", "2026-01-01T01:00:00Z"];
  const bare = await command(args, { stdin: JSON.stringify({ apiVersion: "v1", kind: "Pod", ...pod }) });
  assert.equal(bare.code, 0, bare.out);
  assert.deepEqual(bare, await command(args, { stdin: JSON.stringify({ pod }) }));
});

test("explain needs no pod templates: where those of the daemon's machine are missing, it warns and explains", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-explain-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "config.json");
  const document = record(JSON.parse(await readFile("examples/local.json", "utf8")));
  await writeFile(file, JSON.stringify({ ...document, manager: { ...record(document["manager"]), workspaceClass: { default: { templates: { defaultPath: "/mnt/templates/default.yaml" } } } } }));
  const { code, out, err } = await command(["explain", "--config", file], { stdin: JSON.stringify({ pod }) });
  assert.equal(code, 0, out);
  assert.match(err, /^warning: manager\.workspaceClass\.default\.templates\.defaultPath: .* there is no such file\n$/);
  assert.equal((await command(["render", "--config", file], { stdin: "{}" })).code, 1, "without them there is no pod to render");
});

test("explain reads a workspace of the cluster, with its events", async () => {
  const cluster = await startEmbeddedCluster();
  const folder = await mkdtemp(join(tmpdir(), "wsmand-explain-"));
  const kubeconfig = join(folder, "kubeconfig");
  await cluster.writeKubeconfig(kubeconfig);
  const made = makeWorkspacePod({ id: "8b3c1f0a-52d7-4c1e-a111-0123456789ab", phase: "creating" });
  const { metadata } = cluster.store.create("pods", made, "default");
  const event = { metadata: { name: "e" }, involvedObject: { kind: "Pod", name: metadata.name, namespace: "default", uid: metadata.uid }, type: "Warning", reason: "FailedMount", message: "no such disk", lastTimestamp: "2026-01-01T00:00:00Z" };
  cluster.store.create("events", event, "default");
  cluster.store.create("events", { ...event, metadata: { name: "other" }, involvedObject: { ...event.involvedObject, uid: "other" }, message: "of another" }, "default");
  const args = ["--config", "examples/config.json", "--kubeconfig", kubeconfig, "--now", "2026-01-01T00:00:00Z"];
  const explained = await command(["explain", "8b3c1f0a-52d7-4c1e-a111-0123456789ab", "--show-secrets", ...args]);
  assert.equal(explained.code, 0, explained.err);
  const stored = cluster.store.get("pods", "default", metadata.name);
  const given = await command(["explain", "--config", "examples/config.json", "--now", "2026-01-01T00:00:00Z"], { stdin: JSON.stringify({ pod: stored, events: [event] }) });
  assert.deepEqual(JSON.parse(explained.out), JSON.parse(given.out));
  assert.match(explained.out, /no such disk/);
  const token = metadata.annotations?.["gitpod/ownerToken"] ?? "";
  assert.ok(token !== "" && explained.out.includes(token));
  const { out: hidden } = await command(["explain", "8b3c1f0a-52d7-4c1e-a111-0123456789ab", ...args]);
  assert.ok(hidden.includes("no such disk") && !hidden.includes(token), "of a live workspace the token is shown only where that is asked for");
  for (const id of ["nope", "a,b", ""]) {
    assert.deepEqual(await command(["explain", id, ...args]), { code: 1, out: "", err: `error: there is no pod of workspace ${id} in namespace default\n` });
  }
  await cluster.close();
  await rm(folder, { recursive: true });
});

test("explain tells when a workspace of the cluster times out by the leader's own times, and by when it began to lead", async (t) => {
  const cluster = await startEmbeddedCluster();
  t.after(() => cluster.close());
  const folder = await mkdtemp(join(tmpdir(), "wsmand-explain-"));
  const kubeconfig = join(folder, "kubeconfig");
  await cluster.writeKubeconfig(kubeconfig);
  const created = Date.parse("2026-01-01T00:00:00Z");
  const used = makeWorkspacePod({ id: "8b3c1f0a-52d7-4c1e-a111-0123456789ab", phase: "running" });
  const { metadata } = cluster.store.create("pods", { ...used, metadata: { ...used.metadata, creationTimestamp: new Date(created).toISOString() } }, "default");
  const { timeouts: { regularWorkspace } } = (await load("examples/config.json")).config.manager;
  const createdAt = Date.parse(String(cluster.store.get("pods", "default", metadata.name)?.metadata.creationTimestamp));
  const at = (ms: number): string => new Date(createdAt + ms).toISOString();
  const explained = async (...args: readonly string[]): Promise<{ readonly left: number; readonly steps: string; readonly err: string }> => {
    const { code, out, err } = await command(["explain", "8b3c1f0a-52d7-4c1e-a111-0123456789ab", "--kubeconfig", kubeconfig, "--last-activity", at(0), ...(args.includes("--config") ? [] : ["--config", "examples/config.json"]), ...args]);
    assert.equal(code, 0, err);
    const { timesOutAt, actions } = record(JSON.parse(out));
    return { left: Date.parse(String(timesOutAt)) - createdAt - regularWorkspace, steps: JSON.stringify(actions), err };
  };
  const now = regularWorkspace + 1000;
  t.mock.method(systemClock, "now", () => createdAt + now);
  const nobody = await explained();
  assert.ok(nobody.left > 144_000 && !nobody.steps.includes("timeOut"), `where nobody leads, whoever begins gives users time: ${JSON.stringify(nobody)}`);
  const lease = (acquired: number, renewed: number, changes: object = {}) => ({ metadata: { name: "ws-manager-leader.gitpod.io" }, spec: { holderIdentity: "a", leaseDurationSeconds: 15, acquireTime: at(acquired), renewTime: at(renewed), leaseTransitions: 0, ...changes } });
  const { metadata: { name } } = cluster.store.create("leases", lease(-60_000, now), "default");
  const led = await explained();
  assert.ok(led.left === 0 && led.steps.includes("timeOut"), JSON.stringify(led));
  const ahead = await explained("--now", at(now + 3_600_000));
  assert.ok(ahead.left === 0 && ahead.steps.includes("timeOut"), `whoever leads now leads at the time that is asked about: ${JSON.stringify(ahead)}`);
  const replace = (acquired: number, renewed: number, changes: object = {}): void => {
    cluster.store.delete("leases", "default", name);
    cluster.store.create("leases", lease(acquired, renewed, changes), "default");
  };
  replace(now - 1000, now);
  const young = await explained();
  assert.ok(young.left > 144_000 && !young.steps.includes("timeOut"), JSON.stringify(young));
  const later = await explained("--now", at(now + 3_600_000));
  assert.ok(later.left === young.left && later.steps.includes("timeOut"), JSON.stringify(later));
  replace(-60_000, now - 60_000);
  assert.deepEqual(await explained(), led, "its clock may be behind");
  for (const renewed of [now - 76_000, now - 75_001]) {
    replace(-60_000, renewed);
    assert.deepEqual(await explained(), nobody, "who does not renew leads no more");
  }
  for (const [what, renewed, changes] of [["at the last moment", now - 75_000, {}], ["without a duration", now, { leaseDurationSeconds: null }]] as const) {
    replace(-60_000, renewed, changes);
    assert.deepEqual(await explained(), led, `who renewed in time leads: ${what}`);
  }
  const notHeld = [{ holderIdentity: "" }, { renewTime: "just now" }, { renewTime: null }, { acquireTime: "a while ago" }, { leaseDurationSeconds: null, renewTime: at(now - 60_001) }];
  for (const changes of notHeld) {
    replace(-60_000, now, changes);
    assert.deepEqual(await explained(), nobody, `nobody is known to lead: ${JSON.stringify(changes)}`);
  }
  replace(now - 1000, now);
  cluster.faults.add({ resources: ["leases"], code: 403, message: "leases is forbidden" });
  const unread = await explained();
  assert.ok(unread.left === 0 && unread.steps.includes("timeOut"), `a lead that can not be read gives no time: ${JSON.stringify(unread)}`);
  assert.match(unread.err, /^warning: the Lease can not be read \(.*leases is forbidden.*\): if the lead has changed lately, workspaces have longer until they time out than is shown\n$/);
  const document = record(JSON.parse(await readFile("examples/config.json", "utf8")));
  const alone = join(folder, "alone.json");
  await writeFile(alone, JSON.stringify({ ...document, wsmand: { leaderElection: { enabled: false } } }));
  const unelected = await explained("--config", alone);
  assert.deepEqual([unelected.left, unelected.steps], [0, led.steps], "without an election the Lease says nothing, and whoever acts does so since ever");
  await rm(folder, { recursive: true });
});

test("a person at a terminal is told in words what can not be explained or rendered", async () => {
  for (const [name, reason] of [["explain", /^error: the standard input is not JSON/], ["render", /^error: the input is not JSON/]] as const) {
    const { code, out, err } = await command([name, "--config", "examples/config.json"], { stdin: "{", terminal: { columns: 80, rows: 24 } });
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, reason);
  }
});

test("explain does not quote an input that is not JSON", async () => {
  const { out } = await command(["explain", "--config", "examples/config.json"], { stdin: '{"token": hunter2' });
  assert.ok(!out.includes("hunter2"), out);
});

test("explain tells problems of the configuration the same way", async () => {
  const { code, out, err } = await command(["explain", "--config", "/does/not/exist"], { stdin: "{}" });
  assert.equal(code, 1);
  assert.match(err, /^error: \/does\/not\/exist can not be used/);
  assert.match(out, /^\{"error":"\/does\/not\/exist can not be used/);
});

test("validate-config accepts the examples, by argument and by flag", async () => {
  for (const args of [["validate-config", "examples/config.json"], ["validate-config", "--config", "examples/local.json"]]) {
    const { code, out, err } = await command(args);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /is valid/);
  }
});

test("validate-config tells what is asked for in vain, where something is", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "wsmand-run-")), "config.json");
  const local: unknown = JSON.parse(await readFile("examples/local.json", "utf8"));
  assert.ok(typeof local === "object" && local !== null);
  await writeFile(file, JSON.stringify({ ...local, pprof: { addr: ":6060" } }));
  const { code, out, err } = await command(["validate-config", file]);
  await rm(dirname(file), { recursive: true });
  assert.equal(code, 0, "a file that the Go daemon takes is valid");
  assert.match(err, /pprof\.addr: no profiles are served on ":6060"/);
  assert.doesNotMatch(out, /note:/);
});

test("a key that may be misspelt is told beside the one that is missing", async () => {
  const { code, err } = await command(["validate-config", "package.json"]);
  assert.equal(code, 1);
  assert.match(err, /^warning: name: unknown key, ignored$/m);
  assert.match(err, /^error: package\.json can not be used:$/m);
});

test("validate-config ends with code 1 and every problem; a process prints no stack trace", async () => {
  const { code, out, err } = await process_(["validate-config", "package.json"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(err, /^error: package\.json can not be used:\n {2}manager\.timeouts\.startup: is required\n/m);
  assert.doesNotMatch(err, /\n\s+at /);
});

test("version prints the package's version, as command and as flag", async () => {
  const { code, out } = await process_(["version"]);
  assert.equal(code, 0);
  assert.match(out, /^wsmand \d+\.\d+\.\d+ /);
  assert.deepEqual(await command(["--version"]), { code: 0, out, err: "" });
});

test("help goes to the standard output with code 0", async () => {
  const { code, out } = await command(["--help"]);
  assert.equal(code, 0);
  for (const name of ["run", "validate-config", "explain", "version", "embedded", "watch", "list", "describe", "classes"]) assert.match(out, new RegExp(`^ {2}${name} `, "m"));
});

test("a closed terminal ends the built-in cluster in order: its folder goes", async () => {
  const child = spawn(process.execPath, ["src/main/index.ts", "embedded"], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  const ended = once(child, "exit");
  try {
    await until("the cluster", () => out.includes("kubectl --kubeconfig"));
    const [, kubeconfig = ""] = /--kubeconfig (\S+)/.exec(out) ?? [];
    assert.ok(existsSync(kubeconfig), out);
    child.kill("SIGHUP");
    assert.deepEqual(await ended, [0, null]);
    assert.ok(!existsSync(dirname(kubeconfig)));
  } finally {
    child.kill("SIGKILL");
  }
});

/** Parts that note what happens to them. */
function fakeParts(start: () => Promise<void> = () => Promise.resolve()): { parts: Parts; events: string[]; started: RunOptions[] } {
  const events: string[] = [];
  const started: RunOptions[] = [];
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
        return { url: "http://127.0.0.1:1", kubeconfigPath: "/tmp/kubeconfig", nodeDaemonPort: 4711, strike: () => {}, close: async () => void events.push("cluster closed") };
      };
    },
  };
  return { parts, events, started };
}

test("run --embedded starts the cluster, then the daemon on it, tells what to try, and ends both in reverse", async () => {
  const { io, stop, out, err } = testIo({ terminal: { columns: 80, rows: 24 }, errorTerminal: true });
  const { parts, events, started } = fakeParts();
  const ended = runCommand(["run", "--embedded"], io, parts);
  await until("the banner", () => out().includes("Try"));
  for (const part of ["127.0.0.1:8080", "http://127.0.0.1:9500/", "-- watch\n", "-- list ", "describe ID", "Ctrl-C", "kubectl --kubeconfig /tmp/kubeconfig"]) assert.ok(out().includes(part), part);
  assert.equal(started[0]?.kubeconfig, "/tmp/kubeconfig");
  assert.deepEqual(started[0]?.config.manager.wsdaemon, { port: 4711 });
  stop.abort();
  assert.equal(await ended, 0);
  assert.deepEqual(events, ['cluster started {"namespace":"default","demo":0,"slowNodeDaemons":true}', "daemon started", "daemon closed", "cluster closed"]);
  assert.match(err().trimEnd().split("\n").at(-1) ?? "", /INFO.*stopped$/);
});

test("the built-in cluster has the configuration's scheduler, and node daemons that are reached whatever the configuration says of others", async () => {
  const { io, stop } = testIo();
  const { parts, events, started } = fakeParts();
  stop.abort();
  assert.equal(await runCommand(["run", "--embedded", "--demo", "0", "--config", "examples/config.json"], io, parts), 0);
  assert.equal(events[0], 'cluster started {"namespace":"default","demo":0,"slowNodeDaemons":false,"schedulerName":"workspace-scheduler"}');
  assert.deepEqual(started[0]?.config.manager.wsdaemon, { port: 4711 });
});

test("embedded tells the port of its node daemons, and writes a configuration for a daemon beside it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-embedded-"));
  const file = join(folder, "config.json");
  const { io, stop, out } = testIo();
  const { parts, events } = fakeParts();
  stop.abort();
  const tls = ["--wsdaemon-tls-ca", "/ca", "--wsdaemon-tls-cert", "/crt", "--wsdaemon-tls-key", "/key"];
  assert.equal(await runCommand(["embedded", "--config-path", file, "--scheduler-name", "s", "--wsdaemon-port", "4711", ...tls], io, parts), 0);
  assert.equal(events[0], 'cluster started {"nodeDaemons":true,"schedulerName":"s","wsdaemonPort":4711,"wsdaemonTls":{"ca":"/ca","crt":"/crt","key":"/key"}}');
  assert.match(out(), /node daemons listen on port 4711\b/);
  assert.match(out(), /^Ctrl-C ends it\.$/m);
  assert.ok(out().includes(`run --config ${file} --kubeconfig /tmp/kubeconfig\n`));
  const { config, warnings } = await load(file);
  assert.deepEqual(warnings, []);
  assert.deepEqual([config.manager.schedulerName, config.manager.wsdaemon], ["s", { port: 4711, tls: { ca: "/ca", crt: "/crt", key: "/key" } }]);
  const { code, err } = await command(["embedded", ...tls.slice(0, 2)], {}, parts);
  assert.equal(code, 2);
  assert.match(err, /needs all of --wsdaemon-tls-ca/);
  await rm(folder, { recursive: true });
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

test("a start that can never succeed ends with code 1 and names what is wrong: a kubeconfig, a certificate", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-run-"));
  const broken = join(folder, "kubeconfig");
  await writeFile(broken, "clusters: [{}]");
  const local: unknown = JSON.parse(await readFile("examples/local.json", "utf8"));
  assert.ok(typeof local === "object" && local !== null);
  const withTls = join(folder, "tls.json");
  await writeFile(withTls, JSON.stringify({ ...local, rpcServer: { addr: "127.0.0.1:0", tls: { ca: "/nope/ca", crt: "/nope/crt", key: "/nope/key" } } }));
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--config", "examples/local.json", "--kubeconfig", "/nope/kubeconfig"], /^error: wsmand can not start: kubeconfig: the file "\/nope\/kubeconfig" can not be read: there is no such file$/m],
    [["--config", "examples/local.json", "--kubeconfig", broken], /^error: wsmand can not start: kubeconfig .* is not a kubeconfig/m],
    [["--config", withTls], /^error: wsmand can not start: rpcServer\.tls\.ca: the file "\/nope\/ca" can not be read: there is no such file$/m],
  ];
  for (const [args, expected] of wrong) {
    const { code, err } = await process_(["run", ...args]);
    assert.equal(code, 1, args.join(" "));
    assert.match(err, expected);
  }
  await rm(folder, { recursive: true });
});

test("the hint for a port that is taken fits how it was chosen", async () => {
  const { parts } = fakeParts(() => Promise.reject(new Error("listen EADDRINUSE")));
  for (const args of [["--config", "examples/local.json"], ["--embedded", "--config", "examples/local.json"]]) {
    const { err } = await command(["run", ...args], {}, parts);
    assert.match(err, /^hint: another program listens on that port: stop it, or .*rpcServer\.addr, prometheus\.addr and pprof\.addr in the configuration$/m, args.join(" "));
  }
  assert.match((await command(["run", "--embedded"], {}, parts)).err, /^hint: another program, perhaps another npm start, listens on that port: stop it, or .*--metrics-addr 127\.0\.0\.1:PORT \(behind npm: npm start -- FLAGS\)$/m);
  const taken: Parts = { ...parts, embeddedCluster: async () => () => Promise.reject(new Error("listen EADDRINUSE")) };
  assert.match((await command(["embedded", "--port", "1"], {}, taken)).err, /^hint: .* with --port and --wsdaemon-port \(behind npm: npm run --silent wsmand -- embedded FLAGS\)$/m);
  assert.match((await command(["run", "--embedded"], {}, taken)).err, /^hint: another program listens on that port: stop it$/m, "run has no flags for the cluster's ports");
});

test("errors of libraries are told without what they wrap around them", () => {
  const told: readonly (readonly [string, string])[] = [
    ["can not listen on 127.0.0.1:1: No address added out of total 1 resolved errors: [listen EADDRINUSE: address already in use 127.0.0.1:1]", "can not listen on 127.0.0.1:1: listen EADDRINUSE: address already in use 127.0.0.1:1"],
    ["No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ", "connect ECONNREFUSED 127.0.0.1:1"],
    ["No connection established. Last error: Error: 405D62BCB47F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/openssl/tlsany_meth.c:77:\n. Resolution note: ", "TLS failed: wrong version number"],
    ["workspace x does not exist", "workspace x does not exist"],
  ];
  for (const [text, cause] of told) assert.equal(plainCause(text), cause);
});

test("the daemon tells what the configuration asks for in vain, in one line", async () => {
  const { io, stop, err } = testIo();
  const { parts } = fakeParts();
  stop.abort();
  const file = join(await mkdtemp(join(tmpdir(), "wsmand-run-")), "config.json");
  const local: unknown = JSON.parse(await readFile("examples/local.json", "utf8"));
  assert.ok(typeof local === "object" && local !== null);
  await writeFile(file, JSON.stringify({ ...local, wsmand: { log: { format: "text" } }, pprof: { addr: ":6060" } }));
  assert.equal(await runCommand(["run", "--config", file], io, parts), 0);
  await rm(dirname(file), { recursive: true });
  const told = err().split("\n").filter((line) => line.includes("pprof"));
  assert.equal(told.length, 1, err());
  assert.match(told[0] ?? "", /WARN .*pprof\.addr: no profiles are served/);
});

test("the banner's commands can be typed as they stand: with the address, and with what TLS needs", () => {
  assert.match(banner({ rpc: "127.0.0.1:8080", metrics: undefined, api: "http://127.0.0.1:2", tlsCa: undefined }, "k"), /^ {2}Kubernetes API {3}http:\/\/127\.0\.0\.1:2\n[^]*-- watch\n/m);
  assert.match(banner({ rpc: "127.0.0.1:1", metrics: undefined, api: "http://127.0.0.1:2", tlsCa: "/ca.crt" }, "k"), /-- watch --address 127\.0\.0\.1:1 --tls-ca \/ca\.crt --tls-cert FILE --tls-key FILE\n/);
  const served = { rpc: "127.0.0.1:8080", metrics: undefined, api: "http://127.0.0.1:2", tlsCa: undefined };
  assert.match(banner({ ...served, configPath: "/c" }, "/k"), /-- preflight --config \/c --kubeconfig \/k\n {4}and, with the same flags: explain ID\. Both files go when this ends\.\n/);
  assert.doesNotMatch(banner(served, "/k"), /preflight/, "whoever has a file of their own knows where it is");
});

test("what the log looks like follows the standard error, where it goes", async () => {
  const { io, stop, err } = testIo({ terminal: { columns: 80, rows: 24 }, errorTerminal: false });
  stop.abort();
  assert.equal(await runCommand(["run", "--embedded"], io, fakeParts().parts), 0);
  assert.equal(err(), "", "JSON lines go to the standard error itself");
  const both = testIo({ terminal: { columns: 80, rows: 24 }, errorTerminal: true });
  both.stop.abort();
  assert.equal(await runCommand(["run", "--embedded"], both.io, fakeParts().parts), 0);
  assert.ok(both.err().includes("\x1b[32mINFO"), both.err());
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
  assert.equal(text, '00:00:00.000Z WARN  odd thing pod=ws-1 n=3 big=5 text="a b\\u001b[2J" error="boom" loop=[not printable]\n');
});
