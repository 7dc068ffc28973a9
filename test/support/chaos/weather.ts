/** What an API server can be made to do to daemons: a built-in one does it itself, for a real one the ways to it do. */
import { ApiError } from "../../../src/embedded/index.ts";
import { FaultRules, type Faults, type FaultTarget, type Strike } from "../../../src/embedded/apiserver/faults.ts";
import type { Verb } from "../../../src/embedded/apiserver/request.ts";
import type { Proxy } from "./proxy.ts";

/** How it misbehaves. */
export interface Weather extends Pick<Faults, "add" | "stopServer" | "startServer"> {
  /** Breaks all watches off. Gives their number. */
  cutWatches(how: "reset" | "end"): number;
  /** Forgets what happened before: watches that would go on from there are told 410. */
  expireHistory(): void | Promise<void>;
}

const verbs: Readonly<Record<string, Verb>> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete", GET: "get" };
const head = /^(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP\/1\.1\r\n/;
const place = /\/namespaces\/[^/?]+\/([^/?]+)(?:\/([^/?]+))?(?:\/([^/?]+))?/;

/** A request on its way. */
export interface Passing extends FaultTarget {
  /** The resourceVersion that a watch goes on from; 0 for another request, and for one that names none. */
  readonly from: number;
}

/** The request that begins with this piece; undefined for the rest of one. */
export function requestIn(piece: string): Passing | undefined {
  const [, method = "", path = ""] = head.exec(piece) ?? [];
  const verb = /[?&]watch=(1|true)\b/.test(path) ? "watch" : verbs[method];
  const [, resource = "", name = "", subresource = ""] = place.exec(path) ?? [];
  const from = verb === "watch" ? Number(/[?&]resourceVersion=(\d+)/.exec(path)?.[1] ?? 0) : 0;
  return verb && { verb, resource, name, subresource, from };
}

/** A refusal as the whole answer of a connection. */
export function answerOf(error: ApiError): string {
  const body = JSON.stringify(error.status());
  const wait = error.details?.retryAfterSeconds;
  const headers = ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`, "connection: close", ...(wait === undefined ? [] : [`retry-after: ${wait}`])];
  return `HTTP/1.1 ${error.code} ${error.reason || "Refused"}\r\n${headers.join("\r\n")}\r\n\r\n${body}`;
}

/** The ways of all daemons to a real API server. */
export class Ways implements Weather {
  readonly #rules: FaultRules;
  readonly #proxies = new Set<Proxy>();
  readonly #newest: () => Promise<number>;
  #forgotten = 0;

  /** @param random gives numbers from 0 to below 1 @param newest gives the API server's newest resourceVersion */
  constructor(random: () => number, newest: () => Promise<number>) {
    this.#rules = new FaultRules(random);
    this.#newest = newest;
  }

  /** One more. */
  take(proxy: Proxy): void {
    this.#proxies.add(proxy);
  }

  /** What strikes a request. */
  strike(request: Passing): Strike | undefined {
    if (request.from > 0 && request.from < this.#forgotten) return { delayMs: 0, error: new ApiError(410, "Expired", `too old resource version: ${request.from} (${this.#forgotten})`), resetAfterBytes: undefined };
    return this.#rules.strike(request);
  }

  add(rule: Parameters<Faults["add"]>[0]): () => void {
    return this.#rules.add(rule);
  }

  async stopServer(): Promise<void> {
    for (const proxy of this.#proxies) proxy.cut();
  }

  async startServer(): Promise<void> {
    for (const proxy of this.#proxies) proxy.mend();
  }

  cutWatches(): number {
    return [...this.#proxies].reduce((sum, proxy) => sum + proxy.cutWatches(), 0);
  }

  /** The API server knows it still, but nobody gets at it. */
  async expireHistory(): Promise<void> {
    this.#forgotten = await this.#newest();
  }
}
