/** The built-in cluster: an API server in memory, with scheduler, kubelets and demo workspaces where they are wanted. */
import { writeFile } from "node:fs/promises";
import { systemClock } from "../domain/clock.ts";
import type { Clock } from "../domain/clock.ts";
import type { JsonObject } from "../domain/json.ts";
import type { AdminActions } from "./apiserver/admin.ts";
import { RequestCounter } from "./apiserver/counter.ts";
import { FaultRules, makeFaults } from "./apiserver/faults.ts";
import type { Faults } from "./apiserver/faults.ts";
import type { HttpRequest, HttpResponse } from "./apiserver/http.ts";
import type { HistoryLimits } from "./apiserver/history.ts";
import { kubeconfigOf } from "./apiserver/kubeconfig.ts";
import { Listener } from "./apiserver/listener.ts";
import type { TlsOptions } from "./apiserver/listener.ts";
import { randomIdentities } from "./apiserver/metadata.ts";
import type { Identities } from "./apiserver/metadata.ts";
import type { QuotaLimits } from "./apiserver/quota.ts";
import { handle } from "./apiserver/server.ts";
import type { ServerDeps } from "./apiserver/server.ts";
import { ObjectStore } from "./apiserver/store.ts";
import { Watches } from "./apiserver/watches.ts";
import type { DemoOptions } from "./demo/index.ts";
import type { Kubelet, KubeletOptions } from "./kubelet/index.ts";
import type { NodeDaemons, NodeDaemonsOptions } from "./wsdaemon/fleet.ts";

export { ApiError } from "./apiserver/errors.ts";
export type { RequestCount } from "./apiserver/counter.ts";
export type { FaultRule, Faults } from "./apiserver/faults.ts";
export type { Identities } from "./apiserver/metadata.ts";
export type { HttpRequest, HttpResponse } from "./apiserver/http.ts";
export type { TlsOptions } from "./apiserver/listener.ts";
export type { Cut } from "./apiserver/watches.ts";
export type { DemoOptions } from "./demo/index.ts";
export type { Kubelet, KubeletOptions } from "./kubelet/index.ts";
export type { NodeDaemons, NodeDaemonsOptions } from "./wsdaemon/fleet.ts";

/** Where requests come from. */
export interface Entrance {
  readonly port: number;
  start(): Promise<void>;
  /** Breaks all connections and takes no more. */
  stop(): Promise<void>;
}

/** Answers a request; never throws. */
export type Handler = (request: HttpRequest, response: HttpResponse) => void;

/** Options of the built-in cluster. Everything is bounded; what happens at a bound stands beside it. */
export interface EmbeddedClusterOptions {
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** In place of a port: makes what brings requests to the handler, for clients in this process. */
  readonly entrance?: ((handler: Handler) => Entrance) | undefined;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Namespace that exists from the start, beside default, kube-system and kube-node-lease; kubeconfig names it. Default `default`. */
  readonly namespace?: string | undefined;
  /** Time; default the machine's. */
  readonly clock?: Clock | undefined;
  /** Time of API server timers: bookmarks, ends of watches, delays of faults. Default: `clock`. */
  readonly serverClock?: Clock | undefined;
  /** Uids and generated names; default random. */
  readonly identities?: Identities | undefined;
  /** Numbers from 0 to below 1, for faults that strike a share of requests; default Math.random. */
  readonly random?: (() => number) | undefined;
  /** Default 60,000. */
  readonly bookmarkIntervalMs?: number | undefined;
  /** Bearer token that clients must bring; default: none. */
  readonly token?: string | undefined;
  /** Serves HTTPS with this certificate, which kubeconfig lets clients trust. */
  readonly tls?: TlsOptions | undefined;
  /** Most changes in the history; older ones are forgotten, and who resumes from before them is told 410. Default 20,000. */
  readonly historyLimit?: number | undefined;
  /** Most bytes of the history, likewise. Default 128 MiB. */
  readonly historyBytes?: number | undefined;
  /** Most objects; more are refused with 507. Default 100,000. */
  readonly objectLimit?: number | undefined;
  /** Most bytes of all objects' JSON, likewise. Default 512 MiB. */
  readonly objectBytes?: number | undefined;
  /** Most watches at a time; more are refused with 429. Default 4,096. */
  readonly maxWatches?: number | undefined;
  /** Most bytes that wait for one watcher; a slower one loses its connection. Default 16 MiB. */
  readonly watchBacklogBytes?: number | undefined;
  /** Faults and counts over HTTP below /embedded/v1/. Default off. */
  readonly admin?: boolean | undefined;
  /** Runs scheduler and kubelets. Default off. */
  readonly kubelet?: Partial<KubeletOptions> | false | undefined;
  /** Runs a node daemon on each node, and shows its pod in the namespace; needs the kubelet. Default off. */
  readonly nodeDaemons?: NodeDaemonsOptions | false | undefined;
  /** Lets demo workspaces live; needs the kubelet. Default off. */
  readonly demo?: Partial<DemoOptions> | false | undefined;
}

/** A running cluster. */
export interface EmbeddedCluster {
  readonly url: string;
  readonly namespace: string;
  readonly store: ObjectStore;
  readonly faults: Faults;
  /** Counts of requests; running watches are counted when they begin. */
  readonly requests: RequestCounter;
  /** Running watches. */
  readonly watches: { readonly size: number };
  readonly kubelet: Kubelet | undefined;
  readonly nodeDaemons: NodeDaemons | undefined;
  /** A kubeconfig, YAML. */
  kubeconfig(): string;
  /** Writes {@link EmbeddedCluster.kubeconfig} to a file that only its owner can read. */
  writeKubeconfig(path: string): Promise<void>;
  /** Ends everything. Idempotent. */
  close(): Promise<void>;
}

