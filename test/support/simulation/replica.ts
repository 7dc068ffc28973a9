/** One process of the daemon in a simulation: the daemon as it is, on a machine, a network and a thread that are not. */
import type { Log } from "../../../src/domain/log.ts";
import { messageOf } from "../../../src/domain/errors.ts";
import type { BatchResult } from "../../../src/domain/messages.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
import type { Random } from "../../../src/embedded/kubelet/random.ts";
import { embeddedDocument } from "../../../src/main/config/embedded.ts";
import { parseConfig, toDeriveConfig, type Config } from "../../../src/main/config/index.ts";
import type { Metrics } from "../../../src/metrics/registry.ts";
import { assembleDaemon, type Daemon } from "../../../src/main/daemon.ts";
import { KubeClient } from "../../../src/main/kube/client.ts";
import type { Access, AccessSource } from "../../../src/main/kube/credentials.ts";
import type { RpcDependencies } from "../../../src/main/rpc/ports.ts";
import type { NodeCaller } from "../../../src/main/wsdaemon/client.ts";
import type { Machine } from "../machine.ts";
import type { Link } from "./link.ts";
import type { Plan } from "./plan.ts";
import { simulatedPool, type SimulatedPool } from "./pool.ts";

/** How a process is made. */
export interface ReplicaOptions {
  readonly name: string;
  readonly slot: number;
  readonly config: Config;
  readonly machine: Machine;
  readonly random: Random;
  readonly link: Link;
  readonly nodeCaller: NodeCaller;
  readonly plan: Pick<Plan, "lease" | "upkeep">;
  /** See simulatedPool. */
  readonly decisions: (result: BatchResult) => BatchResult;
  readonly note: (text: string) => void;
  /** It wrote an error into its log. */
  readonly onError: (text: string) => void;
  /** Its metrics, before anything is counted. */
  readonly onMetrics: (metrics: Metrics) => void;
  /** It leads from now on, or not any more. */
  readonly onLeading: (leads: boolean) => void;
  /** It serves from now on. */
  readonly onServing: (replica: Replica) => void;
}

const access: Access = { origin: "http://api.invalid", basePath: "", namespace: "default", headers: {}, tls: {}, proxyUrl: undefined, connectionDigest: "" };
const credentials: AccessSource = { current: () => Promise.resolve(access), renew: () => Promise.resolve(access) };

/** Watches that last for about an hour, and are given up after two bookmarks that did not come. */
const rareWatches = { watchSeconds: 3_000, watchSecondsSpread: 1_200, silenceMs: 2_000_000 };

/** The configuration of all processes. */
export async function simulatedConfig(nodePort: number): Promise<Config> {
  const document = record(embeddedDocument({ wsdaemon: { port: nodePort } }));
  const manager = record(document["manager"]);
  const classes = record(manager["workspaceClass"]);
  return (await parseConfig({
    ...document,
    // Room for more is made with each process, of which a day has many.
    wsmand: { ...record(document["wsmand"]), statusCache: { maxEntries: 1_000 } },
    manager: {
      ...manager,
      timeouts: { startup: "1h", initialization: "30m", regularWorkspace: "30m", maxLifetime: "12h", headlessWorkspace: "1h", afterClose: "2m", contentFinalization: "1h", stopping: "1h", interrupted: "5m" },
      heartbeatInterval: "1m", initProbe: { disabled: false, timeout: "5s" },
      workspaceClass: { ...classes, claimed: { ...record(classes["default"]), name: "Claimed", pvc: { size: "10Gi", snapshotClass: "snaps" } } },
    },
  }, "the simulation", { cores: 2, kubeStage: "" })).config;
}

