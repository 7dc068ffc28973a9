/** Scenario ready: the daemon's start with many workspaces, to its first complete list. */
import { setTimeout as sleep } from "node:timers/promises";
import { loopDelayMs } from "../parts/daemon.ts";
import { machineNow } from "../load/clock.ts";
import { measured } from "../report/figures.ts";
import { absentPlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import { limits, shares } from "../report/limits.ts";
import type { Scenario } from "./scenario.ts";

export const ready: Scenario = {
  summary: "the daemon's start: time until it serves and has its first complete list, its longest event loop delay, its memory",
  uses: ["rest"],
  defaults: { workspaces: 5000 },
  refuses: ({ target }) => (target ? "ready starts the daemon itself: it can not be used with --target" : undefined),
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    // Reading the metric sets it back: what is read next is the time of the list alone.
    const before = await loopDelayMs(daemon);
    const syncedAt = await daemon.synced();
    lab.measures();
    const delay = await loopDelayMs(daemon);
    await sleep(lab.options.rest * 1000, undefined, { signal: lab.signal }).catch(() => {});
    lab.usage.sample();
    const cost = lab.usage.cost("daemon", daemon.startedAt, machineNow());
    return {
      figures: measured({
        ready_s: (syncedAt - daemon.startedAt) / 1000, serving_s: (daemon.servedAt - daemon.startedAt) / 1000, list_s: (syncedAt - daemon.servedAt) / 1000,
        loop_delay_max_ms: delay, loop_delay_starting_ms: before,
        rss_mb: cost?.rssMb, rss_max_mb: cost?.rssMaxMb, cpu_s: cost && cost.cpuMs / 1000,
      }),
      notes: [...(lab.signal.aborted ? ["ended early by the user"] : []), ...limits(lab.usage, daemon.startedAt, syncedAt, 0), ...shares(lab.usage, daemon.startedAt, syncedAt)],
      plots: [
        absentPlot("Delays by percentile, and throughput", "A start is one event: ready_s, serving_s and list_s are all of it. --runs makes several starts."),
        ...usagePlots(lab, ["daemon"], daemon.startedAt, machineNow()),
      ],
    };
  },
};
