/** Changes without an API server's cost: from prepared watch lines where daemon and cluster are ours, else written to the cluster. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { writtenSchema } from "./results.ts";
import { machineNow } from "./clock.ts";
import type { Plan } from "./plan.ts";
import { writerConnections } from "./run.ts";

/** Longest flood, seconds. */
const maxSeconds = 600;
/** From the order to the first change. */
const leadMs = 300;
/** Longest wait for the last change, milliseconds: a cluster takes as long as it takes. */
const maxWaitMs = 24 * 3_600_000;
const nothing = z.undefined();
const sentSchema = writtenSchema.omit({ answered: true });

/** What became of the changes. */
export type Sent = z.infer<typeof sentSchema>;

/** A daemon, and what changes its workspaces. End it with `await using`. */
export interface Flooded extends AsyncDisposable {
  readonly daemon: Daemon;
  /** Changes for now, the first one of the workspace behind the last plan's last: with many workspaces, none is changed again soon. @param rate per second; Infinity: as fast as they are taken. @param measuredFrom changes before this one are not measured. */
  plan(rate: number, total?: number, measuredFrom?: number): Plan;
  begin(plan: Plan): Promise<void>;
  /** Ends the changes, or waits for the last one to be taken. */
  finish(stop: boolean): Promise<Sent>;
}

/** Starts the daemon, and what changes its workspaces. @param suffix of their processes' names, where several run at a time. */
export async function startFlood(lab: Lab, workspaces = lab.options.workspaces, suffix = ""): Promise<Flooded> {
  await using starting = new AsyncDisposableStack();
  const [source, kubeconfig] = lab.ownsAll ? await startReplayer(lab, workspaces, suffix, starting) : [await startWriter(lab, workspaces, starting), undefined];
  const daemon = starting.use(await lab.daemon(kubeconfig, `daemon${suffix}`));
  await daemon.synced();
  const ending = starting.move();
  let planned = 0;
  const plan: Flooded["plan"] = (rate, total = rate * maxSeconds, measuredFrom = 0) => {
    const first = planned % workspaces;
    planned += Math.ceil(total);
    return { base: lab.stamps(total), total, workspaces, first, interval: 1000 / rate, startAt: machineNow() + leadMs, measuredFrom };
  };
  return {
    daemon,
    plan,
    begin: (plan) => source.call("begin", plan, nothing),
    finish: (stop) => source.call("finish", { stop }, sentSchema, maxWaitMs),
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
}

async function startReplayer(lab: Lab, workspaces: number, suffix: string, ending: AsyncDisposableStack): Promise<readonly [Part, string]> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-bench-"));
  ending.defer(() => rm(folder, { recursive: true, force: true }));
  lab.say(`preparing ${workspaces} workspaces of ${lab.options.size} bytes`);
  const replayer = ending.use(lab.part(`replayer${suffix}`, "replayer"));
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, await replayer.call("listen", { namespace: lab.namespace, workspaces, size: lab.options.size }, z.string()));
  return [replayer, kubeconfig];
}

async function startWriter(lab: Lab, workspaces: number, ending: AsyncDisposableStack): Promise<Part> {
  const names = await lab.workspaces(workspaces);
  const writer = ending.use(lab.part("writer", "writer"));
  await writer.call("open", { kubeconfig: lab.kubeconfig, namespace: lab.namespace, names, connections: writerConnections }, nothing);
  return writer;
}
