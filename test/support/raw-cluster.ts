/** An API server that hands out pods as raw bytes: what no sound API server would send, a daemon must bear all the same. */
import { workspaceSelector } from "../../src/domain/names.ts";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { kubeconfigOf } from "../../src/embedded/apiserver/kubeconfig.ts";

/** A change as a watch tells it. */
interface Change {
  readonly resourceVersion: number;
  readonly line: string | Uint8Array;
}

/** One cluster with one namespace of pods; Events it has none. */
export class RawCluster {
  /** Headers of the answers to watches of pods. */
  watchHeaders: Readonly<Record<string, string>> = { "content-type": "application/json" };
  /** Writes a line of a watch; replaced by tests that cut lines up. */
  deliver: (response: ServerResponse, line: string | Uint8Array) => void = (response, line) => void response.write(line);
  /** Lists of pods that were asked for. */
  lists = 0;
  /** Single pods that were asked for. */
  gets = 0;
  /** Watches of pods that were ever opened. */
  watched = 0;
  /** The bearer token that requests must bring; undefined: none. */
  token: string | undefined;
  /** Delays the answers to requests for single pods, milliseconds. */
  getDelayMs = 0;
  readonly #server: Server;
  readonly #pods = new Map<string, string>();
  readonly #history: Change[] = [];
  readonly #watches = new Set<ServerResponse>();
  #resourceVersion = 1;
  #forgotten = 0;
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** Listens on a free port of the loopback interface, after a stop on the same. */
  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    this.#port = address.port;
    return this;
  }

  kubeconfig(): string {
    return kubeconfigOf({ url: `http://127.0.0.1:${this.#port}`, namespace: "default", token: this.token });
  }

  /** Watches of pods that are open. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Most bytes that wait for a watcher to read them. */
  get pending(): number {
    return Math.max(0, ...[...this.#watches].map((watch) => watch.writableLength));
  }

  /** The resourceVersion of the next change. */
  next(): string {
    return String(++this.#resourceVersion);
  }

  /** A pod is there, or has changed: its JSON, with the latest resourceVersion from `next`. */
  put(name: string, json: string): void {
    const type = this.#pods.has(name) ? "MODIFIED" : "ADDED";
    this.#pods.set(name, json);
    this.tell(`{"type":"${type}","object":${json}}\n`);
  }

  /** A pod is gone. */
  remove(name: string, json: string): void {
    this.#pods.delete(name);
    this.tell(`{"type":"DELETED","object":${json}}\n`);
  }

  /** A line (with its line break) for all watches, now and when they start from before the latest resourceVersion. */
  tell(line: string | Uint8Array): void {
    this.#history.push({ resourceVersion: this.#resourceVersion, line });
    for (const watch of this.#watches) this.deliver(watch, line);
  }

  /** Bytes for the open watches only; they are not sent again to later ones. */
  inject(bytes: string | Uint8Array): void {
    for (const watch of this.#watches) watch.write(bytes);
  }

  /** Ends the open watches: in order, or by a reset. */
  cut(how: "end" | "reset"): void {
    for (const watch of this.#watches) {
      if (how === "end") watch.end();
      else watch.socket?.resetAndDestroy();
    }
  }

  /** Forgets the changes so far: who wants to go on from before them is told that they have expired. */
  forget(): void {
    this.#history.length = 0;
    this.#forgotten = this.#resourceVersion;
  }

  /** Goes away: breaks all connections and listens no more. Idempotent. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://server");
    const [, , , , , kind, name] = url.pathname.split("/");
    const selector = url.searchParams.get("labelSelector");
    // Of other pods than workspaces' there are none.
    const resource = kind === "pods" && selector !== null && selector !== workspaceSelector ? "other pods" : kind;
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401, { "content-type": "application/json" });
      response.end('{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}');
      return;
    }
    if (url.searchParams.has("watch")) this.#watch(resource, Number(url.searchParams.get("resourceVersion")), response);
    else if (name !== undefined) void this.#get(decodeURIComponent(name), response);
    else this.#list(resource, response);
  }

  #watch(resource: string | undefined, since: number, response: ServerResponse): void {
    const pods = resource === "pods";
    if (pods && since < this.#forgotten) {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}\n');
      return;
    }
    response.writeHead(200, pods ? this.watchHeaders : { "content-type": "application/json" });
    response.flushHeaders();
    response.on("error", () => undefined);
    if (!pods) return;
    this.watched++;
    this.#watches.add(response);
    response.once("close", () => this.#watches.delete(response));
    for (const change of this.#history) if (change.resourceVersion > since) this.deliver(response, change.line);
  }

  async #get(name: string, response: ServerResponse): Promise<void> {
    this.gets++;
    await pause(this.getDelayMs);
    const json = this.#pods.get(name);
    response.writeHead(json === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(json ?? '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}');
  }

  #list(resource: string | undefined, response: ServerResponse): void {
    if (resource === "pods") this.lists++;
    const items = resource === "pods" ? [...this.#pods.values()] : [];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(`{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"${this.#resourceVersion}"},"items":[${items.join(",")}]}`);
  }
}
