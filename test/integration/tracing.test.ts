/** Tracing, from a client's headers to the collector and to subscribers. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { Client, credentials, Metadata, status as code } from "@grpc/grpc-js";
import { asIs } from "../../src/domain/as-is.ts";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog, type Log } from "../../src/domain/log.ts";
import { wsman } from "../../src/gen/proto.js";
import { beginTracing } from "../../src/main/tracing/begin.ts";
import { startTracing } from "../../src/main/tracing/open-telemetry.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { TestCollector, type CollectedSpan } from "../support/collector.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient } from "../support/grpc-client.ts";
import { TestImageBuilder } from "../support/image-builder.ts";
import { kubeApi, metaOf } from "../support/kube-api.ts";
import { records, text } from "../../src/embedded/kubelet/json.ts";
import { keepSecret, secret } from "../support/secrets.ts";
import { until } from "../support/until.ts";
import { request } from "../unit/render/helpers.ts";
import { MemoryLog } from "../unit/rpc/helpers.ts";

const clientTrace = "0af7651916cd43dd8448eb211c80319c";
const clientSpan = "b7ad6b7169203331";
const traceparent = `00-${clientTrace}-${clientSpan}-01`;

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

interface Setup {
  readonly client: TestClient;
  readonly collector: TestCollector;
  readonly builder: TestImageBuilder;
  /** Calls with headers. Gives the answer; an error rejects. */
  readonly call: (method: string, message: Uint8Array, headers: Readonly<Record<string, string>>) => Promise<Buffer>;
  /** Ends the daemon, so that all spans are at the collector. */
  readonly finish: () => Promise<void>;
}

