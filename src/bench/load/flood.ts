/** More changes than can be delivered: from prepared watch lines where the daemon is ours, else written to the cluster. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { machineNow } from "./clock.ts";
import type { Plan } from "./plan.ts";
import { writerConnections } from "./run.ts";

/** Longest flood, seconds. */
const maxSeconds = 600;
const nothing = z.undefined();
const finished = z.object({ sent: z.number(), share: z.number() });

/** A daemon, and what changes its workspaces. End it with `await using`. */
export interface Flooded extends AsyncDisposable {
  readonly daemon: Daemon;
  /** Begins to make changes, until `finish` or until there were `total`. */
  begin(rate: number, total?: number): Promise<void>;
  /** Ends the changes, or waits for the last of `total`. Gives the share of its time that the source's thread was busy. */
  finish(stop: boolean): Promise<number>;
}

/** Starts the daemon and what changes its workspaces. */
export async function startFlood(lab: Lab): Promise<Flooded> {
  await using starting = new AsyncDisposableStack();
  const [source, kubeconfig] = lab.ownsAll ? await startReplayer(lab, starting) : [await startWriter(lab, starting), undefined];
  const daemon = starting.use(await lab.daemon(kubeconfig));
  await daemon.synced();
  const ending = starting.move();
  return {
    daemon,
    begin: (rate, total = rate * maxSeconds) => source.call("begin", planOf(lab, rate, total), nothing),
    finish: async (stop) => (await source.call("finish", { stop }, finished)).share,
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
}

async function startReplayer(lab: Lab, ending: AsyncDisposableStack): Promise<readonly [Part, string]> {
  const { workspaces, size } = lab.options;
  const folder = await mkdtemp(join(tmpdir(), "wsmand-bench-"));
  ending.defer(() => rm(folder, { recursive: true, force: true }));
  const replayer = ending.use(lab.part("replayer", "replayer"));
  const port = await replayer.call("listen", { namespace: lab.cluster.namespace, workspaces, size }, z.number());
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, JSON.stringify({
    apiVersion: "v1", kind: "Config", "current-context": "bench",
    clusters: [{ name: "bench", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
    users: [{ name: "bench", user: {} }],
    contexts: [{ name: "bench", context: { cluster: "bench", user: "bench", namespace: lab.cluster.namespace } }],
  }));
  return [replayer, kubeconfig];
}

async function startWriter(lab: Lab, ending: AsyncDisposableStack): Promise<Part> {
  const names = await lab.workspaces(lab.options.workspaces);
  const writer = ending.use(lab.part("writer", "writer"));
  await writer.call("open", { kubeconfig: lab.kubeconfig, namespace: lab.cluster.namespace, names, connections: writerConnections }, nothing);
  return writer;
}

function planOf(lab: Lab, rate: number, total: number): Plan {
  return { base: lab.stamps(total), total, workspaces: lab.options.workspaces, interval: 1000 / rate, startAt: machineNow() + 100, measuredFrom: 0 };
}
