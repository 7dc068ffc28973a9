/** Reads a cluster, and changes nothing in it: objects, lists in pages, questions about rights. */
import { asObject, objectAt, objectsAt, parseObject, textAt, type JsonObject } from "../../../domain/json.ts";
import type { Clock } from "../../../domain/clock.ts";
import { failure, type KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";

/** What there is where something was looked for. */
export type Look = { readonly found: JsonObject } | "missing" | "forbidden";

/** Items of a page, and bytes of an answer: a pod may be 1.5 MiB, as a rule it is 20 kB. */
const pageSize = 100;
const maxPageBytes = 192 * 1024 * 1024;
/** A server that always has one more page does not keep us for ever. */
const maxPages = 10_000;
const bodyIdleMs = 30_000;
/** All that is asked for but names and labels. */
const asMetadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json";

/** A cluster, for looking. */
export class ClusterView {
  readonly #client: KubeClient;
  readonly #clock: Clock;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** An object. Rejects with a KubeError for all but 200, 403 and 404. */
  async look(path: string, signal: AbortSignal): Promise<Look> {
    return this.#look(path, "application/json", signal);
  }

  /** Whether an object is there, of which nothing else is read: for secrets. */
  async lookForName(path: string, signal: AbortSignal): Promise<Look> {
    return this.#look(path, asMetadata, signal);
  }

  /** All items of a list, page by page. Rejects with a KubeError. */
  async *pages(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): AsyncGenerator<readonly JsonObject[], void> {
    let token: string | undefined;
    for (let page = 0; page < maxPages; page++) {
      const bytes = await this.#client.getRaw(path, { signal, limit: maxPageBytes, query: { ...query, limit: String(pageSize), continue: token } });
      const list = asObject(JSON.parse(Buffer.from(bytes).toString("utf8")));
      yield objectsAt(list, "items");
      token = textAt(objectAt(list, "metadata"), "continue") || undefined;
      if (token === undefined) return;
    }
    throw new KubeError(`list of ${path} does not end`, { status: 0, reason: "Malformed" });
  }

  /** Asks something about the own rights. @param user whom the question is asked as. */
  async ask(path: string, body: object, signal: AbortSignal, user?: string): Promise<JsonObject> {
    const headers = { "content-type": "application/json", ...(user !== undefined && { "impersonate-user": user }) };
    const response = await this.#client.request({ method: "POST", path, headers, body: JSON.stringify(body), signal });
    if (response.status < 200 || response.status > 299) throw await failure(response, this.#clock);
    return parseObject(await response.body.bytes(1 << 20, bodyIdleMs)) ?? {};
  }

  async #look(path: string, accept: string, signal: AbortSignal): Promise<Look> {
    const response = await this.#client.request({ method: "GET", path, headers: { accept }, signal });
    if (response.status === 200) return { found: parseObject(await response.body.bytes(16 << 20, bodyIdleMs)) ?? {} };
    const error = await failure(response, this.#clock);
    if (error.status === 404) return "missing";
    if (error.status === 403) return "forbidden";
    throw error;
  }
}

/** Whether the API server does not allow it. */
export function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}

/** Path of something in a namespace. */
export function inNamespace(namespace: string, resource: string, name = "", group = ""): string {
  const root = group === "" ? "/api/v1" : `/apis/${group}/v1`;
  return `${root}/namespaces/${encodeURIComponent(namespace)}/${resource}${name === "" ? "" : `/${encodeURIComponent(name)}`}`;
}
