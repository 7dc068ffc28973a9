/** Part: how many lines a second the daemon's workers could read and encode if there were nothing else to do: what no pipeline around them can exceed. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { z } from "zod";
import { forms, PreparedPods } from "../../embedded/replay/pods.ts";
import { stampAnnotation } from "../load/plan.ts";
import { serve } from "./serve.ts";

const parseSchema = z.object({ threads: z.number(), namespace: z.string(), workspaces: z.number(), size: z.number(), warmupMs: z.number(), measuredMs: z.number() });

const threadSchema = z.object({
  /** Lines that gave a status, and those that did not. */
  lines: z.number(),
  skipped: z.number(),
  ms: z.number(),
  /** CPU time of the thread. */
  cpuMs: z.number(),
});

/** What a thread did. */
export type Parsed = z.infer<typeof threadSchema>;

/** As in the daemon: lines of a batch, and what the threads of its pool may use. */
const batchLines = 64;
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 16 };
/** Different lines; more would take memory only. */
const maxLines = 2048;

serve({
  parse: async (params) => {
    const { threads, workspaces, ...order } = parseSchema.parse(params);
    const pods = new PreparedPods({ count: Math.min(workspaces, maxLines), size: order.size, namespace: order.namespace, stampAnnotation });
    const batches = Array.from({ length: Math.ceil(pods.count / batchLines) }, (_, i) => batchOf(pods, i * batchLines));
    const found = await Promise.all(Array.from({ length: threads }, () => runThread({ batches, warmupMs: order.warmupMs, measuredMs: order.measuredMs })));
    const sum = (value: (parsed: Parsed) => number): number => found.reduce((total, parsed) => total + value(parsed), 0);
    if (sum(({ skipped }) => skipped) > 0) throw new Error("some lines gave no status");
    return { perSecond: sum(({ lines, ms }) => (lines * 1000) / ms), cpuMicrosPerLine: (sum(({ cpuMs }) => cpuMs) * 1000) / sum(({ lines }) => lines) };
  },
});

/** As the daemon's main thread hands lines to its workers: one behind the other in shared memory, without the line break. */
function batchOf(pods: PreparedPods, from: number): object {
  const count = Math.min(batchLines, pods.count - from);
  const bytes = Buffer.alloc(count * pods.longest);
  const lines: object[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = pods.write(from + i, forms.modified, from + i, from + i, bytes, at) - 1;
    lines.push({ source: "watch", start: at, length: end - at, events: undefined });
    at = end;
  }
  const buffer = new SharedArrayBuffer(at);
  new Uint8Array(buffer).set(bytes.subarray(0, at));
  return { buffer, lines };
}

function runThread(workerData: object): Promise<Parsed> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(new URL(`parse-thread${extname(import.meta.url)}`, import.meta.url)), { workerData, resourceLimits });
    worker.once("message", (message) => resolve(threadSchema.parse(message)));
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a thread ended without a result")));
  });
}
