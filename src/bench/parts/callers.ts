/** Part: callers of methods with one answer, each on a connection of its own: when one call is answered, the caller makes the next one (closed loop). */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { machineNow } from "../load/clock.ts";
import { GrpcConnection } from "../load/grpc-stream.ts";
import { callUnary } from "../load/grpc-unary.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";
import { endpointSchema } from "./endpoint.ts";

const targetSchema = z.object({ endpoint: endpointSchema, path: z.string() });
const bytes = z.instanceof(Uint8Array);

const runSchema = targetSchema.extend({
  callers: z.number(),
  seconds: z.number(),
  /** Tasks are taken in turn. An answer that is not, to the byte, what is expected counts as different. */
  tasks: z.array(z.object({ request: bytes, answer: bytes })),
});

export const calledSchema = z.object({
  calls: z.number(),
  failed: z.number(),
  /** Why the first one failed. */
  why: z.string(),
  different: z.number(),
  bytes: z.number(),
  /** From the call to its whole answer. A packed histogram. */
  delays: z.string(),
  from: z.number(),
  to: z.number(),
  share: z.number(),
});

type Run = z.infer<typeof runSchema>;
type Called = z.infer<typeof calledSchema>;

/** How long the answers that are under way may take at the end, milliseconds. */
const graceMs = 60_000;
/** All connections are read into this: each chunk is worked off before the next one is read. */
const shared = Buffer.alloc(256 * 1024);
/** When the run ends, on the machine's clock. */
let until = 0;

serve({
  /** Answers to requests, one after the other. */
  fetch: async (params) => {
    const { endpoint, path, requests } = targetSchema.extend({ requests: z.array(bytes) }).parse(params);
    const connection = new GrpcConnection(endpoint, shared);
    try {
      const answers: Uint8Array[] = [];
      for (const request of requests) answers.push(await fetchOne(connection, path, request));
      return answers;
    } finally {
      connection.close();
    }
  },
  run: (params) => run(runSchema.parse(params)),
  /** No further calls are made; `run` gives what there was. */
  stop: () => {
    until = 0;
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

async function run({ endpoint, path, callers, seconds, tasks }: Run): Promise<Called> {
  const connections = Array.from({ length: callers }, () => new GrpcConnection(endpoint, shared));
  const found = { calls: 0, failed: 0, why: "", different: 0, bytes: 0 };
  const delays = delayHistogram();
  const share = loadShare();
  const from = machineNow();
  until = from + seconds * 1000;
  let next = 0;
  const callOn = async (connection: GrpcConnection): Promise<void> => {
    const task = tasks[next++ % tasks.length];
    if (!task) return;
    const begun = machineNow();
    const { ok, why } = await callUnary(connection, path, task.request, (buffer, start, end) => {
      found.bytes += end - start;
      if (buffer.compare(task.answer, 0, task.answer.length, start, end) !== 0) found.different++;
    });
    if (ok) {
      found.calls++;
      recordDelay(delays, machineNow() - begun);
      return;
    }
    found.failed++;
    if (found.why === "") found.why = why;
    // A server that refuses is not asked as fast as it can refuse.
    await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const timer = setTimeout(() => connections.forEach((connection) => connection.close()), seconds * 1000 + graceMs);
  await Promise.all(connections.map(async (connection) => {
    while (machineNow() < until) await callOn(connection);
  }));
  clearTimeout(timer);
  const to = machineNow();
  for (const connection of connections) connection.close();
  return { ...found, delays: encodeIntoCompressedBase64(delays), from, to, share: share() };
}
