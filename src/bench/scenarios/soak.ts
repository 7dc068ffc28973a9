/** Scenario soak: everything together for as long as one likes, to find what is lost, repeated or kept for ever only after hours. */
import { randomInt } from "node:crypto";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import { idOfPod } from "../load/found-pods.ts";
import { runLoad } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import { callsSchema, churnSchema, visitsSchema } from "../load/soak-results.ts";
import { breakWatches } from "../load/watch-breaks.ts";
import type { Breaks } from "../load/watch-breaks.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import type { Scenario } from "./scenario.ts";
import { soakOutcome } from "./soak-report.ts";
import type { Soaked } from "./soak-report.ts";

/** Time between visitors, between workspaces that are made and deleted, between calls, between looks at the metrics, between breaks of the watches: milliseconds. */
const visitEveryMs = 200;
const churnEveryMs = 1000;
const callEveryMs = 700;
const scrapeEveryMs = 5000;
const breakEveryMs = 30_000;
/** Watches are not broken more often: a daemon that takes a watch of less than a second for a failure waits ever longer. */
const breakAtLeastMs = 2000;
/** How long a visitor stays, and how long a workspace lives that is not one of the measured ones: from, to. */
const stayMs = [1000, 10_000] as const;
const lifeMs = [3000, 20_000] as const;
/** Short runs have of the rarer things, and of the longer ones, more: as many in so much of their time. */
const shareOfShortRun = 1 / 8;
/** Seeds of the workspaces that come and go begin here: beyond those of the measured ones. */
const firstSeed = 2 ** 30;
/** What is under way when the load ends has up to two minutes. */
const finishMs = 200_000;
const nothing = z.undefined();

/** What happens beside the load. */
interface Company {
  readonly visitors: Part;
  readonly churn: Part;
  readonly caller: Part;
}

export const soak: Scenario = {
  summary: "all of it together, for as long as one likes: subscribers come, go and hang, workspaces come and go, watches break; does memory grow, is anything lost?",
  uses: ["stalled"],
  defaults: { workspaces: 1000, subscribers: 40, rate: 300, stalled: 4, seconds: 60, warmup: 20 },
  needs: {
    pid: ["daemon_cpu_us_per_change"],
    pidOrMetrics: ["rss_mb", "rss_slope_mb_per_h", "rss_slope_noise_mb_per_h", "rss_first_mb", "rss_last_mb", "rss_max_mb"],
    metrics: ["heap_first_mb", "heap_last_mb", "heap_max_mb", "heap_slope_mb_per_h", "heap_slope_noise_mb_per_h", "heap_total_mb", "status_cache_growth_mb", "loop_delay_max_ms", "relists", "skipped_pods", "worker_restarts", "stalled_ended"],
    builtIn: ["watch_breaks", "compactions"],
  },
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    await using visitors = lab.part("visitors", "visitors");
    await using churn = lab.part("churn", "churn");
    await using caller = lab.part("caller", "caller");
    const company = { visitors, churn, caller };
    await open(lab, daemon, company);
    return soakOutcome(lab, await together(lab, daemon, company));
  },
};

async function open(lab: Lab, daemon: Daemon, { visitors, churn, caller }: Company): Promise<void> {
  const { options, kubeconfig, node, cluster: { namespace, run } } = lab;
  const { endpoint, metrics } = daemon;
  const names = await lab.workspaces(options.workspaces);
  await Promise.all([
    visitors.call("open", { endpoint, intervalMs: visitEveryMs, stayMs: scaled(lab, stayMs), stalled: options.stalled }, nothing),
    churn.call("open", { kubeconfig, namespace, run, endpoint, node, size: options.size, seed: firstSeed + randomInt(firstSeed), intervalMs: churnEveryMs, lifeMs: scaled(lab, lifeMs) }, nothing),
    caller.call("open", { endpoint, ids: names.map(idOfPod), intervalMs: atMost(lab, callEveryMs), metrics, scrapeMs: atMost(lab, scrapeEveryMs) }, nothing),
  ]);
}

/** Runs the load with all else beside it, and ends that when the load ends: last who looks at the counters, so that they hold what came of all the rest. */
async function together(lab: Lab, daemon: Daemon, { visitors, churn, caller }: Company): Promise<Soaked> {
  await Promise.all([visitors, churn, caller].map((part) => part.call("begin", {}, nothing)));
  const { load, broken } = await loadAndBreak(lab, daemon);
  const [visits, lives] = await Promise.all([
    visitors.call("finish", {}, visitsSchema, finishMs),
    churn.call("finish", {}, churnSchema, finishMs),
  ]);
  const calls = await caller.call("finish", {}, callsSchema, finishMs);
  return { load, broken, visits, lives, calls };
}

/** @returns broken undefined where watches can not be broken. */
async function loadAndBreak(lab: Lab, daemon: Daemon): Promise<{ readonly load: LoadResult; readonly broken: Breaks | undefined }> {
  const { warmup, seconds } = lab.options;
  const canBreak = (await lab.cluster.requests()) !== undefined;
  const ending = new AbortController();
  // Not while the last statuses are waited for.
  const timer = setTimeout(() => ending.abort(), (warmup + seconds) * 1000);
  const everyMs = Math.max(breakAtLeastMs, 2 * atMost(lab, breakEveryMs / 2));
  const breaking = canBreak ? breakWatches(lab.cluster, everyMs, AbortSignal.any([ending.signal, lab.signal])) : undefined;
  try {
    const load = await runLoad(lab, daemon, 0, "sums");
    ending.abort();
    return { load, broken: await breaking };
  } finally {
    clearTimeout(timer);
    ending.abort();
    await breaking;
  }
}

/** A time, or less in a short run. */
function atMost(lab: Lab, ms: number): number {
  return Math.min(ms, lab.options.seconds * 1000 * shareOfShortRun);
}

function scaled(lab: Lab, range: readonly [number, number]): readonly [number, number] {
  const most = Math.min(range[1], lab.options.seconds * 1000 * 2 * shareOfShortRun);
  return [(range[0] * most) / range[1], most];
}
