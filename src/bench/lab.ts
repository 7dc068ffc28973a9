/** Where a measurement happens: the cluster, the daemon and the load's processes, all of which end with it, whatever happens. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../domain/errors.ts";
import { machineNow } from "./load/clock.ts";
import { idOfPod } from "./load/found-pods.ts";
import { Cluster, hiddenMarker, ownLabel } from "./load/kube.ts";
import { mustAnswer, notRunning } from "./load/probe.ts";
import type { Endpoint } from "./load/grpc-stream.ts";
import type { Options } from "./options.ts";
import { CpuProfiles } from "./parts/cpu-prof.ts";
import { startDaemon } from "./parts/daemon.ts";
import type { Daemon } from "./parts/daemon.ts";
import { PartProcess } from "./parts/part.ts";
import type { Part, StartPart } from "./parts/part.ts";
import { startProgram } from "./parts/program.ts";
import { toolName } from "./report/limits.ts";
import { Usage } from "./report/usage.ts";
import { targetOf } from "./target.ts";

/** Node that the built-in cluster does not have: nobody runs these pods. */
const absentNode = "bench-node";
const startTimeoutMs = 60_000;
/** How long a daemon that was there already may take until it tells of what was made for it: so long, and as long again for each workspace. */
const catchUpMs = 60_000;
const catchUpMsEach = 50;
/** Where workspaces live: most of them on a node, kubelets are so much faster than life, and workspaces are looked for in this namespace. */
const podsOfNode = 100;
const kubeletSpeed = 4;
const livesNamespace = "default";
/** Seed of the first twin: beyond those of all workspaces. */
const firstTwin = 2 ** 29;
/** For the built-in cluster: short pauses. All it makes stays a while (its history), and is copied by a small young generation in few milliseconds; threads that help would be waited for on busy cores. */
const clusterFlags = ["--max-semi-space-size=4", "--no-parallel-scavenge"];

/** Said of runs with --cpu-prof. */
const profiled = "CPU profiles were taken: the figures hold what that costs";

/** What a laboratory has of whoever opens it. */
export interface LabHost {
  /** Aborts when the user wants an end. */
  readonly signal: AbortSignal;
  /** Tells people what goes on. */
  readonly say: (text: string) => void;
  /** Tells them something that they should know also when all is over. */
  readonly tell: (text: string) => void;
  /** Default: each part in a process of its own. */
  readonly startPart?: StartPart | undefined;
}

const inOwnProcess: StartPart = (name, module) => PartProcess.start(name, module);

/** A laboratory. Close it with `await using`. */
export class Lab implements AsyncDisposable {
  readonly options: Options;
  readonly signal: AbortSignal;
  readonly usage = new Usage();
  readonly #say: (text: string) => void;
  readonly #tell: (text: string) => void;
  readonly #startPart: StartPart;
  readonly #ending = new AsyncDisposableStack();
  #kubeconfig = "";
  #namespace = "";
  #cluster: Cluster | undefined;
  /** Of the daemon that is there already, if there is one. */
  #endpoint: Endpoint | undefined;
  #builtIn = false;
  readonly #names: string[] = [];
  readonly #twins: string[] = [];
  /** Of the built-in cluster's node daemons; undefined: there are none, and our daemon does not act on workspaces. */
  #nodeDaemonPort: number | undefined;
  #profiles: CpuProfiles | undefined;
  /** What our daemons' processes are called. */
  readonly #daemons = new Set<string>();
  #nextStamp = 1;
  #measured = false;
  #notes: string[] = [];

  private constructor(options: Options, { signal, say, tell, startPart = inOwnProcess }: LabHost) {
    this.options = options;
    this.signal = signal;
    this.#say = say;
    this.#tell = tell;
    this.#startPart = startPart;
    this.#ending.defer(() => this.usage.stop());
    this.usage.watch(toolName, process.pid);
  }

