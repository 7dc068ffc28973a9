/** Raw requests to an API server, for tests of what it answers; each test works in a namespace of its own. */
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { Agent, fetch } from "undici";
import type { Response } from "undici";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import type { KubeConnection } from "./kubeconfig.ts";
import { until } from "./until.ts";

/** Content types of patches. */
export const patches = {
  merge: "application/merge-patch+json", strategic: "application/strategic-merge-patch+json", json: "application/json-patch+json", apply: "application/apply-patch+yaml",
} as const;

/** Accept header of kubectl's tables. */
export const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/** Accept header for metadata alone. */
export const asMetadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

/** An answer, whatever its status. */
export interface Answer {
  readonly code: number;
  readonly headers: Response["headers"];
  /** The body's JSON; empty if it is none. */
  readonly body: Json;
  readonly text: string;
}

/** What can be set about a request. */
export interface Sending {
  readonly contentType?: string;
  readonly accept?: string;
}

const timeoutMs = 30_000;

/** An API server, and a namespace in it. */
export class KubeApi {
  readonly namespace: string;
  readonly #connection: KubeConnection;
  readonly #agent: Agent;
  readonly #watches = new Set<TestWatch>();

  constructor(connection: KubeConnection, namespace: string) {
    this.#connection = connection;
    this.namespace = namespace;
    const { ca, cert, key, insecure } = connection;
    const connect = { rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
    this.#agent = new Agent({ connect });
  }

  /** Path of a collection in the namespace, or of an object in it. */
  path(resource: string, name?: string): string {
    const groups: Readonly<Record<string, string>> = { leases: "/apis/coordination.k8s.io/v1", volumesnapshots: "/apis/snapshot.storage.k8s.io/v1" };
    return `${groups[resource] ?? "/api/v1"}/namespaces/${this.namespace}/${resource}${name === undefined ? "" : `/${name}`}`;
  }

  /** Sends any request; texts are sent as they are, everything else as JSON. */
  async send(method: string, path: string, body?: unknown, sending: Sending = {}): Promise<Answer> {
    const response = await this.#fetch(method, path, body, sending, AbortSignal.timeout(timeoutMs));
    const answer = await response.text();
    return { code: response.status, headers: response.headers, body: parse(answer), text: answer };
  }

  /** As send, and fails with the server's message if it refuses. Gives the body. */
  async ok(method: string, path: string, body?: unknown, sending: Sending = {}): Promise<Json> {
    const { code, body: answer } = await this.send(method, path, body, sending);
    if (code >= 300) throw new Error(`${method} ${path}: ${code} ${text(answer["message"])}`);
    return answer;
  }

  get(path: string): Promise<Json> {
    return this.ok("GET", path);
  }

  create(resource: string, object: object): Promise<Json> {
    return this.ok("POST", this.path(resource), object);
  }

  /** A patch; a merge patch unless another content type is named. */
  patch(path: string, body: unknown, contentType: string = patches.merge): Promise<Answer> {
    return this.send("PATCH", path, body, { contentType });
  }

  /** Starts a watch. */
  async watch(path: string, query: Readonly<Record<string, string>> = {}, accept?: string): Promise<TestWatch> {
    const abort = new AbortController();
    const search = new URLSearchParams({ watch: "1", ...query });
    const response = await this.#fetch("GET", `${path}?${search.toString()}`, undefined, accept === undefined ? {} : { accept }, abort.signal);
    const watch = new TestWatch(response, abort);
    this.#watches.add(watch);
    return watch;
  }

  /** Ends all watches and connections. */
  async close(): Promise<void> {
    for (const watch of this.#watches) watch.stop();
    await this.#agent.destroy();
  }

  #fetch(method: string, path: string, body: unknown, { contentType = "application/json", accept = "application/json" }: Sending, signal: AbortSignal): Promise<Response> {
    const { token, url } = this.#connection;
    return fetch(`${url}${path}`, {
      method, signal, dispatcher: this.#agent,
      headers: { accept, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { "content-type": contentType }) },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  }
}

/** A running watch and what it has told. */
export class TestWatch {
  readonly code: number;
  readonly events: Json[] = [];
  readonly #abort: AbortController;
  #ended = false;
  /** What was told before it ended, if the answer is no stream of events. */
  #text = "";

  constructor(response: Response, abort: AbortController) {
    this.code = response.status;
    this.#abort = abort;
    void this.#read(response);
  }

  /** Whether the server ended it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What came of a line that was not finished. */
  get partial(): string {
    return this.#text;
  }

  /** `ADDED a`, `MODIFIED b`: types and names of the events so far, without bookmarks. */
  get told(): readonly string[] {
    return this.events.filter((event) => event["type"] !== "BOOKMARK").map((event) => `${text(event["type"])} ${text(record(record(event["object"])["metadata"])["name"])}`);
  }

  /** Waits until so much was told. */
  async tells(...expected: readonly string[]): Promise<void> {
    await until(`the watch tells ${expected.join(", ")}; it told ${this.told.join(", ")}`, () => this.told.length >= expected.length);
  }

  /** Waits for the server to end it. */
  async end(): Promise<void> {
    await until("the watch ends", () => this.#ended);
  }

  stop(): void {
    this.#abort.abort();
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        const bytes: unknown = chunk;
        if (!(bytes instanceof Uint8Array)) continue;
        const lines = (this.#text + decoder.decode(bytes, { stream: true })).split("\n");
        this.#text = lines.pop() ?? "";
        for (const line of lines) this.events.push(parse(line));
      }
    } catch {
      // Ended by the test or by a reset.
    }
    this.#ended = true;
  }
}

/** Connects to the cluster of a kubeconfig, with a namespace made for the test; both go when it ends. */
export async function kubeApi(t: TestContext, kubeconfig: string): Promise<KubeApi> {
  const api = new KubeApi(await readKubeconfig(kubeconfig), `test-${randomBytes(5).toString("hex")}`);
  await api.ok("POST", "/api/v1/namespaces", { metadata: { name: api.namespace } });
  t.after(async () => {
    await api.send("DELETE", `/api/v1/namespaces/${api.namespace}`);
    await api.close();
  });
  return api;
}

/** A pod with one container. */
export function simplePod(name: string, spec: object = {}, metadata: object = {}): object {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, ...metadata }, spec: { containers: [{ name: "main", image: "nginx:1.27" }], ...spec } };
}

/** The metadata of an answer. */
export function metaOf(object: Json): Json {
  return record(object["metadata"]);
}

/** Names of the items of a list, in its order. */
export function namesOf(list: Json): readonly string[] {
  return records(list["items"]).map((item) => text(metaOf(item)["name"]));
}

/** Code, reason and message of a refusal in one line. */
export function refusal({ code, body }: Answer): string {
  return `${code} ${text(body["reason"])}: ${text(body["message"])}`;
}

function parse(body: string): Json {
  try {
    return record(JSON.parse(body));
  } catch {
    return {};
  }
}
