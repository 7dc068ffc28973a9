/** The load tool at a small size: it measures, finds a daemon that loses nothing, and leaves nothing behind. */
import { after, before, describe, test, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { z } from "zod";
import { bench as runBench } from "../../src/bench/command.ts";
import { systemClock } from "../../src/domain/clock.ts";
import { messageOf } from "../../src/domain/errors.ts";
import { startEmbeddedCluster } from "../../src/embedded/index.ts";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import { runCommand } from "../../src/main/cli/main.ts";
import { readEnvironment } from "../../src/main/config/env.ts";
import type { Daemon } from "../../src/main/daemon.ts";
import { onRealCluster, startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { entry } from "../support/entry.ts";
import { kubeApi } from "../support/kube-api.ts";
import { startHeldParts } from "../support/held-parts.ts";
import type { HeldParts } from "../support/held-parts.ts";
import { Player } from "../support/player.ts";
import { until } from "../support/until.ts";

const reportSchema = z.object({ scenario: z.string(), figures: z.record(z.string(), z.number()), runs: z.array(z.object({ notes: z.array(z.string()) })) });
type Report = z.infer<typeof reportSchema>;
const small = ["--workspaces", "10", "--subscribers", "4", "--rate", "50", "--seconds", "1", "--warmup", "0", "--rest", "0", "--size", "0"];

let folder = "";

/** Where no cluster of the tool's own is wanted. */
let cluster: TestCluster;

/** Where parts of the load are that need no process of their own: what a start costs is what all of this takes. */
let held: HeldParts;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "wsmand-bench-test-"));
  cluster = await startTestCluster();
  held = startHeldParts();
});
after(async () => {
  await held[Symbol.asyncDispose]();
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

/** Starts the tool as a process. */
function start(...args: readonly string[]): { readonly child: ChildProcess; readonly output: () => string; readonly code: Promise<number | null> } {
  const child = spawn(process.execPath, [entry, "bench", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => void (output += text));
  return { child, output: () => output, code: new Promise((resolve) => child.once("close", resolve)) };
}

async function reportIn(file: string): Promise<Report> {
  return reportSchema.parse(JSON.parse(await readFile(file, "utf8")));
}

/** Runs it to its end, in this process, which has loaded all that it needs, with all parts of the load in another one, and gives what it reports. API server and daemon of the tool's own are processes as ever. */
async function bench(...args: readonly string[]): Promise<Report> {
  const file = join(folder, `${randomUUID()}.json`);
  let output = "";
  const out = { write: (text: string) => void (output += text) };
  try {
    await runBench([...args, "--entry", entry, "--json", file], { stdout: out, stderr: out, signal: new AbortController().signal, startPart: held.startPart });
  } catch (error) {
    assert.fail(`${messageOf(error)}\n${output}`);
  }
  return reportIn(file);
}

/** A daemon that is there already, in this process as well, for scenarios one after the other. */
interface Site extends AsyncDisposable {
  /** Flags by which the tool finds it. */
  readonly flags: readonly string[];
  /** Runs a scenario on it to its end; whatever that makes must be gone afterwards. */
  bench(...args: readonly string[]): Promise<Report>;
}

/** What the tool is told of a daemon in this process. */
function flagsFor(kubeconfig: string, namespace: string, { rpcPort, metricsPort }: Pick<Daemon, "rpcPort" | "metricsPort">): readonly string[] {
  return ["--kubeconfig", kubeconfig, "--namespace", namespace, "--target", `127.0.0.1:${rpcPort}`, "--metrics", `http://127.0.0.1:${metricsPort}/metrics`, "--pid", String(process.pid)];
}

async function openSite(t: TestContext): Promise<Site> {
  const api = await kubeApi(t, cluster.kubeconfig);
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace: api.namespace });
  await daemon.synced;
  const flags = flagsFor(cluster.kubeconfig, api.namespace, daemon);
  return {
    flags,
    bench: async (...args) => {
      const report = await bench(...args, ...flags);
      assert.deepEqual((await api.get(api.path("pods")))["items"], []);
      return report;
    },
    [Symbol.asyncDispose]: () => daemon.close(),
  };
}

/** Runs it on a daemon of this process, on a cluster that has a scheduler, kubelets and node daemons: they must leave its workspaces alone. */
async function benchBesideNodes(...args: readonly string[]): Promise<Report> {
  const busy = await startEmbeddedCluster({ admin: true, kubelet: { speed: 5 }, nodeDaemons: {} });
  const kubeconfig = join(folder, "busy");
  await busy.writeKubeconfig(kubeconfig);
  const namespace = "default";
  const daemon = await startTestDaemon(kubeconfig, { namespace });
  const bound: unknown[] = [];
  busy.store.subscribe("pods", (_type, pod) => {
    if (pod.metadata.labels?.["wsmand-bench"] !== undefined) bound.push(record(pod["spec"])["nodeName"]);
  });
  try {
    await daemon.synced;
    const report = await bench(...args, ...flagsFor(kubeconfig, namespace, daemon));
    assert.deepEqual(new Set(bound), new Set([undefined]));
    return report;
  } finally {
    await daemon.close();
    await busy.close();
  }
}

/** Runs the command line in this process, as the program itself does. */
function command(signal: AbortSignal, ...args: readonly string[]): { readonly output: () => string; readonly code: Promise<number> } {
  let output = "";
  const write = (text: string): boolean => {
    output += text;
    return true;
  };
  const out = { write, once: () => {}, on: () => {}, off: () => {} };
  const none = (): Promise<never> => Promise.reject(new Error("nothing of that is asked for"));
  const io = { stdin: Readable.from([]), stdout: out, stderr: out, env: readEnvironment({}), clock: systemClock, random: Math.random, signal, onExit: () => () => {} };
  return { output: () => output, code: runCommand(["bench", ...args], io, { daemon: none, embeddedCluster: none }) };
}

// What comes first takes longest. Several go on at once: most of a run is waiting.
describe("the load tool", { concurrency: 8 }, () => {
  test("lifecycle: every workspace runs, is backed up once, told as STOPPED once, and gone", { skip: onRealCluster }, async () => {
    const { figures, runs } = await bench("lifecycle", "--workspaces", "5", "--rate", "8", "--seconds", "1", "--warmup", "0", "--size", "0");
    const notes = runs[0]?.notes.join("\n") ?? "";
    const wrong = ["lost", "failures", "failed", "pods_twice", "stopped_missing", "stopped_again", "told_after_stopped", "stopped_early", "left_behind", "backups_missing", "backups_twice"];
    assert.deepEqual(Object.fromEntries(wrong.map((name) => [name, figures[name]])), Object.fromEntries(wrong.map((name) => [name, 0])), notes);
    assert.deepEqual({ lives: figures["lives"], requests: figures["api_requests_per_life"] }, { lives: 8, requests: 8 }, notes);
    assert.match(notes, /requests per life: patch pods /);
    for (const name of ["start_to_running_p50_ms", "start_to_running_p99_ms", "start_to_running_overhead_p99_ms", "stop_to_stopped_p50_ms", "stop_to_stopped_p99_ms", "stop_to_stopped_overhead_p99_ms", "events_per_life", "rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
    for (const name of ["daemon_cpu_percent", "rest_cpu_percent"]) assert.ok(name in figures, name);
  });

  test("on a daemon that is there already", { skip: onRealCluster }, async (t) => {
    await using site = await openSite(t);
    await t.test("connect: everyone gets all of the initial state, in as many runs as are asked for", async () => {
      const { figures, runs } = await site.bench("connect", ...small, "--runs", "2");
      assert.ok((figures["connect_p99_ms"] ?? 0) > 0);
      assert.equal(figures["incomplete"], 0);
      assert.equal(runs.length, 2);
    });

    await t.test("fanout gives its figures", async () => {
      // The more there are, the fewer changes it takes.
      const { figures } = await site.bench("fanout", ...small, "--subscribers", "100");
      for (const name of ["ratio_to_bare", "ratio_to_http2", "messages_per_s"]) assert.ok((figures[name] ?? 0) > 0, name);
    });

    await t.test("list: the daemon's answers and the bare server's are the same to the byte, and every call is answered", async () => {
      const { figures } = await site.bench("list", "--workspaces", "60", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "1");
      assert.deepEqual({ failed: figures["failed"], different: figures["different"] }, { failed: 0, different: 0 });
      for (const name of ["get_ratio_to_bare", "get_p50_ms", "get_p99_ms", "get_per_s", "bare_get_per_s", "describe_ratio_to_bare", "describe_p50_ms", "describe_p99_ms", "describe_per_s", "answer_mb", "rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
      assert.ok((figures["loop_delay_max_ms"] ?? -1) >= 0);
    });
  });

  test("calls of a daemon that is there already, and changes as a cluster takes them", async (t) => {
    await using site = await openSite(t);
    await t.test("start: every workspace is started once, told of and stopped, for one API request each", async () => {
      const { figures, runs } = await site.bench("start", "--workspaces", "1", "--rate", "100", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "4", "--storm", "30");
      const wrong = ["start_lost", "start_twice", "start_failed", "stop_failed", "stopped_again", "told_after_stopped", "stopped_early"];
      assert.deepEqual(Object.fromEntries(wrong.map((name) => [name, figures[name]])), Object.fromEntries(wrong.map((name) => [name, 0])), runs[0]?.notes.join("\n"));
      const { storm_succeeded, storm_stops_succeeded, bare_storm_succeeded, api_requests_per_start } = figures;
      assert.deepEqual({ storm_succeeded, storm_stops_succeeded, bare_storm_succeeded, api_requests_per_start }, { storm_succeeded: 30, storm_stops_succeeded: 30, bare_storm_succeeded: 30, api_requests_per_start: 1 });
      for (const name of ["start_p50_ms", "start_p99_ms", "bare_create_p50_ms", "bare_create_p99_ms", "stop_p99_ms", "bare_patch_p99_ms", "starts_per_s", "paced_start_p99_ms", "paced_stop_p99_ms", "storm_ms", "storm_stop_ms", "pod_bytes"]) assert.ok((figures[name] ?? 0) > 0, name);
      for (const name of ["start_overhead_p50_ms", "start_overhead_p99_ms", "stop_overhead_p99_ms", "paced_start_overhead_p50_ms"]) assert.ok(name in figures, name);
    });

    await t.test("markactive: every call is answered as the bare server answers it, and each workspace is written once at most", async () => {
      const { figures, runs } = await site.bench("markactive", "--workspaces", "6", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "2");
      const { failed, different, steady_failed, api_requests = 7 } = figures;
      assert.deepEqual({ failed, different, steady_failed }, { failed: 0, different: 0, steady_failed: 0 }, runs[0]?.notes.join("\n"));
      assert.ok(api_requests <= 6, `${api_requests}`);
      for (const name of ["ratio_to_bare", "calls_per_s", "bare_calls_per_s", "p99_ms", "steady_calls_per_s", "steady_p99_ms"]) assert.ok((figures[name] ?? 0) > 0, name);
    });

    await t.test("calls: every call is answered, and those that can not be made here are named", async () => {
      const { figures, runs } = await site.bench("calls", "--workspaces", "4", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "2");
      assert.deepEqual({ failed: figures["failed"], unchanged: figures["unchanged"] }, { failed: 0, unchanged: 0 }, runs[0]?.notes.join("\n"));
      for (const name of ["describe_cluster", "describe_workspace", "get_workspaces", "mark_active", "set_timeout", "control_admission", "control_port", "update_ssh_key"]) assert.ok((figures[`${name}_p50_ms`] ?? 0) > 0 && (figures[`${name}_p99_ms`] ?? 0) > 0, name);
      for (const name of ["set_timeout", "control_admission", "control_port", "update_ssh_key"]) assert.ok((figures[`bare_${name}_p99_ms`] ?? 0) > 0 && `${name}_overhead_p99_ms` in figures, name);
      assert.match(runs[0]?.notes.join("\n") ?? "", /TakeSnapshot is left out: /);
    });

    await t.test("bursts there, too, as fast as it takes the changes", async () => {
      const { figures } = await site.bench("burst", ...small, "--changes", "100");
      const { delivered = 0, coalesced = 0, repeated, reordered, lost } = figures;
      assert.equal(delivered + coalesced, 4 * 100);
      assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
    });
  });

  test("soak: all of it together loses nothing, and tells the end of each workspace once; a scheduler, kubelets and node daemons leave its workspaces alone", { skip: onRealCluster }, async () => {
    const { figures, runs } = await benchBesideNodes("soak", ...small, "--clients", "2", "--connections", "2", "--seconds", "4", "--stalled", "1");
    const notes = runs[0]?.notes.join("\n");
    const wrong = [
      "lost", "reordered", "repeated", "streams_ended", "connect_failures", "incomplete", "get_failures", "scrape_failures", "churn_failures",
      "stopped_missing", "stopped_again", "stopped_early", "told_after_stopped", "untold", "skipped_pods", "worker_restarts",
    ];
    assert.deepEqual(Object.fromEntries(wrong.map((name) => [name, figures[name]])), Object.fromEntries(wrong.map((name) => [name, 0])), notes);
    const { delivered = 0, coalesced = 0, deleted = 0, stopped, compactions = 0, relists } = figures;
    assert.equal(delivered + coalesced, 4 * 200);
    assert.ok(deleted > 0);
    assert.equal(stopped, deleted);
    assert.ok(compactions > 0);
    assert.equal(relists, compactions);
    for (const name of ["connects", "gets", "describes", "scrapes", "latency_p99_ms", "connect_p99_ms", "rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
    assert.ok("rss_slope_mb_per_h" in figures && "rss_slope_noise_mb_per_h" in figures);
  });

  test("scale: no change is lost with any number of workspaces", { skip: onRealCluster }, async () => {
    const { figures } = await bench("scale", ...small, "--workspaces", "101");
    const { repeated, reordered, lost } = figures;
    assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
    for (const name of ["rss_mb_100", "rss_mb_101", "latency_p99_ms_100", "latency_p99_ms_101"]) assert.ok((figures[name] ?? 0) > 0, name);
    for (const name of ["rss_mb_per_1000", "cpu_us_per_change_100", "cpu_us_per_change_101"]) assert.ok(figures[name] !== undefined, name);
  });

  test("relist: nothing is lost when the watches break and all workspaces are listed anew", { skip: onRealCluster }, async () => {
    const { figures, runs } = await bench("relist", ...small, "--workspaces", "100", "--seconds", "2");
    const { lost, reordered, repeated, delivered = 0, coalesced = 0, relists = 0 } = figures;
    assert.deepEqual({ lost, reordered, repeated }, { lost: 0, reordered: 0, repeated: 0 }, runs[0]?.notes.join("\n"));
    assert.equal(delivered + coalesced, 4 * 100);
    assert.ok(relists > 0);
    for (const name of ["ready_s", "loop_delay_max_ms", "longest_gap_ms", "longest_gap_quiet_ms", "source_gap_ms"]) assert.ok((figures[name] ?? 0) > 0, name);
  });

  test("streams of a daemon that is there already", { skip: onRealCluster }, async (t) => {
    await using site = await openSite(t);
    await t.test("stall: who does not read is no one else's loss", async () => {
      const { lost, reordered, repeated, p99_ratio = 0 } = (await site.bench("stall", ...small)).figures;
      assert.deepEqual({ lost, reordered, repeated }, { lost: 0, reordered: 0, repeated: 0 });
      assert.ok(p99_ratio > 0);
    });

    await t.test("scrape: metrics and health are answered while every change reaches every subscriber", async () => {
      const { figures } = await site.bench("scrape", ...small);
      const { repeated, reordered, lost, failed, delivered = 0, coalesced = 0 } = figures;
      assert.deepEqual({ repeated, reordered, lost, failed }, { repeated: 0, reordered: 0, lost: 0, failed: 0 });
      assert.equal(delivered + coalesced, 4 * 50);
      for (const name of ["scrape_p50_ms", "scrape_p99_ms", "scrapes_per_s", "scrape_kb", "health_p99_ms", "latency_p99_ms"]) assert.ok((figures[name] ?? 0) > 0, name);
      assert.ok((figures["loop_delay_max_ms"] ?? -1) >= 0);
    });

    await t.test("Ctrl-C in the warm-up gives no figures: nothing lost, of nothing, would read as good", async () => {
      const file = join(folder, "warming.json");
      const wish = new AbortController();
      const { output, code } = command(wish.signal, "stream", ...small, "--warmup", "600", "--json", file, ...site.flags);
      await until("the warm-up", () => output().includes("measuring"), 60_000);
      wish.abort("SIGINT");
      assert.equal(await code, 130, output());
      assert.match(output(), /^ended early: nothing was measured yet$/m);
      assert.doesNotMatch(output(), /^lost|CPU of one core/m);
      assert.ok(!existsSync(file));
    });
  });

  test("burst: every subscriber gets every final status, and the figures of the daemon's threads are there", { skip: onRealCluster }, async () => {
    const { figures } = await bench("burst", ...small, "--changes", "300", "--workers", "1");
    const { delivered = 0, coalesced = 0, repeated, reordered, lost } = figures;
    assert.equal(delivered + coalesced, 4 * 300);
    assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
    for (const name of ["changes_per_s", "ratio_to_parse_limit", "parse_limit_per_s", "worker_us_per_change", "batch_lines"]) assert.ok((figures[name] ?? 0) > 0, name);
    // So little may be less than a tick.
    assert.ok((figures["main_us_per_change"] ?? -1) >= 0);
  });

  test("Ctrl-C ends it with what was measured until then", { skip: onRealCluster }, async () => {
    const file = join(folder, "interrupted.json");
    const { child, output, code } = start("stream", ...small, "--seconds", "600", "--json", file);
    // From then on a first change is due, and goes out.
    await until("the measurement", () => output().includes("measuring"), 60_000);
    // npm passes on what the terminal has sent already: that is no second wish.
    child.kill("SIGINT");
    child.kill("SIGINT");
    assert.equal(await code, 0, output());
    const { figures, runs } = await reportIn(file);
    assert.ok((figures["delivered"] ?? 0) > 0);
    assert.equal(figures["lost"], 0);
    assert.match(runs[0]?.notes.join() ?? "", /ended early/);
  });

  test("stream: every change reaches every subscriber once, in order, and costs no API request", { skip: onRealCluster }, async () => {
    const { figures } = await bench("stream", ...small);
    const { delivered = 0, coalesced = 0, repeated, reordered, lost, api_requests } = figures;
    assert.equal(delivered + coalesced, 4 * 50);
    assert.deepEqual({ repeated, reordered, lost, api_requests }, { repeated: 0, reordered: 0, lost: 0, api_requests: 0 });
    for (const name of ["latency_p50_ms", "latency_p99_ms", "latency_max_ms", "added_p50_ms", "added_p99_ms", "changes_per_s", "daemon_cpu_us_per_change", "daemon_rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
  });

  test("ready gives its figures; on a cluster that is there already it measures in a namespace of its own, and takes away what it made", { skip: onRealCluster }, async () => {
    const { figures } = await bench("ready", ...small, "--kubeconfig", cluster.kubeconfig, "--events", "20");
    for (const name of ["ready_s", "serving_s", "list_s"]) assert.ok((figures[name] ?? 0) > 0, name);
    const player = await Player.fromKubeconfig(cluster.kubeconfig);
    const namespaces = await player.request("GET", "/api/v1/namespaces");
    await player.close();
    assert.doesNotMatch(JSON.stringify(namespaces["items"]), /wsmand-bench/);
  });

  test("measures in a namespace of its own, and takes away what it made", { skip: !onRealCluster }, async () => {
    const { figures } = await bench("stream", ...small, "--kubeconfig", cluster.kubeconfig, "--events", "20");
    const { delivered = 0, coalesced = 0, repeated, reordered, lost } = figures;
    assert.equal(delivered + coalesced, 4 * 50);
    assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
    const player = await Player.fromKubeconfig(cluster.kubeconfig);
    const pods = await player.request("GET", "/api/v1/pods");
    await player.close();
    // Others are at work in theirs.
    assert.deepEqual(records(pods["items"]).map(({ metadata }) => text(record(metadata)["namespace"])).filter((namespace) => namespace.startsWith("wsmand-bench")), []);
  });

  test("lets no workspaces live where no node runs them", async () => {
    await assert.rejects(bench("lifecycle", "--workspaces", "1", "--kubeconfig", cluster.kubeconfig), /lifecycle needs nodes that run its workspaces/);
  });

  test("can not have its watches broken", async () => {
    await assert.rejects(bench("relist", "--kubeconfig", cluster.kubeconfig, "--namespace", "default", "--target", "127.0.0.1:1"), /relist breaks the watches of the built-in API server: it can not be used with --target/);
  });

  test("a command line that makes no sense is told, and nothing is started", async () => {
    for (const [args, message] of [[["nonsense"], /no scenario "nonsense"/], [["stream", "--target", "127.0.0.1:1"], /--target needs --kubeconfig/], [["stream", "--pid", "1"], /--pid needs --target/], [["stream", "--rate", "x"], /whole number/]] as const) {
      const { output, code } = command(new AbortController().signal, ...args);
      assert.equal(await code, 2);
      assert.match(output(), message);
    }
  });
});
