/** Tries an image as the chart runs it: as a user that is not root, nothing writable, no capabilities, no new privileges. Started, looked at, scraped, stopped. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseObject } from "../../src/domain/json.ts";
import { imageUser } from "./tree.ts";

/** What was found. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
}

/** How containers are run. */
export interface TrialOptions {
  /** podman, or docker. */
  readonly engine: string;
  readonly image: string;
  /** Further flags of `run`, which the chart does not ask for but the machine needs. */
  readonly flags: readonly string[];
  readonly ports: { readonly rpc: number; readonly metrics: number };
}

const user = `${imageUser}:${imageUser}`;
/** The chart's securityContext, in the engine's words. */
const hardened = ["--user", user, "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"];
/** Podman makes folders for temporary files writable in a read-only container; Kubernetes does not. */
const nothingWritable: Readonly<Record<string, readonly string[]>> = { podman: ["--read-only-tmpfs=false"] };
const stopSeconds = 40;

/** Runs the whole trial: the built-in cluster in one container, the daemon in another, under the chart's settings. Containers and files are gone afterwards. */
export async function tryImage(options: TrialOptions): Promise<readonly Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-trial-"));
  // The container's user writes here, where the daemon reads.
  chmodSync(folder, 0o777);
  const trial = new Trial(options, folder);
  try {
    return await trial.run();
  } finally {
    trial.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Trial {
  readonly #options: TrialOptions;
  readonly #folder: string;
  readonly #cluster = `wsmand-trial-cluster-${process.pid}`;
  readonly #daemon = `wsmand-trial-daemon-${process.pid}`;
  readonly #findings: Finding[] = [];

  constructor(options: TrialOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  async run(): Promise<readonly Finding[]> {
    await this.#startCluster();
    const from = performance.now();
    this.#startDaemon();
    await this.#until("ready", async () => (await this.#get("/readyz")).status === 200);
    this.#note("ready", true, `${Math.round(performance.now() - from)} ms after the start`);
    this.#lookAtProcess();
    await this.#call();
    await this.#scrape();
    this.#lookForTools();
    await this.#stop();
    return this.#findings;
  }

  end(): void {
    for (const name of [this.#daemon, this.#cluster]) spawnSync(this.#options.engine, ["rm", "--force", name], { stdio: "ignore" });
  }

  async #startCluster(): Promise<void> {
    const { image } = this.#options;
    this.#engine("run", "--detach", "--name", this.#cluster, ...this.#common(), "--volume", `${this.#folder}:/shared`, image, "embedded", "--kubeconfig-path", "/shared/kubeconfig", "--config-path", "/shared/cluster.json", "--demo", "5");
    await this.#until("the built-in cluster", () => existsSync(join(this.#folder, "kubeconfig")) && this.#writeConfig());
  }

  /** The cluster's configuration for a daemon, with ports that are free here. */
  #writeConfig(): boolean {
    const { rpc, metrics } = this.#options.ports;
    const config = parseObject(readFileSync(join(this.#folder, "cluster.json")));
    writeFileSync(join(this.#folder, "config.json"), JSON.stringify({ ...config, rpcServer: { addr: `127.0.0.1:${rpc}` }, prometheus: { addr: `127.0.0.1:${metrics}` } }));
    return config !== undefined;
  }

  /** By the chart: one mount with the configuration, read-only. The kubeconfig is in place of the service account. */
  #startDaemon(): void {
    const { image } = this.#options;
    this.#engine("run", "--detach", "--name", this.#daemon, ...this.#common(), "--volume", `${this.#folder}:/etc/wsmand/config:ro`, image, "run", "--config", "/etc/wsmand/config/config.json", "--kubeconfig", "/etc/wsmand/config/kubeconfig");
  }

  #common(): readonly string[] {
    const { engine, flags } = this.#options;
    return ["--network", "host", ...hardened, ...(nothingWritable[engine] ?? []), ...flags];
  }

  /** What the kernel says of the process: the settings arrived. */
  #lookAtProcess(): void {
    const pid = this.#engine("inspect", "--format", "{{.State.Pid}}", this.#daemon).trim();
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    const ids = new Set(`${field("Uid")} ${field("Gid")}`.split(/\s+/));
    this.#note("runs as the image's user", ids.size === 1 && ids.has(String(imageUser)), `uids and gids ${[...ids].join(", ")}`);
    this.#note("no capabilities", ["CapPrm", "CapEff", "CapBnd", "CapAmb"].every((name) => /^0+$/.test(field(name))), `bounding set ${field("CapBnd")}`);
    this.#note("no new privileges", field("NoNewPrivs") === "1", `NoNewPrivs ${field("NoNewPrivs")}`);
    this.#note("seccomp filter", field("Seccomp") === "2", `Seccomp ${field("Seccomp")}`);
    const root = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").find((line) => line.split(" ")[4] === "/")?.split(" ")[5] ?? "";
    this.#note("root file system is read-only", root.split(",").includes("ro"), root);
    this.#note("the daemon is process 1, without an init", / 1$|\t1$/.test(field("NSpid")), `NSpid ${field("NSpid")}, ${field("Name")}`);
  }

  /** The command line in the container, as `kubectl exec` would run it. */
  async #call(): Promise<void> {
    let list = "";
    await this.#until("running workspaces", () => {
      list = this.#engine("exec", this.#daemon, "wsmand", "list", "--address", `127.0.0.1:${this.#options.ports.rpc}`);
      return /RUNNING/.test(list);
    });
    this.#note("statuses over gRPC", true, `${list.trim().split("\n").length} lines of wsmand list`);
    this.#note("wsmand --version", true, this.#engine("exec", this.#daemon, "wsmand", "--version").trim());
  }

  async #scrape(): Promise<void> {
    const response = await this.#get("/metrics");
    const text = await response.text();
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
    this.#note("scraped", response.status === 200 && /^wsmand_/m.test(text), `${samples} samples`);
  }

  #lookForTools(): void {
    for (const tool of ["sh", "bash", "env", "npm", "apt-get"]) {
      const { status } = spawnSync(this.#options.engine, ["exec", this.#daemon, tool], { stdio: "ignore", timeout: 20_000 });
      this.#note(`no ${tool}`, status !== 0, `exit code ${String(status)}`);
    }
    const { status, stderr } = spawnSync(this.#options.engine, ["exec", this.#daemon, "node", "-e", "for (const f of ['/x', '/app/x', '/etc/x', '/tmp/x']) try { require('fs').writeFileSync(f, ''); process.exit(3); } catch (e) { if (!['EROFS', 'EACCES'].includes(e.code)) throw e; }"], { encoding: "utf8", timeout: 20_000 });
    this.#note("nothing can be written", status === 0, status === 0 ? "/, /app, /etc, /tmp refuse" : stderr);
  }

  async #stop(): Promise<void> {
    const from = performance.now();
    this.#engine("kill", "--signal", "TERM", this.#daemon);
    await this.#until("the end", () => this.#engine("inspect", "--format", "{{.State.Running}}", this.#daemon).trim() === "false", stopSeconds * 1000);
    const took = Math.round(performance.now() - from);
    const code = this.#engine("inspect", "--format", "{{.State.ExitCode}}", this.#daemon).trim();
    this.#note("SIGTERM ends it in order", code === "0", `exit code ${code} after ${took} ms`);
    const { stdout, stderr } = spawnSync(this.#options.engine, ["logs", this.#daemon], { encoding: "utf8" });
    this.#note("its log says so", /"stopped"/.test(stdout + stderr), (stdout + stderr).trim().split("\n").at(-1) ?? "");
  }

  #get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#options.ports.metrics}${path}`, { headers: { connection: "close" }, signal: AbortSignal.timeout(10_000) });
  }

  #engine(...args: readonly string[]): string {
    return execFileSync(this.#options.engine, args, { encoding: "utf8", timeout: 60_000 });
  }

  #note(what: string, ok: boolean, found: string): void {
    this.#findings.push({ what, ok, found });
  }

  async #until(what: string, condition: () => boolean | Promise<boolean>, deadlineMs = 60_000): Promise<void> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      if (await holds(condition)) return;
      if (performance.now() > end) throw new Error(`waited ${deadlineMs / 1000} s for: ${what}\n${this.#logs()}`);
      await pause(100);
    }
  }

  #logs(): string {
    return [this.#cluster, this.#daemon].map((name) => {
      const { stdout, stderr } = spawnSync(this.#options.engine, ["logs", name], { encoding: "utf8" });
      return `${name}:\n${(stdout + stderr).split("\n").slice(-20).join("\n")}`;
    }).join("\n");
  }
}

/** What can not be asked yet does not hold yet. */
async function holds(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await condition();
  } catch {
    return false;
  }
}
