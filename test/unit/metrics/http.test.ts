/** The HTTP side, over real connections. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { startHttpServer } from "../../../src/metrics/http.ts";
import type { Check, HttpServer } from "../../../src/metrics/http.ts";
import { parseListenAddress } from "../../../src/domain/listen-address.ts";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { until } from "../../support/until.ts";

interface Options {
  readonly live?: readonly Check[];
  readonly ready?: readonly Check[];
  readonly render?: () => Promise<string>;
}

async function start(t: TestContext, options: Options = {}): Promise<HttpServer> {
  const metrics = createMetrics({ process: false });
  const server = await startHttpServer({
    addr: "127.0.0.1:0",
    metrics: { contentType: metrics.contentType, render: options.render ?? (() => metrics.render()) },
    live: options.live ?? [],
    ready: options.ready ?? [],
    log: silentLog,
  });
  t.after(() => server.close());
  return server;
}

async function get(server: HttpServer, path: string, init: RequestInit = {}): Promise<{ status: number; body: string; headers: Headers }> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { ...init, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, body: await response.text(), headers: response.headers };
}

/** Sends bytes as they are, and gives all that comes back until the server closes. */
function raw(server: HttpServer, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket: Socket = connect(server.port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (data: Buffer) => (answer += data.toString()));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

test("/metrics serves the text format", async (t) => {
  const server = await start(t);
  const { status, body, headers } = await get(server, "/metrics");
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(body, /^# TYPE wsmand_leader gauge$/m);
  const head = await get(server, "/metrics", { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, ""]);
});

test("scrapes that come together share one rendering", async (t) => {
  let renderings = 0;
  let finish: (text: string) => void = () => {};
  const server = await start(t, {
    render: () => {
      renderings++;
      return new Promise((resolve) => (finish = resolve));
    },
  });
  const scrapes = Array.from({ length: 10 }, () => get(server, "/metrics"));
  await until("the first scrape to arrive", () => renderings === 1);
  await get(server, "/livez");
  finish("x 1\n");
  assert.deepEqual((await Promise.all(scrapes)).map(({ body }) => body), Array.from({ length: 10 }, () => "x 1\n"));
  assert.equal(renderings, 1);
  const later = get(server, "/metrics");
  await until("the later scrape to be rendered anew", () => renderings === 2);
  finish("x 2\n");
  assert.equal((await later).body, "x 2\n");
});

test("a rendering that fails is a 500, and the next one counts again", async (t) => {
  let fail = true;
  const server = await start(t, { render: () => (fail ? Promise.reject(new Error("secret")) : Promise.resolve("x 1\n")) });
  const failed = await get(server, "/metrics");
  assert.deepEqual([failed.status, failed.body], [500, "internal error\n"]);
  fail = false;
  assert.equal((await get(server, "/metrics")).body, "x 1\n");
});

test("/readyz tells which check fails, and follows the checks", async (t) => {
  let problem: string | undefined = "the first list has not come yet";
  const checks: Check[] = [{ name: "synced", check: () => problem }, { name: "workers", check: () => undefined }];
  const server = await start(t, { ready: checks });
  const failed = await get(server, "/readyz");
  assert.deepEqual([failed.status, failed.body], [503, "[-]synced failed: the first list has not come yet\n[+]workers ok\nreadyz check failed\n"]);
  problem = undefined;
  assert.deepEqual(await get(server, "/readyz").then(({ status, body }) => [status, body]), [200, "ok\n"]);
  assert.equal((await get(server, "/readyz?verbose")).body, "[+]synced ok\n[+]workers ok\nreadyz check passed\n");
  assert.equal((await get(server, "/livez")).status, 200);
});

test("/livez and /healthz follow the checks of life; a check that throws has failed", async (t) => {
  const server = await start(t, {
    live: [{ name: "loop", check: () => assert.fail("broken") }],
  });
  for (const path of ["/livez", "/healthz"]) {
    const { status, body } = await get(server, path);
    assert.equal(status, 503);
    assert.match(body, /\[-\]loop failed: broken/);
  }
  assert.equal((await get(server, "/readyz")).status, 200);
});

test("the page at / lists the others; nothing else is served", async (t) => {
  const server = await start(t);
  assert.match((await get(server, "/")).body, /href="\/metrics"/);
  for (const path of ["/nope", "/metrics/x", "//", "/__proto__"]) assert.equal((await get(server, path)).status, 404, path);
});

test("other methods, bodies, large headers and garbage are refused", async (t) => {
  const server = await start(t);
  const post = await get(server, "/metrics", { method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  assert.match(await raw(server, "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"), /^HTTP\/1\.1 413 /);
  assert.match(await raw(server, "GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), /^HTTP\/1\.1 413 /);
  assert.match(await raw(server, `GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(10_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await raw(server, "\x00\x01garbage\r\n\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(await raw(server, "GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 404 /);
  assert.equal((await get(server, "/metrics")).status, 200);
});

test("connections beyond the limit are refused, and room comes back", async (t) => {
  const server = await start(t);
  let refused = 0;
  const sockets = Array.from({ length: 140 }, () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => refused++);
    return socket;
  });
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await until("those beyond the limit to be refused", () => refused === 12);
  for (const socket of sockets) socket.destroy();
  await until("room for another", () => get(server, "/livez").then(({ status }) => status === 200, () => false));
});

test("close ends connections that are open", async (t) => {
  const server = await start(t);
  const socket = connect(server.port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await server.close();
  await closed;
});

test("an address that is taken, or none, is told at the start", async (t) => {
  const server = await start(t);
  const options = { metrics: createMetrics({ process: false }), live: [], ready: [], log: silentLog };
  await assert.rejects(startHttpServer({ ...options, addr: `127.0.0.1:${server.port}` }), /EADDRINUSE/);
  await assert.rejects(startHttpServer({ ...options, addr: "nope" }), /"nope" is not an address/);
});

test("addresses are read as Go reads them", () => {
  assert.deepEqual(parseListenAddress(":8080"), { host: undefined, port: 8080 });
  assert.deepEqual(parseListenAddress("localhost:0"), { host: "localhost", port: 0 });
  assert.deepEqual(parseListenAddress("127.0.0.1:9500"), { host: "127.0.0.1", port: 9500 });
  assert.deepEqual(parseListenAddress("[::1]:9500"), { host: "::1", port: 9500 });
  for (const text of ["", "8080", "localhost", "::1:80", "a:b", "a:70000", "a b:1", "[::1]", "a:-1", "a:1 "]) assert.equal(parseListenAddress(text), undefined, text);
});
