/** A gRPC server over workspaces and a hub in memory, for tests. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { systemClock } from "../../../src/domain/clock.ts";
import type { Clock } from "../../../src/domain/clock.ts";
import type { Log } from "../../../src/domain/log.ts";
import { wsman } from "../../../src/gen/proto.js";
import type { RateLimit } from "../../../src/main/config/types.ts";
import { startRpcServer } from "../../../src/main/rpc/server.ts";
import type { RpcServer } from "../../../src/main/rpc/server.ts";
import type { Steering, SubscriptionHub } from "../../../src/main/rpc/ports.ts";
import type { TlsFiles } from "../../../src/main/rpc/tls.ts";
import { buildFrame, encodeStatus } from "../../../src/main/state/frame.ts";
import { framesOf, type Frames } from "../../../src/main/state/frame-list.ts";
import type { Caller, Described, WorkspaceReader } from "../../../src/main/state/reader.ts";
import type { Filter } from "../../../src/main/state/filter.ts";
import type { SubscribeOptions, SubscriberStream, Subscription } from "../../../src/main/subscriptions/stream.ts";
import type { Tracing } from "../../../src/main/tracing/tracing.ts";
import { createMetrics } from "../../../src/metrics/registry.ts";
import type { Metrics } from "../../../src/metrics/registry.ts";
import { TestClient } from "../../support/grpc-client.ts";

/** A frame as the state makes it. */
export function frameOf(id: string, message = ""): Buffer {
  return buildFrame(encodeStatus({ id, message, phase: wsman.WorkspacePhase.RUNNING }), { seconds: 1, logical: 1 });
}

/** Workspaces in memory. */
export class FakeReader implements WorkspaceReader {
  synced = true;
  readonly frames = new Map<string, Buffer>();
  readonly lastActivity = new Map<string, number>();
  readonly filters: Filter[] = [];
  /** What the next read does instead of answering. */
  instead: ((signal: AbortSignal) => Promise<never>) | undefined;

  async collect(filter: Filter, signal: AbortSignal): Promise<Frames> {
    this.filters.push(filter);
    if (this.instead) return this.instead(signal);
    return framesOf(this.frames.values());
  }

  describe(id: string, caller: Caller): Described | undefined | Promise<Described | undefined> {
    if (this.instead) return this.instead(caller.signal);
    const frame = this.frames.get(id);
    return frame && { frame, lastActivity: this.lastActivity.get(id) };
  }
}

/** One subscriber of the hub in memory. */
export class FakeSubscriber implements Subscription {
  readonly filter: Filter;
  readonly stream: SubscriberStream;
  readonly options: SubscribeOptions;
  drains = 0;
  closes = 0;

  constructor(filter: Filter, stream: SubscriberStream, options: SubscribeOptions) {
    this.filter = filter;
    this.stream = stream;
    this.options = options;
  }

  drained(): void {
    this.drains++;
  }

  closed(): void {
    this.closes++;
  }
}

/** Takes note of subscribers. */
export class FakeHub implements SubscriptionHub {
  readonly subscribers: FakeSubscriber[] = [];
  refusal: Error | undefined;

  subscribe(filter: Filter, stream: SubscriberStream, options: SubscribeOptions): Subscription {
    if (this.refusal) throw this.refusal;
    const subscriber = new FakeSubscriber(filter, stream, options);
    this.subscribers.push(subscriber);
    return subscriber;
  }
}

/** Keeps what was logged. */
export class MemoryLog implements Log {
  readonly lines: { level: string; fields: object; message: string }[] = [];
  readonly debug = this.#at("debug");
  readonly info = this.#at("info");
  readonly warn = this.#at("warn");
  readonly error = this.#at("error");

  #at(level: string): (fields: object, message: string) => void {
    return (fields, message) => void this.lines.push({ level, fields, message });
  }
}

const unused = (): never => assert.fail("nobody asks for this");

/** For servers whose calls change nothing. */
export const noSteering: Steering = {
  writer: { find: unused, annotate: unused, change: unused }, activity: { mark: unused, markAtOnce: unused }, starter: { start: unused, arrival: unused }, snapshots: { delete: unused },
  nodes: { takeSnapshot: unused, backup: unused }, imageSpecs: { get: unused }, urls: { portUrlTemplate: "", hostURL: "" },
};

/** A server with all that it works on. */
export interface Harness {
  readonly server: RpcServer;
  readonly reader: FakeReader;
  readonly hub: FakeHub;
  readonly log: MemoryLog;
  readonly metrics: Metrics;
  /** A plaintext client, closed after the test. */
  readonly client: TestClient;
}

/** Starts a server on 127.0.0.1 that ends with the test. */
export async function startHarness(t: TestContext, options: { clock?: Clock; tls?: TlsFiles; classes?: { id: string; name?: string }[]; imageBuilder?: string; rateLimits?: readonly RateLimit[]; tracing?: Tracing; steering?: Steering; refusal?: string } = {}): Promise<Harness> {
  const reader = new FakeReader();
  const hub = new FakeHub();
  const log = new MemoryLog();
  const metrics = createMetrics({ process: false });
  const clock = options.clock ?? systemClock;
  const server = await startRpcServer({ addr: "127.0.0.1:0", tls: options.tls }, {
    reader, hub, classes: options.classes ?? [], metrics: metrics.rpc, clock, log, tracing: options.tracing, steering: options.steering ?? noSteering, refusal: options.refusal, rateLimits: options.rateLimits ?? [],
    imageBuilder: options.imageBuilder === undefined ? undefined : { target: options.imageBuilder, metrics: metrics.rpcClient },
  });
  const client = new TestClient(server.port);
  t.after(async () => {
    client.close();
    await server.close(0);
  });
  return { server, reader, hub, log, metrics, client };
}

/** Value of a metric's series whose labels contain this text. */
export async function metricValue(metrics: Metrics, name: string, labels = ""): Promise<number | undefined> {
  const text = await metrics.render();
  const line = text.split("\n").find((candidate) => candidate.replace(/\{.*/, "").split(" ")[0] === name && candidate.includes(labels));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1));
}
