/** What a load tool does on a cluster: makes workspaces of its own, and takes everything away again. */
import { randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import { z } from "zod";
import { makeWorkspacePod, workspaceId } from "../../embedded/demo/pods.ts";
import { messageOf } from "../../domain/errors.ts";
import { asObject, objectAt, stringAt } from "../../domain/json.ts";
import type { JsonObject } from "../../domain/json.ts";
import { annotations, labels, markerLabel } from "../../domain/names.ts";
import { rfc3339Nano } from "../../domain/rfc3339.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import type { Access, AccessSource } from "../../main/kube/credentials.ts";
import { connectOptions, openAccess, pathOn } from "./access.ts";
import { parsed, reason, unanswered } from "./api-answers.ts";
import { podsIn, type FoundPod } from "./found-pods.ts";
import { removePods } from "./removal.ts";

/** Label on everything that the tool makes; its value tells runs apart that share a namespace. */
export const ownLabel = "wsmand-bench";
/** Marker of pods that are like workspaces in all but that no workspace manager looks at them. As long as the real one, "true". */
export const hiddenMarker = "bare";
/** Requests under way while pods are made. */
const atOnce = 16;
const timeoutMs = 30_000;
/** Removing thousands of pods is one request. */
const cleanTimeoutMs = 300_000;

/** Answer of /embedded/v1/requests. */
const countsSchema = z.object({ requests: z.array(z.object({ verb: z.string().default(""), resource: z.string().default(""), subresource: z.string().default(""), count: z.number() })) });

const pageItems = 500;
const mergePatch = "application/merge-patch+json";
/** How long workspaces may live without anyone using them: longer than any measurement takes. What a daemon's own limit of all lives is stays. */
const customTimeout = "720h";

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** A namespace of a cluster. Every request has a deadline of 30 s, removal one of five minutes. */
export class Cluster {
  readonly namespace: string;
  /** Value of this run's labels. */
  readonly run: string;
  readonly #source: AccessSource;
  readonly #agent: Agent;
  /** `perhaps`: nobody answered. */
  #ownNamespace: boolean | "perhaps" = false;
  #isOpen = false;
  /** Likewise. Removing it goes by this run's label: one of others stays. */
  #ownAccount: boolean | "perhaps" = false;
  #hasStarted = false;

  private constructor(source: AccessSource, first: Access, namespace: string, run: string) {
    this.#source = source;
    this.namespace = namespace;
    this.run = run;
    this.#agent = new Agent({ connections: atOnce, connect: connectOptions(first) });
  }

  /** @param namespace undefined: the one that the kubeconfig names, else `default`. @param run whose part this is: what it makes is that run's to remove. Default: a run of its own. */
  static async fromKubeconfig(path: string, namespace: string | undefined, run = randomBytes(4).toString("hex")): Promise<Cluster> {
    const { source, first } = await openAccess(path);
    return new Cluster(source, first, namespace ?? first.namespace ?? "default", run);
  }

  /** A request. Gives code and text. @throws Error that names the API server's address, if there is no answer. */
  async send(method: Method, path: string, body?: unknown, contentType = "application/json", deadlineMs = timeoutMs): Promise<{ readonly code: number; readonly text: string }> {
    const access = await this.#source.current();
    try {
      const answer = await request(`${access.origin}${pathOn(access, path)}`, {
        method, dispatcher: this.#agent, signal: AbortSignal.timeout(deadlineMs),
        headers: { accept: "application/json", ...access.headers, ...(body === undefined ? {} : { "content-type": contentType }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { code: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      throw unanswered(access, error);
    }
  }

  /** Makes the namespace if it is not there; then it is removed at the end, too. One that is there needs no right to namespaces. */
  async open(): Promise<void> {
    this.#ownNamespace = "perhaps";
    const { code, text } = await this.send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: this.namespace, labels: { [ownLabel]: this.run } } });
    this.#ownNamespace = code === 201;
    this.#isOpen = true;
    if (code === 201 || code === 409) return;
    if (code !== 403 || !(await this.#isThere())) throw new Error(`the namespace ${this.namespace} can not be made: ${code} ${reason(text)}`);
  }

  /** Whether the namespace is there, as far as one may know: the pods of one that is not can be listed, too. */
  async #isThere(): Promise<boolean> {
    const { code } = await this.send("GET", `/api/v1/namespaces/${this.namespace}`);
    return code === 403 ? (await this.send("GET", `${this.#path("pods")}?limit=1`)).code === 200 : code === 200;
  }

  /** Runs tasks a few at a time. Rejects if one does, without beginning others, once none is under way. */
  async each(count: number, task: (i: number) => Promise<void>, signal: AbortSignal): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count && !signal.aborted) await task(next++).catch((error: unknown) => {
        next = count;
        throw error;
      });
    };
    const workers = Array.from({ length: Math.min(atOnce, count) }, worker);
    // Nothing goes on behind the back of whoever takes away what was made.
    await Promise.allSettled(workers);
    await Promise.all(workers);
  }

  /**
   * Makes a workspace that runs, as far as its pod tells. Gives the pod's name. @param node where it is bound to; undefined: nowhere, and no scheduler feels responsible.
   * @param marker what workspace managers look for; {@link hiddenMarker}: they do not see it.
   */
  async createWorkspace(seed: number, size: number, node: string | undefined, marker = "true"): Promise<string> {
    const pod = makeWorkspacePod({ id: workspaceId(seededRandom(seed)), phase: "running", size, namespace: this.namespace, labels: { [ownLabel]: this.run, [markerLabel]: marker }, annotations: node === undefined ? inUse() : {} });
    const { finalizers: _finalizers, creationTimestamp: _created, ...metadata } = pod.metadata;
    // A service account that is not there would keep the pod from being made.
    const { nodeName: _node, serviceAccountName: _account, ...spec } = pod.spec;
    const place = node === undefined ? { schedulerName: ownLabel } : { nodeName: node };
    await this.#must("POST", this.#path("pods"), { apiVersion: "v1", kind: "Pod", metadata, spec: { ...spec, ...place } }, 201);
    const path = `${this.#path("pods")}/${metadata.name}`;
    await this.#must("PATCH", `${path}/status`, { status: pod.status }, 200, "application/strategic-merge-patch+json");
    // An API server that is to track who wrote which field of 20 kB spends most of its time on that at every change, where a kubelet's small writes cost it little.
    if (node === undefined) await this.#must("PATCH", path, { metadata: { managedFields: [{}] } }, 200, mergePatch);
    return metadata.name;
  }

  /** Changes the namespace, and nothing that a workspace manager looks at. */
  async annotateNamespace(value: string): Promise<void> {
    await this.#must("PATCH", `/api/v1/namespaces/${this.namespace}`, { metadata: { annotations: { [ownLabel]: value } } }, 200, mergePatch);
  }

  /** Deletes a workspace's pod, at once and for good: also where a daemon that acts holds it, to save a content that no one has. */
  async deleteWorkspace(name: string): Promise<void> {
    await this.#must("DELETE", `${this.#path("pods")}/${name}`, { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 }, 200);
    await this.#letGo(name);
  }

  /** Sets annotations of a pod. */
  async annotatePod(name: string, values: Readonly<Record<string, string>>): Promise<void> {
    await this.#must("PATCH", `${this.#path("pods")}/${name}`, { metadata: { annotations: values } }, 200, mergePatch);
  }

  /** Owner of the workspaces that are started for this run: what they are known by, since whoever makes their pods gives them no label of ours. */
  get owner(): string {
    return `${ownLabel}-${this.run}`;
  }

  /** Selects the pods of {@link Cluster.owner}. */
  get ownerSelector(): string {
    return `${labels.owner}=${this.owner}`;
  }

  /** Makes what a workspace's pod needs to be started: the service account, if it is not there. */
  async prepareStarts(): Promise<void> {
    this.#hasStarted = true;
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "workspace", labels: { [ownLabel]: this.run } } };
    const before = this.#ownAccount;
    this.#ownAccount ||= "perhaps";
    // One who may not make it has an installation, which has it. 409 after no answer may be our own.
    const { code } = await this.send("POST", this.#path("serviceaccounts"), account);
    this.#ownAccount = before || code === 201;
  }

  /** A pod as it is. */
  async pod(name: string): Promise<JsonObject> {
    const { code, text } = await this.send("GET", `${this.#path("pods")}/${name}`);
    if (code !== 200) throw new Error(`GET the pod ${name}: ${code} ${reason(text)}`);
    const pod: unknown = JSON.parse(text);
    return asObject(pod) ?? {};
  }

  /** Whether there are nodes; undefined for one who may not know. */
  async hasNodes(): Promise<boolean | undefined> {
    const { code, text } = await this.send("GET", "/api/v1/nodes?limit=1");
    const items = code === 200 ? parsed(text)?.["items"] : undefined;
    return Array.isArray(items) ? items.length > 0 : undefined;
  }

  /** The API server's version: it grows by one with each write of anything (etcd's revision); a patch that changes nothing is no write. */
  async version(): Promise<number> {
    const { code, text } = await this.send("GET", `${this.#path("pods")}?limit=1`);
    if (code !== 200) throw new Error(`GET pods: ${code} ${reason(text)}`);
    return Number(stringAt(objectAt(parsed(text), "metadata"), "resourceVersion"));
  }

  /** The pods that a label selector selects. */
  async pods(selector: string): Promise<readonly FoundPod[]> {
    const found: FoundPod[] = [];
    let next: string | undefined = "";
    while (next !== undefined) {
      const { code, text } = await this.send("GET", `${this.#path("pods")}?labelSelector=${encodeURIComponent(selector)}&limit=${pageItems}${next === "" ? "" : `&continue=${encodeURIComponent(next)}`}`);
      if (code !== 200) throw new Error(`GET pods: ${code} ${reason(text)}`);
      const page = podsIn(text);
      found.push(...page.pods);
      next = page.next;
    }
    return found;
  }

  /** Removes the pods of workspaces that were started for this run. Rejects if that can not be done. */
  removeStarted(): Promise<void> {
    return this.#remove(this.ownerSelector);
  }

  #remove(selector: string): Promise<void> {
    return removePods({
      deleteAll: (some) => this.#delete(`${this.#path("pods")}?labelSelector=${encodeURIComponent(some)}`),
      names: async (some) => (await this.pods(some)).map(({ name }) => name),
      letGo: (name) => this.#letGo(name),
      // Whether or not the user wants an end.
      each: (count, task) => this.each(count, task, new AbortController().signal),
    }, selector);
  }

  /** Takes a pod's finalizers away, if it is there still. */
  async #letGo(name: string): Promise<void> {
    const { code, text } = await this.send("PATCH", `${this.#path("pods")}/${name}`, { metadata: { finalizers: null } }, mergePatch);
    if (code !== 200 && code !== 404) throw new Error(`PATCH a pod's finalizers: ${code} ${reason(text)}`);
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
    const attempt = (work: Promise<void>): Promise<void> => work.catch((error: unknown) => void failures.push(messageOf(error)));
    const own = `${ownLabel}=${this.run}`;
    if (this.#hasStarted) await attempt(this.removeStarted());
    if (this.#isOpen) await attempt(this.#remove(own));
    for (const resource of this.#isOpen ? ["events", ...(this.#ownAccount === false ? [] : ["serviceaccounts"])] : []) await attempt(this.#delete(`${this.#path(resource)}?labelSelector=${encodeURIComponent(own)}`));
    if (await this.#hasOwnNamespace()) await attempt(this.#delete(`/api/v1/namespaces/${this.namespace}`));
    if (failures.length > 0) throw new Error(failures.join("; "));
  }

  /** Whether this run made the namespace, also if no one answered when it did. */
  async #hasOwnNamespace(): Promise<boolean> {
    if (this.#ownNamespace !== "perhaps") return this.#ownNamespace;
    const { code, text } = await this.send("GET", `/api/v1/namespaces/${this.namespace}`).catch(() => ({ code: 0, text: "" }));
    return code === 200 && stringAt(objectAt(objectAt(parsed(text), "metadata"), "labels"), ownLabel) === this.run;
  }

  async #delete(path: string): Promise<void> {
    const { code, text } = await this.send("DELETE", path, { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 }, "application/json", cleanTimeoutMs);
    if (code >= 300) throw new Error(`DELETE ${path}: ${code} ${reason(text)}`);
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

/** Annotations of workspaces that somebody uses: a daemon that acts ends others after a while. */
function inUse(): Readonly<Record<string, string>> {
  const now = rfc3339Nano(Date.now());
  return { [annotations.firstUserActivity]: now, [annotations.lastActivity]: now, [annotations.customTimeout]: customTimeout };
}
