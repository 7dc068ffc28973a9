/**
 * Plays scheduler, kubelet and lifecycle controller through the Kubernetes API: on the built-in cluster and on a real kube-apiserver alike.
 * Every request has a deadline.
 */
import { randomBytes } from "node:crypto";
import { Agent, fetch } from "undici";
import type { RequestInit, Response } from "undici";
import { stateOf } from "../../src/embedded/demo/states.ts";
import type { PodState } from "../../src/embedded/demo/states.ts";
import { annotations } from "../../src/domain/names.ts";
import { isRecord, record, records, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { seededRandom } from "../../src/embedded/kubelet/random.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import type { KubeConnection } from "./kubeconfig.ts";

/** An answer of the API server other than 2xx. */
export class ApiFailure extends Error {
  /** HTTP status. */
  readonly code: number;
  /** Reason of the Status object, "" without one. */
  readonly reason: string;

  constructor(method: string, path: string, code: number, body: unknown) {
    super(`${method} ${path}: ${code} ${text(record(body)["message"])}`);
    this.code = code;
    this.reason = text(record(body)["reason"]);
  }
}

/** What can be set about a player. */
export interface PlayerOptions {
  /** Default: that of the connection. */
  readonly namespace?: string;
  /** Deadline of one request, milliseconds; default 10,000. */
  readonly timeoutMs?: number;
  /** Connections at most; default 16. */
  readonly connections?: number;
}

const mergePatch = "application/merge-patch+json";
const strategicPatch = "application/strategic-merge-patch+json";

/** Plays on one namespace. */
export class Player {
  readonly namespace: string;
  readonly #connection: KubeConnection;
  readonly #timeoutMs: number;
  readonly #agent: Agent;

  constructor(connection: KubeConnection, options: PlayerOptions = {}) {
    this.#connection = connection;
    this.namespace = options.namespace ?? connection.namespace;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    const { ca, cert, key, insecure } = connection;
    const connect = { rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
    // Requests have a deadline of their own, and a watch may be silent for long.
    this.#agent = new Agent({ connections: options.connections ?? 16, connect, bodyTimeout: 0 });
  }

  /** A player on the current context of a kubeconfig file. */
  static async fromKubeconfig(path: string, options: PlayerOptions = {}): Promise<Player> {
    return new Player(await readKubeconfig(path), options);
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Any request. Gives the JSON of the answer. Throws ApiFailure for an answer other than 2xx, and when the deadline passes. */
  async request(method: string, path: string, body?: unknown, contentType = "application/json"): Promise<Json> {
    const init: RequestInit = { method, signal: AbortSignal.timeout(this.#timeoutMs), headers: body === undefined ? {} : { "content-type": contentType }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await this.#fetch(path, init);
    const answer = await response.text();
    const json = parseJson(answer);
    if (!response.ok) throw new ApiFailure(method, path, response.status, json);
    return record(json);
  }

  /** The events of a watch, as long as the server goes on and the signal does not end it. Throws ApiFailure if there is no watch to be had, and when it breaks. */
  async *watch(path: string, signal: AbortSignal): AsyncGenerator<Json, void> {
    const response = await this.#fetch(path, { signal });
    if (!response.ok) throw new ApiFailure("GET", path, response.status, parseJson(await response.text()));
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response.body ?? []) {
      const bytes: unknown = chunk;
      if (!(bytes instanceof Uint8Array)) continue;
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield record(parseJson(line));
    }
  }

  /** Path of a resource of the namespace, or of one object in it. */
  path(resource: string, name?: string): string {
    const group = resource === "leases" ? "/apis/coordination.k8s.io/v1" : "/api/v1";
    return `${group}/namespaces/${this.namespace}/${resource}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
  }

  /** Makes the namespace if it is not there. */
  async ensureNamespace(): Promise<void> {
    await orAlready(this.request("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: this.namespace } }));
  }

  /** Makes a node that is ready and has no taints. */
  async ensureNode(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await orAlready(this.request("POST", "/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name, labels } }));
    await this.request("PATCH", `/api/v1/nodes/${name}`, { spec: { taints: null } }, mergePatch);
    await this.request("PATCH", `/api/v1/nodes/${name}/status`, { status: { conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }], allocatable: { cpu: "64", memory: "256Gi", pods: "500" } } }, strategicPatch);
  }

  /** Creates a pod. What the server sets itself is left out: status, uid, versions, times, managed fields; so is the node (see bind). */
  async createPod(pod: object): Promise<Json> {
    const { status: _status, metadata, spec, ...rest } = record(pod);
    const { uid: _u, resourceVersion: _r, creationTimestamp: _c, deletionTimestamp: _d, deletionGracePeriodSeconds: _g, managedFields: _m, namespace: _n, ...meta } = record(metadata);
    const { nodeName: _node, ...unbound } = record(spec);
    return this.request("POST", this.path("pods"), { ...rest, metadata: { ...meta, namespace: this.namespace }, spec: unbound });
  }

  /** Creates a pod and brings it to the state that its status and metadata tell of. Gives its name. */
  async play(pod: object): Promise<string> {
    const made = record(pod);
    const metadata = record(made["metadata"]);
    const name = text(metadata["name"]);
    await this.createPod(pod);
    const node = text(record(made["spec"])["nodeName"]);
    if (node !== "") await this.bind(name, node);
    if (isRecord(made["status"])) await this.status(name, made["status"]);
    if (metadata["deletionTimestamp"] !== undefined) await this.delete(name, 30);
    return name;
  }

  /** The pod; undefined if there is none. */
  async pod(name: string): Promise<Json | undefined> {
    return orMissing(this.request("GET", this.path("pods", name)));
  }

  /** Binds the pod to a node, as a scheduler does. */
  async bind(name: string, node = "node-1"): Promise<void> {
    await this.request("POST", `${this.path("pods", name)}/binding`, { apiVersion: "v1", kind: "Binding", metadata: { name, namespace: this.namespace }, target: { apiVersion: "v1", kind: "Node", name: node } });
  }

  /** Changes the status: conditions by their type, other lists as a whole, null removes. */
  async status(name: string, patch: object): Promise<Json> {
    return this.request("PATCH", `${this.path("pods", name)}/status`, { status: patch }, strategicPatch);
  }

  /** Sets annotations; null removes one. */
  async annotate(name: string, values: Readonly<Record<string, string | null>>): Promise<Json> {
    return this.request("PATCH", this.path("pods", name), { metadata: { annotations: values } }, mergePatch);
  }

  /** Sets the pod's status to that of the state (annotations stay as they are). */
  async become(name: string, state: PodState): Promise<Json> {
    const pod = await this.pod(name);
    const spec = record(pod?.["spec"]);
    const image = text(records(spec["containers"])[0]?.["image"]);
    const { status } = stateOf(state, { name, image, node: text(spec["nodeName"], "node-1"), createdAt: Date.now(), headless: false, random: seededRandom(1) });
    return this.status(name, status ?? {});
  }

  /** Scheduled (bound if it is not) and no longer attempting to create; its containers are being created. */
  async creating(name: string, node = "node-1"): Promise<void> {
    const pod = await this.pod(name);
    if (text(record(pod?.["spec"])["nodeName"]) === "") await this.bind(name, node);
    await this.become(name, "creating");
    await this.annotate(name, { [annotations.attemptingToCreate]: null });
  }

  /** The container runs, the content is not there yet. */
  async initializing(name: string): Promise<void> {
    await this.become(name, "initializing");
  }

  /** The container is ready and never-ready is gone. */
  async running(name: string): Promise<void> {
    await this.become(name, "running");
    await this.annotate(name, { [annotations.neverReady]: null });
  }

  /** The container vanished (exit code 255); the pod stays Running. On a real API server only a pod with another restart policy than Never can recover from that. */
  async interrupted(name: string): Promise<void> {
    await this.become(name, "interrupted");
  }

  /** The container was started again and is not ready yet. */
  async recovering(name: string): Promise<void> {
    await this.become(name, "recovering");
  }

  /** The pod failed as a whole. */
  async fail(name: string, reason: string, message: string): Promise<void> {
    await this.status(name, { phase: "Failed", reason, message });
  }

  /** The container ended; the pod is Succeeded or Failed, as the exit code says. */
  async exited(name: string, exitCode = 0, message?: string): Promise<void> {
    const container = record(records(record((await this.pod(name))?.["status"])["containerStatuses"])[0]);
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const terminated = { exitCode, reason: exitCode === 0 ? "Completed" : "Error", finishedAt: now, startedAt: now, ...(message === undefined ? {} : { message }) };
    const entry = { name: "workspace", image: "", imageID: "", restartCount: 0, lastState: {}, ...container, ready: false, started: false, state: { terminated } };
    const reason = exitCode === 0 ? "PodCompleted" : "PodFailed";
    const conditions = ["Ready", "ContainersReady"].map((type) => ({ type, status: "False", reason, lastTransitionTime: now }));
    await this.status(name, { phase: exitCode === 0 ? "Succeeded" : "Failed", containerStatuses: [entry], conditions });
  }

  /** Deletes as a client does; a bound pod stays until {@link remove}. No pod is fine. */
  async delete(name: string, gracePeriodSeconds: number): Promise<void> {
    await orMissing(this.request("DELETE", this.path("pods", name), { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds }));
  }

  /** Marks the pod for deletion; it stays, with its finalizer. */
  async terminating(name: string, gracePeriodSeconds = 30): Promise<void> {
    await this.delete(name, gracePeriodSeconds);
  }

  /** Takes all finalizers off. No pod is fine. */
  async release(name: string): Promise<void> {
    await orMissing(this.request("PATCH", this.path("pods", name), { metadata: { finalizers: null } }, mergePatch));
  }

  /** Removes the pod for good: finalizers off, deleted with grace period 0. No pod is fine. */
  async remove(name: string): Promise<void> {
    await this.release(name);
    await this.delete(name, 0);
  }

  /** Writes an Event on a pod. */
  async event(pod: string, reason: string, message: string, type: "Normal" | "Warning" = "Warning"): Promise<Json> {
    const metadata = record((await this.pod(pod))?.["metadata"]);
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    return this.request("POST", this.path("events"), {
      apiVersion: "v1", kind: "Event", metadata: { name: `${pod}.${randomBytes(8).toString("hex")}`, namespace: this.namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", name: pod, namespace: this.namespace, uid: metadata["uid"], resourceVersion: metadata["resourceVersion"] },
      reason, message, type, source: { component: "kubelet", host: "node-1" }, firstTimestamp: now, lastTimestamp: now, count: 1,
    });
  }

  #fetch(path: string, { headers, ...init }: RequestInit): Promise<Response> {
    const { token, url } = this.#connection;
    return fetch(`${url}${path}`, { ...init, dispatcher: this.#agent, headers: { accept: "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...record(headers) } });
  }

  /** Removes all pods of the namespace for good, a few at a time. */
  async removeAll(): Promise<void> {
    const list = await this.request("GET", this.path("pods"));
    const names = records(list["items"]).map((pod) => text(record(pod["metadata"])["name"]));
    for (let i = 0; i < names.length; i += 16) await Promise.all(names.slice(i, i + 16).map(async (name) => this.remove(name)));
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return { message: body.slice(0, 200) };
  }
}

async function orMissing(request: Promise<Json>): Promise<Json | undefined> {
  return tolerating(request, 404);
}

async function orAlready(request: Promise<Json>): Promise<Json | undefined> {
  return tolerating(request, 409);
}

async function tolerating(request: Promise<Json>, code: number): Promise<Json | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiFailure && error.code === code) return undefined;
    throw error;
  }
}
