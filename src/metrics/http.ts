/** The HTTP side: /metrics for Prometheus; /healthz, /livez and /readyz for Kubernetes; pages for people. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "../domain/log.ts";
import { messageOf } from "../domain/errors.ts";
import { close, htmlType, listen, refusal, send, urlOf } from "./serving.ts";
import type { Answer, Route } from "./serving.ts";

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
  /** What is served beside them, by path; "/" in place of a page that lists the others. */
  readonly pages?: ReadonlyMap<string, Route>;
  readonly log: Log;
}

/** A server that listens. */
export interface HttpServer {
  readonly port: number;
  /** Stops listening and ends what is open. */
  close(): Promise<void>;
}

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
  const routes = makeRoutes(options);
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 60_000, connectionsCheckingInterval: 2000 },
    (request, response) => void serve(routes, request, response, options.log),
  );
  server.maxConnections = options.maxConnections ?? defaultMaxConnections;
  // Who does not read its answer would keep others, health probes among them, from one of the connections.
  server.timeout = stalledMs;
  const port = await listen(server, options.addr);
  server.on("error", (error) => options.log.error({ error: messageOf(error) }, "HTTP server failed"));
  return { port, close: () => close(server) };
}

function makeRoutes(options: HttpOptions): ReadonlyMap<string, Route> {
  const render = shareWhilePending(() => options.metrics.render());
  const live: Route = (url) => health("livez", options.live, url.searchParams.has("verbose"));
  return new Map<string, Route>([
    ["/", () => ({ status: 200, body: indexPage, type: htmlType })],
    ["/metrics", async () => ({ status: 200, body: await render(), type: options.metrics.contentType })],
    ["/healthz", live],
    ["/livez", live],
    ["/readyz", (url) => health("readyz", options.ready, url.searchParams.has("verbose"))],
    ...(options.pages ?? []),
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

/** What is wrong with each, undefined if nothing is. A check that throws has failed. */
export function runChecks(checks: readonly Check[]): readonly { readonly name: string; readonly problem: string | undefined }[] {
  return checks.map((check) => ({ name: check.name, problem: run(check) }));
}

function health(name: string, checks: readonly Check[], verbose: boolean): Answer {
  const problems = runChecks(checks);
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
  const refused = refusal(request);
  if (refused) return refused;
  const url = urlOf(request);
  const found = url ? routes.get(url.pathname) : undefined;
  return url && found ? found(url) : { status: 404, body: "not found: see /\n" };
}
