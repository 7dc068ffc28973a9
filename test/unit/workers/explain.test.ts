/** What `explain` tells about a pod. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Timeouts } from "../../../src/domain/timeouts.ts";
import { explain, type ExplainConfig } from "../../../src/main/cli/explain.ts";
import { Reckoning } from "../../../src/main/lifecycle/elapsed.ts";
import { isTimed } from "../../../src/main/lifecycle/decision.ts";
import { InvalidPodError } from "../../../src/workers/pod.ts";
import { config, deletedPod, pendingPod, runningPod } from "./pods.ts";

const [minute, hour] = [60_000, 3_600_000];
const timeouts: Timeouts = { startup: hour, initialization: hour, regularWorkspace: hour, maxLifetime: 36 * hour, headlessWorkspace: hour, afterClose: hour, contentFinalization: hour, stopping: hour, interrupted: hour };
const created = Date.parse("2026-03-01T10:00:00Z");

/** As by a leader since then. */
function ledSince(since: number): ExplainConfig {
  const reckoning = new Reckoning({ unwrittenMs: 5 * minute, holdMs: 3 * minute, finalizationMs: timeouts.contentFinalization, clock: { now: () => since + 48 * hour } });
  reckoning.begin(since);
  return { derive: config, timeouts, reckoning };
}

const all = ledSince(0);

describe("explain", () => {
  it("prints the status as proto3 JSON", () => {
    const pod = runningPod((p) => {
      p.metadata.annotations["gitpod/firstUserActivity"] = "2026-03-01T10:01:00.983492544Z";
      p.metadata.annotations["gitpod.io/annotation.__proto__"] = "own";
    });
    const { status } = explain({ pod, events: [] }, all, { now: created });
    const printed = JSON.stringify(status);
    for (const part of ['"phase":"RUNNING"', '"startedAt":"2026-03-01T10:00:00Z"', '"firstUserActivity":"2026-03-01T10:01:00.983492544Z"', '"type":"REGULAR"', '"annotations":{"__proto__":"own"}', '"ideImage":{}']) assert.ok(printed.includes(part), part);
    assert.ok(!printed.includes("statusVersion"));
  });
  it("prints 64-bit integers as strings", () => {
    const pod = deletedPod((p) => (p.metadata.annotations["gitpod.io/disposalStatus"] = '{"gitStatus":{"total_unpushed_commits":9007199254740991}}'));
    assert.ok(JSON.stringify(explain({ pod }, all, { now: created }).status).includes('"totalUnpushedCommits":"9007199254740991"'));
  });
  it("takes the pod's raw events into account", () => {
    const { status } = explain({ pod: pendingPod(), events: [{ reason: "Scheduled" }, { reason: "FailedMount", message: "no secret" }] }, all, { now: created });
    assert.match(JSON.stringify(status), /"failed":"no secret"/);
  });
  it("tells when it times out, and that it did", () => {
    const early = explain({ pod: runningPod() }, all, { now: created });
    assert.deepEqual([early.timedOut, early.timesOutAt], ["", "2026-03-01T11:00:00.000Z"]);
    assert.match(explain({ pod: runningPod() }, all, { now: created + hour }).timedOut, /^workspace timed out after period of inactivity \(01h00m\)/);
    assert.equal(explain({ pod: runningPod() }, all, { now: created + hour, lastActivity: created + 1 }).timedOut, "");
    assert.ok(!("timesOutAt" in explain({ pod: deletedPod((p) => (p.metadata["finalizers"] = [])) }, all, { now: created })));
  });
  it("shows what the time asks for among the actions, once it is due and as long as it is not written down", () => {
    const timedActions = (pod: unknown, now: number) => explain({ pod }, all, { now }).actions.filter(isTimed);
    const text = "workspace timed out after period of inactivity (01h00m) took longer than 01h00m";
    assert.deepEqual(timedActions(runningPod(), created + hour - 1), []);
    assert.deepEqual(timedActions(runningPod(), created + hour), [{ action: "timeOut", text }]);
    const marked = runningPod((p) => (p.metadata.annotations["gitpod/timedout"] = text));
    assert.deepEqual(timedActions(marked, created + hour), []);
    assert.equal(explain({ pod: marked }, all, { now: created + hour }).timedOut, text);
    const hanging = deletedPod((p) => (p.metadata.annotations["gitpod/timedout"] = text));
    const [step, ...others] = timedActions(hanging, created + 24 * hour);
    assert.ok(step?.action === "giveUpBackup" && others.length === 0, JSON.stringify(step));
    assert.match(step.text, /^workspace timed out after backup /);
  });
  it("gives users of workspaces from before the lead began the time that the leader gives them", () => {
    const since = created + hour - 1;
    const { actions, timedOut, timesOutAt } = explain({ pod: runningPod() }, ledSince(since), { now: created + hour });
    assert.deepEqual([actions.filter(isTimed), timedOut, timesOutAt], [[], "", new Date(since + hour).toISOString()]);
    const used = runningPod((p) => (p.metadata.annotations["gitpod.io/lastActivity"] = "2026-03-01T10:30:00Z"));
    assert.equal(explain({ pod: used }, ledSince(created + 2 * hour), { now: created + 2 * hour }).timesOutAt, "2026-03-01T12:03:00.000Z");
  });
  it("takes the activity that is noted on the pod where none is given", () => {
    const pod = runningPod((p) => (p.metadata.annotations["gitpod.io/lastActivity"] = "2026-03-01T10:30:00Z"));
    assert.equal(explain({ pod }, all, { now: created }).timesOutAt, "2026-03-01T11:30:00.000Z");
  });
  it("refuses what is no pod", () => {
    for (const input of [null, [], {}, { pod: 3 }, { pod: runningPod((p) => delete p.metadata.annotations["gitpod/id"]) }]) assert.throws(() => explain(input, all, { now: created }), InvalidPodError);
  });
});
