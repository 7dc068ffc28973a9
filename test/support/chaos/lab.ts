/** Where fault tests happen: a whole cluster, daemons in processes of their own, and subscribers of each that were there from its beginning. */
import type { NodeDaemons } from "../../../src/embedded/wsdaemon/fleet.ts";
import type { KubeObject } from "../../../src/embedded/contract.ts";
import { messageOf } from "../../../src/domain/errors.ts";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import { seededRandom, type Random } from "../../../src/embedded/kubelet/random.ts";
import { embeddedDocument } from "../../../src/main/config/embedded.ts";
import { wsman } from "../../../src/gen/proto.js";
import { DaemonProcess } from "../daemon-process.ts";
import { TestClient } from "../grpc-client.ts";
import { StatusStream, type ReadStatus } from "../status-stream.ts";
import { assertOrder } from "../story.ts";
import { until } from "../until.ts";
import type { Standstill } from "./overlaps.ts";
import { kubeconfigAt, leaseName, openPlace, type Place, type PlaceOptions } from "./place.ts";
import { Proxy, type Act } from "./proxy.ts";
import { Witness } from "./witness.ts";

/** What can be set about one. */
export interface LabOptions extends Pick<PlaceOptions, "seed" | "nodes" | "kubeconfig" | "belongings" | "signal"> {
  /** How much faster than life kubelets and node daemons are. Default 20. */
  readonly speed?: number;
  /** Parts of the configuration's `manager.timeouts`. */
  readonly timeouts?: Readonly<Record<string, string>>;
  /** Parts of the configuration's `wsmand.leaderElection`. Default: a short Lease, so that a take-over takes no longer than it must. */
  readonly lease?: Readonly<Record<string, string>>;
}

/** A daemon, and who listens to it. */
export interface Replica {
  readonly number: number;
  readonly daemon: DaemonProcess;
  readonly client: TestClient;
  readonly streams: readonly StatusStream[];
  readonly proxy: Proxy;
  /** As it calls itself in the Lease, once it has. */
  identity: string;
  /** It answers: neither killed, nor stopped, nor cut off. */
  able: boolean;
  killed: boolean;
  /** When it went on after it had stood still, monotonic milliseconds. */
  resumedAt: number;
}

/** What a leader had decided to send, and asked whether it may, just when it was made to stand still, it sends at once when it goes on: nothing can take that back. It names uid and version. Milliseconds. */
const lateMs = 300;

/** Subscribers of each replica. */
const subscribers = 2;
const shortLease = { leaseDuration: "3s", renewDeadline: "2s", retryPeriod: "500ms" };

/** One cluster with its daemons. */
export class Lab {
  readonly cluster: Place;
  readonly nodes: NodeDaemons;
  readonly witness: Witness;
  readonly random: Random;
  /** All that ever were. */
  readonly replicas: Replica[] = [];
  /** What was done, and how often. */
  readonly done = new Map<string, number>();
  /** What went wrong and is no state that can be looked at later. */
  readonly wrongs: string[] = [];
  /** Times in which a daemon stood still. */
  readonly standstills: Standstill[] = [];
  /** Ends of workspaces as daemons told them that were killed since. */
  readonly ends = new Map<string, ReadStatus>();
  /** Which part of the test it is, and what is done or waited for, in words, for who waits. */
  stage = "";
  step = "starting daemons";
  readonly #options: LabOptions;
  /** Daemons that were begun; some may not serve yet. */
  #begun = 0;
  /** Looks at the Lease that go on. */
  readonly #looks = new Set<Promise<void>>();
  readonly #abandoned = new AbortController();

  private constructor(cluster: Place, options: LabOptions) {
    this.cluster = cluster;
    this.nodes = cluster.nodes;
    this.witness = new Witness(cluster.store);
    this.random = seededRandom(options.seed);
    this.#options = options;
  }

  /** Starts the cluster, without any daemon. */
  static async open(options: LabOptions): Promise<Lab> {
    const { seed, nodes, speed = 20, kubeconfig, belongings, signal } = options;
    return new Lab(await openPlace({ seed, nodes, speed, kubeconfig, belongings, signal }), options);
  }

  /** Counts something that was done. */
  did(what: string, times = 1): void {
    this.done.set(what, (this.done.get(what) ?? 0) + times);
  }

  /** Starts a daemon; resolves once it knows all workspaces and has its subscribers. Rejects once the lab was abandoned. */
  async addReplica(): Promise<Replica> {
    const { signal } = this.#abandoned;
    signal.throwIfAborted();
    const number = this.#begun++;
    // Filled in when there is one: it may be named before.
    const made: { replica?: Replica } = {};
    let identity = "";
    const { ways } = this.cluster;
    const proxy = await Proxy.start(this.cluster.connection, {
      named: (name) => {
        identity = name;
        if (made.replica) made.replica.identity = name;
      },
      acted: (act) => this.#look(number, act, identity),
      strike: ways && ((target) => ways.strike(target)),
    });
    ways?.take(proxy);
    const daemon = await DaemonProcess.start({ kubeconfig: kubeconfigAt(this.cluster, proxy.url), configure: () => this.#config(), signal }).catch(async (error: unknown) => {
      await proxy.close();
      throw error;
    });
    const client = new TestClient(daemon.rpcPort);
    const streams = Array.from({ length: subscribers }, (_, i) => new StatusStream(client.subscribe(new Uint8Array(), i % 2 === 0 ? { "wsman-initial-state": "true" } : {})));
    for (const { stream } of streams) stream.call.on("error", () => {});
    const replica: Replica = { number, daemon, client, streams, proxy, identity, able: false, killed: false, resumedAt: Number.NEGATIVE_INFINITY };
    made.replica = replica;
    this.replicas.push(replica);
    await Promise.all(streams.map(({ stream }) => stream.headers));
    await daemon.synced(60_000);
    replica.able = true;
    this.did("daemons started");
    return replica;
  }