async function setup(t: TestContext, { traced = true, sampleRatio, log = silentLog }: { readonly traced?: boolean; readonly sampleRatio?: number; readonly log?: Log } = {}): Promise<Setup> {
  let finish = async (): Promise<void> => {};
  t.after(() => finish());
  const api = await kubeApi(t, cluster.kubeconfig);
  const collector = await new TestCollector().start();
  const builder = await new TestImageBuilder().start();
  const tracing = traced ? startTracing({ endpoint: collector.url, sampleRatio, version: "1.2.3", clock: systemClock, log }) : undefined;
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace: api.namespace, tracing, imageBuilder: builder.target });
  const client = new TestClient(daemon.rpcPort);
  const raw = new Client(`127.0.0.1:${daemon.rpcPort}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  let finished: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    client.close();
    raw.close();
    await daemon.close();
    builder.stop();
    for (const pod of records((await api.get(api.path("pods")))["items"])) await api.patch(api.path("pods", text(metaOf(pod)["name"])), { metadata: { finalizers: null } });
    await collector.stop();
  };
  finish = () => (finished ??= end());
  await daemon.synced;
  const call: Setup["call"] = (method, message, headers) =>
    new Promise((resolve, reject) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      raw.makeUnaryRequest(`/${method}`, asIs, asIs, Buffer.from(message), metadata, (error, value) => (error || !value ? reject(error ?? new Error("no answer")) : resolve(value)));
    });
  return { client, collector, builder, call, finish };
}

function start(from = request()): Uint8Array {
  return wsman.StartWorkspaceRequest.encode(from).finish();
}

function publishedBy(collector: TestCollector, served: CollectedSpan | undefined): CollectedSpan | undefined {
  const [published] = collector.named("publish status");
  assert.deepEqual([published?.traceId, published?.parentSpanId], [clientTrace, served?.spanId]);
  return published;
}

test("a start belongs to its client's trace, with its API request and the statuses that follow", async (t) => {
  const { client, collector, call, finish } = await setup(t);
  const stream = client.subscribe().read();
  await stream.headers;
  await call("wsman.WorkspaceManager/StartWorkspace", start(), { traceparent });
  await until("the subscriber knows it", () => stream.messages.length > 0);
  const { header, status } = wsman.SubscribeResponse.decode(stream.messages[0] ?? Buffer.alloc(0));
  assert.equal(status?.id, "instance-1");
  await finish();
  const [served] = collector.named("wsman.WorkspaceManager/StartWorkspace");
  assert.deepEqual([served?.traceId, served?.parentSpanId, served?.attributes["rpc.grpc.status_code"], served?.attributes["wsman.workspace.id"]], [clientTrace, clientSpan, "0", "instance-1"]);
  const [created] = collector.named("kubernetes create pods");
  assert.deepEqual([created?.traceId, created?.parentSpanId, created?.attributes["k8s.response.code"]], [clientTrace, served?.spanId, "201"]);
  const published = publishedBy(collector, served);
  assert.deepEqual(header, { traceparent: `00-${clientTrace}-${published?.spanId}-01`, "uber-trace-id": `${clientTrace}:${published?.spanId}:0:1` });
  assert.deepEqual({ "service.name": "ws-manager", "service.version": "1.2.3", ...collector.resource }, collector.resource);
});

test("Jaeger's header counts where W3C's is missing; without either a call begins a trace", async (t) => {
  const { collector, call, finish } = await setup(t);
  await call("wsman.WorkspaceManager/DescribeCluster", new Uint8Array(), { "uber-trace-id": `${clientTrace}:${clientSpan}:0:1` });
  await call("wsman.WorkspaceManager/DescribeCluster", new Uint8Array(), { "uber-trace-id": "1:2:0:1", traceparent });
  await call("wsman.WorkspaceManager/DescribeCluster", new Uint8Array(), { traceparent: "00-nonsense" });
  await finish();
  const [jaeger, both, none] = collector.named("wsman.WorkspaceManager/DescribeCluster");
  assert.deepEqual([jaeger?.traceId, both?.traceId, both?.parentSpanId], [clientTrace, clientTrace, clientSpan]);
  assert.equal(none?.parentSpanId, "");
});

test("calls that are passed on carry the context of ours, in both notations", async (t) => {
  const { collector, builder, call, finish } = await setup(t);
  builder.answers = { unary: (incoming, callback) => callback(null, incoming.request) };
  await call("builder.ImageBuilder/ResolveBaseImage", Buffer.from("x"), { traceparent, "x-owner": "jane" });
  await finish();
  const [served, passed] = [collector.spans.find(({ parentSpanId }) => parentSpanId === clientSpan), collector.spans.find(({ parentSpanId }) => parentSpanId !== clientSpan)];
  assert.deepEqual([served?.name, passed?.name, passed?.parentSpanId], ["builder.ImageBuilder/ResolveBaseImage", "builder.ImageBuilder/ResolveBaseImage", served?.spanId]);
  const sent = builder.calls[0]?.metadata;
  assert.deepEqual([sent?.get("traceparent"), sent?.get("uber-trace-id"), sent?.get("x-owner")], [[`00-${clientTrace}-${passed?.spanId}-01`], [`${clientTrace}:${passed?.spanId}:0:1`], ["jane"]]);
});

test("failures are told by their code, and nothing of a request but its workspace's ID", async (t) => {
  const { collector, client, call, finish } = await setup(t);
  const initializer = { git: { remoteUri: "https://git.example", config: { authUser: secret("git-user"), authPassword: secret("git-password") } } };
  const answer = await call("wsman.WorkspaceManager/StartWorkspace", start(request({}, { initializer, envvars: [{ name: "TOKEN", value: secret("variable") }] })), { traceparent, authorization: secret("header") });
  keepSecret("an owner token", wsman.StartWorkspaceResponse.decode(answer).ownerToken);
  assert.equal((await client.wsman("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id: "no-such-workspace" }).finish())).code, code.NOT_FOUND);
  await finish();
  const [missing] = collector.named("wsman.WorkspaceManager/StopWorkspace");
  assert.deepEqual([missing?.attributes["rpc.grpc.status_code"], missing?.failed], ["5", false]);
  // The collector searches what it got for secrets when it stops.
  const sent = Buffer.concat(collector.bodies).toString("latin1");
  assert.deepEqual([sent.includes("no-such-workspace"), sent.includes("git.example")], [true, false]);
});

test("traces of which the client records nothing are not recorded here, nor what the ratio leaves out; their headers are passed on", async (t) => {
  const { client, collector, call, finish } = await setup(t, { sampleRatio: 0 });
  const stream = client.subscribe().read();
  await stream.headers;
  await call("wsman.WorkspaceManager/StartWorkspace", start(), { traceparent: `00-${clientTrace}-${clientSpan}-00` });
  await call("wsman.WorkspaceManager/DescribeCluster", new Uint8Array(), {});
  await call("wsman.WorkspaceManager/DescribeCluster", new Uint8Array(), { traceparent });
  await until("the subscriber knows it", () => stream.messages.length > 0);
  const { header } = wsman.SubscribeResponse.decode(stream.messages[0] ?? Buffer.alloc(0));
  assert.match(header["traceparent"] ?? "", new RegExp(`^00-${clientTrace}-[0-9a-f]{16}-00$`));
  await finish();
  assert.deepEqual(collector.spans.map(({ name, traceId }) => [name, traceId]), [["wsman.WorkspaceManager/DescribeCluster", clientTrace]]);
});

test("a collector that refuses is told of in the log, and calls go on", async (t) => {
  const log = new MemoryLog();
  const { collector, call, finish } = await setup(t, { log });
  collector.status = 400;
  await call("wsman.WorkspaceManager/DescribeCluster", new Uint8Array(), { traceparent });
  await finish();
  const warnings = log.lines.filter(({ level }) => level === "warn");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]?.message ?? "", /spans could not be sent/);
});

test("without tracing statuses have no headers", async (t) => {
  const { client, collector, call, finish } = await setup(t, { traced: false });
  const stream = client.subscribe().read();
  await stream.headers;
  await call("wsman.WorkspaceManager/StartWorkspace", start(), { traceparent });
  await until("the subscriber knows it", () => stream.messages.length > 0);
  assert.deepEqual(wsman.SubscribeResponse.decode(stream.messages[0] ?? Buffer.alloc(0)).header, {});
  await finish();
  assert.deepEqual(collector.bodies, []);
});

test("a call that is refused claims nothing of what is published later", async (t) => {
  const { client, collector, call, finish } = await setup(t);
  await call("wsman.WorkspaceManager/StartWorkspace", start(), { traceparent });
  await assert.rejects(call("wsman.WorkspaceManager/SetTimeout", wsman.SetTimeoutRequest.encode({ id: "instance-1", duration: "soon" }).finish(), {}), /invalid duration/);
  const stream = client.subscribe().read();
  await stream.headers;
  await call("wsman.WorkspaceManager/MarkActive", wsman.MarkActiveRequest.encode({ id: "instance-1" }).finish(), {});
  await call("wsman.WorkspaceManager/UpdateSSHKey", wsman.UpdateSSHKeyRequest.encode({ id: "instance-1", keys: [] }).finish(), {});
  await call("wsman.WorkspaceManager/StopWorkspace", wsman.StopWorkspaceRequest.encode({ id: "instance-1" }).finish(), { traceparent: `00-${clientTrace.replace("0", "1")}-${clientSpan}-01` });
  await until("the subscriber knows", () => stream.messages.length > 0);
  await finish();
  const [refused] = collector.named("wsman.WorkspaceManager/SetTimeout");
  assert.deepEqual(collector.named("publish status").filter(({ traceId }) => traceId === refused?.traceId), []);
});

test("tracing is on where a collector is named, and nothing forbids it", async () => {
  const on = async (endpoint: string | undefined, variables: Readonly<Record<string, string>>): Promise<boolean> => {
    const tracing = await beginTracing({ endpoint }, variables, silentLog);
    await tracing?.close(0);
    return tracing !== undefined;
  };
  const url = "http://127.0.0.1:1";
  const log = new MemoryLog();
  await (await beginTracing({ endpoint: url }, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, log))?.close(0);
  assert.match(log.lines.find(({ level }) => level === "warn")?.message ?? "", /http\/protobuf/);
  assert.deepEqual(
    [await on(undefined, {}), await on(url, {}), await on(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: url }), await on(undefined, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url }), await on(url, { OTEL_SDK_DISABLED: "true" }), await on(url, { OTEL_TRACES_EXPORTER: "none" })],
    [false, true, true, true, false, false],
  );
});
