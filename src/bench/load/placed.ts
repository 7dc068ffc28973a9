/** Workspaces that really run, each on a node with its node daemon: for the calls that need one. */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../domain/errors.ts";
import { objectAt, objectsAt, stringAt } from "../../domain/json.ts";
import type { JsonObject } from "../../domain/json.ts";
import { workspaceId } from "../../embedded/demo/pods.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import type { Lab } from "../lab.ts";
import type { Options } from "../options.ts";
import type { Daemon } from "../parts/daemon.ts";
import { machineNow } from "./clock.ts";
import { GrpcClient } from "./grpc-client.ts";
import type { Cluster } from "./kube.ts";
import { notRunning } from "./probe.ts";
import { startRequest, stopRequest } from "./start-requests.ts";
import type { Images } from "./start-requests.ts";
import type { Steered } from "./steering.ts";

/** How long workspaces may take, milliseconds. */
export interface Patience {
  /** Until they run. */
  readonly runMs: number;
  /** Until they are gone: as long as lives have in scenario lifecycle. */
  readonly goMs: number;
  /** Until they are gone, from when the user wants an end. */
  readonly hurryMs: number;
}

const usual: Patience = { runMs: 60_000, goMs: 120_000, hurryMs: 10_000 };
const lookMs = 100;
const podPrefix = "ws-";

/** Workspaces that run. End it with `await using`, which does not reject: they are stopped, and removed if that takes too long, which is noted. */
export interface Placed extends AsyncDisposable {
  readonly workspaces: readonly Steered[];
  /** Why there are none; undefined if there are. */
  readonly problem: string | undefined;
}

/** What of a lab it takes to have workspaces run. */
export interface Site extends Place, Pick<Lab, "signal" | "say" | "note"> {
  readonly options: Pick<Options, "target" | "size" | keyof Images>;
  readonly cluster: Pick<Cluster, "hasNodes" | "owner" | "ownerSelector" | "prepareStarts" | "pod" | "pods" | "removeStarted">;
}

