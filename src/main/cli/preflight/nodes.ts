/** Check of the nodes: whether workspaces find some, and whether each has a node daemon that is ready and answers with the configuration's TLS. */
import { readFile } from "node:fs/promises";
import { Client, credentials, Metadata, status as codes } from "@grpc/grpc-js";
import type { ChannelCredentials, ServiceError } from "@grpc/grpc-js";
import { asIs } from "../../../domain/as-is.ts";
import { messageOf } from "../../../domain/errors.ts";
import { objectAt, textAt, type JsonObject } from "../../../domain/json.ts";
import type { TlsConfig } from "../../config/types.ts";
import { connectionOptions } from "../../grpc/client.ts";
import { nodeDaemonName } from "../../wsdaemon/grpc-caller.ts";
import { daemonIn, nodeDaemonSelector } from "../../wsdaemon/nodes.ts";
import { plainCause } from "../errors.ts";
import { count, note, problem, some, warning, type Check, type Context, type Finding } from "./check.ts";
import { inNamespace, isForbidden } from "./cluster-view.ts";

/** Node daemons asked at once, and how long each may take to answer, milliseconds. */
const atOnce = 16;
const answerMs = 5_000;
/** More are not asked. */
const maxAsked = 2_000;
/** Nodes whose trouble is told by name. */
const maxTold = 20;

/** Label of nodes that take workspaces of a kind. */
const workloads = { regular: "gitpod.io/workload_workspace_regular", headless: "gitpod.io/workload_workspace_headless" } as const;

/** The nodes of a cluster, as workspaces see them. */
interface Nodes {
  /** Those that workspaces may be scheduled to, and those that they are on. */
  readonly names: ReadonlySet<string>;
  readonly findings: readonly Finding[];
}

/** A node daemon that is ready. */
interface Ready {
  readonly node: string;
  readonly address: string;
}

/** The check. */
export const nodes: Check = {
  name: "nodes",
  title: "nodes",
  share: 10,
  async run(context) {
    const { config: { manager } } = context;
    const { names, findings } = await workspaceNodes(context);
    const daemons = await daemonsByNode(context);
    const without = [...names].filter((node) => !daemons.has(node));
    const ready: Ready[] = [...daemons].map(([node, ip]) => ({ node, address: `${ip.includes(":") ? `[${ip}]` : ip}:${manager.wsdaemon.port}` }));
    const silent = await silentAmong(ready.slice(0, maxAsked), context);
    const all = [...findings, ...without.slice(0, maxTold).map((node) => problem(`node ${node} has no node daemon that is ready: workspaces on it can not be started, nor backed up`)), ...silentFindings(silent, ready.length, context)];
    if (without.length > maxTold) all.push(problem(`${without.length - maxTold} more nodes have none`));
    if (ready.length > maxAsked) all.push(note(`${ready.length - maxAsked} node daemons were not asked`));
    const summary = `${count(names.size, "node")} for workspaces, ${count(ready.length, "node daemon")} ready, ${Math.min(ready.length, maxAsked) - silent.length} answer`;
    return { summary, findings: all, data: { nodes: names.size, ready: ready.length, without, silent: silent.map(({ node, why }) => ({ node, why })) } };
  },
};

async function workspaceNodes({ config: { manager }, cluster, nodesInUse, signal, progress }: Context): Promise<Nodes> {
  const names = new Set(nodesInUse);
  const counts = { regular: 0, headless: 0 };
  try {
    for await (const page of cluster.pages("/api/v1/nodes", {}, signal)) {
      for (const node of page) {
        const metadata = objectAt(node, "metadata");
        const labels = objectAt(metadata, "labels");
        for (const kind of ["regular", "headless"] as const) {
          if (labels?.[workloads[kind]] === undefined) continue;
          names.add(textAt(metadata, "name"));
          if (isPrepared(labels, manager.namespace)) counts[kind]++;
        }
      }
      progress(`${count(names.size, "node")} for workspaces`);
    }
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return { names, findings: [note("nodes can not be listed, which the daemon need not, either: those are looked at that workspaces are on")] };
  }
  const findings = (["regular", "headless"] as const).filter((kind) => counts[kind] === 0).map((kind) => warning(`no node takes ${kind} workspaces: none has the labels ${[workloads[kind], ...preparedLabels(manager.namespace)].join(", ")}`));
  return { names, findings };
}

