/** Scenario connect: many subscribers come at a fixed rate, each with a connection of its own, get the initial state, stay, and go. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { machineNow } from "../load/clock.ts";
import { ratePoints } from "../load/counted.ts";
import { idOfPod } from "../load/found-pods.ts";
import { arrivedSchema } from "../load/results.ts";
import { measured } from "../report/figures.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import type { Histogram } from "hdr-histogram-js";
import { endedEarly, limits, shares } from "../report/limits.ts";
import type { Scenario } from "./scenario.ts";

/** How long the last ones may take. */
const timeoutMs = 60_000;
const leadMs = 200;

export const connect: Scenario = {
  summary: "subscribers come at a fixed rate (--rate), get the current statuses, and go",
  uses: ["rest"],
  defaults: { workspaces: 1000, subscribers: 1500, rate: 30, rest: 3 },
  needs: { pid: ["rss_before_mb", "rss_connected_mb", "rss_after_mb"] },
  run: async (lab) => {
    const { workspaces, subscribers, rate } = lab.options;
    const names = await lab.workspaces(workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    await using part = lab.part("subscribers", "subscribers");
    lab.usage.sample();
    const from = machineNow();
    lab.say(`${subscribers} subscribers come, ${rate} a second`);
    const stop = (): void => void part.call("stop", {}, z.undefined()).catch(() => {});
    lab.signal.addEventListener("abort", stop, { once: true });
    if (lab.signal.aborted) stop();
    const arrived = await part.call("arrive", { endpoint: daemon.endpoint, subscribers, interval: 1000 / rate, startAt: from + leadMs, ids: names.map(idOfPod), timeoutMs }, arrivedSchema, (subscribers * 1000) / rate + 2 * timeoutMs).finally(() => lab.signal.removeEventListener("abort", stop));
    lab.usage.sample();
    const to = machineNow();
    const cost = lab.usage.cost("daemon", from, to);
    await part.call("close", {}, z.undefined());
    await sleep(lab.options.rest * 1000, undefined, { signal: lab.signal }).catch(() => {});
    lab.usage.sample();
    const after = lab.usage.cost("daemon", from, machineNow());
    if (arrived.came > 0) lab.measures();
    const missing = arrived.came - arrived.complete.length;
    return {
      figures: measured({
        connect_p50_ms: percentile(arrived.complete, 0.5), connect_p99_ms: percentile(arrived.complete, 0.99), connect_max_ms: percentile(arrived.complete, 1),
        headers_p50_ms: percentile(arrived.opened, 0.5), headers_p99_ms: percentile(arrived.opened, 0.99),
        messages_per_s: (arrived.messages * 1000) / (to - from),
        incomplete: missing,
        rss_before_mb: cost?.rssFirstMb, rss_connected_mb: cost?.rssMb, rss_after_mb: after?.rssMb,
      }),
      notes: [
        ...(missing > 0 ? [`${missing} subscribers did not get all ${workspaces} statuses`] : []),
        ...endedEarly(arrived.ended, arrived.why),
        ...(lab.signal.aborted ? [`ended early by the user: ${arrived.came} of ${subscribers} came`] : []),
        ...limits(lab.usage, from, to, arrived.share), ...shares(lab.usage, from, to),
      ],
      plots: [
        percentilePlot("Time until a subscriber has something, by percentile", { "the initial state is complete": histogramOf(arrived.complete), "response headers": histogramOf(arrived.opened) }),
        timePlot("Throughput", "statuses/s", { "to all subscribers": ratePoints([[arrived.counted]], from) }),
        ...usagePlots(lab, ["daemon"], from, machineNow()),
      ],
    };
  },
};

function histogramOf(values: readonly number[]): Histogram {
  const histogram = delayHistogram();
  for (const value of values) recordDelay(histogram, value);
  return histogram;
}

/** The smallest value that at least this share of all does not exceed; NaN of none. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
