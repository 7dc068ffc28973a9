/** What a load tool does on a cluster: makes workspaces of its own, and takes everything away again. */
import { randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import { z } from "zod";
import { makeWorkspacePod, workspaceId } from "../../embedded/demo/pods.ts";
import { messageOf } from "../../domain/errors.ts";
import { asObject, stringAt } from "../../domain/json.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import type { Access, AccessSource } from "../../main/kube/credentials.ts";
import { connectOptions, openAccess, pathOn } from "./access.ts";

/** Label on everything that the tool makes; its value tells runs apart that share a namespace. */
export const ownLabel = "wsmand-bench";
/** Requests under way while pods are made. */
const atOnce = 16;
const timeoutMs = 30_000;
/** Removing thousands of pods is one request. */
const cleanTimeoutMs = 300_000;

/** Answer of /embedded/v1/requests. */
const countsSchema = z.object({ requests: z.array(z.object({ verb: z.string().default(""), resource: z.string().default(""), subresource: z.string().default(""), count: z.number() })) });

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** A namespace of a cluster. Every request has a deadline of 30 s, removal one of five minutes. */
export class Cluster {
  readonly namespace: string;
  /** Value of this run's labels. */
  readonly run = randomBytes(4).toString("hex");
  readonly #source: AccessSource;
  readonly #agent: Agent;
  #ownNamespace = false;

  private constructor(source: AccessSource, first: Access, namespace: string) {
    this.#source = source;
    this.namespace = namespace;
    this.#agent = new Agent({ connections: atOnce, connect: connectOptions(first) });
  }

  /** @param namespace undefined: the one that the kubeconfig names, else `default`. */
  static async fromKubeconfig(path: string, namespace: string | undefined): Promise<Cluster> {
    const { source, first } = await openAccess(path);
    return new Cluster(source, first, namespace ?? first.namespace ?? "default");
  }

  /** A request. Gives code and text. Rejects if there is no answer. */
  async send(method: Method, path: string, body?: unknown, contentType = "application/json", deadlineMs = timeoutMs): Promise<{ readonly code: number; readonly text: string }> {
    const access = await this.#source.current();
    const answer = await request(`${access.origin}${pathOn(access, path)}`, {
      method, dispatcher: this.#agent, signal: AbortSignal.timeout(deadlineMs),
      headers: { accept: "application/json", ...access.headers, ...(body === undefined ? {} : { "content-type": contentType }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { code: answer.statusCode, text: await answer.body.text() };
  }

  /** Makes the namespace if it is not there; then it is removed at the end, too. One that is there needs no right to namespaces. */
  async open(): Promise<void> {
    const { code, text } = await this.send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: this.namespace, labels: { [ownLabel]: this.run } } });
    this.#ownNamespace = code === 201;
    if (code === 201 || code === 409) return;
    if (code !== 403 || !(await this.#isThere())) throw new Error(`the namespace ${this.namespace} can not be made: ${code} ${reason(text)}`);
  }

  /** Whether the namespace is there, as far as one may know: the pods of one that is not can be listed, too. */
  async #isThere(): Promise<boolean> {
    const { code } = await this.send("GET", `/api/v1/namespaces/${this.namespace}`);
    return code === 403 ? (await this.send("GET", `${this.#path("pods")}?limit=1`)).code === 200 : code === 200;
  }

  /** Runs tasks a few at a time. */
  async each(count: number, task: (i: number) => Promise<void>, signal: AbortSignal): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count && !signal.aborted) await task(next++);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  }

  /** Makes a workspace that runs, as far as its pod tells. Gives the pod's name. @param node where it is bound to; undefined: nowhere, and no scheduler feels responsible. */
  async createWorkspace(seed: number, size: number, node: string | undefined): Promise<string> {
    const pod = makeWorkspacePod({ id: workspaceId(seededRandom(seed)), phase: "running", size, namespace: this.namespace, labels: { [ownLabel]: this.run } });
    const { finalizers: _finalizers, creationTimestamp: _created, ...metadata } = pod.metadata;
    // A service account that is not there would keep the pod from being made.
    const { nodeName: _node, serviceAccountName: _account, ...spec } = pod.spec;
    const place = node === undefined ? { schedulerName: ownLabel } : { nodeName: node };
    await this.#must("POST", this.#path("pods"), { apiVersion: "v1", kind: "Pod", metadata, spec: { ...spec, ...place } }, 201);
    const path = `${this.#path("pods")}/${metadata.name}`;
    await this.#must("PATCH", `${path}/status`, { status: pod.status }, 200, "application/strategic-merge-patch+json");
    // An API server that is to track who wrote which field of 20 kB spends most of its time on that at every change, where a kubelet's small writes cost it little.
    if (node === undefined) await this.#must("PATCH", path, { metadata: { managedFields: [{}] } }, 200, "application/merge-patch+json");
    return metadata.name;
  }

  /** Changes the namespace, and nothing that a workspace manager looks at. */
  async annotateNamespace(value: string): Promise<void> {
    await this.#must("PATCH", `/api/v1/namespaces/${this.namespace}`, { metadata: { annotations: { [ownLabel]: value } } }, 200, "application/merge-patch+json");
  }

  /** Deletes a workspace's pod, at once and for good. */
  async deleteWorkspace(name: string): Promise<void> {
    await this.#must("DELETE", `${this.#path("pods")}/${name}`, { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 }, 200);
  }

  /** Writes an Event about an object that is no workspace, as a busy cluster is full of. */
  async createEvent(i: number): Promise<void> {
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const name = `other-${i}`;
    await this.#must("POST", this.#path("events"), {
      apiVersion: "v1", kind: "Event", metadata: { name: `${name}.${i.toString(16)}`, namespace: this.namespace, labels: { [ownLabel]: this.run } },
      involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace: this.namespace, uid: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}` },
      reason: "Scheduled", message: `Successfully assigned ${this.namespace}/${name} to node-1`, type: "Normal", source: { component: "default-scheduler" }, firstTimestamp: now, lastTimestamp: now, count: 1,
    }, 201);
  }

  /** Requests that a built-in cluster has counted, by kind ("patch pods/status"); undefined on another cluster. */
  async requests(): Promise<ReadonlyMap<string, number> | undefined> {
    const { code, text } = await this.send("GET", "/embedded/v1/requests").catch(() => ({ code: 0, text: "" }));
    if (code !== 200) return undefined;
    const { requests } = countsSchema.parse(JSON.parse(text));
    return new Map(requests.map(({ verb, resource, subresource, count }) => [`${verb} ${resource}/${subresource}`, count]));
  }

  /** Removes what was made, all that can be. Rejects if something could not be. */
  async clean(): Promise<void> {
    const failures: string[] = [];
    const selector = `labelSelector=${encodeURIComponent(`${ownLabel}=${this.run}`)}`;
    const paths = [`${this.#path("pods")}?${selector}`, `${this.#path("events")}?${selector}`, ...(this.#ownNamespace ? [`/api/v1/namespaces/${this.namespace}`] : [])];
    for (const path of paths) {
      const options = { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 };
      const { code, text } = await this.send("DELETE", path, options, "application/json", cleanTimeoutMs).catch((error: unknown) => ({ code: 599, text: messageOf(error) }));
      if (code >= 300) failures.push(`DELETE ${path}: ${code} ${reason(text)}`);
    }
    if (failures.length > 0) throw new Error(failures.join("; "));
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #path(resource: string): string {
    return `/api/v1/namespaces/${this.namespace}/${resource}`;
  }

  async #must(method: Method, path: string, body: unknown, wanted: number, contentType?: string): Promise<void> {
    const { code, text } = await this.send(method, path, body, contentType);
    if (code !== wanted) throw new Error(`${method} ${path}: ${code} ${reason(text)}`);
  }
}

function reason(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    return stringAt(asObject(body), "message") ?? "";
  } catch {
    return text.slice(0, 200);
  }
}
