/** The HTTP side: /metrics for Prometheus; /healthz, /livez and /readyz for Kubernetes; a page that lists them. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "../domain/log.ts";
import { messageOf } from "../domain/errors.ts";
import { parseListenAddress } from "../domain/listen-address.ts";

/** A condition of health. */
export interface Check {
  readonly name: string;
  /** What is wrong, in words for people; undefined if all is well. */
  check(): string | undefined;
}

/** What the server serves. */
export interface HttpOptions {
  /** Connections at a time; more are closed at once. Default 128. */
  readonly maxConnections?: number;
  /** Like ":9500"; port 0 lets the system choose. */
  readonly addr: string;
  readonly metrics: { render(): Promise<string>; readonly contentType: string };
  /** All must pass for /livez and /healthz. */
  readonly live: readonly Check[];
  /** All must pass for /readyz. */
  readonly ready: readonly Check[];
  readonly log: Log;
}

/** A server that listens. */
export interface HttpServer {
  readonly port: number;
  /** Stops listening and ends what is open. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Route = (url: URL) => Answer | Promise<Answer>;

const defaultMaxConnections = 128;
/** A connection on which nothing moves for so long while an answer is under way is closed. */
const stalledMs = 5000;
const indexPage = `<!doctype html><html lang="en"><head><title>wsmand</title></head><body><h1>wsmand</h1><ul>
<li><a href="/metrics">/metrics</a></li><li><a href="/livez?verbose">/livez</a></li><li><a href="/readyz?verbose">/readyz</a></li><li><a href="/healthz?verbose">/healthz</a></li>
</ul></body></html>
`;

/**
 * Starts the server. Connections beyond 128 are refused, headers beyond 8 KiB answered with 431, requests with a body with 413;
 * headers must be there within 5 s, and an answer that is not read for 5 s is broken off. Scrapes that come while one is being rendered share its result.
 * @throws Error if the address is none, or can not be bound.
 */
export async function startHttpServer(options: HttpOptions): Promise<HttpServer> {
  const address = parseListenAddress(options.addr);
  if (!address) throw new Error(`${JSON.stringify(options.addr)} is not an address to listen on: give host:port or :port`);
  const routes = makeRoutes(options);
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 60_000, connectionsCheckingInterval: 2000 },
    (request, response) => void serve(routes, request, response, options.log),
  );
  server.maxConnections = options.maxConnections ?? defaultMaxConnections;
  // Who does not read its answer would keep others, health probes among them, from one of the connections.
  server.timeout = stalledMs;
  const port = await listen(server, address.host, address.port);
  server.on("error", (error) => options.log.error({ error: messageOf(error) }, "HTTP server failed"));
  return { port, close: () => close(server) };
}

function listen(server: Server, host: string | undefined, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", reject);
      const bound: AddressInfo | string | null = server.address();
      resolve(typeof bound === "object" && bound ? bound.port : port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function makeRoutes(options: HttpOptions): ReadonlyMap<string, Route> {
  const render = shareWhilePending(() => options.metrics.render());
  const live: Route = (url) => health("livez", options.live, url.searchParams.has("verbose"));
  return new Map<string, Route>([
    ["/", () => ({ status: 200, body: indexPage, type: "text/html; charset=utf-8" })],
    ["/metrics", async () => ({ status: 200, body: await render(), type: options.metrics.contentType })],
    ["/healthz", live],
    ["/livez", live],
    ["/readyz", (url) => health("readyz", options.ready, url.searchParams.has("verbose"))],
  ]);
}

/** While a call is under way, further callers get its result. */
function shareWhilePending(work: () => Promise<string>): () => Promise<string> {
  let pending: Promise<string> | undefined;
  return () => {
    pending ??= work().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

function health(name: string, checks: readonly Check[], verbose: boolean): Answer {
  const problems = checks.map((check) => ({ name: check.name, problem: run(check) }));
  const failed = problems.some(({ problem }) => problem !== undefined);
  const lines = problems.map(({ name, problem }) => (problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`));
  const body = failed || verbose ? `${[...lines, `${name} check ${failed ? "failed" : "passed"}`].join("\n")}\n` : "ok\n";
  return { status: failed ? 503 : 200, body };
}

function run(check: Check): string | undefined {
  try {
    return check.check();
  } catch (error) {
    return messageOf(error);
  }
}

async function serve(routes: ReadonlyMap<string, Route>, request: IncomingMessage, response: ServerResponse, log: Log): Promise<void> {
  let answer: Answer;
  try {
    answer = await route(routes, request);
  } catch (error) {
    log.error({ error: messageOf(error), url: request.url }, "HTTP request failed");
    answer = { status: 500, body: "internal error\n" };
  }
  send(request, response, answer);
}

function route(routes: ReadonlyMap<string, Route>, request: IncomingMessage): Answer | Promise<Answer> {
  if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, body: "only GET and HEAD are served\n", headers: { allow: "GET, HEAD" } };
  if (hasBody(request)) return { status: 413, body: "requests have no body here\n" };
  const url = URL.parse(request.url ?? "/", "http://localhost");
  const found = url ? routes.get(url.pathname) : undefined;
  return url && found ? found(url) : { status: 404, body: "not found: see /\n" };
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const unread = hasBody(request);
  response.writeHead(answer.status, {
    "content-type": answer.type ?? "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(unread ? { connection: "close" } : {}),
    ...answer.headers,
  });
  response.end(request.method === "HEAD" ? undefined : answer.body, () => {
    if (unread) request.destroy();
  });
}
