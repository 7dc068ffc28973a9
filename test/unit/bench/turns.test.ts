/** Tests of what two sides that do the same in turn give together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Called } from "../../../src/bench/load/called.ts";
import { delayHistogram, recordDelay } from "../../../src/bench/load/ledger.ts";
import { addTurn, failureNotes, noSides, noTurns, overheadFigures, perCpu, perSecond } from "../../../src/bench/load/turns.ts";

/** A turn of calls that took so long each, milliseconds. */
function called(delays: readonly number[], rest: Partial<Called> = {}): Called {
  const histogram = delayHistogram();
  for (const delay of delays) recordDelay(histogram, delay);
  const none = encodeIntoCompressedBase64(delayHistogram());
  return { sent: delays.length, failed: 0, why: "", different: 0, bytes: 0, delays: encodeIntoCompressedBase64(histogram), late: none, from: 1000, to: 2000, share: 0.5, answered: new Uint8Array(), counted: [], ...rest };
}

test("turns add up, without those that failed", () => {
  const turns = noTurns();
  addTurn(turns, called([1, 2, 3]), 0.5);
  addTurn(turns, called([4], { sent: 3, failed: 2, why: "no", share: 0.9, to: 1500 }), 0.5);
  assert.deepEqual([turns.calls, turns.failed, turns.why, turns.share, turns.delays.totalCount], [4, 2, "no", 0.9, 4]);
  assert.equal(perSecond(turns), 4 / 1.5);
  assert.equal(perCpu(turns), 4 / 750);
});

test("without CPU time, or with less than a tick, there is none to compare with", () => {
  const turns = noTurns();
  addTurn(turns, called([1]));
  assert.ok(Number.isNaN(perCpu(turns)));
  const idle = noTurns();
  addTurn(idle, called([1]), 0);
  assert.ok(Number.isNaN(perCpu(idle)));
});

test("overheads are what the daemon's delays are above the bare ones", () => {
  const sides = noSides();
  addTurn(sides.daemon, called([10, 10, 10, 40]));
  addTurn(sides.bare, called([4, 4, 4, 10]));
  const figures = overheadFigures("start", "bare_create", sides);
  assert.deepEqual(Object.keys(figures), ["start_p50_ms", "bare_create_p50_ms", "start_overhead_p50_ms", "start_p99_ms", "bare_create_p99_ms", "start_overhead_p99_ms"]);
  assert.ok(Math.abs((figures["start_overhead_p50_ms"] ?? 0) - 6) < 0.1);
  assert.ok(Math.abs((figures["start_overhead_p99_ms"] ?? 0) - 30) < 0.1);
});

test("failures are told for each side", () => {
  const sides = noSides();
  assert.deepEqual(failureNotes("X", sides), []);
  addTurn(sides.bare, called([], { sent: 1, failed: 1, why: "409" }));
  assert.deepEqual(failureNotes("X", sides), ["1 calls of X, bare failed: 409"]);
});
