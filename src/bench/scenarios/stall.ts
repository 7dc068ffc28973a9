/** Scenario stall: a stream with and without subscribers that do not read, in turn: the others must not notice, and memory must stay flat. */
import { joinedDelays } from "../load/flow.ts";
import { runLoad, sumOf } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import type { Lab } from "../lab.ts";
import { measured } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { ms } from "../report/limits.ts";
import { percentilePlot } from "../report/plot.ts";
import type { Scenario } from "./scenario.ts";
import { loadNotes, streamNotes, streamPlots } from "./stream.ts";

/** Each has its first turn before and its second after the other, so that a drift of the machine meets both alike. */
const order = ["without", "with", "with", "without"] as const;

export const stall: Scenario = {
  summary: "changes at a fixed rate with and without one tenth more subscribers that do not read, twice each in turn (--stalled for another number)",
  uses: ["stalled"],
  defaults: { subscribers: 45, seconds: 12 },
  needs: { pid: ["rss_growth_mb", "rss_growth_without_mb", "rss_over_without_mb", "rss_first_mb", "rss_last_mb", "rss_max_mb"] },
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    const loads = { without: new Array<LoadResult>(), with: new Array<LoadResult>() };
    for (const side of order) {
      if (lab.signal.aborted) break;
      lab.say(`${side} subscribers that do not read`);
      const load = await oneLoad(lab, side === "without" ? 0 : stalledOf(lab)).catch((error: unknown) => {
        // What was measured before counts, though this one was ended.
        if (!lab.signal.aborted) throw error;
      });
      // One that was cut short would hide the whole one before it.
      if (load && (loads[side].length === 0 || !lab.signal.aborted)) loads[side].push(load);
    }
    const shown = loads.with.at(-1) ?? loads.without.at(-1);
    return {
      figures: figuresOf(lab, loads),
      notes: [...notesOf(lab, loads, shown), ...(shown ? streamNotes(lab, shown) : [])],
      plots: shown ? [percentilePlot("Delay by percentile, of all loads", { "without who does not read": joinedDelays(loads.without, "latency"), "with them": joinedDelays(loads.with, "latency") }), ...streamPlots(lab, shown)] : [],
    };
  },
};

/** Subscribers that do not read: as many as were asked for, or a tenth of all. */
function stalledOf({ options: { subscribers, stalled } }: Lab): number {
  return stalled > 0 ? stalled : Math.ceil(subscribers / 9);
}

/** The loads of each side. */
type Loads = Readonly<Record<(typeof order)[number], readonly LoadResult[]>>;

/** What was wrong with the loads but for the one that is shown, which has notes of its own. */
function notesOf(lab: Lab, loads: Loads, shown: LoadResult | undefined): readonly string[] {
  return (["without", "with"] as const).flatMap((side) => loads[side].filter((load) => load !== shown).flatMap((load) => loadNotes(lab, load).map((note) => `${side}: ${note}`)));
}

function figuresOf(lab: Lab, { without, with: hanging }: Loads): Figures {
  const quiet = sideFigures(lab, without);
  const disturbed = sideFigures(lab, hanging);
  const { rss_first_mb = Number.NaN, rss_last_mb = Number.NaN } = disturbed;
  const control = quiet["rss_last_mb"] ?? Number.NaN;
  return measured({
    p99_ratio: (disturbed["p99_ms"] ?? Number.NaN) / (quiet["p99_ms"] ?? Number.NaN),
    rss_growth_mb: rss_last_mb - rss_first_mb,
    // What it grows by with the same load and no one hanging: a heap that finds its size.
    rss_growth_without_mb: control - (quiet["rss_first_mb"] ?? Number.NaN),
    // What those who do not read cost in all: they may have taken it before the first tenth was over.
    rss_over_without_mb: rss_last_mb - control,
    rss_first_mb, rss_last_mb, rss_max_mb: disturbed["rss_max_mb"],
    latency_p99_without_ms: quiet["p99_ms"], latency_p99_with_ms: disturbed["p99_ms"],
    latency_p50_without_ms: quiet["p50_ms"], latency_p50_with_ms: disturbed["p50_ms"],
    changes_per_s: hanging.at(-1)?.changesPerSecond,
    // Of both sides: with no one hanging nothing may be lost either.
    ...(without.length + hanging.length > 0 ? sumOf([...without, ...hanging].map(({ balance }) => balance)) : {}),
  });
}

/** Delays over all loads of a side, and the daemon's memory in the last one. */
function sideFigures(lab: Lab, loads: readonly LoadResult[]): Figures {
  const last = loads.at(-1);
  if (!last) return {};
  const all = joinedDelays(loads, "latency");
  const cost = lab.usage.cost("daemon", last.from, last.to);
  return measured({ p50_ms: ms(all, 50), p99_ms: ms(all, 99), rss_first_mb: cost?.rssFirstMb, rss_last_mb: cost?.rssLastMb, rss_max_mb: cost?.rssMaxMb });
}

/** Each with a daemon of its own, so that none starts with what another left. */
async function oneLoad(lab: Lab, stalled: number): Promise<LoadResult> {
  await using daemon = await lab.daemon();
  await daemon.synced();
  const result = await runLoad(lab, daemon, stalled);
  return result;
}