/** A process, from its start to its end. */
export class Replica {
  readonly name: string;
  readonly slot: number;
  readonly machine: Machine;
  readonly link: Link;
  readonly pool: SimulatedPool;
  readonly #options: ReplicaOptions;
  /** What its calls are answered with; undefined before it serves, and after it was asked to end. */
  serving: RpcDependencies | undefined;
  #daemon: Daemon | undefined;
  /** Those who are connected, and learn when it is gone. */
  readonly connected = new Set<() => void>();

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.name = options.name;
    this.slot = options.slot;
    this.machine = options.machine;
    this.link = options.link;
    this.pool = simulatedPool(options.machine, options.random, toDeriveConfig(options.config), options.decisions);
  }

  get alive(): boolean {
    return !this.machine.killed;
  }

  /** Who it is in the Lease. */
  get identity(): string {
    return `host-${this.slot}_${this.name}`;
  }

  /** Begins; what goes wrong is told to `onError`. */
  start(): void {
    this.#assemble().then((daemon) => {
      this.#daemon = daemon;
    }, (error: unknown) => this.#options.onError(`does not start: ${messageOf(error)}`));
  }

  /** SIGTERM; resolves when the process would have ended. */
  async end(): Promise<void> {
    await this.#daemon?.close();
  }

  /** SIGKILL. */
  kill(): void {
    this.serving = undefined;
    this.machine.kill();
    this.link.drop();
    const connected = [...this.connected];
    this.connected.clear();
    for (const gone of connected) gone();
  }

  #assemble(): Promise<Daemon> {
    const { config: { manager, wsmand, content }, config, machine: clock, random, plan: { lease, upkeep }, nodeCaller } = this.#options;
    return assembleDaemon({
      namespace: manager.namespace, rpc: { addr: "", tls: undefined }, metricsAddr: undefined, workers: 1, derive: toDeriveConfig(config), cache: wsmand.statusCache,
      subscriptions: { stallTimeoutMs: wsmand.subscriptions.stallTimeout, maxBacklog: wsmand.subscriptions.maxBacklog }, drainTimeoutMs: wsmand.drainTimeout, rateLimits: [], lifecycle: true,
      leaderElection: { enabled: true, leaseDurationMs: lease.durationMs, renewDeadlineMs: lease.renewMs, retryPeriodMs: lease.retryMs, identity: this.identity },
      events: { enabled: true, instance: this.identity }, imageBuilder: undefined, tracing: undefined, manager, storage: content.storage, seccompField: wsmand.pods.seccompField, kubernetes: wsmand.kubernetes,
      persistIntervalMs: wsmand.activity.persistInterval, connect: (hooks) => new KubeClient({ credentials, clock, hooks, carrier: this.link.carrier }), clock, random, log: this.#log(),
      surroundings: {
        pool: this.pool, nodeCaller, ...(upkeep === "rare" && { watches: rareWatches }), ask: (target, signal) => this.#ask(target, signal),
        metrics: (metrics) => this.#options.onMetrics(metrics),
        randomBytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256)),
        serve: (dependencies) => {
          this.serving = dependencies;
          this.#options.onServing(this);
          return Promise.resolve({
            port: 0, openStreams: 0, setServing: () => {},
            close: () => {
              this.serving = undefined;
              return Promise.resolve();
            },
          });
        },
      },
    });
  }

  /** Not each workspace answers at once, nor every time. */
  #ask(_target: URL, signal: AbortSignal): Promise<number> {
    const { machine, random } = this.#options;
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("given up")), { once: true });
      const fate = random();
      if (fate > 0.05) machine.timer(fate * 100, () => resolve(fate < 0.4 ? 502 : 200));
    });
  }

  #log(): Log {
    const { note, onError, onLeading } = this.#options;
    const at = (level: keyof Log) => (fields: object, message: string): void => {
      if (this.machine.killed) return;
      const text = `${message} ${JSON.stringify(fields)}`;
      note(`${this.name} ${level} ${text}`);
      if (level === "error") onError(text);
      if (message === "leading" || message === "not leading any more") onLeading(message === "leading");
    };
    return { debug: () => {}, info: at("info"), warn: at("warn"), error: at("error") };
  }
}
