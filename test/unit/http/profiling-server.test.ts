/** The server of profiles, over real connections and on real threads: who is given what, and what comes opens in DevTools. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { get, request as plainRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { get as tlsGet } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import { asObject, objectAt, objectsAt, stringAt, type JsonObject } from "../../../src/domain/json.ts";
import { systemClock } from "../../../src/domain/clock.ts";
import { silentLog, type Log } from "../../../src/domain/log.ts";
import { profiledThreads } from "../../../src/main/http/profiled-threads.ts";
import { startProfilingServer, type ProfilingOptions } from "../../../src/main/http/profiling-server.ts";
import type { HttpServer } from "../../../src/metrics/http.ts";
import { createAuthority, type CertificatePair } from "../../support/certs.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { linkTlsFiles } from "../../support/tls.ts";
import { until } from "../../support/until.ts";

interface Told {
  readonly log: Log;
  readonly lines: string[];
}

function told(): Told {
  const lines: string[] = [];
  const keep = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { lines, log: { ...silentLog, info: keep, warn: keep, error: keep } };
}

async function start(t: TestContext, options: Partial<ProfilingOptions> = {}, workers: readonly Worker[] = []): Promise<Told & { readonly server: HttpServer }> {
  const { log, lines } = told();
  const server = await startProfilingServer({ addr: "127.0.0.1:0", tls: undefined, heapSnapshots: false, ...options }, { threads: () => profiledThreads(workers), clock: systemClock, log });
  t.after(() => server.close());
  return { server, log, lines };
}

interface Got {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** One request on a connection of its own. */
function ask(server: HttpServer, path: string, options: RequestOptions & { readonly tls?: { readonly ca: string; readonly own?: CertificatePair } } = {}): Promise<Got> {
  const { tls, ...rest } = options;
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on("error", reject);
    };
    const where = { host: "127.0.0.1", port: server.port, path, agent: false, ...rest };
    const sent = tls ? tlsGet({ ...where, ca: tls.ca, ...(tls.own && { cert: tls.own.crt, key: tls.own.key }) }, take) : get(where, take);
    sent.on("error", reject);
  });
}

function jsonOf({ status, body }: Got): JsonObject {
  assert.equal(status, 200, body);
  const value: unknown = JSON.parse(body);
  const object = asObject(value);
  assert.ok(object);
  return object;
}

/** Something with a name of its own that takes time, and keeps what it makes. */
function busyLoop(): { readonly kept: unknown[]; stop(): void } {
  const kept: unknown[] = [];
  const timer = setInterval(function burnsTimeInHere() {
    const end = performance.now() + 5;
    while (performance.now() < end) kept.push(Array.from({ length: 100 }, (_, i) => ({ i })));
    if (kept.length > 20_000) kept.length = 0;
  }, 6);
  return { kept, stop: () => clearInterval(timer) };
}

/** Names of functions of a CPU profile. */
function functionsOf(profile: JsonObject): readonly string[] {
  assert.equal(typeof profile["startTime"], "number");
  assert.ok(Array.isArray(profile["samples"]) && Array.isArray(profile["timeDeltas"]) && profile["samples"].length === profile["timeDeltas"].length);
  return objectsAt(profile, "nodes").map((node) => stringAt(objectAt(node, "callFrame"), "functionName") ?? "");
}

/** Names of functions of a sampled heap. */
function allocatorsOf(profile: JsonObject): readonly string[] {
  const names: string[] = [];
  const walk = (node: JsonObject | undefined): void => {
    names.push(stringAt(objectAt(node, "callFrame"), "functionName") ?? "");
    objectsAt(node, "children").forEach(walk);
  };
  walk(objectAt(profile, "head"));
  return names;
}

test("a CPU profile of the main thread names the functions that took its time, as a file for DevTools", async (t) => {
  const { server, lines } = await start(t);
  const busy = busyLoop();
  t.after(() => busy.stop());
  const got = await ask(server, "/debug/pprof/profile?seconds=0.5");
  assert.ok(functionsOf(jsonOf(got)).includes("burnsTimeInHere"));
  assert.match(got.headers["content-disposition"] ?? "", /^attachment; filename="wsmand-main-\d{8}T\d{6}Z\.cpuprofile"$/);
  assert.equal(got.headers["cache-control"], "no-store");
  assert.ok(lines.some((line) => line.includes("a profile was taken") && line.includes('"thread":"main"')), lines.join("\n"));
});

