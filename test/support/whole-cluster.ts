/** A built-in cluster with scheduler, kubelets and node daemons, all in a hurry, and daemons on it that act: whole lives of workspaces. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import type { KubeObject } from "../../src/embedded/contract.ts";
import { startEmbeddedCluster, type EmbeddedCluster } from "../../src/embedded/index.ts";
import type { NodeDaemons } from "../../src/embedded/wsdaemon/fleet.ts";
import { wsman } from "../../src/gen/proto.js";
import type { ManagerConfig } from "../../src/main/config/types.ts";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import type { Daemon, DaemonOptions } from "../../src/main/daemon.ts";
import { request } from "../unit/render/helpers.ts";
import { closedAtLast } from "./closing.ts";
import { startTestDaemon } from "./daemon.ts";
import { TestClient } from "./grpc-client.ts";
import { StatusStream, type ReadStatus } from "./status-stream.ts";
import { until } from "./until.ts";

/** A cluster on which workspaces live. */
export interface WholeCluster {
  readonly cluster: EmbeddedCluster;
  readonly nodes: NodeDaemons;
  /** Starts a daemon that acts. */
  readonly daemon: (options?: WholeOptions) => Promise<ActingDaemon>;
  readonly pod: (id: string, prefix?: string) => KubeObject | undefined;
  /** What is left of workspaces: pods and claims. */
  readonly leftovers: () => readonly string[];
  /** Calls that node daemons got so far, as "DisposeWorkspace id". */
  readonly calls: () => readonly string[];
}

/** How a daemon is started: parts of the configuration. */
export interface WholeOptions {
  readonly manager?: Partial<ManagerConfig>;
  readonly options?: Partial<DaemonOptions>;
}

/** A daemon, a client of it, and a subscriber that was there from the beginning. */
export interface ActingDaemon {
  readonly daemon: Daemon;
  readonly client: TestClient;
  readonly stream: StatusStream;
  readonly start: (id: string, members?: object, spec?: object) => Promise<void>;
  readonly call: (method: string, bytes: Uint8Array) => Promise<void>;
  readonly stop: (id: string) => Promise<void>;
  /** Waits until the subscriber was told of a workspace what the condition asks for. */
  readonly told: (id: string, what: string, condition: (status: ReadStatus) => boolean) => Promise<ReadStatus>;
  /** Phases as they were told, each once in a row. */
  readonly phases: (id: string) => readonly (string | undefined)[];
  readonly close: () => Promise<void>;
}

/** Starts the cluster; it ends with the test. @param speed how much faster than life. */
export async function startWholeCluster(t: TestContext, { speed = 20, nodes = 2 }: { readonly speed?: number; readonly nodes?: number } = {}): Promise<WholeCluster> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-whole-"));
  const cluster = await startEmbeddedCluster({ kubelet: { speed, nodes }, nodeDaemons: {} });
  const kubeconfig = join(folder, "kubeconfig");
  await cluster.writeKubeconfig(kubeconfig);
  const fleet = cluster.nodeDaemons;
  if (!fleet) throw new Error("there are no node daemons");
  const running: ActingDaemon[] = [];
  const close = closedAtLast(async () => {
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  });
  t.after(async () => {
    for (const daemon of running) await daemon.close();
    await close();
  });
  const workspaces = (): readonly KubeObject[] => cluster.store.list("pods", "default").filter((pod) => pod.metadata.labels?.["gpwsman"] === "true");
  return {
    cluster, nodes: fleet,
    daemon: async (options = {}) => {
      const daemon = await act(kubeconfig, fleet.port, options);
      running.push(daemon);
      return daemon;
    },
    pod: (id, prefix = "ws") => cluster.store.get("pods", "default", `${prefix}-${id}`),
    leftovers: () => [...workspaces(), ...cluster.store.list("persistentvolumeclaims", "default")].map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    calls: () => [...new Set(fleet.daemons)].flatMap(({ service }) => service.calls.map(({ method, id }) => `${method} ${id}`)),
  };
}

async function act(kubeconfig: string, port: number, { manager = {}, options = {} }: WholeOptions): Promise<ActingDaemon> {
  const { config } = await embeddedConfig();
  const daemon = await startTestDaemon(kubeconfig, { lifecycle: true, manager: { ...config.manager, wsdaemon: { port }, ...manager }, ...options });
  await daemon.synced;
  const client = new TestClient(daemon.rpcPort);
  const stream = new StatusStream(client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }));
  await stream.stream.headers;
  const call = async (method: string, bytes: Uint8Array): Promise<void> => {
    const { code: got, details } = await client.wsman(method, bytes);
    if (got !== code.OK) throw new Error(`${method}: ${got} ${details}`);
  };
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    client.close();
    await daemon.close();
  };
  return {
    daemon, client, stream, call,
    start: (id, members = {}, spec = {}) => call("StartWorkspace", wsman.StartWorkspaceRequest.encode(request({ id, ...members }, spec)).finish()),
    stop: (id) => call("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id, policy: 0 }).finish()),
    told: async (id, what, condition) => {
      await until(`${id} ${what}; it was told to be ${JSON.stringify(stream.last(id))}`, () => stream.of(id).some(condition));
      const found = stream.of(id).find(condition);
      if (!found) throw new Error("found and lost");
      return found;
    },
    phases: (id) => stream.of(id).map(({ phase }) => wsman.WorkspacePhase[phase ?? 0]).filter((phase, i, all) => phase !== all[i - 1]),
    close: () => (closed ??= close()),
  };
}

/** The status is of this phase. */
export function inPhase(phase: wsman.WorkspacePhase): (status: ReadStatus) => boolean {
  return (status) => status.phase === phase;
}
