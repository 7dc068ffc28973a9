/** The unary calls, over real connections: answers, codes, bad input, cancellation. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { rfc3339Nano } from "../../../src/domain/rfc3339.ts";
import { TestClient } from "../../support/grpc-client.ts";
import { until } from "../../support/until.ts";
import { frameOf, metricValue, startHarness } from "./helpers.ts";

const mebi = 1024 * 1024;

function describe(id: string): Uint8Array {
  return wsman.DescribeWorkspaceRequest.encode({ id }).finish();
}

test("GetWorkspaces answers with every frame the reader gives, and hands it the filter", async (t) => {
  const { client, reader } = await startHarness(t);
  for (const id of ["a", "b", "c"]) reader.frames.set(id, frameOf(id));
  const request = wsman.GetWorkspacesRequest.encode({ mustMatch: { owner: "o", metaId: "m", annotations: { k: "v" } } }).finish();
  const answer = await client.wsman("GetWorkspaces", request);
  assert.equal(answer.code, status.OK);
  assert.deepEqual(wsman.GetWorkspacesResponse.decode(answer.response).status?.map(({ id }) => id), ["a", "b", "c"]);
  assert.deepEqual(reader.filters, [{ owner: "o", metaId: "m", annotations: new Map([["k", "v"]]) }]);
});

test("an empty request matches everything, and no workspaces are an empty answer", async (t) => {
  const { client, reader } = await startHarness(t);
  const answer = await client.wsman("GetWorkspaces");
  assert.equal(answer.code, status.OK);
  assert.equal(answer.response.length, 0);
  assert.deepEqual(reader.filters, [{ owner: "", metaId: "", annotations: new Map() }]);
});

test("names of Object's prototype are keys of the filter like any other", async (t) => {
  const { client, reader } = await startHarness(t);
  const entry = (key: string, value: string): Buffer => {
    const map = Buffer.concat([Buffer.from([0x0a, key.length]), Buffer.from(key), Buffer.from([0x12, value.length]), Buffer.from(value)]);
    return Buffer.concat([Buffer.from([0x1a, map.length]), map]);
  };
  const filter = Buffer.concat(["__proto__", "constructor", "toString"].map((key) => entry(key, "x")));
  await client.wsman("GetWorkspaces", Buffer.concat([Buffer.from([0x0a, filter.length]), filter]));
  assert.deepEqual([...(reader.filters[0]?.annotations ?? [])].map(([key]) => key).toSorted(), ["__proto__", "constructor", "toString"]);
  assert.equal(Reflect.get({}, "x"), undefined);
});

test("before the first list, reads are UNAVAILABLE and DescribeCluster answers", async (t) => {
  const { client, reader } = await startHarness(t);
  reader.synced = false;
  for (const method of ["GetWorkspaces", "DescribeWorkspace"]) {
    const { code, details } = await client.wsman(method);
    assert.deepEqual({ code, details }, { code: status.UNAVAILABLE, details: "not synchronized yet" });
  }
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
});

test("an answer that no message can hold is RESOURCE_EXHAUSTED and says what to do", async (t) => {
  const { client, reader } = await startHarness(t);
  for (let i = 0; i < 17; i++) reader.frames.set(`${i}`, frameOf(`${i}`, "x".repeat(mebi)));
  const answer = await client.wsman("GetWorkspaces");
  assert.equal(answer.code, status.RESOURCE_EXHAUSTED);
  assert.match(answer.details, /17 workspaces in 17\.0 MiB.*must_match/);
  reader.frames.delete("16");
  reader.frames.delete("15");
  const fits = await client.wsman("GetWorkspaces");
  assert.equal(wsman.GetWorkspacesResponse.decode(fits.response).status?.length, 15);
});

test("DescribeWorkspace answers with the frame and the last activity", async (t) => {
  const { client, reader } = await startHarness(t);
  reader.frames.set("a", frameOf("a"));
  const without = wsman.DescribeWorkspaceResponse.decode((await client.wsman("DescribeWorkspace", describe("a"))).response);
  assert.equal(without.status?.id, "a");
  assert.equal(without.lastActivity ?? "", "");
  reader.lastActivity.set("a", Date.UTC(2022, 2, 4, 5, 6, 7, 120));
  const answer = wsman.DescribeWorkspaceResponse.decode((await client.wsman("DescribeWorkspace", describe("a"))).response);
  assert.equal(answer.lastActivity, "2022-03-04T05:06:07.12Z");
});

test("times are printed as Go's RFC3339Nano does", () => {
  assert.equal(rfc3339Nano(0), "1970-01-01T00:00:00Z");
  assert.equal(rfc3339Nano(1), "1970-01-01T00:00:00.001Z");
  assert.equal(rfc3339Nano(10_000), "1970-01-01T00:00:10Z");
  assert.equal(rfc3339Nano(100), "1970-01-01T00:00:00.1Z");
  assert.equal(rfc3339Nano(1234.9), "1970-01-01T00:00:01.234Z");
  assert.equal(rfc3339Nano(Number.NaN), "");
  assert.equal(rfc3339Nano(Number.MAX_VALUE), "");
});

test("an unknown workspace is NOT_FOUND, whatever its ID", async (t) => {
  const { client } = await startHarness(t);
  for (const id of ["nope", "", "__proto__", "50% ☃", "a\r\nb"]) {
    const { code, details } = await client.wsman("DescribeWorkspace", describe(id));
    assert.deepEqual({ code, details }, { code: status.NOT_FOUND, details: `workspace ${id} does not exist` });
  }
  const long = await client.wsman("DescribeWorkspace", describe("x".repeat(60_000)));
  assert.equal(long.code, status.NOT_FOUND);
  assert.ok(long.details.length < 1100, "the text stays short enough for a header");
});

test("DescribeCluster lists the classes by ID, with the ID where there is no name", async (t) => {
  const { client } = await startHarness(t, { classes: [{ id: "g1-large", name: "Large" }, { id: "default" }, { id: "b", name: "" }] });
  const answer = wsman.DescribeClusterResponse.decode((await client.wsman("DescribeCluster")).response);
  assert.deepEqual(answer.WorkspaceClasses?.map(({ Id, DisplayName }) => [Id, DisplayName]), [["b", "b"], ["default", "default"], ["g1-large", "Large"]]);
});

test("a call that there is not is UNIMPLEMENTED", async (t) => {
  const { client } = await startHarness(t);
  assert.equal((await client.wsman("NoSuchMethod")).code, status.UNIMPLEMENTED);
});

test("what a handler throws reaches the client as a status, and nothing of an unexpected error but in the log", async (t) => {
  const { client, reader, log } = await startHarness(t);
  reader.instead = async () => {
    throw new WsmanError("UNAVAILABLE", "the API server is away");
  };
  const told = await client.wsman("GetWorkspaces");
  assert.deepEqual([told.code, told.details], [status.UNAVAILABLE, "the API server is away"]);
  reader.instead = async () => {
    throw new Error("token=hunter2");
  };
  const hidden = await client.wsman("GetWorkspaces");
  assert.equal(hidden.code, status.INTERNAL);
  assert.doesNotMatch(hidden.details, /hunter2/);
  assert.ok(log.lines.some(({ level, message }) => level === "error" && message === "call failed"));
});

test("texts that are no well-formed Unicode, and values that are no errors, do not break the answer", async (t) => {
  const { client, reader } = await startHarness(t);
  reader.instead = async () => {
    throw new WsmanError("NOT_FOUND", "half \uD800 of a pair");
  };
  assert.deepEqual(await client.wsman("GetWorkspaces").then(({ code, details }) => [code, details]), [status.NOT_FOUND, "half \uFFFD of a pair"]);
  reader.instead = () => Promise.reject(Object.create(null));
  assert.equal((await client.wsman("GetWorkspaces")).code, status.INTERNAL);
});

test("the signal aborts when the client cancels, and when its deadline passes", async (t) => {
  const { client, reader, metrics, server } = await startHarness(t);
  const signals: AbortSignal[] = [];
  reader.instead = (signal) => {
    signals.push(signal);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new WsmanError("CANCELLED", "cancelled"))));
  };
  let cancel = (): void => {};
  const cancelled = client.unary("/wsman.WorkspaceManager/GetWorkspaces", new Uint8Array(), {}, (way) => (cancel = way));
  await until("the call to arrive", () => signals.length === 1);
  cancel();
  assert.equal((await cancelled).code, status.CANCELLED);
  await until("the signal to abort", () => signals[0]?.aborted === true);

  await until("metrics to tell", async () => (await metricValue(metrics, "grpc_server_handled_total", 'grpc_method="GetWorkspaces",grpc_code="Canceled"')) === 1);

  // A request by hand: a client of grpc-js cancels by itself when its deadline passes, perhaps before the server sees that it has.
  const session = connect(`http://127.0.0.1:${server.port}`);
  t.after(() => session.destroy());
  const late = session.request({ ":method": "POST", ":path": "/wsman.WorkspaceManager/GetWorkspaces", "content-type": "application/grpc", te: "trailers", "grpc-timeout": "50m" });
  const code = new Promise((resolve) => late.once("response", (headers) => resolve(headers["grpc-status"])));
  late.end(Buffer.alloc(5));
  late.resume();
  assert.equal(Number(await code), status.DEADLINE_EXCEEDED);
  await until("the signal to abort", () => signals[1]?.aborted === true);
  await until("metrics to tell", async () => (await metricValue(metrics, "grpc_server_handled_total", 'grpc_method="GetWorkspaces",grpc_code="DeadlineExceeded"')) === 1);
});

test("random bytes are INVALID_ARGUMENT or a valid request, never a crash", async (t) => {
  const { client } = await startHarness(t);
  const expected = new Set<status>([status.OK, status.INVALID_ARGUMENT, status.NOT_FOUND]);
  let invalid = 0;
  for (let i = 0; i < 150; i++) {
    const answers = await Promise.all(["GetWorkspaces", "DescribeWorkspace"].map((method) => client.wsman(method, randomBytes(1 + i))));
    for (const { code, details } of answers) {
      assert.ok(expected.has(code), `${code} ${details}`);
      if (code === status.INVALID_ARGUMENT) {
        invalid++;
        assert.match(details, /^cannot decode the request as wsman\./);
      }
    }
  }
  assert.ok(invalid > 50);
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
});

test("a request of 16 MiB is read, and refused by its call; a larger one is RESOURCE_EXHAUSTED and costs the others nothing", async (t) => {
  const { client, server } = await startHarness(t);
  const most = await client.wsman("GetWorkspaces", Buffer.alloc(16 * mebi));
  assert.deepEqual([most.code, most.details], [status.INVALID_ARGUMENT, "the request takes 16777216 bytes, and may take 524288"]);
  const large = new TestClient(server.port);
  t.after(() => large.close());
  const answers = await Promise.all([large.wsman("GetWorkspaces", Buffer.alloc(17 * mebi)), client.wsman("DescribeCluster")]);
  assert.deepEqual(answers.map(({ code }) => code), [status.RESOURCE_EXHAUSTED, status.OK]);
});

test("malformed HTTP/2 requests get an answer or a reset, and pings come at any rate", async (t) => {
  const { client, server } = await startHarness(t);
  const session = connect(`http://127.0.0.1:${server.port}`);
  t.after(() => session.destroy());
  session.on("error", () => {});
  const request = (headers: IncomingHttpHeaders, body: Buffer): Promise<unknown> =>
    new Promise((resolve) => {
      const stream = session.request({ ":method": "POST", ":path": "/wsman.WorkspaceManager/DescribeCluster", "content-type": "application/grpc", te: "trailers", ...headers });
      stream.on("error", () => {});
      stream.once("close", () => resolve(undefined));
      stream.resume();
      stream.end(body);
    });
  const empty = Buffer.alloc(5);
  await request({ ":path": "/\xff\xfe%zz" }, empty);
  await request({ "grpc-timeout": "x" }, empty);
  await request({ "grpc-encoding": "snappy", "a-bin": "%%%" }, Buffer.from([1, 0, 0, 0, 1, 0]));
  await request({ "grpc-encoding": "gzip" }, Buffer.from([1, 0, 0, 0, 4, 1, 2, 3, 4]));
  await request({ "content-type": "text/plain" }, empty);
  await request({}, Buffer.concat([empty, empty]));
  await request({}, Buffer.alloc(0));
  for (let i = 0; i < 100; i++) await new Promise<void>((resolve) => session.ping(() => resolve()));
  assert.equal(session.closed, false);
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
});

test("every call is counted with Go's code names", async (t) => {
  const { client, metrics } = await startHarness(t);
  const labels = 'grpc_type="unary",grpc_service="wsman.WorkspaceManager",grpc_method="DescribeWorkspace"';
  assert.equal(await metricValue(metrics, "grpc_server_started_total", labels), 0);
  await client.wsman("DescribeWorkspace", describe("nope"));
  assert.equal(await metricValue(metrics, "grpc_server_started_total", labels), 1);
  assert.equal(await metricValue(metrics, "grpc_server_msg_received_total", labels), 1);
  assert.equal(await metricValue(metrics, "grpc_server_msg_sent_total", labels), 0);
  assert.equal(await metricValue(metrics, "grpc_server_handled_total", `${labels},grpc_code="NotFound"`), 1);
  assert.equal(await metricValue(metrics, "grpc_server_handling_seconds_count", labels), 1);
  await client.unary("/grpc.health.v1.Health/Check", new Uint8Array());
  assert.equal(await metricValue(metrics, "grpc_server_handled_total", 'grpc_service="grpc.health.v1.Health",grpc_method="Check",grpc_code="OK"'), 1);
});
