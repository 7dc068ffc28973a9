/** Part: asks HTTP endpoints at a fixed rate, with autocannon, and keeps what each answer took and what it told. */
import autocannon from "autocannon";
import type { Instance } from "autocannon";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { metricIn } from "../load/exposition.ts";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import type { scrapedSchema } from "../load/results.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

const beginSchema = z.object({
  /** Taken in turn. */
  urls: z.array(z.string()),
  /** Requests per second. */
  rate: z.number(),
  /** A metric whose value is kept with each answer that has it. */
  metric: z.string(),
});

/** An answer; `bytes` is that of its body. */
interface Scrape {
  readonly at: number;
  readonly ms: number;
  readonly ok: boolean;
  readonly bytes: number;
  readonly value: number | undefined;
}

/** Answers that are kept: over an hour at 25 a second. The oldest go first. */
const maxKept = 100_000;
const maxSeconds = 86_400;
const timeoutSeconds = 10;
const kept: Scrape[] = [];
let failed = 0;
let why = "";
let instances: Instance[] = [];
let share = loadShare();

serve({
  begin: async (params) => {
    const { urls, rate, metric } = beginSchema.parse(params);
    share = loadShare();
    // autocannon sends what a second's rate allows at once, at its begin. One instance for each request of a second, begun one after the other, are evenly spread.
    const begin = machineNow();
    for (let i = 0; i < rate; i++) {
      await sleepUntil(begin + (i * 1000) / rate);
      instances.push(start(urls, i, metric));
    }
  },
  /** Stops, and tells of what came between two times of the machine's clock. */
  finish: async (params) => {
    const { from, to } = z.object({ from: z.number(), to: z.number() }).parse(params);
    for (const instance of instances) instance.stop();
    await Promise.all(instances);
    instances = [];
    return result(kept.filter(({ at }) => at >= from && at <= to));
  },
});

/** One connection that asks once a second. @param first which address is asked first. */
function start(urls: readonly string[], first: number, metric: string): Instance {
  const paths = urls.map((_, i) => new URL(urls[(first + i) % urls.length] ?? ""));
  let body = "";
  const instance = autocannon({
    url: paths[0]?.origin ?? "", connections: 1, overallRate: 1, duration: maxSeconds, timeout: timeoutSeconds,
    requests: paths.map(({ pathname, search }) => ({ path: pathname + search, onResponse: (_status, text) => void (body = text) })),
  });
  instance.on("response", (_client, status, _bytes, ms) => {
    keep({ at: machineNow(), ms, ok: status === 200, bytes: Buffer.byteLength(body), value: metricIn(body, metric) });
    if (status !== 200) fail(`it was answered with ${status}`);
  });
  instance.on("reqError", (error) => fail(error.message));
  return instance;
}

function keep(scrape: Scrape): void {
  kept.push(scrape);
  if (kept.length > maxKept) kept.splice(0, maxKept / 10);
}

function fail(how: string): void {
  failed++;
  if (why === "") why = how;
}

function result(scrapes: readonly Scrape[]): z.infer<typeof scrapedSchema> {
  const good = scrapes.filter(({ ok }) => ok);
  const delays = delayHistogram();
  for (const { ms } of good) recordDelay(delays, ms);
  return {
    answers: good.length, failed, why, bytes: good.reduce((sum, { bytes }) => sum + bytes, 0), delays: encodeIntoCompressedBase64(delays),
    told: good.flatMap(({ at, value }) => (value === undefined ? [] : [{ at, value }])),
    timeMs: (good.at(-1)?.at ?? 0) - (good[0]?.at ?? 0), share: share(),
  };
}