/** Starts so many, and waits until the daemon tells of all of them as RUNNING. Does not reject for what the cluster, or the daemon, lacks: that is the problem. */
export async function placeWorkspaces(site: Site, daemon: Pick<Daemon, "endpoint">, count: number, patience = usual): Promise<Placed> {
  const lack = await whatLacks(site);
  if (lack !== undefined) return { workspaces: [], problem: lack, [Symbol.asyncDispose]: () => Promise.resolve() };
  const seed = randomInt(2 ** 30, 2 ** 31);
  const ids = Array.from({ length: count }, (_, i) => workspaceId(seededRandom(seed + i)));
  site.say(`starting ${count} workspaces that are to run on nodes, which may take ${patience.runMs / 1000} s`);
  const problem = await begin(site, daemon, ids, patience).catch((error: unknown) => `a workspace for it can not be started: ${messageOf(error)}`);
  const ending = new AsyncDisposableStack();
  ending.defer(() => end(site, daemon, ids, patience));
  if (problem === undefined) return { workspaces: ids.map((id) => ({ id, metaId: id })), problem, [Symbol.asyncDispose]: () => ending.disposeAsync() };
  await ending.disposeAsync();
  return { workspaces: [], problem, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** Starts them. Gives why they do not all run; undefined: they do. Rejects if one can not be started, or the daemon not be asked. */
async function begin({ cluster, options, signal }: Site, daemon: Pick<Daemon, "endpoint">, ids: readonly string[], { runMs }: Patience): Promise<string | undefined> {
  await cluster.prepareStarts();
  using client = new GrpcClient(daemon.endpoint);
  for (const id of ids) if (!signal.aborted) await client.call("StartWorkspace", startRequest(id, cluster.owner, options.size, options));
  const missing = signal.aborted ? undefined : await notRunning(daemon.endpoint, ids, runMs, signal);
  // What would have become of it in time is not known.
  if (signal.aborted) return "the user wanted an end before the workspaces for it ran";
  if (missing === undefined) return undefined;
  return `a workspace that was started for it was not told as RUNNING within ${runMs / 1000} s: ${await cluster.pod(`${podPrefix}${missing}`).then(whyNotRunning, messageOf)}`;
}

/** What of a lab tells whether workspaces can run there. */
export interface Place {
  readonly ownsAll: boolean;
  readonly options: Pick<Options, "target">;
  readonly cluster: Pick<Cluster, "hasNodes">;
}

/** Why no workspaces can run, as far as that can be told before any is started; undefined if nothing is known to be missing. */
export async function whatLacks({ ownsAll, options, cluster }: Place): Promise<string | undefined> {
  const need = "it needs a workspace that runs on a node with a node daemon";
  if (ownsAll) return undefined;
  if (options.target === undefined) return `${need}, and the daemon that the tool starts on a given cluster knows of no node daemons (--target HOST:PORT is for one that does)`;
  return (await cluster.hasNodes()) === false ? `${need}, and the cluster has no nodes` : undefined;
}

/** What the pod of a workspace that does not run tells of the reason. */
export function whyNotRunning(pod: JsonObject): string {
  const node = stringAt(objectAt(pod, "spec"), "nodeName");
  const status = objectAt(pod, "status");
  if (node === undefined) return whyNowhere(status);
  const states = objectsAt(status, "containerStatuses").map((container) => objectAt(container, "state"));
  if (states.some((state) => objectAt(state, "running"))) return `its container runs on the node ${node}, but the daemon has not had its content initialized there: is there a node daemon, and does the daemon reach it?`;
  const waiting = states.map((state) => stringAt(objectAt(state, "waiting"), "reason")).find((reason) => reason !== undefined);
  return `its container does not run on the node ${node}${waiting === undefined ? "" : ` (${waiting})`}`;
}

/** A scheduler that finds no node says what it looked for. */
function whyNowhere(status: JsonObject | undefined): string {
  const refused = objectsAt(status, "conditions").find((condition) => condition["type"] === "PodScheduled" && condition["status"] === "False");
  const why = stringAt(refused, "message") ?? stringAt(refused, "reason");
  return why === undefined ? "no scheduler has given its pod a node" : `its pod has no node: ${why}`;
}

/** Stops them, so that node daemons let their contents go; whatever is left after a while is removed. Never rejects: what was measured is good all the same, and what is left is looked for once more when the lab closes. */
async function end(site: Site, daemon: Pick<Daemon, "endpoint">, ids: readonly string[], patience: Patience): Promise<void> {
  try {
    const left = await gone(site, await stop(site, daemon, ids, patience), patience);
    await site.cluster.removeStarted();
    if (left !== 0) site.note(`${typeof left === "string" ? `it is not known whether all workspaces that ran on nodes came to their end (${left})` : `${left} workspaces that ran on nodes did not come to their end in time`}: pods that were left were removed by force, and their nodes may still hold their contents`);
  } catch (error) {
    site.note(`workspaces that ran on nodes could not be removed at once: ${messageOf(error)}`);
  }
}

/** Gives whether any was stopped: one that was not started has nothing to stop, and a daemon that is gone stops none. */
async function stop({ signal }: Site, daemon: Pick<Daemon, "endpoint">, ids: readonly string[], { hurryMs }: Patience): Promise<boolean> {
  using client = new GrpcClient(daemon.endpoint);
  const answers = await Promise.allSettled(ids.map((id) => client.call("StopWorkspace", stopRequest(id), signal.aborted ? hurryMs : undefined)));
  return answers.some(({ status }) => status === "fulfilled");
}

/** Waits until they are gone, if they were stopped. Gives how many are left; a text: why that is not known. */
async function gone({ cluster, signal }: Site, stopped: boolean, { goMs, hurryMs }: Patience): Promise<number | string> {
  let deadline = machineNow() + (stopped ? goMs : 0);
  let hurried = false;
  for (;;) {
    // A look that fails is followed by others.
    const left = await cluster.pods(cluster.ownerSelector).then(({ length }) => length, messageOf);
    if (signal.aborted && !hurried) deadline = Math.min(deadline, machineNow() + hurryMs);
    hurried = signal.aborted;
    if (left === 0 || machineNow() >= deadline) return left;
    await sleep(lookMs);
  }
}
