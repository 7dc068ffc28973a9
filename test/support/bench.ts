/** The load tool as its tests run it: in the test's process where that spares a start, on a cluster and daemons that tests share. */
import { after, before, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { z } from "zod";
import { bench as runBench } from "../../src/bench/command.ts";
import { ownLabel } from "../../src/bench/load/kube.ts";
import { systemClock } from "../../src/domain/clock.ts";
import { messageOf } from "../../src/domain/errors.ts";
import { finalizer } from "../../src/domain/names.ts";
import type { KubeObject } from "../../src/embedded/contract.ts";
import { startEmbeddedCluster } from "../../src/embedded/index.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { runCommand } from "../../src/main/cli/main.ts";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { readEnvironment } from "../../src/main/config/env.ts";
import type { Daemon } from "../../src/main/daemon.ts";
import { startTestCluster } from "./cluster.ts";
import type { TestCluster } from "./cluster.ts";
import { startTestDaemon } from "./daemon.ts";
import { entry } from "./entry.ts";
import { kubeApi } from "./kube-api.ts";
import { startHeldParts } from "./held-parts.ts";
import type { HeldParts } from "./held-parts.ts";

const plotSchema = z.object({ title: z.string(), kind: z.enum(["time", "percentiles"]), lines: z.array(z.object({ name: z.string() })), remark: z.string().optional() });
const reportSchema = z.object({ scenario: z.string(), figures: z.record(z.string(), z.number()), runs: z.array(z.object({ notes: z.array(z.string()), plots: z.array(plotSchema) })) });
export type Report = z.infer<typeof reportSchema>;
/** As little as shows that it works. Figures are asserted to be there, never how good they are: on a busy machine any of them may be anything. */
export const small = ["--workspaces", "10", "--subscribers", "4", "--rate", "50", "--seconds", "1", "--warmup", "0", "--size", "0"];
/** Changes of the small load, and what must not become of them. */
export const changes = 50;
export const losses = ["lost", "reordered", "repeated"] as const;
/** For those that read memory after a rest. */
export const restless = ["--rest", "0"];
/** The time of loads that are as fast as can be, and take all of the machine: any will do. Of all turns together. */
export const brief = ["--seconds", "0.3"];
/** For what takes its time on a busy machine: a step of the tool, whatever it waits for; and several scenarios one after the other. */
export const longMs = 100_000;
export const severalMs = 400_000;

/** Asserts that figures are there and above 0. */
export function assertAbove0({ figures, runs }: Report, ...names: readonly string[]): void {
  for (const name of names) assert.ok((figures[name] ?? 0) > 0, `${name} ${figures[name]}\n${notesIn({ runs })}`);
}

/** Asserts that figures are there: they may be 0. */
export function assertThere({ figures, runs }: Report, ...names: readonly string[]): void {
  for (const name of names) assert.ok((figures[name] ?? -1) >= 0, `${name} ${figures[name]}\n${notesIn({ runs })}`);
}

/** Asserts that figures of what must not happen are there, and 0. */
export function assert0({ figures, runs }: Report, ...names: readonly string[]): void {
  assert.deepEqual(Object.fromEntries(names.map((name) => [name, figures[name]])), Object.fromEntries(names.map((name) => [name, 0])), notesIn({ runs }));
}

/** What the report says beside the figures. */
export function notesIn({ runs }: { readonly runs: readonly Pick<Report["runs"][number], "notes">[] }): string {
  return runs.flatMap(({ notes }) => notes).join("\n");
}

/** Asserts that each run has plots of delays by percentile, of throughput over time and of memory over time, or a remark that says why not. */
function assertPlots({ runs }: Report): void {
  for (const { plots } of runs) {
    const told = JSON.stringify(plots);
    const remarked = plots.some(({ remark }) => remark !== undefined);
    assert.ok(remarked || plots.some(({ kind }) => kind === "percentiles"), told);
    assert.ok(remarked || plots.some(({ title, lines }) => title === "Throughput" && lines.length > 0), told);
    // Of so short a time memory may not be known.
    assert.ok(plots.some(({ kind, title }) => kind === "time" && /memory/i.test(title)), told);
  }
}

/** What the tests of a file share; it is there as long as they run. */
class Shared {
  readonly folder: string;
  /** Where no cluster of the tool's own is wanted. */
  readonly cluster: TestCluster;
  /** Where parts of the load are that need no process of their own: what a start costs is what all of this takes. */
  readonly held: HeldParts;
  /** Scenarios that {@link bench} has run to their end. */
  readonly measured = new Set<string>();

  constructor(folder: string, cluster: TestCluster, held: HeldParts) {
    this.folder = folder;
    this.cluster = cluster;
    this.held = held;
  }
}

let shared: Shared | undefined;

/** What is shared. @throws Error before and after the tests of a file that shares something. */
export function common(): Shared {
  if (!shared) throw new Error("the file has not called shareBench()");
  return shared;
}

/** For the top of a file with tests of the load tool: starts what they share before the first, and closes it after the last. */
export function shareBench(): void {
  before(async () => {
    shared = new Shared(await mkdtemp(join(tmpdir(), "wsmand-bench-test-")), await startTestCluster(), startHeldParts());
  });
  after(async () => {
    const { held, cluster, folder } = common();
    await held[Symbol.asyncDispose]();
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  });
}

/** Starts the tool as a process. */
export function start(...args: readonly string[]): { readonly child: ChildProcess; readonly output: () => string; readonly code: Promise<number | null> } {
  const child = spawn(process.execPath, [entry, "bench", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => void (output += text));
  return { child, output: () => output, code: new Promise((resolve) => child.once("close", resolve)) };
}

/** What it wrote by `--json`. */
export async function reportIn(file: string): Promise<Report> {
  return reportSchema.parse(JSON.parse(await readFile(file, "utf8")));
}

/** Runs it to its end as people do: the tool is a process, and so is each part of the load. */
export async function benchAsProcesses(...args: readonly string[]): Promise<Report> {
  const file = join(common().folder, `${randomUUID()}.json`);
  const { output, code } = start(...args, "--json", file);
  assert.equal(await code, 0, output());
  return reportIn(file);
}

/** Runs it to its end, in this process, which has loaded all that it needs, with all parts of the load in another one, and gives what it reports. API server and daemon of the tool's own are processes as ever. */
export async function bench(...args: readonly string[]): Promise<Report> {
  const file = join(common().folder, `${randomUUID()}.json`);
  let output = "";
  const out = { write: (text: string) => void (output += text) };
  try {
    await runBench([...args, "--entry", entry, "--json", file], { stdout: out, stderr: out, signal: new AbortController().signal, startPart: common().held.startPart });
  } catch (error) {
    assert.fail(`${messageOf(error)}\n${output}`);
  }
  const report = await reportIn(file);
  assertPlots(report);
  common().measured.add(report.scenario);
  return report;
}

/** A daemon that is there already, in this process as well, for scenarios one after the other. */
export interface Site extends AsyncDisposable {
  /** Flags by which the tool finds it. */
  readonly flags: readonly string[];
  /** Runs a scenario on it to its end; whatever that makes must be gone afterwards. */
  bench(...args: readonly string[]): Promise<Report>;
}

/** What the tool is told of a daemon in this process. */
function flagsFor(kubeconfig: string, namespace: string, { rpcPort, metricsPort }: Pick<Daemon, "rpcPort" | "metricsPort">): readonly string[] {
  return ["--kubeconfig", kubeconfig, "--namespace", namespace, "--target", `127.0.0.1:${rpcPort}`, "--metrics", `http://127.0.0.1:${metricsPort}/metrics`, "--pid", String(process.pid)];
}

/** Starts it. Close it with `await using`. */
export async function openSite(t: TestContext): Promise<Site> {
  const api = await kubeApi(t, common().cluster.kubeconfig);
  const daemon = await startTestDaemon(common().cluster.kubeconfig, { namespace: api.namespace });
  await daemon.synced;
  const flags = flagsFor(common().cluster.kubeconfig, api.namespace, daemon);
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

/**
 * Runs it on a daemon of this process that acts on workspaces, as every installation has one, on a cluster that has a scheduler, kubelets and node daemons: none of them may touch its workspaces but
 * the daemon, which holds them, and none may be left behind.
 */
export async function benchBesideNodes(...args: readonly string[]): Promise<Report> {
  const busy = await startEmbeddedCluster({ admin: true, kubelet: { speed: 5 }, nodeDaemons: {} });
  const kubeconfig = join(common().folder, "busy");
  await busy.writeKubeconfig(kubeconfig);
  const namespace = "default";
  const { config } = await embeddedConfig({ wsdaemon: { port: busy.nodeDaemons?.port ?? 0 } });
  const daemon = await startTestDaemon(kubeconfig, { namespace, lifecycle: true, manager: { ...config.manager, namespace } });
  const isOurs = ({ metadata: { labels } }: KubeObject): boolean => labels?.[ownLabel] !== undefined;
  const nodes = new Set<unknown>();
  let held = 0;
  busy.store.subscribe("pods", (_type, pod) => {
    if (!isOurs(pod)) return;
    nodes.add(record(pod["spec"])["nodeName"]);
    if (pod.metadata.finalizers?.includes(finalizer) === true) held++;
  });
  try {
    await daemon.synced;
    const report = await bench(...args, ...flagsFor(kubeconfig, namespace, daemon));
    assert.deepEqual(nodes, new Set([undefined]));
    assert.ok(held > 0, "the daemon did not act");
    assert.deepEqual(busy.store.list("pods", namespace).filter(isOurs).map(({ metadata }) => metadata.name), []);
    return report;
  } finally {
    try {
      await daemon.close();
    } finally {
      await busy.close();
    }
  }
}

/** Runs the command line in this process, as the program itself does. */
export function command(signal: AbortSignal, ...args: readonly string[]): { readonly output: () => string; readonly code: Promise<number> } {
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
