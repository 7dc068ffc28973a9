/** A worker thread that does nothing but what the daemon's workers do with a line: reads it, derives, encodes. */
import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { processBatch } from "../../workers/batch.ts";
import type { Parsed } from "./parser.ts";

const orderSchema = z.object({
  batches: z.array(z.object({
    buffer: z.instanceof(SharedArrayBuffer),
    lines: z.array(z.object({ source: z.literal("watch"), start: z.number(), length: z.number(), events: z.undefined() })),
  })),
  /** Until the code is compiled as well as it will be, and then for what is counted. */
  warmupMs: z.number(),
  measuredMs: z.number(),
});

/** As in the daemon of a measurement. */
const config = { regularWorkspaceTimeoutMs: 30 * 60_000 };

const { batches, warmupMs, measuredMs } = orderSchema.parse(workerData);
if (batches.length === 0) throw new Error("there is nothing to parse");
run(warmupMs);
parentPort?.postMessage(run(measuredMs), []);

function run(forMs: number): Parsed {
  const before = process.threadCpuUsage();
  const begun = performance.now();
  let lines = 0;
  let skipped = 0;
  for (let i = 0; performance.now() - begun < forMs; i = (i + 1) % batches.length) {
    const batch = batches[i];
    if (!batch) break;
    for (const { kind } of processBatch(batch, config).results) {
      if (kind === "workspace") lines++;
      else skipped++;
    }
  }
  const ms = performance.now() - begun;
  const { user, system } = process.threadCpuUsage(before);
  return { lines, skipped, ms, cpuMs: (user + system) / 1000 };
}
