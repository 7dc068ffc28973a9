/** Part: calls GetWorkspaces and DescribeWorkspace now and then and checks the answers, and reads the daemon's metrics. */
import { setTimeout as sleep } from "node:timers/promises";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { messageOf } from "../../domain/errors.ts";
import { describeRequest } from "../load/answers.ts";
import { AnswerCheck } from "../load/answer-check.ts";
import { machineNow } from "../load/clock.ts";
import { metricSum } from "../load/exposition.ts";
import { GrpcClient } from "../load/grpc-client.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import type { Calls, Scrape } from "../load/soak-results.ts";
import { Series } from "../report/series.ts";
import { beyondSampler, loopDelayMetric } from "./daemon.ts";
import { endpointSchema } from "./endpoint.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

const openSchema = z.object({
  endpoint: endpointSchema,
  /** Workspaces that are there all the time. */
  ids: z.array(z.string()),
  /** Time between calls, milliseconds; one of three is GetWorkspaces. */
  intervalMs: z.number(),
  metrics: z.string().optional(),
  scrapeMs: z.number(),
});

const scrapeTimeoutMs = 30_000;
const maxScrapes = 5000;
const maxProblems = 3;
const mebibyte = 2 ** 20;

const sums = { gets: 0, describes: 0, failures: 0, scrapes: 0, scrapeFailures: 0 };
const problems: string[] = [];
const getDelays = delayHistogram();
const describeDelays = delayHistogram();
const seen = new Series<Scrape>(maxScrapes, folded);
const ending = new AbortController();
let settings: z.infer<typeof openSchema> | undefined;
let working: Promise<unknown> = Promise.resolve();
let share = loadShare();

serve({
  open: (params) => {
    settings = openSchema.parse(params);
  },
  /** Counters are known from then on: what happens next can be counted. */
  begin: async () => {
    if (!settings) throw new Error("nothing was opened");
    share = loadShare();
    if (settings.metrics !== undefined) await scrape(settings.metrics).catch(scrapeFailed);
    working = Promise.all([callAgainAndAgain(settings), scrapeAgainAndAgain(settings)]);
    working.catch((error: unknown) => problem(messageOf(error)));
  },
  finish: async (): Promise<Calls> => {
    ending.abort();
    await working;
    // Counters as they are at the end.
    if (settings?.metrics !== undefined) await scrape(settings.metrics).catch(scrapeFailed);
    return { ...sums, problems, getDelays: encodeIntoCompressedBase64(getDelays), describeDelays: encodeIntoCompressedBase64(describeDelays), seen: [...seen.samples], share: share() };
  },
});

function problem(text: string): void {
  if (problems.length < maxProblems) problems.push(text);
}

/** One call after the other, so that each answer can be compared with those before it. */
async function callAgainAndAgain({ endpoint, ids, intervalMs }: z.infer<typeof openSchema>): Promise<void> {
  using client = new GrpcClient(endpoint);
  const answers = new AnswerCheck(ids);
  await paced(intervalMs, async (due, i) => {
    const isGet = i % 3 === 0;
    const id = ids[Math.floor(Math.random() * ids.length)] ?? "";
    const wrong = isGet
      ? await client.call("GetWorkspaces", Buffer.alloc(0)).then((bytes) => answers.get(bytes))
      : await client.call("DescribeWorkspace", describeRequest(Buffer.from(id))).then((bytes) => answers.describe(id, bytes));
    recordDelay(isGet ? getDelays : describeDelays, machineNow() - due);
    sums[isGet ? "gets" : "describes"]++;
    if (wrong !== undefined) throw new Error(wrong);
  }, (error) => {
    sums.failures++;
    problem(`a call: ${messageOf(error)}`);
  });
}

async function scrapeAgainAndAgain({ metrics, scrapeMs }: z.infer<typeof openSchema>): Promise<void> {
  if (metrics === undefined) return;
  await paced(scrapeMs, () => scrape(metrics), scrapeFailed);
}

async function scrape(metrics: string): Promise<void> {
  const response = await fetch(metrics, { signal: AbortSignal.timeout(scrapeTimeoutMs) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 100)}`);
  sums.scrapes++;
  seen.add(scrapeOf(text));
}

function scrapeFailed(error: unknown): void {
  sums.scrapeFailures++;
  problem(`/metrics: ${messageOf(error)}`);
}

/** Does something each `intervalMs`, and at once if it is late, until the load ends; turns that are over when the one before ends are left out. */
async function paced(intervalMs: number, turn: (due: number, i: number) => Promise<void>, failed: (error: unknown) => void): Promise<void> {
  const from = machineNow();
  let due = from;
  for (let i = 0; !ending.signal.aborted; i++) {
    await turn(due, i).catch(failed);
    due = Math.max(due + intervalMs, from + Math.floor((machineNow() - from) / intervalMs) * intervalMs);
    await sleep(Math.max(0, due - machineNow()), undefined, { signal: ending.signal }).catch(() => {});
  }
}

function scrapeOf(text: string): Scrape {
  const mb = (value: number | undefined): number | undefined => (value === undefined ? undefined : value / mebibyte);
  const loopDelay = metricSum(text, loopDelayMetric);
  return {
    at: machineNow(),
    rssMb: mb(metricSum(text, "process_resident_memory_bytes")),
    heapMb: mb(metricSum(text, "nodejs_heap_size_used_bytes") ?? metricSum(text, "go_memstats_heap_inuse_bytes")),
    heapTotalMb: mb(metricSum(text, "nodejs_heap_size_total_bytes") ?? metricSum(text, "go_memstats_heap_sys_bytes")),
    externalMb: mb(metricSum(text, "nodejs_external_memory_bytes")),
    cacheMb: mb(metricSum(text, "wsmand_status_cache_bytes")),
    loopDelayMs: loopDelay === undefined ? undefined : beyondSampler(loopDelay),
    subscribers: metricSum(text, "wsmand_subscribers"),
    relists: metricSum(text, "wsmand_relists_total", 'resource="pods"'),
    skippedPods: metricSum(text, "wsmand_skipped_pods_total"),
    workerRestarts: metricSum(text, "wsmand_worker_restarts_total"),
    endedStalled: metricSum(text, "wsmand_subscribers_ended_total", 'reason="stalled"'),
  };
}

/** Counters only grow, so the newer one has the older one's; a delay is the longer one. */
function folded(older: Scrape, newer: Scrape): Scrape {
  const longer = Math.max(older.loopDelayMs ?? 0, newer.loopDelayMs ?? 0);
  return { ...newer, ...(newer.loopDelayMs === undefined ? {} : { loopDelayMs: longer }) };
}
