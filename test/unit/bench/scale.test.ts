/** Tests of scale's turns, and of what it tells of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { delayHistogram } from "../../../src/bench/load/ledger.ts";
import { inTurn, roundsOf } from "../../../src/bench/scenarios/scale.ts";
import { scaleOutcome } from "../../../src/bench/scenarios/scale-report.ts";
import type { Size, Turn } from "../../../src/bench/scenarios/scale-report.ts";

/** Sampled as seconds that begin at a turn: what the daemon takes of a core then, and between turns. */
const costs: Readonly<Record<string, { readonly busy: number; readonly idle: number }>> = { "daemon a": { busy: 0.1, idle: 0.01 }, "daemon b": { busy: 0.15, idle: 0.02 } };

/** A turn of three seconds at 100 changes a second, from a time on. */
function turnAt(at: number, sent = 300): Turn {
  const written = new Float64Array();
  const balance = { delivered: sent, coalesced: 0, repeated: 0, reordered: 0, lost: sent < 300 ? 7 : 0 };
  return {
    plan: { base: 1, total: 300, workspaces: 10, first: 0, interval: 10, startAt: at, measuredFrom: 0 }, sent: { written, sent, failed: 0, late: "", share: 0 }, from: at, to: at + 3000, deliveredAt: at + 3000, balance, waited: undefined,
    latency: delayHistogram(), late: delayHistogram(), ended: 0, why: "", share: 0, deliveredPerSecond: [100, 100, 100], longestPerSecond: [1, 1, 1], edgeMs: 500,
  };
}

function size(workspaces: number, suffix: string, turns: readonly Turn[]): Size {
  return { workspaces, suffix, turns, restedAt: 99_000, rssMb: 100 + workspaces / 100 };
}

function lab(aborted = false): Parameters<typeof scaleOutcome>[0] {
  return {
    signal: { aborted },
    usage: {
      names: ["daemon a", "daemon b"], machine: () => 0.5, curves: () => ({ rss: [], cpu: [] }),
      cost: (name, from, to) => {
        const cost = costs[name];
        // What lies within a turn begins half a second behind its begin.
        const cpu = cost && (to - from === 2000 ? cost.busy : cost.idle);
        return cpu === undefined ? undefined : { cpu, main: 0, cpuMs: 0, mainMs: 0, rssMb: 0, rssFirstMb: 0, rssLastMb: 0, rssMaxMb: 0 };
      },
    },
  };
}

test("turns go forth, back, back and forth, so that the first and the last size wait equally long for theirs", () => {
  const order = inTurn(["a", "b", "c"], 4);
  assert.deepEqual(order.map(([round, one]) => `${round}${one}`), ["0a", "0b", "0c", "1c", "1b", "1a", "2c", "2b", "2a", "3a", "3b", "3c"]);
  const gaps = (name: string): readonly number[] => order.flatMap(([, one], i) => (one === name ? i : [])).flatMap((at, i, all) => (i === 0 ? [] : at - (all[i - 1] ?? 0))).toSorted((a, b) => a - b);
  assert.deepEqual(gaps("a"), gaps("c"));
});

test("there are two turns for a look, and four or a multiple of them, but no more than 40", () => {
  assert.deepEqual([0.3, 1, 3, 12, 17, 40, 120, 86_400].map(roundsOf), [2, 2, 4, 4, 4, 12, 40, 40]);
});

test("growth compares what changes cost within turns, and what is taken between them is told beside it", () => {
  const { figures, notes } = scaleOutcome(lab(), [size(10, " a", [turnAt(0), turnAt(20_000)]), size(1010, " b", [turnAt(5000), turnAt(15_000)])], [10, 1010]);
  assert.ok(Math.abs((figures["cpu_growth"] ?? 0) - 1.5) < 1e-9);
  assert.ok(Math.abs((figures["cpu_us_per_change_10"] ?? 0) - 1000) < 1e-9);
  assert.deepEqual([figures["idle_cpu_percent_10"], figures["idle_cpu_percent_1010"], figures["rss_mb_per_1000"]], [1, 2, 10]);
  assert.match(notes.join("\n"), /^10 workspaces: last turn: CPU of one core: daemon a /m);
});

test("where the user ends it, a turn that was cut short does not count for costs, but what it lost does", () => {
  const { figures } = scaleOutcome(lab(true), [size(10, " a", [turnAt(0), turnAt(20_000, 50)]), size(1010, " b", [turnAt(5000)])], [10, 1010]);
  assert.ok(Math.abs((figures["cpu_growth"] ?? 0) - 1.5) < 1e-9);
  assert.equal(figures["lost"], 7);
  assert.ok(!("rss_mb_per_1000" in figures));
});

test("without the largest size there is no growth, and its absence is told", () => {
  const { figures, notes } = scaleOutcome(lab(true), [size(10, " a", [turnAt(0)]), size(1010, " b", [turnAt(5000)])], [10, 1010, 5000]);
  assert.ok(!("cpu_growth" in figures));
  assert.match(notes.join("\n"), /^nothing was measured with 5000 workspaces$/m);
});
