/** Part: subscribers on raw gRPC streams, each delivery matched with its change; and, for the scenarios that need no more, mere counts. */
import { z } from "zod";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { Counter } from "../load/counted.ts";
import { FrameReader } from "../load/frame.ts";
import { GrpcConnection } from "../load/grpc-stream.ts";
import type { StreamSink } from "../load/grpc-stream.ts";
import { InitialStates } from "../load/initial-state.ts";
import { Ledger } from "../load/ledger.ts";
import { pathOf } from "../load/paths.ts";
import { planSchema } from "../load/plan.ts";
import type { arrivedSchema } from "../load/results.ts";
import { endpointSchema } from "./endpoint.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

const openSchema = z.object({
  endpoint: endpointSchema,
  subscribers: z.number(),
  /** Connections that they share. */
  connections: z.number(),
  /** How many of them, each with a connection of its own, read nothing. */
  stalled: z.number(),
  /** Frames to keep, for a bare server to send. */
  capture: z.number(),
});

const arriveSchema = z.object({
  endpoint: endpointSchema, subscribers: z.number(), interval: z.number(), startAt: z.number(),
  /** Workspaces that everyone is to be told of: others that there are do not count. */
  ids: z.array(z.string()),
  timeoutMs: z.number(),
});

/** How long those who have come may still take when no one comes any more. */
const hurryMs = 2000;

const path = pathOf("Subscribe");
/** All connections are read into this: each chunk is worked off before the next one is read. */
const shared = Buffer.alloc(256 * 1024);
const reader = new FrameReader();
let connections: GrpcConnection[] = [];
let ledger: Ledger | undefined;
/** So many of the subscribers, the first ones, are booked; of the others messages are counted. */
let booked = 0;
let share = loadShare();
let messages = 0;
let bytes = 0;
let frames: Buffer[] = [];
/** Looks at the messages that come, once that is asked for. */
let counter: Counter | undefined;
let wanted = 0;
let ended = 0;
let why = "";
/** No one comes any more, and no one is waited for. */
let hurry = new AbortController();

/** Whose stream ended although we did not close it. */
function lost(reason: string): void {
  ended++;
  if (why === "") why = reason;
}

serve({
  open: async (params) => {
    const { endpoint, subscribers, connections: count, stalled, capture } = openSchema.parse(params);
    wanted = capture;
    const dial = (): GrpcConnection => new GrpcConnection(endpoint, shared);
    const reading = Array.from({ length: Math.min(count, subscribers) }, dial);
    const opening = Array.from({ length: subscribers }, (_, i) => subscribe(reading[i % reading.length] ?? dial(), i));
    const hanging = Array.from({ length: stalled }, dial);
    connections = [...reading, ...hanging];
    await Promise.all([...opening, ...hanging.map((connection) => stall(connection))]);
  },
  /** Books what the first so many subscribers are told of. */
  begin: (params) => {
    const { plan, subscribers, detail } = z.object({ plan: planSchema, subscribers: z.number(), detail: z.enum(["each", "sums"]) }).parse(params);
    ledger = new Ledger(plan, subscribers, detail);
    booked = subscribers;
    share = loadShare();
  },
  balance: (params) => {
    const { written } = z.object({ written: z.instanceof(Float64Array) }).parse(params);
    if (!ledger) throw new Error("nothing was begun");
    return ledger.balance(written);
  },
  finish: (params) => {
    const { written } = z.object({ written: z.instanceof(Float64Array) }).parse(params);
    if (!ledger) throw new Error("nothing was begun");
    const { lastAt, reached, deliveredPerSecond, longestPerSecond, standstills } = ledger;
    const result = { ...ledger.balance(written), delays: ledger.packedDelays(), lastAt, reached, deliveredPerSecond, longestPerSecond, gapPerSecond: standstills.perSecond, ended, why, share: share() };
    ledger = undefined;
    return result;
  },
  /** Messages and bytes so far, and the share since the last time. */
  counts: () => {
    const result = { messages, bytes, frames, at: machineNow(), share: share() };
    frames = [];
    share = loadShare();
    return result;
  },
  /** Messages over time, from `watch` to `watched`. */
  watch: () => {
    counter?.stop();
    counter = new Counter(() => messages);
  },
  watched: () => counter?.stop() ?? [],
  arrive: async (params) => arrive(arriveSchema.parse(params)),
  /** Ends `arrive` with those who have come. */
  stop: () => hurry.abort(),
  close: () => closeAll(),
});

function closeAll(): void {
  for (const connection of connections) connection.close();
  connections = [];
  counter?.stop();
  counter = undefined;
  ledger = undefined;
  ended = 0;
  why = "";
  hurry = new AbortController();
}

function subscribe(connection: GrpcConnection, index: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connection.call(path, new Uint8Array(), {}, {
    message: (buffer, start, end) => {
      messages++;
      bytes += end - start;
      if (wanted > 0) keep(buffer, start, end);
      if (!ledger || index >= booked) return;
      reader.read(buffer, start, end);
      if (reader.stamp >= 0) ledger.deliver(index, reader.stamp, reader.version, machineNow());
    },
    opened: resolve,
    ended: (reason) => {
      lost(reason);
      reject(new Error(`a subscription ended: ${reason}`));
    },
  });
  return promise;
}

function keep(buffer: Buffer, start: number, end: number): void {
  wanted--;
  frames.push(Buffer.from(buffer.subarray(start, end)));
}

/** Subscribes and stops reading once the response headers are there. */
async function stall(connection: GrpcConnection): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connection.call(path, new Uint8Array(), {}, { message: () => {}, opened: resolve, ended: (reason) => reject(new Error(reason)) });
  await promise;
  connection.stall();
}

/** Subscribers come at a fixed rate, each with a connection of its own, ask for the initial state, and stay. */
async function arrive({ endpoint, subscribers, interval, startAt, ids, timeoutMs }: z.infer<typeof arriveSchema>): Promise<z.infer<typeof arrivedSchema>> {
  const opened: number[] = [];
  const complete: number[] = [];
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const busy = loadShare();
  const before = messages;
  const counter = new Counter(() => messages);
  const states = new InitialStates(ids);
  let came = 0;
  for (let i = 0; i < subscribers && !hurry.signal.aborted; i++) {
    const due = startAt + i * interval;
    await sleepUntil(due);
    const state = states.begin();
    const sink: StreamSink = {
      message: (bytes, from, to) => {
        messages++;
        if (state.complete) return;
        reader.read(bytes, from, to);
        if (!state.take(bytes.toString("latin1", reader.idFrom, reader.idTo))) return;
        complete.push(machineNow() - due);
        if (complete.length === (hurry.signal.aborted ? came : subscribers)) resolve();
      },
      opened: () => void opened.push(machineNow() - due),
      ended: lost,
    };
    const connection = new GrpcConnection(endpoint, shared);
    connections.push(connection);
    came++;
    connection.call(path, new Uint8Array(), { "wsman-initial-state": "true" }, sink);
  }
  const timer = setTimeout(resolve, timeoutMs);
  if (hurry.signal.aborted) setTimeout(resolve, complete.length === came ? 0 : hurryMs);
  hurry.signal.addEventListener("abort", () => setTimeout(resolve, complete.length === came ? 0 : hurryMs), { once: true });
  await all;
  clearTimeout(timer);
  return { came, opened, complete, ended, why, messages: messages - before, counted: counter.stop(), share: busy() };
}
