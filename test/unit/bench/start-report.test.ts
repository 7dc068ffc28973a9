/** Tests of what is told of starts and stops: no load is left out, neither of the failures nor of what limited it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Called } from "../../../src/bench/load/called.ts";
import { delayHistogram } from "../../../src/bench/load/ledger.ts";
import { addTurn, noSides } from "../../../src/bench/load/turns.ts";
import type { Sides } from "../../../src/bench/load/turns.ts";
import { limitsOf, notReplayed, othersNote, shares, toolName } from "../../../src/bench/report/limits.ts";
import { figuresOf } from "../../../src/bench/scenarios/start-report.ts";

/** Ten calls, some of which failed. */
function called(failed: number): Called {
  const none = encodeIntoCompressedBase64(delayHistogram());
  return { sent: 10, failed, why: "no", different: 0, bytes: 0, delays: none, late: none, from: 1000, to: 2000, share: 0, answered: new Uint8Array(), counted: [] };
}

/** Of the daemon; bare calls fail, too. */
function sides(failed: number): Sides {
  const made = noSides();
  addTurn(made.daemon, called(failed));
  addTurn(made.bare, called(5));
  return made;
}

test("starts and stops that failed at a rate, so many at once and at the same moment are counted together", () => {
  const figures = figuresOf({
    paced: { start: sides(1), stop: sides(0) }, loop: { start: sides(0), stop: sides(1), requests: 10 }, storm: { started: called(2), stopped: called(3) }, bareStorm: { started: called(4), stopped: called(4) },
    starts: { faults: { podless: 1, untold: 1, unmarked: 0, left: 0, lost: 1 }, podBytes: 1 }, witness: { book: { twice: 0, ends: { again: 0, afterwards: 0, early: 0 } }, interrupted: false, why: "" },
  });
  assert.deepEqual([figures["start_failed"], figures["stop_failed"], figures["start_lost"], figures["storm_succeeded"]], [3, 4, 1, 8]);
});

test("a turn in which the machine or the tool itself was the limit is told, whatever the others were like", () => {
  const cost = (main: number) => ({ cpu: main, main, cpuMs: 0, mainMs: 0, rssMb: 0, rssFirstMb: 0, rssLastMb: 0, rssMaxMb: 0 });
  const busy = (machine: number, tool: number) => ({ machine: (from: number) => (from === 10 ? machine : 0.1), cost: (name: string, from: number) => cost(name === toolName && from === 10 ? tool : 0.1) });
  const spans = [{ from: 0, to: 5 }, { from: 10, to: 11 }, { from: 20, to: 30 }];
  assert.deepEqual(limitsOf(busy(0.5, 0.5), spans, 0.5), []);
  assert.match(limitsOf(busy(0.99, 0.5), spans, 0.5).join(), /^the machine was the limit: 99 %/);
  assert.match(limitsOf(busy(0.5, 0.95), spans, 0.5).join(), /^the load side was the limit: .*95 %/);
});

test("of a time too short to tell what processes took, nothing is told", () => {
  assert.deepEqual(shares({ names: ["daemon"], cost: () => undefined, machine: () => 0.5 }, 0, 1), []);
});

test("what others asked for is told of where there are others", () => {
  assert.deepEqual(othersNote({ ownsAll: true }, "api_requests"), []);
  assert.match(othersNote({ ownsAll: false }, "api_requests").join(), /^api_requests hold what was asked for others/);
});

test("where changes are written to an API server, in place of a watch that is replayed, the load side is said to be the limit of what is to be as fast as can be", () => {
  assert.deepEqual(notReplayed({ ownsAll: true }), []);
  assert.match(notReplayed({ ownsAll: false }).join(), /^the load side was the limit: changes were written to an API server/);
});
