/** Scenario scrape: /metrics and the health endpoints at a fixed rate, with autocannon, while changes stream to subscribers. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import { runLoad } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import { beyondSampler, loopDelayMetric } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { scrapedSchema } from "../load/results.ts";
import { measured } from "../report/figures.ts";
import { ms } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Outcome, Scenario } from "./scenario.ts";
import { streamNotes, streamPlots } from "./stream.ts";

/** Requests per second: many times what a Prometheus server asks, and far from what the daemon could answer. */
const scrapesPerSecond = 20;
const probesPerSecond = 4;
const probeTimeoutMs = 10_000;
/** Most points of a curve. */
const maxPoints = 500;
const nothing = z.undefined();

type Scraped = z.infer<typeof scrapedSchema>;

export const scrape: Scenario = {
  summary: `/metrics ${scrapesPerSecond} times a second with autocannon, and health probes, while changes stream to subscribers`,
  uses: ["stalled"],
  defaults: { workspaces: 5000, rate: 200 },
  needs: { pid: ["daemon_rss_mb"], metrics: ["loop_delay_max_ms"] },
  refuses: ({ target, metrics }) => (target && metrics === undefined ? "scrape needs to know where that daemon's metrics are: give --metrics URL" : undefined),
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    const { metrics } = daemon;
    if (metrics === undefined) throw new Error("the daemon serves no metrics");
    await using scraper = lab.part("scraper", "scraper");
    await using prober = lab.part("prober", "scraper");
    const health = await healthUrls(metrics);
    await scraper.call("begin", { urls: [metrics], rate: scrapesPerSecond, metric: loopDelayMetric }, nothing);
    if (health.length > 0) await prober.call("begin", { urls: health, rate: probesPerSecond, metric: "" }, nothing);
    const load = await runLoad(lab, daemon, lab.options.stalled);
    const [scraped, probed] = await Promise.all([finish(scraper, load), finish(prober, load)]);
    return outcomeOf(lab, load, scraped, probed);
  },
};

/** /readyz and /livez beside the metrics, if they are there. */
async function healthUrls(metrics: string): Promise<readonly string[]> {
  const urls = ["/readyz", "/livez"].map((path) => new URL(path, metrics).href);
  const found = await Promise.all(urls.map((url) => fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) }).then(({ ok }) => ok, () => false)));
  return urls.filter((_, i) => found[i]);
}

async function finish(part: Part, { from, to }: LoadResult): Promise<Scraped> {
  return part.call("finish", { from, to }, scrapedSchema);
}

function outcomeOf(lab: Lab, load: LoadResult, scraped: Scraped, probed: Scraped): Outcome {
  const [scrapes, probes] = [decodeFromCompressedBase64(scraped.delays), decodeFromCompressedBase64(probed.delays)];
  const delays = scraped.told.map(({ at, value }) => [(at - load.plan.startAt) / 1000, beyondSampler(value)] as const);
  const problems = [...problemsOf("scrapes", scraped), ...problemsOf("health probes", probed)];
  return {
    figures: measured({
      scrape_p50_ms: ms(scrapes, 50), scrape_p99_ms: ms(scrapes, 99), scrape_max_ms: scrapes.totalCount > 0 ? scrapes.maxValue / 1000 : undefined,
      scrapes_per_s: ((scraped.answers - 1) * 1000) / scraped.timeMs, scrape_kb: scraped.bytes / scraped.answers / 1024,
      // Each scrape sets it back, so the longest of all is the longest that there was.
      loop_delay_max_ms: delays.length > 0 ? Math.max(...delays.map(([, delay]) => delay)) : undefined,
      health_p99_ms: ms(probes, 99),
      failed: scraped.failed + probed.failed,
      latency_p50_ms: ms(load.latency, 50), latency_p99_ms: ms(load.latency, 99),
      changes_per_s: load.changesPerSecond,
      ...load.balance,
      daemon_rss_mb: lab.usage.cost("daemon", load.from, load.to)?.rssMb,
    }),
    notes: [...problems, ...streamNotes(lab, { ...load, share: Math.max(load.share, scraped.share, probed.share) })],
    plots: [
      percentilePlot("Time to an answer, by percentile", { "/metrics": scrapes, "/readyz and /livez": probes }),
      timePlot("Longest delay of the event loop since the scrape before", "ms", { daemon: thinned(delays) }),
      ...streamPlots(lab, load),
    ],
  };
}

function problemsOf(what: string, { answers, failed, why }: Scraped): readonly string[] {
  return [
    ...(failed > 0 ? [`${failed} ${what} failed: ${why}`] : []),
    ...(answers < 2 ? [`${answers} ${what} were answered in the measured time: too few to tell what there is to tell`] : []),
  ];
}

/** The longest ones, where there are more than a plot shows. */
function thinned(points: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const step = Math.ceil(points.length / maxPoints);
  const longest: (readonly [number, number])[] = [];
  for (let i = 0; i < points.length; i += step) longest.push(points.slice(i, i + step).reduce((a, b) => (b[1] > a[1] ? b : a)));
  return longest;
}