test("sampled heaps of the main thread name who keeps, and who allocates", async (t) => {
  const { server } = await start(t);
  const busy = busyLoop();
  t.after(() => busy.stop());
  const heap = await ask(server, "/debug/pprof/heap?seconds=0.5&thread=main");
  assert.ok(allocatorsOf(jsonOf(heap)).includes("burnsTimeInHere"));
  assert.match(heap.headers["content-disposition"] ?? "", /\.heapprofile"$/);
  assert.ok(allocatorsOf(jsonOf(await ask(server, "/debug/pprof/allocs?seconds=0.5"))).includes("burnsTimeInHere"));
});

test("workers are profiled the same, at work and while they wait as the pool's do; one that ends gives none", async (t) => {
  const working = new Worker("setInterval(function worksInHere() { const end = performance.now() + 5; globalThis.kept = []; while (performance.now() < end) globalThis.kept = [{}]; }, 20);", { eval: true });
  const waiting = new Worker("const memory = new Int32Array(new SharedArrayBuffer(4)); for (;;) Atomics.wait(memory, 0, 0);", { eval: true });
  t.after(() => Promise.all([working.terminate(), waiting.terminate()]));
  await Promise.all([working, waiting].map((worker) => new Promise((resolve) => worker.once("online", resolve))));
  const { server } = await start(t, { heapSnapshots: true }, [working, waiting]);
  assert.ok(functionsOf(jsonOf(await ask(server, "/debug/pprof/profile?seconds=0.5&thread=worker-0"))).includes("worksInHere"));
  assert.ok(functionsOf(jsonOf(await ask(server, "/debug/pprof/profile?seconds=0.2&thread=worker-1"))).length > 0);
  assert.ok(allocatorsOf(jsonOf(await ask(server, "/debug/pprof/heap?seconds=0.3&thread=worker-0"))).length > 0);
  assert.ok(objectAt(jsonOf(await ask(server, "/debug/pprof/snapshot?thread=worker-1")), "snapshot"));
  const ended = ask(server, "/debug/pprof/profile?seconds=1&thread=worker-0");
  await until("it is being taken", async () => (await ask(server, "/debug/pprof/profile?seconds=1")).status === 409);
  await working.terminate();
  assert.equal((await ended).status, 503);
});

test("one profile is taken at a time; others are told when", async (t) => {
  const { server } = await start(t);
  const first = ask(server, "/debug/pprof/profile?seconds=1");
  let second = await ask(server, "/debug/pprof/heap?seconds=0.01");
  await until("one has come before the other", async () => {
    second = await ask(server, "/debug/pprof/heap?seconds=0.01");
    return second.status === 409;
  });
  assert.equal(second.headers["retry-after"], "1");
  assert.match(second.body, /another profile is being taken/);
  assert.equal((await first).status, 200);
  assert.equal((await ask(server, "/debug/pprof/profile?seconds=0.01")).status, 200);
});

test("a client that goes away takes its profile along", async (t) => {
  const { server, lines } = await start(t);
  const sent = plainRequest({ host: "127.0.0.1", port: server.port, path: "/debug/pprof/profile?seconds=300", agent: false });
  sent.on("error", () => {});
  sent.end();
  await until("it is being taken", () => lines.some((line) => line.includes("is asked for")));
  sent.destroy();
  await until("it is given up", () => lines.some((line) => line.includes("given up")));
  assert.equal((await ask(server, "/debug/pprof/profile?seconds=0.01")).status, 200);
});

test("the end of the server does not wait for a profile", async (t) => {
  const { server, lines } = await start(t);
  const cut = assert.rejects(ask(server, "/debug/pprof/profile?seconds=300"));
  await until("it is being taken", () => lines.some((line) => line.includes("is asked for")));
  await server.close();
  await cut;
});

test("the end of the server does not wait for a client that connects and never begins with TLS", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-profiling-"));
  t.after(() => rm(folder, { recursive: true }));
  const authority = await createAuthority("first");
  const { server } = await start(t, { tls: await linkTlsFiles(folder, { ca: authority.crt, server: await authority.issue("server", { usage: "server" }) }) });
  const own = await authority.issue("client", { usage: "client" });
  const silent = connect({ host: "127.0.0.1", port: server.port });
  t.after(() => silent.destroy());
  const cut = new Promise((resolve) => silent.once("close", resolve).on("error", () => {}));
  // Whoever comes after it shows that it was let in.
  assert.equal((await ask(server, "/debug/pprof/", { tls: { ca: authority.crt, own } })).status, 200);
  const from = performance.now();
  await server.close();
  // A handshake may take 5 s.
  assert.ok(performance.now() - from < 3000, `${performance.now() - from} ms`);
  await cut;
});

