/** Tests of what the load tool says of figures that it can not give. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { leftOut, leftOutNote } from "../../../src/bench/report/left-out.ts";
import type { Known, Needs } from "../../../src/bench/report/left-out.ts";
import { scenarios } from "../../../src/bench/scenarios/index.ts";

const needs: Needs = { pid: ["cpu_us_per_change", "rss_mb_*"], pidOrMetrics: ["daemon_rss_mb"], metrics: ["api_requests"], ownDaemon: ["ratio_to_parse_limit"], builtIn: ["watch_breaks"] };
const target = { host: "h", port: 1 };

function whatOf(figures: Readonly<Record<string, number>>, options: Known["options"], more: Partial<Known> = {}): Readonly<Record<string, string>> {
  return leftOut(needs, figures, { options, seen: false, complete: true, ...more });
}

describe("figures that are left out", () => {
  test("of a daemon of which nothing but its address is known say what to give", () => {
    const left = whatOf({ latency_p50_ms: 1 }, { target, kubeconfig: "k" });
    assert.deepEqual(left, {
      cpu_us_per_change: "give --pid", "rss_mb_*": "give --pid", daemon_rss_mb: "give --pid or --metrics", api_requests: "give --metrics",
      ratio_to_parse_limit: "measured only of a daemon that the tool starts itself", watch_breaks: "measured only on a built-in cluster",
    });
    assert.match(leftOutNote(left).join("\n"), /^left out: cpu_us_per_change, rss_mb_\*: give --pid; daemon_rss_mb: give --pid or --metrics; api_requests: give --metrics; /);
  });

  test("are none that are there", () => {
    const figures = { cpu_us_per_change: 1, rss_mb_100: 1, daemon_rss_mb: 1, api_requests: 0, ratio_to_parse_limit: 1, watch_breaks: 1 };
    assert.deepEqual(whatOf(figures, { target, kubeconfig: "k" }), {});
    assert.deepEqual(leftOutNote({}), []);
  });

  test("say that a process was not seen, or that the metrics do not tell", () => {
    const left = whatOf({}, { target, kubeconfig: "k", pid: 77, metrics: "http://m" });
    assert.equal(left["cpu_us_per_change"], "the daemon's process (--pid 77) was not seen on this machine");
    assert.equal(left["api_requests"], "--metrics does not tell enough for it");
  });

  test("for want of time say nothing wrong: the process was seen, or the user ended the run", () => {
    assert.equal(whatOf({}, { target, kubeconfig: "k", pid: 77, metrics: "http://m" }, { seen: true })["cpu_us_per_change"], undefined);
    const early = whatOf({}, { target, kubeconfig: "k", pid: 77, metrics: "http://m" }, { complete: false });
    assert.deepEqual(Object.keys(early), ["ratio_to_parse_limit", "watch_breaks"]);
  });

  test("of the tool's own daemon are told only where nobody can see its process", () => {
    assert.deepEqual(whatOf({}, {}, { seen: true }), {});
    assert.equal(whatOf({}, {})["daemon_rss_mb"], "the daemon's process was not seen on this machine");
  });

  test("are known of every scenario that measures a daemon's process or its metrics with --target", () => {
    const without = [...scenarios].filter(([, scenario]) => scenario.needs === undefined).map(([name]) => name);
    // Calls are measured from outside alone; the others start the daemon themselves.
    assert.deepEqual(without.toSorted(), ["calls", "ready", "relist"]);
  });
});
