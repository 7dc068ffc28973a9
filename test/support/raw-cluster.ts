/** An API server that hands out pods as raw bytes: what no sound API server would send, a daemon must bear all the same. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
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
  readonly #server: Server;
  readonly #pods = new Map<string, string>();
  readonly #history: Change[] = [];
  readonly #watches = new Set<ServerResponse>();
  #resourceVersion = 1;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** Listens on a free port of the loopback interface. */
  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  kubeconfig(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return kubeconfigOf({ url: `http://127.0.0.1:${address.port}`, namespace: "default", token: undefined, ca: undefined });
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

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://server");
    const [, , , , , resource, name] = url.pathname.split("/");
    if (url.searchParams.has("watch")) this.#watch(resource, Number(url.searchParams.get("resourceVersion")), response);
    else if (name !== undefined) this.#get(decodeURIComponent(name), response);
    else this.#list(resource, response);
  }

  #watch(resource: string | undefined, since: number, response: ServerResponse): void {
    const pods = resource === "pods";
    response.writeHead(200, pods ? this.watchHeaders : { "content-type": "application/json" });
    response.flushHeaders();
    response.on("error", () => undefined);
    if (!pods) return;
    this.#watches.add(response);
    response.once("close", () => this.#watches.delete(response));
    for (const change of this.#history) if (change.resourceVersion > since) this.deliver(response, change.line);
  }

  #get(name: string, response: ServerResponse): void {
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