/** Starts the cluster. Rejects if it can not listen. */
export async function startEmbeddedCluster(options: EmbeddedClusterOptions = {}): Promise<EmbeddedCluster> {
  const { clock = systemClock, namespace = "default" } = options;
  const store = new ObjectStore({ clock, identities: options.identities ?? randomIdentities, history: historyLimits(options), quota: quotaLimits(options) });
  createNamespaces(store, namespace);
  const actions = new Map<string, (body: JsonObject) => JsonObject>();
  const server = await startServer(store, clock, options, actions);
  const life = await startLife(store, options, clock, namespace).catch(async (error: unknown) => {
    await server.close();
    throw error;
  });
  for (const [name, action] of life.actions) actions.set(name, action);
  const kubeconfig = (): string => kubeconfigOf({ url: server.url, namespace, token: options.token, ca: options.tls?.cert });
  return {
    url: server.url, namespace, store, faults: server.deps.faults, requests: server.deps.counter, watches: server.deps.watches, kubelet: life.kubelet, nodeDaemons: life.nodeDaemons, kubeconfig,
    writeKubeconfig: (path) => writeFile(path, kubeconfig(), { mode: 0o600 }),
    close: async () => {
      life.close();
      await server.close();
    },
  };
}

async function startServer(store: ObjectStore, clock: Clock, options: EmbeddedClusterOptions, adminActions: AdminActions): Promise<{ readonly url: string; readonly deps: ServerDeps; close(): Promise<void> }> {
  const { host = "127.0.0.1", port = 0, tls, token, admin = false } = options;
  const watches = new Watches(store, options.serverClock ?? clock, watchLimits(options));
  const rules = new FaultRules(options.random ?? Math.random);
  const handler: Handler = (request, response) => void handle(deps, request, response);
  const listener: Entrance = options.entrance?.(handler) ?? new Listener(host, port, tls, handler);
  const faults = makeFaults(rules, watches, () => store.compact(), { stopServer: () => listener.stop(), startServer: () => listener.start() });
  const deps: ServerDeps = { store, watches, clock, counter: new RequestCounter(), rules, faults, token, admin, adminActions };
  await listener.start();
  return { url: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${listener.port}`, deps, close: () => listener.stop() };
}

function historyLimits({ historyLimit = 20_000, historyBytes = 128 * 1024 * 1024 }: EmbeddedClusterOptions): HistoryLimits {
  return { changes: historyLimit, bytes: historyBytes };
}

function quotaLimits({ objectLimit = 100_000, objectBytes = 512 * 1024 * 1024 }: EmbeddedClusterOptions): QuotaLimits {
  return { objects: objectLimit, bytes: objectBytes };
}

function watchLimits({ maxWatches = 4096, watchBacklogBytes = 16 * 1024 * 1024, bookmarkIntervalMs = 60_000 }: EmbeddedClusterOptions): ConstructorParameters<typeof Watches>[2] {
  return { watches: maxWatches, backlogBytes: watchBacklogBytes, bookmarkIntervalMs, timeoutMs: 45 * 60_000 };
}

function createNamespaces(store: ObjectStore, namespace: string): void {
  for (const name of new Set(["default", "kube-system", "kube-node-lease", namespace])) {
    store.create("namespaces", { metadata: { name, labels: { "kubernetes.io/metadata.name": name } }, spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } }, "");
  }
}

/** What brings pods to life. */
interface ClusterLife {
  readonly kubelet: Kubelet | undefined;
  readonly nodeDaemons: NodeDaemons | undefined;
  readonly actions: AdminActions;
  close(): void;
}

/** Starts what brings pods to life. It is loaded only where it is wanted. Rejects if node daemons can not listen: nothing is left running then. */
async function startLife(store: ObjectStore, options: EmbeddedClusterOptions, clock: Clock, namespace: string): Promise<ClusterLife> {
  const kubelet = options.kubelet ? (await import("./kubelet/index.ts")).startKubelet(store, { clock, namespace, ...options.kubelet }) : undefined;
  const nodes = options.nodeDaemons ? await startNodeDaemons(store, options, clock, namespace, kubelet) : undefined;
  const demo = options.demo ? (await import("./demo/index.ts")).startDemo(store, { clock, namespace, contents: nodes?.all, ...options.demo }) : undefined;
  return {
    kubelet, nodeDaemons: nodes?.all, actions: nodes?.actions ?? new Map(),
    close: () => {
      demo?.close();
      nodes?.all.close();
      kubelet?.close();
    },
  };
}

async function startNodeDaemons(store: ObjectStore, { nodeDaemons, random = Math.random }: EmbeddedClusterOptions, clock: Clock, namespace: string, kubelet: Kubelet | undefined): Promise<{ readonly all: NodeDaemons; readonly actions: AdminActions }> {
  if (!kubelet) throw new Error("node daemons need the kubelet");
  const [{ NodeDaemons }, { nodeDaemonActions }] = await Promise.all([import("./wsdaemon/fleet.ts"), import("./wsdaemon/admin.ts")]);
  try {
    const all = await NodeDaemons.start({ store, clock, namespace, nodes: kubelet.nodes, random, onError: () => {} }, nodeDaemons || {});
    return { all, actions: nodeDaemonActions(all) };
  } catch (error) {
    kubelet.close();
    throw error;
  }
}
