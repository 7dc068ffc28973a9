/** Runs the daemon as a process of its own, as an installation does, and watches it from outside: log, metrics, memory, end. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { isRecord, record } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { sumOf } from "./metrics.ts";
import { assertNoSecrets } from "./secrets.ts";
import { until } from "./until.ts";

const entry = fileURLToPath(new URL("../../src/main/index.ts", import.meta.url));
const exampleConfig = fileURLToPath(new URL("../../examples/local.json", import.meta.url));
/** Log lines that are kept; a daemon that tells more fails its test, for they could not all be searched for secrets. */
const maxLines = 200_000;

/** How the process is started. */
export interface DaemonProcessOptions {
  /** Text of a kubeconfig. */
  readonly kubeconfig: string;
  /** Makes the configuration from the example's, in which the system chooses the ports. */
  readonly configure?: (config: Json) => Json;
  /** Further flags of Node. */
  readonly nodeFlags?: readonly string[];
  /** Further flags of `wsmand run`. */
  readonly runFlags?: readonly string[];
  /** Kills it at once, also while it starts. */
  readonly signal?: AbortSignal | undefined;
}

/** A daemon that serves. */
export class DaemonProcess {
  /** Path of the kubeconfig that it reads. */
  readonly kubeconfigPath: string;
  /** Lines of its log so far, as they came. */
  readonly lines: readonly string[];
  readonly #child: ChildProcess;
  readonly #remains: Remains;
  /** The process is gone, and all it wrote was read. */
  #closed = false;

  private constructor(child: ChildProcess, own: Remains, kubeconfigPath: string, lines: readonly string[]) {
    this.#child = child;
    this.#remains = own;
    this.kubeconfigPath = kubeconfigPath;
    this.lines = lines;
    child.once("close", () => (this.#closed = true));
  }

  /** Starts it; resolves when it serves, which may be before its first list is complete. Rejects with its log if it does not start. */
  static async start(options: DaemonProcessOptions): Promise<DaemonProcess> {
    options.signal?.throwIfAborted();
    const own = begin();
    const { folder } = own;
    const kubeconfigPath = join(folder, "kubeconfig");
    await writeFile(kubeconfigPath, options.kubeconfig, { mode: 0o600 });
    const config = await localConfig();
    await writeFile(join(folder, "config.json"), JSON.stringify(options.configure?.(config) ?? config));
    const flags = [...(options.nodeFlags ?? []), entry, "run", "--config", join(folder, "config.json"), "--kubeconfig", kubeconfigPath, ...(options.runFlags ?? [])];
    const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "pipe"] });
    own.child = child;
    const kill = (): void => void child.kill("SIGKILL");
    options.signal?.addEventListener("abort", kill, { once: true });
    child.once("exit", () => options.signal?.removeEventListener("abort", kill));
    // What aborted while files were written was not heard.
    if (options.signal?.aborted === true) kill();
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) eachLine(stream, (line) => lines.length <= maxLines && lines.push(line));
    const daemon = new DaemonProcess(child, own, kubeconfigPath, lines);
    try {
      await until("the daemon serves", () => daemon.ended || daemon.logged("serving").length > 0);
      if (daemon.ended) throw new Error(`the daemon ended: ${lines.slice(-20).join("\n")}`);
    } catch (error) {
      await daemon.close();
      throw error;
    }
    return daemon;
  }

  /** Whether the process is gone, for whatever reason. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get rpcPort(): number {
    return Number(this.#served()["rpcPort"]);
  }

  get metricsPort(): number {
    return Number(this.#served()["metricsPort"]);
  }

  get profilingPort(): number {
    return Number(this.#served()["profilingPort"]);
  }

  /** Log entries with this message. */
  logged(message: string): Json[] {
    return this.log().filter((entry) => entry["msg"] === message);
  }

  /** All log entries; a line that is none of ours (a stack trace, a warning of Node) becomes {msg: the line}. */
  log(): Json[] {
    return this.lines.map((line) => parseLine(line));
  }

  /** Resolves when its state is that of a complete list. */
  async synced(deadlineMs = 60_000): Promise<void> {
    await until("the daemon is ready", async () => (await this.get("/readyz").catch(() => undefined))?.status === 200, deadlineMs);
  }

  /** GET on the metrics port. */
  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.metricsPort}${path}`, { signal: AbortSignal.timeout(30_000) });
  }

  /** Sum of the samples of a metric whose labels hold all of these; 0 if there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return sumOf(await this.#metrics(), name, labels);
  }

  /** The most memory that was ever resident, MiB. */
  async peakMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  }

  /** Asks it to end and gives its exit code; kills it if it has not ended in time. Rejects if it showed a secret, in what it wrote or in its metrics. Idempotent. */
  async close(): Promise<number | null> {
    // One that does not answer any more has told it all.
    const metrics = this.ended ? "" : await this.#metrics().catch(() => "");
    if (!this.ended) this.#child.kill("SIGTERM");
    try {
      await until("the daemon ended", () => this.#closed);
    } finally {
      this.#child.kill("SIGKILL");
      end(this.#remains);
    }
    if (this.lines.length > maxLines) throw new Error(`the daemon wrote more than ${maxLines} lines`);
    assertNoSecrets("what the daemon wrote", this.lines);
    assertNoSecrets("the daemon's metrics", [metrics]);
    return this.#child.exitCode;
  }

  async #metrics(): Promise<string> {
    return (await this.get("/metrics")).text();
  }

  #served(): Json {
    return this.logged("serving")[0] ?? {};
  }
}

/** What a daemon that was not closed leaves, unless it is taken away. */
interface Remains {
  readonly folder: string;
  child?: ChildProcess;
}

const remains = new Set<Remains>();
const removeFolder = ({ folder }: Remains): void => rmSync(folder, { recursive: true, force: true });

/** A folder, and soon a daemon, that are gone with this process at the latest, unless that is killed. */
function begin(): Remains {
  const own: Remains = { folder: mkdtempSync(join(tmpdir(), "wsmand-process-")) };
  // One listener for all of them: fault tests have hundreds.
  if (remains.size === 0) process.once("exit", endAll);
  remains.add(own);
  return own;
}

function end(own: Remains): void {
  removeFolder(own);
  if (remains.delete(own) && remains.size === 0) process.off("exit", endAll);
}

/** Daemons first: they could write into their folders. */
function endAll(): void {
  for (const { child } of remains) child?.kill("SIGKILL");
  for (const own of remains) removeFolder(own);
}

/** The example configuration without TLS, on ports that the system chooses, quick to end; tests play the lifecycle controller. */
export async function localConfig(): Promise<Json> {
  const config: unknown = JSON.parse(await readFile(exampleConfig, "utf8"));
  const members = record(config);
  return {
    ...members,
    rpcServer: { ...record(members["rpcServer"]), addr: "127.0.0.1:0" },
    prometheus: { addr: "127.0.0.1:0" },
    wsmand: { ...record(members["wsmand"]), workers: 1, drainTimeout: "2s", lifecycle: { enabled: false } },
  };
}

/** Line feeds only: other line breaks of Unicode may stand within a line of JSON. */
function eachLine(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) take(part);
  });
  stream.on("end", () => {
    if (rest !== "") take(rest);
  });
}

function parseLine(line: string): Json {
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value)) return value;
  } catch {
    // Not ours.
  }
  return { msg: line };
}