  /** Opens it on the built-in cluster, or on the one of --kubeconfig; on none for a scenario that needs none of ours. */
  static async open(options: Options, host: LabHost, { replays = false, lives }: { readonly replays?: boolean; readonly lives?: (options: Options) => number }): Promise<Lab> {
    const lab = new Lab(options, host);
    try {
      await lab.#open(replays && options.kubeconfig === undefined, options.kubeconfig === undefined ? lives?.(options) : undefined);
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ending.disposeAsync();
  }

  get cluster(): Cluster {
    if (!this.#cluster) throw new Error("the lab has no cluster");
    return this.#cluster;
  }

  /** Of the workspaces. */
  get namespace(): string {
    return this.#namespace;
  }

  get kubeconfig(): string {
    return this.#kubeconfig;
  }

  /** Tells people what goes on. */
  say(text: string): void {
    this.#say(text);
  }

  /** Says that the run has begun to measure: what comes of it are figures, also if it is ended early. */
  measures(): void {
    this.#measured = true;
  }

  /** Whether the run has begun to measure; the next run has not. */
  takeMeasured(): boolean {
    const measured = this.#measured;
    this.#measured = false;
    return measured;
  }

  /** Something that must be said beside the run's figures, whatever the scenario says. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /** What must be said beside the run's figures, whatever the scenario; the next run has none of it. */
  takeNotes(): readonly string[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  /** Whether a daemon's process was ever seen on this machine. */
  get sawDaemon(): boolean {
    return [...this.#daemons].some((name) => this.usage.memory(name, 0, Number.POSITIVE_INFINITY).length > 0);
  }

  /** Numbers for stamps that no other plan has. */
  stamps(count: number): number {
    const first = this.#nextStamp;
    this.#nextStamp += count;
    return first;
  }

  /** Whether daemon and cluster are the tool's own, and may be started in other ways. */
  get ownsAll(): boolean {
    return this.#builtIn;
  }

  /** The node that pods are bound to; undefined: to none, no scheduler takes them. */
  get node(): string | undefined {
    return this.#builtIn ? absentNode : undefined;
  }

  /** Makes workspaces until there are as many. Gives their pods' names. */
  workspaces(count: number): Promise<readonly string[]> {
    return this.#pods(this.#names, count, "workspaces", 1);
  }

  /** The same for pods that are like workspaces, and that no workspace manager looks at. */
  twins(count: number): Promise<readonly string[]> {
    return this.#pods(this.#twins, count, "pods like workspaces", firstTwin, hiddenMarker);
  }

  async #pods(names: string[], count: number, what: string, firstSeed: number, marker?: string): Promise<readonly string[]> {
    const missing = count - names.length;
    if (missing > 0) this.#say(`making ${missing} ${what} of ${this.options.size} bytes`);
    const first = names.length;
    const made: string[] = [];
    await this.cluster.each(missing, async (i) => {
      made[i] = await this.cluster.createWorkspace(firstSeed + first + i, this.options.size, this.node, marker);
    }, this.signal);
    this.signal.throwIfAborted();
    names.push(...made);
    return names.slice(0, count);
  }

  /** Fills the namespace with Events that no workspace has to do with. */
  async events(count: number): Promise<void> {
    if (count === 0) return;
    this.#say(`writing ${count} other Events`);
    await this.cluster.each(count, (i) => this.cluster.createEvent(i), this.signal);
    this.signal.throwIfAborted();
  }

  /** Starts the daemon, or gives the one of --target. End it with `await using`. @param kubeconfig another cluster for a daemon of ours. @param name of its process, where several run at a time. */
  async daemon(kubeconfig = this.#kubeconfig, name = "daemon"): Promise<Daemon & AsyncDisposable> {
    const { options } = this;
    if (this.#profiles && !this.#notes.includes(profiled)) this.note(profiled);
    const started = (pid: number | undefined): void => {
      this.#daemons.add(name);
      this.usage.watch(name, pid);
    };
    const daemon = this.#endpoint ? this.#target(this.#endpoint) : await startDaemon({ entry: options.entry, kubeconfig, namespace: this.namespace, workers: options.workers, qps: options.qps, nodeDaemonPort: this.#nodeDaemonPort, nodeFlags: this.#profiles?.flags(name) ?? [], started });
    if (this.#endpoint) started(daemon.pid);
    return { ...daemon, synced: () => unlessEnded(daemon.synced(), this.signal), [Symbol.asyncDispose]: () => this.#endProfiled(daemon) };
  }

  /** Starts a part of the load. End it with `await using`. */
  part(name: string, module: string): Part {
    const part = this.#startPart(name, module);
    this.usage.watch(name, part.pid);
    return part;
  }

  /** @param living how many workspaces live at a time, on nodes; undefined: none, there are no nodes that run them. */
  async #open(withoutCluster: boolean, living: number | undefined): Promise<void> {
    if (this.options.cpuProf !== undefined) this.#profiles = await CpuProfiles.open(this.options.cpuProf);
    this.#endpoint = await targetOf(this.options);
    // Before anything is made for it.
    if (this.#endpoint) {
      this.#say(`asking the daemon at ${this.#endpoint.host}:${this.#endpoint.port}`);
      await mustAnswer(this.#endpoint, this.signal);
    }
    const { kubeconfig, namespace = living !== undefined ? livesNamespace : this.options.target ? undefined : `wsmand-bench-${randomBytes(4).toString("hex")}`, entry } = this.options;
    this.#builtIn = kubeconfig === undefined;
    this.#namespace = namespace ?? "";
    if (withoutCluster) return;
    this.#kubeconfig = kubeconfig ?? (await this.#startCluster(entry, living));
    const cluster = await Cluster.fromKubeconfig(this.#kubeconfig, namespace);
    this.#cluster = cluster;
    this.#namespace = cluster.namespace;
    this.#ending.defer(() => cluster.close());
    // A cluster of ours goes as a whole.
    if (!this.#builtIn) this.#ending.defer(() => this.#clean(cluster));
    await cluster.open();
  }

  /** What can not be removed is told; the figures are good all the same. */
  async #clean(cluster: Cluster): Promise<void> {
    this.#say(`removing what was made in ${cluster.namespace}`);
    await cluster.clean().catch((error: unknown) => this.#tell(`not everything was removed from ${cluster.namespace} (label ${ownLabel}=${cluster.run}): ${messageOf(error)}`));
  }

  /** @param living see {@link Lab.#open}: nodes run the pods that are bound to them, and have node daemons. */
  async #startCluster(entry: string, living: number | undefined): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "wsmand-bench-"));
    this.#ending.defer(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, "kubeconfig");
    const program = startProgram(entry, ["embedded", "--port", "0", "--kubeconfig-path", path, ...(living === undefined ? ["--nodes", "1", "--no-node-daemons"] : ["--nodes", String(2 + Math.ceil(living / podsOfNode)), "--speed", String(kubeletSpeed)])], [...clusterFlags, ...(this.#profiles?.flags("api-server") ?? [])]);
    this.#ending.defer(() => this.#endProfiled(program));
    await program.line((line) => (line.includes("serves http") ? true : undefined), "the built-in cluster did not start", startTimeoutMs);
    if (living !== undefined) this.#nodeDaemonPort = await program.line(nodeDaemonPortIn, "the node daemons did not start", startTimeoutMs);
    this.usage.watch("API server", program.pid);
    return path;
  }

  /** Ends a program, and tells what its profiles say. */
  async #endProfiled(program: { end(): Promise<void> }): Promise<void> {
    await program.end();
    // They are beside the point of the run: what can not be read is told.
    const lines = await this.#profiles?.summary().catch((error: unknown) => [`the CPU profiles can not be read: ${messageOf(error)}`]);
    for (const line of lines ?? []) this.#tell(line);
  }

  #target(endpoint: Endpoint): Daemon {
    const { pid, metrics } = this.options;
    const now = machineNow();
    return { endpoint, pid, metrics, startedAt: now, servedAt: now, synced: () => this.#caughtUp(endpoint), end: () => Promise.resolve() };
  }

  /** Waits until a daemon that was there already tells of the workspaces that were made for it: what it has yet to work off would be measured with the rest. */
  async #caughtUp(endpoint: Endpoint): Promise<number> {
    const deadlineMs = catchUpMs + this.#names.length * catchUpMsEach;
    this.#say("waiting until the daemon tells of the workspaces");
    if ((await notRunning(endpoint, this.#names.map(idOfPod), deadlineMs, this.signal)) !== undefined) {
      this.note(`the daemon did not tell of the last workspaces as running within ${Math.round(deadlineMs / 1000)} s (does it look for them in ${this.namespace}?): the figures hold what it had yet to work off`);
    }
    return machineNow();
  }
}

/** What is awaited; rejects as soon as the user wants an end. */
async function unlessEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(new Error("ended early by the user"));
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function nodeDaemonPortIn(line: string): number | undefined {
  const port = /node daemons listen on port (\d+)/.exec(line)?.[1];
  return port === undefined ? undefined : Number(port);
}
