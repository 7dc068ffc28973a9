/** A workspace's pod and its events, read from the cluster: what `explain ID` explains. */
import { systemClock } from "../../domain/clock.ts";
import { asObject, objectAt, objectsAt, textAt, type JsonObject } from "../../domain/json.ts";
import { isLabelValue } from "../../domain/kubernetes-names.ts";
import { silentLog } from "../../domain/log.ts";
import { labels, workspaceSelector } from "../../domain/names.ts";
import { KubeClient } from "../kube/client.ts";
import { Credentials } from "../kube/credentials.ts";
import { findKubeSource } from "../kube/source.ts";
import { InterruptedError } from "./errors.ts";
import type { Io } from "./io.ts";

/** Which workspace. */
export interface WorkspaceQuery {
  readonly id: string;
  readonly namespace: string;
  /** Value of --kubeconfig. */
  readonly kubeconfig: string | undefined;
}

/** A pod has few events; more are not looked at. */
const maxEvents = "500";

/**
 * Reads them, as `explain` takes them.
 * @throws Error if there is no access to the cluster, or no such workspace; InterruptedError when the signal aborts.
 */
export async function readWorkspace(io: Pick<Io, "env" | "signal">, query: WorkspaceQuery): Promise<{ readonly pod: JsonObject; readonly events: readonly JsonObject[] }> {
  const source = findKubeSource({ kubeconfig: query.kubeconfig, env: io.env.variables, home: io.env.home });
  const client = new KubeClient({ credentials: new Credentials(source, systemClock, silentLog), clock: systemClock });
  try {
    const pod = await podOf(client, query, io.signal);
    const uid = textAt(objectAt(pod, "metadata"), "uid");
    const events = await list(client, query.namespace, "events", { fieldSelector: `involvedObject.kind=Pod,involvedObject.uid=${uid}`, limit: maxEvents }, io.signal);
    return { pod, events };
  } catch (error) {
    throw io.signal.aborted ? new InterruptedError() : error;
  } finally {
    await client.close();
  }
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
