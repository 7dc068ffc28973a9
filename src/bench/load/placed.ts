/** Workspaces that really run, each on a node with its node daemon: for the calls that need one. */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../domain/errors.ts";
import { asObject, objectAt, stringAt } from "../../domain/json.ts";
import type { JsonObject } from "../../domain/json.ts";
import { workspaceId } from "../../embedded/demo/pods.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import { wsman } from "../../gen/proto.js";
import type { Lab } from "../lab.ts";
import type { Options } from "../options.ts";
import type { Daemon } from "../parts/daemon.ts";
import { machineNow } from "./clock.ts";
import { GrpcClient } from "./grpc-client.ts";
import type { Cluster } from "./kube.ts";
import { allRunning } from "./probe.ts";
import { startRequest } from "./start-requests.ts";
import type { Steered } from "./steering.ts";

/** How long they may take until they run, and until they are gone, milliseconds; and when the user wants an end. */
const runMs = 60_000;
const goMs = 30_000;
const hurryMs = 3000;
const lookMs = 100;
const podPrefix = "ws-";

/** Workspaces that run. End it with `await using`: they are stopped as anyone stops them, and removed if that takes too long. */
export interface Placed extends AsyncDisposable {
  readonly workspaces: readonly Steered[];
  /** Why there are none; undefined if there are. */
  readonly problem: string | undefined;
}

/** Starts so many, and waits until the daemon tells of all of them as RUNNING. Does not reject for what the cluster, or the daemon, lacks: that is the problem. */
export async function placeWorkspaces(lab: Lab, daemon: Pick<Daemon, "endpoint">, count: number): Promise<Placed> {
  const lack = await whatLacks(lab);
  if (lack !== undefined) return { workspaces: [], problem: lack, [Symbol.asyncDispose]: () => Promise.resolve() };
  const seed = randomInt(2 ** 30, 2 ** 31);
  const ids = Array.from({ length: count }, (_, i) => workspaceId(seededRandom(seed + i)));
  const [first = ""] = ids;
  let problem: string | undefined;
  try {
    lab.say(`starting ${count} workspaces that are to run on nodes, which may take ${runMs / 1000} s`);
    await lab.cluster.prepareStarts();
    using client = new GrpcClient(daemon.endpoint);
    for (const id of ids) await client.call("StartWorkspace", startRequest(id, lab.cluster.owner, lab.options.size, lab.options));
    if (!(await allRunning(daemon.endpoint, ids, lab.signal.aborted ? 0 : runMs, lab.signal))) problem = `a workspace that was started for it was not told as RUNNING within ${runMs / 1000} s: ${whyNotRunning(await lab.cluster.pod(`${podPrefix}${first}`))}`;
  } catch (error) {
    problem = `a workspace for it can not be started: ${messageOf(error)}`;
  }
  const ending = new AsyncDisposableStack();
  ending.defer(() => end(lab, daemon, ids));
  if (problem === undefined) return { workspaces: ids.map((id) => ({ id, metaId: id })), problem, [Symbol.asyncDispose]: () => ending.disposeAsync() };
  await ending.disposeAsync();
  return { workspaces: [], problem, [Symbol.asyncDispose]: () => Promise.resolve() };
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
  if (node === undefined) return "no scheduler has given its pod a node";
  const containers = objectAt(pod, "status")?.["containerStatuses"];
  const states = Array.isArray(containers) ? containers.map((container: unknown) => objectAt(asObject(container) ?? {}, "state") ?? {}) : [];
  if (states.some((state) => objectAt(state, "running"))) return `its container runs on the node ${node}, but the daemon has not had its content initialized there: is there a node daemon, and does the daemon reach it?`;
  const waiting = states.map((state) => stringAt(objectAt(state, "waiting"), "reason")).find((reason) => reason !== undefined);
  return `its container does not run on the node ${node}${waiting === undefined ? "" : ` (${waiting})`}`;
}

/** Stops them, so that node daemons let their contents go; whatever is left after a while is removed. Rejects if that can not be done. */
async function end({ cluster, signal }: Lab, daemon: Pick<Daemon, "endpoint">, ids: readonly string[]): Promise<void> {
  using client = new GrpcClient(daemon.endpoint);
  // One that was not started has nothing to stop.
  await Promise.allSettled(ids.map((id) => client.call("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id, policy: wsman.StopWorkspacePolicy.NORMALLY }).finish())));
  const begun = machineNow();
  while ((await cluster.pods(cluster.ownerSelector)).length > 0 && machineNow() < begun + (signal.aborted ? hurryMs : goMs)) await sleep(lookMs);
  await cluster.removeStarted();
}
