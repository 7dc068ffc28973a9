/** Part: makes calls with one answer, of a workspace manager or of the API server behind it, at a pace (see load/pace.ts). */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import type { ApiPool } from "../load/api-pool.ts";
import { runSchema } from "../load/called.ts";
import type { Called, CallRun, Target, Work } from "../load/called.ts";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { Counter } from "../load/counted.ts";
import { GrpcConnection } from "../load/grpc-stream.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { callUnary } from "../load/grpc-unary.ts";
import type { CallEnd } from "../load/grpc-unary.ts";
import { drive } from "../load/pace.ts";
import { tasksOf } from "../load/tasks.ts";
import type { Task } from "../load/tasks.ts";
import { endpointSchema } from "./endpoint.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

const fetchSchema = z.object({ endpoint: endpointSchema, path: z.string(), requests: z.array(z.instanceof(Uint8Array)) });
const openApiSchema = z.object({ kubeconfig: z.string(), connections: z.number() });

/** What is found out beside the delays. */
interface Sums {
  different: number;
  bytes: number;
}

/** Makes single calls. Rejects only for a call that can not be made at all, such as one that is too large. */
interface Sender {
  send(task: Task, slot: number, sums: Sums): Promise<CallEnd>;
  /** Ends the calls that are under way. */
  giveUp(): void;
}

/** How long the answers that are under way may take at the end, milliseconds. */
const graceMs = 60_000;
const good: CallEnd = { ok: true, why: "" };
/** All connections are read into this: each chunk is worked off before the next one is read. */
const shared = Buffer.alloc(256 * 1024);
/** Connections to servers, by host and port: those of one run are there for the next one. */
const kept = new Map<string, readonly GrpcConnection[]>();
/** Runs that others wait for, by name: for each ID, when its call is over. */
const named = new Map<string, ReadonlyMap<string, PromiseWithResolvers<void>>>();
/** Times that runs were to end. */
let stops = 0;
let api: ApiPool | undefined;

serve({
  /** Answers to requests, one after the other. */
  fetch: async (params) => {
    const { endpoint, path, requests } = fetchSchema.parse(params);
    const connection = new GrpcConnection(endpoint, shared);
    try {
      const answers: Uint8Array[] = [];
      for (const request of requests) answers.push(await fetchOne(connection, path, request));
      return answers;
    } finally {
      connection.close();
    }
  },
  /** Names the API server. Its client is loaded only here. */
  openApi: async (params) => {
    const { kubeconfig, connections } = openApiSchema.parse(params);
    const { ApiPool } = await import("../load/api-pool.ts");
    api = await ApiPool.open(kubeconfig, connections);
  },
  /** Several runs may go on at once. */
  run: (params) => run(runSchema.parse(params)),
  /** The runs that go on make no further calls, and give what there was. */
  stop: () => {
    stops++;
  },
});

async function fetchOne(connection: GrpcConnection, path: string, request: Uint8Array): Promise<Uint8Array> {
  let answer: Uint8Array = new Uint8Array();
  const { ok, why } = await callUnary(connection, path, request, (buffer, start, end) => {
    answer = Uint8Array.from(buffer.subarray(start, end));
  });
  if (!ok) throw new Error(`${path} failed: ${why}`);
  return answer;
}

async function run({ target, work, pace }: CallRun): Promise<Called> {
  const stopsBefore = stops;
  const sender = senderFor(target);
  const sums: Sums = { different: 0, bytes: 0 };
  const answered = new Uint8Array(work.kind === "each" ? work.ids.length : 0);
  const taskOf = tasksOf(work);
  const order = orderOf(work);
  const share = loadShare();
  let count = 0;
  const counter = new Counter(() => count);
  const make = async (n: number, slot: number): Promise<CallEnd> => {
    await order.before(n);
    try {
      const end = await sender.send(taskOf(n), slot, sums);
      if (end.ok) count++;
      if (end.ok && n < answered.length) answered[n] = 1;
      return end;
    } finally {
      order.over(n);
    }
  };
  const duration = pace.kind === "once" ? 0 : pace.seconds * 1000;
  const until = (pace.kind === "rate" ? Math.max(0, pace.startAt - machineNow()) : 0) + duration + graceMs;
  const timer = setTimeout(() => sender.giveUp(), until);
  let counted: Called["counted"] = [];
  const driven = await drive({ pace, total: work.kind === "each" ? work.ids.length : Number.POSITIVE_INFINITY, make, stopped: () => stops !== stopsBefore, clock: { now: machineNow, sleepUntil } }).finally(() => {
    clearTimeout(timer);
    counted = counter.stop();
    // Also after a failure: other runs wait for this one's calls.
    order.end();
  });
  return { ...driven, ...sums, delays: encodeIntoCompressedBase64(driven.delays), late: encodeIntoCompressedBase64(driven.late), share: share(), answered, counted };
}

/** Which calls come before which of another run. */
function orderOf(work: Work): { before(n: number): Promise<void> | undefined; over(n: number): void; end(): void } {
  if (work.kind === "tasks") return { before: () => undefined, over: () => {}, end: () => {} };
  const { ids, name, after } = work;
  const others = after === undefined ? undefined : named.get(after);
  const own = new Map(name === undefined ? [] : ids.map((id) => [id, Promise.withResolvers<void>()]));
  if (name !== undefined) named.set(name, own);
  return {
    before: (n) => others?.get(ids[n] ?? "")?.promise,
    over: (n) => own.get(ids[n] ?? "")?.resolve(),
    // Calls that were not made are not waited for.
    end: () => {
      for (const { resolve } of own.values()) resolve();
      if (name !== undefined) named.delete(name);
    },
  };
}

function senderFor(target: Target): Sender {
  return target.kind === "grpc" ? grpcSender(target) : apiSender(target);
}

function grpcSender({ endpoint, connections: count }: Extract<Target, { kind: "grpc" }>): Sender {
  const connections = connectionsTo(endpoint, count);
  return {
    send: ({ path, request, answer }, slot, sums) => {
      const connection = connections[slot % count];
      if (!connection) throw new Error("there is no connection");
      return callUnary(connection, path, request, (buffer, start, end) => {
        sums.bytes += end - start;
        if (answer && buffer.compare(answer, 0, answer.length, start, end) !== 0) sums.different++;
      });
    },
    giveUp: () => {
      for (const connection of connections) connection.close();
    },
  };
}

/** Those that there are, and as many new ones as are missing. */
function connectionsTo(endpoint: Endpoint, count: number): readonly GrpcConnection[] {
  const key = `${endpoint.host} ${endpoint.port}`;
  const connections = (kept.get(key) ?? []).filter(({ failed }) => !failed);
  while (connections.length < count) connections.push(new GrpcConnection(endpoint, shared));
  kept.set(key, connections);
  return connections;
}

/** Its requests have a deadline of their own, and its connections are kept for the runs to come. */
function apiSender({ method, contentType }: Extract<Target, { kind: "api" }>): Sender {
  const pool = api;
  if (!pool) throw new Error("no API server was named");
  return {
    send: async ({ path, request }) => {
      const code = await pool.send({ method, path, contentType, body: request });
      return code >= 200 && code < 300 ? good : { ok: false, why: code === 0 ? "the API server did not answer" : `the API server answered ${code}` };
    },
    giveUp: () => {},
  };
}