  /** Ends a daemon without letting it know. */
  async kill(replica: Replica): Promise<void> {
    replica.able = false;
    replica.killed = true;
    process.kill(replica.daemon.pid, "SIGKILL");
    await until("the daemon is gone", () => replica.daemon.ended);
    replica.client.close();
    this.did("daemons killed (kill -9)");
    this.#remember(replica);
  }

  /** What the subscribers of a daemon that was killed were told is looked at now: hundreds of them would take too much room. */
  #remember({ number, streams }: Replica): void {
    for (const [i, stream] of streams.entries()) {
      try {
        assertOrder(stream);
      } catch (error) {
        this.wrongs.push(`subscriber ${i} of daemon ${number}: ${error instanceof Error ? error.message : String(error)}`);
      }
      for (const status of stream.all) if (status.phase === wsman.WorkspacePhase.STOPPED && !this.ends.has(status.id ?? "")) this.ends.set(status.id ?? "", status);
      stream.clear();
    }
  }

  /** Those that can be asked. */
  able(): readonly Replica[] {
    return this.replicas.filter(({ able }) => able);
  }

  /** Who is in the Lease. */
  leader(): Replica | undefined {
    const holder = this.#holder();
    return holder === "" ? undefined : this.replicas.find((replica) => replica.identity === holder && !replica.killed);
  }

  /** Names of workspaces' pods and claims that there are. */
  async leftovers(): Promise<readonly string[]> {
    return (await this.cluster.left()).map(({ kind, metadata }) => `${kind} ${metadata.name}${metadata.finalizers?.length ? ` (held by ${metadata.finalizers.join(", ")})` : ""}`);
  }

  /** Everything that daemons did was looked at. */
  async looked(): Promise<void> {
    await Promise.all(this.#looks);
  }

  /** Ends everything, unless it was abandoned. What daemons say at their end that they should not, and what stays in another one's cluster, goes into `wrongs`. */
  async close(): Promise<void> {
    if (this.#abandoned.signal.aborted) return;
    for (const { client, killed } of this.replicas) if (!killed) client.close();
    for (const { daemon, proxy, number } of this.replicas) {
      await daemon.close().catch((error: unknown) => this.wrongs.push(`daemon ${number}: ${error instanceof Error ? error.message : String(error)}`));
      await proxy.close();
    }
    this.witness.close();
    const stays = await this.cluster.close();
    if (stays !== "") this.wrongs.push(`could not be taken away: ${stays}`);
  }

  /** Leaves off in the midst: ends daemons at once, also those that are starting, and takes away what was made in another one's cluster. What else goes on here finds nothing any more, and starts none. */
  async abandon(): Promise<void> {
    this.#abandoned.abort();
    for (const { client, killed } of this.replicas) if (!killed) client.close();
    await Promise.all(this.replicas.map(({ proxy }) => proxy.close()));
    this.witness.close();
    await this.cluster.close();
  }

  #holder(): string {
    return holderOf(this.cluster.store.get("leases", this.cluster.namespace, leaseName));
  }

  #look(number: number, act: Act, identity: string): void {
    const at = performance.now();
    const look = this.#acted(number, act, identity, at).catch((error: unknown) => void this.wrongs.push(`daemon ${number} acted, and who held the Lease can not be told: ${messageOf(error)}`));
    this.#looks.add(look);
    void look.finally(() => this.#looks.delete(look));
  }

  /**
   * Only who holds the Lease may act. Where there is no Lease there is no election.
   * The Lease is that of the moment in the built-in cluster, and of a moment later in a real one: nobody else has it by then, if who acts had it and kept to its end, a second before others take it.
   */
  async #acted(number: number, { what }: Act, identity: string, at: number): Promise<void> {
    this.did("requests that only the leader may send");
    const lease = await this.cluster.lease();
    const holder = holderOf(lease);
    if (lease === undefined || holder === identity) return;
    const late = at - (this.replicas.find((replica) => replica.number === number)?.resumedAt ?? Number.NEGATIVE_INFINITY) < lateMs;
    if (late) this.did("requests that a leader had decided on before it stood still, and sent after");
    else this.wrongs.push(`daemon ${number} (${identity || "never in the Lease"}) acted while ${holder || "nobody"} held the Lease: ${what}`);
  }

  #config(): Record<string, unknown> {
    const document = record(embeddedDocument({ rpcAddr: "127.0.0.1:0", metricsAddr: "127.0.0.1:0", logFormat: "json", wsdaemon: { port: this.nodes.port } }));
    const manager = record(document["manager"]);
    return {
      ...document,
      manager: { ...manager, namespace: this.cluster.namespace, timeouts: { ...record(manager["timeouts"]), ...patience, ...this.#options.timeouts } },
      wsmand: { ...record(document["wsmand"]), workers: 1, drainTimeout: "2s", leaderElection: { enabled: true, ...(this.#options.lease ?? shortLease) }, kubernetes: { qps: 2_000, burst: 2_000 } },
    };
  }
}

/** Nobody's workspace is timed out because the machine has too much to do: a thousand may take minutes to start while daemons are killed. */
const patience = { startup: "3h", initialization: "2h", regularWorkspace: "2h", stopping: "2h" } as const;

function holderOf(lease: KubeObject | undefined): string {
  return text(record(lease?.["spec"])["holderIdentity"]);
}
