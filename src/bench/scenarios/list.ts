/** Scenario list: GetWorkspaces and DescribeWorkspace with many workspaces, beside a bare grpc-js server that answers with the same bytes, in turn. */
import { describeRequest, idsIn } from "../load/answers.ts";
import { besideBare, capture } from "../load/beside-bare.ts";
import { machineNow } from "../load/clock.ts";
import { startFlood } from "../load/flood.ts";
import { callsPlot, failureNotes, perCpu, perSecond } from "../load/turns.ts";
import type { Sides, Turns } from "../load/turns.ts";
import { loopDelayMs } from "../parts/daemon.ts";
import { measured } from "../report/figures.ts";
import { limits, ms, shares } from "../report/limits.ts";
import { percentilePlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Scenario } from "./scenario.ts";

/** Workspaces that are described, in turn. */
const describedCount = 200;

export const list: Scenario = {
  summary: "GetWorkspaces and DescribeWorkspace, as a share of what bare grpc-js answers with the same bytes, in turn",
  uses: ["concurrency"],
  defaults: { workspaces: 5000, subscribers: 1, seconds: 10, warmup: 1 },
  replays: true,
  needs: { pid: ["get_per_cpu_ratio_to_bare", "describe_per_cpu_ratio_to_bare", "rss_mb"], metrics: ["loop_delay_max_ms"] },
  run: async (lab) => {
    await using flood = await startFlood(lab);
    const { daemon } = flood;
    await using callers = lab.part("callers", "callers");
    const get = await capture(callers, daemon.endpoint, "GetWorkspaces", [new Uint8Array()]);
    const answer = get.tasks[0]?.answer ?? new Uint8Array();
    const describe = await capture(callers, daemon.endpoint, "DescribeWorkspace", idsIn(answer).slice(0, describedCount).map(describeRequest));
    await using both = await besideBare(lab, callers, daemon, [get, describe]);
    const delays: number[] = [];
    const from = machineNow();
    const gets = await both.measure(get, { daemonTurn: async (turn) => {
      // Reading the metric sets it back: what is read next is the time of the turn.
      await loopDelayMs(daemon);
      await turn();
      delays.push((await loopDelayMs(daemon)) ?? Number.NaN);
    } });
    const describes = await both.measure(describe);
    const to = machineNow();
    const all = [gets, describes].flatMap((turns) => Object.values(turns));
    return {
      figures: measured({
        ...figuresOf("get", gets), ...figuresOf("describe", describes),
        answer_mb: answer.length / 2 ** 20,
        loop_delay_max_ms: delays.length > 0 ? Math.max(...delays) : undefined,
        rss_mb: lab.usage.cost("daemon", from, to)?.rssMb,
        failed: sum(all, "failed"), different: sum(all, "different"),
      }),
      notes: [
        ...failureNotes("GetWorkspaces", gets), ...failureNotes("DescribeWorkspace", describes),
        ...(sum(all, "different") > 0 ? ["some answers were not what they were at the beginning: the workspaces changed meanwhile"] : []),
        ...(lab.signal.aborted ? ["ended early by the user"] : []),
        ...limits(lab.usage, from, to, Math.max(...all.map(({ share }) => share))), ...shares(lab.usage, from, to),
      ],
      plots: [
        percentilePlot("Time to the whole answer, by percentile", { GetWorkspaces: gets.daemon.delays, "GetWorkspaces, bare": gets.bare.delays, DescribeWorkspace: describes.daemon.delays, "DescribeWorkspace, bare": describes.bare.delays }),
        callsPlot(from, { GetWorkspaces: gets.daemon.counted, "GetWorkspaces, bare": gets.bare.counted, DescribeWorkspace: describes.daemon.counted, "DescribeWorkspace, bare": describes.bare.counted }),
        ...usagePlots(lab, ["daemon", "bare server"], from, to),
      ],
    };
  },
};

function figuresOf(name: string, { daemon, bare }: Sides): Readonly<Record<string, number>> {
  return {
    [`${name}_ratio_to_bare`]: perSecond(daemon) / perSecond(bare),
    [`${name}_per_cpu_ratio_to_bare`]: perCpu(daemon) / perCpu(bare),
    [`${name}_p50_ms`]: ms(daemon.delays, 50), [`${name}_p99_ms`]: ms(daemon.delays, 99),
    [`${name}_per_s`]: perSecond(daemon), [`bare_${name}_per_s`]: perSecond(bare),
  };
}

function sum(turns: readonly Turns[], name: "failed" | "different"): number {
  return turns.reduce((total, { [name]: count }) => total + count, 0);
}
