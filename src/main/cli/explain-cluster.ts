/** A workspace's pod and its events, and since when there is a leader, read from the cluster: what `explain ID` explains. */
import { systemClock } from "../../domain/clock.ts";
import { asObject, objectAt, objectsAt, textAt, type JsonObject } from "../../domain/json.ts";
import { isLabelValue } from "../../domain/kubernetes-names.ts";
import { silentLog } from "../../domain/log.ts";
import { labels, workspaceSelector } from "../../domain/names.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { KubeClient } from "../kube/client.ts";
import { Credentials } from "../kube/credentials.ts";
import { findKubeSource } from "../kube/source.ts";
import { LeaseClient, type Lease } from "../lifecycle/lease.ts";
import { tellWarnings } from "./config-flags.ts";
import { errorText, InterruptedError } from "./errors.ts";
import type { Io } from "./io.ts";

/** Which workspace. */
export interface WorkspaceQuery {
  readonly id: string;
  readonly namespace: string;
  /** Value of --kubeconfig. */
  readonly kubeconfig: string | undefined;
  /** Whether there is an election (wsmand.leaderElection.enabled). Without one, whoever acts says nowhere since when. */
  readonly elected: boolean;
}

/** What was read. */
export interface ReadWorkspace {
  readonly pod: JsonObject;
  readonly events: readonly JsonObject[];
  /** Since when the leader leads, Unix milliseconds: the time of workspaces from before depends on it. Undefined: nobody leads. 0: since ever, as far as is known; with a warning, if it can not be read. */
  readonly ledSince: number | undefined;
}

/** A pod has few events; more are not looked at. */
const maxEvents = "500";
/** The Lease is answered within this time, or goes unread, milliseconds. */
const leaseMs = 5_000;
/** The holder's clock may be so far behind the one here, milliseconds. A Lease that its holder has left for not so long is taken for held: who leads next begins in a moment. */
const skewMs = 60_000;

/**
 * Reads them, the pod and the events as `explain` takes them.
 * @throws Error if there is no access to the cluster, or no such workspace; InterruptedError when the signal aborts.
 */
export async function readWorkspace(io: Pick<Io, "env" | "signal" | "stderr">, query: WorkspaceQuery): Promise<ReadWorkspace> {
  const source = findKubeSource({ kubeconfig: query.kubeconfig, env: io.env.variables, home: io.env.home });
  const client = new KubeClient({ credentials: new Credentials(source, systemClock, silentLog), clock: systemClock });
  try {
    const pod = await podOf(client, query, io.signal);
    const uid = textAt(objectAt(pod, "metadata"), "uid");
    const events = await list(client, query.namespace, "events", { fieldSelector: `involvedObject.kind=Pod,involvedObject.uid=${uid}`, limit: maxEvents }, io.signal);
    return { pod, events, ledSince: await ledSince(io, client, query) };
  } catch (error) {
    throw io.signal.aborted ? new InterruptedError() : error;
  } finally {
    await client.close();
  }
}

async function ledSince(io: Pick<Io, "signal" | "stderr">, client: KubeClient, { namespace, elected }: WorkspaceQuery): Promise<number | undefined> {
  if (!elected) return 0;
  try {
    const lease = await new LeaseClient({ client, namespace, clock: systemClock }).get(leaseMs, io.signal);
    return lease && beginningOf(lease);
  } catch (error) {
    if (io.signal.aborted) throw error;
    tellWarnings(io, [`the Lease can not be read (${errorText(error)}): if the lead has changed lately, workspaces have longer until they time out than is shown`]);
    return 0;
  }
}

/** When whoever holds it began to; undefined: nobody does any more. By the time that it is: who leads now says nothing of another one that is asked about. */
function beginningOf({ holder, acquireTime, renewTime, durationMs = 0 }: Lease): number | undefined {
  const renewed = parseTimeMs(renewTime);
  if (holder === "" || renewed === undefined || renewed + durationMs + skewMs < systemClock.now()) return undefined;
  return parseTimeMs(acquireTime);
}

async function podOf(client: KubeClient, { id, namespace }: WorkspaceQuery, signal: AbortSignal): Promise<JsonObject> {
  // What is no label value would be another selector, and no workspace has it.
  const pods = id !== "" && isLabelValue(id) ? await list(client, namespace, "pods", { labelSelector: `${workspaceSelector},${labels.workspaceId}=${id}` }, signal) : [];
  const [newest] = pods.toSorted((a, b) => createdAt(b).localeCompare(createdAt(a)));
  if (newest === undefined) throw new Error(`there is no pod of workspace ${id} in namespace ${namespace}`);
  return newest;
}

function createdAt(pod: JsonObject): string {
  return textAt(objectAt(pod, "metadata"), "creationTimestamp");
}

async function list(client: KubeClient, namespace: string, resource: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly JsonObject[]> {
  const bytes = await client.getRaw(`/api/v1/namespaces/${encodeURIComponent(namespace)}/${resource}`, { query, signal });
  const found: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  return objectsAt(asObject(found), "items");
}
