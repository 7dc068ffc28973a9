/** The server as a whole: health, reflection, addresses, its end. */
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http2";
import { createServer } from "node:net";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { systemClock } from "../../../src/domain/clock.ts";
import { WsmanError } from "../../../src/domain/errors.ts";
import { silentLog } from "../../../src/domain/log.ts";
import { startRpcServer } from "../../../src/main/rpc/server.ts";
import type { RpcServer } from "../../../src/main/rpc/server.ts";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { connectHttp2, wireMessage } from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";
import { FakeHub, FakeReader, frameOf, noSteering, startHarness } from "./helpers.ts";
import type { Harness } from "./helpers.ts";

const serving = 1;
const notServing = 2;
const serviceUnknown = 3;

/** What does not end by itself would take this time, milliseconds, and then the test has failed: however slow the machine is, it is not taken for what ends. */
const tooLong = 600_000;
const patiently = { timeout: 60_000 };

/** HealthCheckRequest.service. */
function healthRequest(service: string): Buffer {
  return Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
}

/** HealthCheckResponse.status. */
function healthOf(response: Buffer): number {
  return response[0] === 0x08 ? (response[1] ?? 0) : 0;
}

async function health(harness: Harness, service = ""): Promise<number> {
  return healthOf((await harness.client.unary("/grpc.health.v1.Health/Check", healthRequest(service))).response);
}

test("health is NOT_SERVING until told, for the server and the service", async (t) => {
  const harness = await startHarness(t);
  for (const expected of [notServing, serving, notServing]) {
    if (expected === serving) harness.server.setServing(true);
    for (const service of ["", "wsman.WorkspaceManager", "registryfacade.SpecProvider"]) assert.equal(await health(harness, service), expected);
    if (expected === serving) harness.server.setServing(false);
  }
  assert.equal((await harness.client.unary("/grpc.health.v1.Health/Check", healthRequest("nope"))).code, status.NOT_FOUND);
});

test("health tells of all services at once", async (t) => {
  const harness = await startHarness(t);
  harness.server.setServing(true);
  const entries = ["", "wsman.WorkspaceManager", "registryfacade.SpecProvider"].map((name) => Buffer.concat([Buffer.from([0x0a, name.length + 6, 0x0a, name.length]), Buffer.from(name), Buffer.from([0x12, 2, 0x08, serving])]));
  assert.deepEqual((await harness.client.unary("/grpc.health.v1.Health/List", Buffer.alloc(0))).response, Buffer.concat(entries));
});

test("health refuses what is no request, and skips what it does not know", async (t) => {
  const harness = await startHarness(t);
  const cut = Buffer.from([0x0a, 20, 0x61]);
  assert.equal((await harness.client.unary("/grpc.health.v1.Health/Check", cut)).code, status.INVALID_ARGUMENT);
  assert.equal((await harness.client.stream("/grpc.health.v1.Health/Watch", cut).read().status).code, status.INVALID_ARGUMENT);
  const { response } = await harness.client.unary("/grpc.health.v1.Health/Check", Buffer.concat([Buffer.from([0x10, 1]), healthRequest("wsman.WorkspaceManager")]));
  assert.equal(healthOf(response), notServing);
});

test("health watches are told of every change, and end with the server", async (t) => {
  const harness = await startHarness(t);
  const watch = harness.client.stream("/grpc.health.v1.Health/Watch", healthRequest("wsman.WorkspaceManager")).read();
  const unknown = harness.client.stream("/grpc.health.v1.Health/Watch", healthRequest("toString")).read();
  await until("the first answers", () => watch.messages.length === 1 && unknown.messages.length === 1);
  for (let i = 0; i < 2; i++) harness.server.setServing(true);
  await until("the change", () => watch.messages.length === 2);
  harness.server.setServing(false);
  await until("the change", () => watch.messages.length === 3);
  await harness.server.close(5000);
  assert.equal((await watch.status).code, status.UNAVAILABLE);
  assert.equal((await unknown.status).code, status.UNAVAILABLE);
  assert.deepEqual(watch.messages.map(healthOf), [notServing, serving, notServing]);
  assert.deepEqual(unknown.messages.map(healthOf), [serviceUnknown]);
});

test("a health watch whose request comes after the end has begun ends at once, and holds up nothing", patiently, async (t) => {
  const harness = await startHarness(t, { clock: new FakeClock() });
  const session = connectHttp2(harness.server.port);
  t.after(() => session.destroy());
  const request = (method: string) => session.request({ ":method": "POST", ":path": `/grpc.health.v1.Health/${method}`, "content-type": "application/grpc", te: "trailers" });
  const late = request("Watch");
  let told = "";
  late.on("trailers", (trailers: IncomingHttpHeaders) => void (told = String(trailers["grpc-status"])));
  late.on("error", () => {});
  late.resume();
  const check = request("Check");
  check.end(wireMessage(healthRequest("")));
  check.resume();
  await until("what came after it is answered", () => check.closed);
  const closed = harness.server.close(tooLong);
  late.end(wireMessage(healthRequest("")));
  await closed;
  assert.equal(told, String(status.UNAVAILABLE));
});