test("what is asked for wrongly is refused, and says what was wrong", async (t) => {
  const { server } = await start(t);
  const wrong: readonly (readonly [string, number, RegExp])[] = [
    ["profile?seconds=0", 400, /^seconds: must be a number above 0 and up to 300, got "0"/], ["profile?seconds=301", 400, /^seconds: /], ["profile?seconds=-1", 400, /^seconds: /], ["profile?seconds=1e2", 400, /^seconds: /],
    ["profile?seconds=", 400, /^seconds: /], ["profile?seconds=Infinity", 400, /^seconds: /], ["profile?seconds=1&seconds=2", 400, /^seconds: is given more than once/], ["heap?second=1", 400, /^unknown parameter "second"; there are thread, seconds/],
    ["snapshot?seconds=1", 400, /^unknown parameter "seconds"; there is thread/], ["profile?thread=worker-9&seconds=1", 404, /^thread: there is none of that name; there are main$/m], ["goroutine", 404, /^not found: see \/debug\/pprof\//], ["profile/", 404, /^not found/],
  ];
  for (const [path, status, message] of wrong) {
    const got = await ask(server, `/debug/pprof/${path}`);
    assert.equal(got.status, status, path);
    assert.match(got.body, message);
  }
  for (const method of ["POST", "HEAD", "PUT"]) assert.equal((await ask(server, "/debug/pprof/profile", { method })).status, 405, method);
});

test("full snapshots are given where they are switched on, and noted in the log", async (t) => {
  const off = await start(t);
  const refused = await ask(off.server, "/debug/pprof/snapshot");
  assert.equal(refused.status, 403);
  assert.match(refused.body, /wsmand\.profiling\.heapSnapshots/);
  assert.match((await ask(off.server, "/debug/pprof/")).body, /Off: wsmand\.profiling\.heapSnapshots is false/);
  const on = await start(t, { heapSnapshots: true });
  const got = await ask(on.server, "/debug/pprof/snapshot");
  assert.ok(objectAt(jsonOf(got), "snapshot"));
  assert.match(got.headers["content-disposition"] ?? "", /\.heapsnapshot"$/);
  assert.ok(on.lines.some((line) => line.includes("it holds secrets")), on.lines.join("\n"));
});

test("the index lists what there is for each thread, and loads nothing", async (t) => {
  const { server } = await start(t);
  for (const path of ["/", "/debug/pprof", "/debug/pprof/"]) {
    const { body, headers } = await ask(server, path);
    assert.match(body, /href="\/debug\/pprof\/profile\?thread=main&#38;seconds=30"/);
    assert.match(String(headers["content-security-policy"]), /^default-src 'none'; style-src 'sha256-/);
  }
});

test("other sites' pages are given nothing, by whatever name they ask", async (t) => {
  const { server } = await start(t);
  for (const host of ["evil.example", "evil.example:6060", "127.0.0.1.evil.example", "localhost.evil.example"]) assert.equal((await ask(server, "/debug/pprof/", { headers: { host } })).status, 403, host);
  for (const site of ["cross-site", "same-site"]) assert.equal((await ask(server, "/debug/pprof/", { headers: { "sec-fetch-site": site } })).status, 403, site);
  for (const host of ["localhost:6060", "127.0.0.1", "[::1]:6060", "10.1.2.3:80"]) assert.equal((await ask(server, "/debug/pprof/", { headers: { host, "sec-fetch-site": "none" } })).status, 200, host);
});

test("an address that others can reach is not listened on without certificates; one that is taken is told", async (t) => {
  const { server } = await start(t);
  const parts = { threads: () => profiledThreads([]), clock: systemClock, log: silentLog };
  for (const addr of [":0", "0.0.0.0:0", "[::]:0", "profiles.example:0", "nonsense"]) await assert.rejects(startProfilingServer({ addr, tls: undefined, heapSnapshots: false }, parts), /pprof\.addr/, addr);
  await assert.rejects(startProfilingServer({ addr: `127.0.0.1:${server.port}`, tls: undefined, heapSnapshots: false }, parts), /EADDRINUSE/);
});

test("with TLS clients need a certificate of the authority; certificates are read again when they change", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-profiling-"));
  t.after(() => rm(folder, { recursive: true }));
  const [first, second] = [await createAuthority("first"), await createAuthority("second")];
  const tls = await linkTlsFiles(folder, { ca: first.crt, server: await first.issue("server", { usage: "server" }) });
  const clock = new FakeClock(Date.now());
  const { log, lines } = told();
  const server = await startProfilingServer({ addr: "0.0.0.0:0", tls, heapSnapshots: false }, { threads: () => profiledThreads([]), clock, log });
  t.after(() => server.close());
  const [own, stranger] = [await first.issue("client", { usage: "client" }), await second.issue("client", { usage: "client" })];
  const index = (ca: string, pair?: CertificatePair): Promise<Got> => ask(server, "/debug/pprof/", { tls: { ca, ...(pair && { own: pair }) } });
  assert.equal((await index(first.crt, own)).status, 200);
  await assert.rejects(index(first.crt));
  await assert.rejects(index(first.crt, stranger));
  await assert.rejects(ask(server, "/debug/pprof/"), "plaintext");
  await linkTlsFiles(folder, { ca: second.crt, server: await second.issue("server", { usage: "server" }) });
  clock.advance(10_000);
  await until("the certificates are read again", () => lines.some((line) => line.includes("read again")));
  assert.equal((await index(second.crt, stranger)).status, 200);
  await assert.rejects(index(second.crt, own));
});