function preparedLabels(namespace: string): readonly string[] {
  return [`gitpod.io/ws-daemon_ready_ns_${namespace}`, `gitpod.io/registry-facade_ready_ns_${namespace}`];
}

function isPrepared(labels: JsonObject, namespace: string): boolean {
  return preparedLabels(namespace).every((label) => labels[label] !== undefined);
}

/** IPs of those that are ready, by node. */
async function daemonsByNode({ config: { manager }, cluster, signal }: Context): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for await (const page of cluster.pages(inNamespace(manager.namespace, "pods"), { labelSelector: nodeDaemonSelector }, signal)) {
    for (const { node, ip } of page.map(daemonIn)) if (ip !== "") found.set(node, ip);
  }
  return found;
}

interface Silent extends Ready {
  readonly why: string;
}

async function silentAmong(ready: readonly Ready[], { config: { manager }, clock, signal, progress }: Context): Promise<readonly Silent[]> {
  const silent: Silent[] = [];
  const secure = await credentialsOf(manager.wsdaemon.tls);
  if (typeof secure === "string") return ready.map((daemon) => ({ ...daemon, why: secure }));
  let asked = 0;
  const left = ready.values();
  const worker = async (): Promise<void> => {
    for (const daemon of left) {
      if (signal.aborted) return;
      const why = await whySilent(daemon.address, secure, manager.wsdaemon.tls !== undefined, clock.now() + answerMs);
      if (why !== undefined) silent.push({ ...daemon, why });
      progress(`${++asked} of ${count(ready.length, "node daemon")} asked`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return silent;
}

async function credentialsOf(tls: TlsConfig | undefined): Promise<ChannelCredentials | string> {
  if (!tls) return credentials.createInsecure();
  try {
    const [ca, key, crt] = await Promise.all([readFile(tls.ca), readFile(tls.key), readFile(tls.crt)]);
    return credentials.createSsl(ca, key, crt);
  } catch (error) {
    return `the files of manager.wsdaemon.tls can not be used: ${messageOf(error)}`;
  }
}

/** Asks for its health, which changes nothing: a daemon that does not know the question has heard it. */
function whySilent(address: string, secure: ChannelCredentials, named: boolean, deadline: number): Promise<string | undefined> {
  const client = new Client(address, secure, { ...connectionOptions, ...(named && { "grpc.ssl_target_name_override": nodeDaemonName, "grpc.default_authority": nodeDaemonName }) });
  return new Promise((resolve) => {
    const done = (error: ServiceError | null): void => {
      client.close();
      const heard = error === null || (error.code !== codes.UNAVAILABLE && error.code !== codes.DEADLINE_EXCEEDED);
      resolve(heard ? undefined : plainCause(error.details).split("\n")[0]);
    };
    client.makeUnaryRequest("/grpc.health.v1.Health/Check", asIs, asIs, Buffer.alloc(0), new Metadata(), { deadline }, done);
  });
}

function silentFindings(silent: readonly Silent[], ready: number, { inCluster }: Context): readonly Finding[] {
  if (silent.length === 0) return [];
  // From outside the pods' network none can be reached, and that says nothing.
  if (silent.length === ready && !inCluster) return [warning(`no node daemon answers here (${silent[0]?.why ?? ""}): this machine may not be in the network of the cluster's pods; run the check in a pod to know`)];
  const reasons = Map.groupBy(silent, ({ why }) => why);
  return Array.from(reasons, ([why, of]) => problem(`${count(of.length, "node daemon does", "node daemons do")} not answer, on ${some(of.map(({ node }) => node))}: ${why}`)).slice(0, maxTold);
}
