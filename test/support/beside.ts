/** A manager that acts on a cluster, and a shadow beside it, each over a way of its own on which every request is seen. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { contactOf } from "../../src/main/cli/connection.ts";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import type { Daemon, DaemonOptions } from "../../src/main/daemon.ts";
import { startTestDaemon } from "./daemon.ts";
import { TestClient } from "./grpc-client.ts";
import { StatusStream } from "./status-stream.ts";
import { kubeconfigAt, openPlace, type Place } from "./chaos/place.ts";
import { Proxy } from "./chaos/proxy.ts";
import type { Passing } from "./chaos/weather.ts";

/** A way to the API server. */
export interface Way {
  /** File of a kubeconfig that leads over it. */
  readonly kubeconfig: string;
  /** What came over it. */
  readonly requests: readonly Passing[];
}

/** A daemon, and who listens to it. */
export interface Listened {
  readonly daemon: Daemon;
  readonly client: TestClient;
  readonly stream: StatusStream;
  readonly way: Way;
  readonly close: () => Promise<void>;
}

/** A cluster with scheduler, kubelets and node daemons. */
export interface Stage {
  readonly place: Place;
  /** A way of its own to the API server: with the rights of a daemon, or of people who may do everything. */
  readonly way: (who?: "daemon" | "admin") => Promise<Way>;
  /** Starts a daemon; it acts unless the options say otherwise. */
  readonly daemon: (options?: Partial<DaemonOptions>) => Promise<Listened>;
  /** Calls that node daemons got so far, as "DisposeWorkspace id". */
  readonly nodeCalls: () => readonly string[];
}

/** Opens a stage; it ends with the test. @param kubeconfig of a real API server; default: the built-in cluster. */
export async function openStage(t: TestContext, kubeconfig: string | undefined): Promise<Stage> {
  const ends: (() => unknown)[] = [];
  t.after(async () => {
    for (const end of ends.toReversed()) await end();
  });
  const folder = await mkdtemp(join(tmpdir(), "wsmand-beside-"));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const place = await openPlace({ seed: 1, nodes: 2, speed: 20, kubeconfig });
  ends.push(() => place.close());
  let ways = 0;
  const way = async (who: "daemon" | "admin" = "daemon"): Promise<Way> => {
    const requests: Passing[] = [];
    const proxy = await Proxy.start(place.connection, {
      acted() {},
      named() {},
      strike(request) {
        requests.push(request);
        return undefined;
      },
    });
    ends.push(() => proxy.close());
    const file = join(folder, `kubeconfig-${++ways}`);
    await writeFile(file, kubeconfigAt(place, proxy.url, who), { mode: 0o600 });
    return { kubeconfig: file, requests };
  };
  const daemon = async (options: Partial<DaemonOptions> = {}): Promise<Listened> => {
    const { config } = await embeddedConfig();
    const over = await way();
    const manager = { ...config.manager, namespace: place.namespace, wsdaemon: { port: place.nodes.port }, ...options.manager };
    const started = await startTestDaemon(over.kubeconfig, {
      namespace: place.namespace, lifecycle: true, events: { enabled: true, instance: "test" },
      leaderElection: { enabled: true, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500, identity: "acting" },
      ...options, manager,
    });
    const client = new TestClient(started.rpcPort);
    const stream = new StatusStream(client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }));
    stream.stream.call.on("error", () => {});
    let closed: Promise<void> | undefined;
    const close = (): Promise<void> => (closed ??= endOf(client, started));
    ends.push(close);
    await stream.stream.headers;
    await started.synced;
    return { daemon: started, client, stream, way: over, close };
  };
  return { place, way, daemon, nodeCalls: () => [...new Set(place.nodes.daemons)].flatMap(({ service }) => service.calls.map(({ method, id }) => `${method} ${id}`)) };
}

async function endOf(client: TestClient, daemon: Daemon): Promise<void> {
  client.close();
  await daemon.close();
}

/** Options of a shadow that is compared with a daemon; those of one that acts are there to be of no effect. */
export async function shadowOf(other: Listened, settleMs = 500): Promise<Partial<DaemonOptions>> {
  const compare = await contactOf({ address: `127.0.0.1:${other.daemon.rpcPort}`, timeout: 10_000 });
  return { shadow: { compare, settleMs }, leaderElection: { enabled: true, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 100, identity: "shadow" } };
}

/** What changes something, of what came over a way. */
export function writesOver({ requests }: Way): readonly string[] {
  return requests.filter(({ verb }) => verb !== "get" && verb !== "list" && verb !== "watch").map(({ verb, resource, name }) => `${verb} ${resource}/${name}`);
}