for (const version of ["v1", "v1alpha"]) {
  test(`reflection (${version}) refuses what is no request`, async (t) => {
    const { client } = await startHarness(t);
    const stream = client.stream(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, Buffer.from([0x0f])).read();
    assert.equal((await stream.status).code, status.INVALID_ARGUMENT);
  });

  test(`reflection (${version}) lists the services and describes them`, async (t) => {
    const { client } = await startHarness(t);
    const method = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const ask = async (field: number, text: string): Promise<string> => {
      const stream = client.stream(method, Buffer.concat([Buffer.from([(field << 3) | 2, text.length]), Buffer.from(text)])).read();
      assert.equal((await stream.status).code, status.OK);
      return Buffer.concat(stream.messages).toString("latin1");
    };
    const listed = await ask(7, "*");
    assert.match(listed, /wsman\.WorkspaceManager/);
    assert.match(listed, /registryfacade\.SpecProvider/);
    assert.match(listed, /grpc\.health\.v1\.Health/);
    const described = await ask(4, "wsman.WorkspaceManager");
    assert.match(described, /SubscribeResponse/);
    assert.match(described, /WorkspaceInitializer/, "the files it depends on come along");
    assert.match(await ask(4, "registryfacade.SpecProvider"), /RemoteContentLayer/);
    assert.match(await ask(4, "__proto__"), /./s);
    assert.match(await ask(4, "no.such.Symbol"), /Symbol not found/);
  });
}

async function start(addr: string): Promise<RpcServer> {
  return startRpcServer({ addr }, { reader: new FakeReader(), hub: new FakeHub(), steering: noSteering, classes: [], metrics: createMetrics({ process: false }).rpc, clock: systemClock, log: silentLog });
}

test("an address that is none, and one that is taken, are told when the server starts", async (t) => {
  await assert.rejects(start("localhost"), /"localhost" is not an address to listen on/);
  await assert.rejects(start("127.0.0.1:70000"), /not an address/);
  const taken = createServer().listen(0, "127.0.0.1");
  t.after(() => taken.close());
  await until("the other server to listen", () => taken.listening);
  const address = taken.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await assert.rejects(start(`127.0.0.1:${port}`), new RegExp(`can not listen on 127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
});

test("close ends streams, refuses new ones, and finishes as soon as clients have read", patiently, async (t) => {
  const harness = await startHarness(t, { clock: new FakeClock() });
  const streams = Array.from({ length: 5 }, () => harness.client.subscribe().read());
  await until("everyone to be subscribed", () => harness.hub.subscribers.length === 5);
  for (const subscriber of harness.hub.subscribers) subscriber.stream.write(frameOf("last"));
  await harness.server.close(tooLong);
  for (const stream of streams) {
    assert.equal((await stream.status).code, status.UNAVAILABLE);
    assert.equal(stream.messages.length, 1);
  }
  assert.equal((await harness.client.wsman("DescribeCluster")).code, status.UNAVAILABLE);
  await harness.server.close(tooLong);
});

test("close lets calls end that end in time", patiently, async (t) => {
  const harness = await startHarness(t);
  const { promise, reject } = Promise.withResolvers<never>();
  harness.reader.instead = () => promise;
  const slow = harness.client.wsman("GetWorkspaces");
  await until("the call to arrive", () => harness.reader.filters.length === 1);
  const closing = harness.server.close(tooLong);
  await until("no more calls are taken", async () => (await harness.client.wsman("DescribeCluster")).code === status.UNAVAILABLE);
  reject(new WsmanError("NOT_FOUND", "its own answer"));
  assert.equal((await slow).code, status.NOT_FOUND);
  await closing;
});

test("close cuts off calls and clients that do not end in time", patiently, async (t) => {
  const harness = await startHarness(t);
  harness.reader.instead = () => new Promise(() => {});
  const hanging = harness.client.wsman("GetWorkspaces");
  harness.client.subscribe().stall();
  await until("both calls to arrive", () => harness.hub.subscribers.length === 1 && harness.reader.filters.length === 1);
  for (let i = 0; i < 40; i++) harness.hub.subscribers[0]?.stream.write(Buffer.alloc(64 * 1024));
  await harness.server.close(1_000);
  const { code, details } = await hanging;
  assert.deepEqual([code, /the daemon is ending/.test(details)], [status.UNAVAILABLE, true], "it can be made again: elsewhere");
  assert.equal(harness.hub.subscribers[0]?.closes, 1);
});
