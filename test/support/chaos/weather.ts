/** What an API server can be made to do to daemons: a built-in one does it itself, for a real one the ways to it do. */
import { ApiError } from "../../../src/embedded/index.ts";
import { FaultRules, type Faults, type FaultTarget, type Strike } from "../../../src/embedded/apiserver/faults.ts";
import type { Verb } from "../../../src/embedded/apiserver/request.ts";
import type { Proxy } from "./proxy.ts";

/** How it misbehaves. */
export interface Weather extends Pick<Faults, "add" | "stopServer" | "startServer"> {
  /** Breaks all watches off. Gives their number. */
  cutWatches(how: "reset" | "end"): number;
  /** Missing where history can not be forgotten on demand. */
  readonly expireHistory?: () => void;
}

const verbs: Readonly<Record<string, Verb>> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete", GET: "get" };
const head = /^(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP\/1\.1\r\n/;
const place = /\/namespaces\/[^/?]+\/([^/?]+)(?:\/([^/?]+))?(?:\/([^/?]+))?/;

/** The request that begins with this piece; undefined for the rest of one. */
export function requestIn(piece: string): FaultTarget | undefined {
  const [, method = "", path = ""] = head.exec(piece) ?? [];
  const verb = /[?&]watch=(1|true)\b/.test(path) ? "watch" : verbs[method];
  const [, resource = "", name = "", subresource = ""] = place.exec(path) ?? [];
  return verb && { verb, resource, name, subresource };
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

  /** @param random gives numbers from 0 to below 1 */
  constructor(random: () => number) {
    this.#rules = new FaultRules(random);
  }

  /** One more. */
  take(proxy: Proxy): void {
    this.#proxies.add(proxy);
  }

  /** What strikes a request. */
  strike(target: FaultTarget): Strike | undefined {
    return this.#rules.strike(target);
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
}
