/** Scenario stall: a stream with and without subscribers that do not read, in turn: the others must not notice, and memory must stay flat. */
import { runLoad } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import type { Lab } from "../lab.ts";
import { measured } from "../report/figures.ts";
import { limits, ms } from "../report/limits.ts";
import type { Scenario } from "./scenario.ts";
import { streamNotes, streamPlots } from "./stream.ts";

export const stall: Scenario = {
  summary: "the same with and without one tenth more subscribers that do not read, in turn (--stalled for another number)",
  defaults: { subscribers: 45, seconds: 20 },
  run: async (lab) => {
    const { subscribers, stalled } = lab.options;
    await lab.workspaces(lab.options.workspaces);
    const without = await oneLoad(lab, 0);
    const hanging = await oneLoad(lab, stalled > 0 ? stalled : Math.ceil(subscribers / 9));
    const cost = lab.usage.cost("daemon", hanging.from, hanging.to);
    const control = lab.usage.cost("daemon", without.from, without.to);
    return {
      figures: measured({
        p99_ratio: ms(hanging.latency, 99) / ms(without.latency, 99),
        rss_growth_mb: cost && cost.rssLastMb - cost.rssFirstMb,
        // What it grows by with the same load and no one hanging: a heap that finds its size.
        rss_growth_without_mb: control && control.rssLastMb - control.rssFirstMb,
        // What those who do not read cost in all: they may have taken it before the first tenth was over.
        rss_over_without_mb: cost && control && cost.rssLastMb - control.rssLastMb,
        rss_first_mb: cost?.rssFirstMb, rss_last_mb: cost?.rssLastMb, rss_max_mb: cost?.rssMaxMb,
        latency_p99_without_ms: ms(without.latency, 99), latency_p99_with_ms: ms(hanging.latency, 99),
        latency_p50_without_ms: ms(without.latency, 50), latency_p50_with_ms: ms(hanging.latency, 50),
        changes_per_s: hanging.changesPerSecond,
        ...hanging.balance,
      }),
      notes: [...limits(lab.usage, without.from, without.to, without.share, without.late).map((note) => `without: ${note}`), ...streamNotes(lab, hanging)],
      plots: streamPlots(lab, hanging),
    };
  },
};

/** Each with a daemon of its own, so that neither starts with what the other left. */
async function oneLoad(lab: Lab, stalled: number): Promise<LoadResult> {
  await using daemon = await lab.daemon();
  await daemon.synced();
  const result = await runLoad(lab, daemon, stalled);
  return result;
}
