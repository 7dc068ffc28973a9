/** How busy this process' event loop is, and the pauses of its garbage collector, as the metrics tell. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { sumOf } from "../../support/metrics.ts";
import { until } from "../../support/until.ts";

test("every pause of the garbage collector counts, also where several come in one turn of the event loop", async () => {
  const metrics = createMetrics();
  const told: string[] = [];
  metrics.runtime.onPause((kind) => void told.push(kind));
  setFlagsFromString("--expose-gc");
  runInNewContext("for (let i = 0; i < 5; i++) gc()");
  setFlagsFromString("--no-expose-gc");
  const major = (): number => metrics.runtime.pauses().find(({ kind }) => kind === "major")?.count ?? 0;
  await until("the pauses are told", () => major() >= 5);
  assert.ok(told.filter((kind) => kind === "major").length >= 5);
  const text = await metrics.render();
  assert.ok(sumOf(text, "wsmand_gc_pause_seconds_count", { kind: "major" }) >= 5);
  assert.ok(sumOf(text, "wsmand_gc_pause_seconds_sum", { kind: "major" }) > 0);
});

test("the event loop's time is told, at work and idle", async () => {
  // Time counts from the first turn of the event loop on.
  await new Promise(setImmediate);
  const metrics = createMetrics();
  const read = async (part: string): Promise<number> => sumOf(await metrics.render(), `wsmand_event_loop_${part}_seconds_total`);
  const [active, idle] = [await read("active"), await read("idle")];
  const end = performance.now() + 50;
  while (performance.now() < end);
  await until("the loop was idle", async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return (await read("idle")) > idle;
  });
  assert.ok((await read("active")) >= active + 0.045);
});

test("the number of workers is told; of no process of its own, nothing else", async () => {
  const metrics = createMetrics({ process: false });
  metrics.runtime.workers(3);
  const text = await metrics.render();
  assert.equal(sumOf(text, "wsmand_workers"), 3);
  assert.doesNotMatch(text, /wsmand_gc_pause|wsmand_event_loop/);
  assert.deepEqual(metrics.runtime.pauses(), []);
});
