/** What `explain` tells about a pod. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Timeouts } from "../../../src/domain/timeouts.ts";
import { explain } from "../../../src/main/cli/explain.ts";
import { InvalidPodError } from "../../../src/workers/pod.ts";
import { config, deletedPod, pendingPod, runningPod } from "./pods.ts";

const hour = 3_600_000;
const timeouts: Timeouts = { startup: hour, initialization: hour, regularWorkspace: hour, maxLifetime: 36 * hour, headlessWorkspace: hour, afterClose: hour, contentFinalization: hour, stopping: hour, interrupted: hour };
const created = Date.parse("2026-03-01T10:00:00Z");
const all = { derive: config, timeouts };

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
  it("takes the activity that is noted on the pod where none is given", () => {
    const pod = runningPod((p) => (p.metadata.annotations["gitpod.io/lastActivity"] = "2026-03-01T10:30:00Z"));
    assert.equal(explain({ pod }, all, { now: created }).timesOutAt, "2026-03-01T11:30:00.000Z");
  });
  it("refuses what is no pod", () => {
    for (const input of [null, [], {}, { pod: 3 }, { pod: runningPod((p) => delete p.metadata.annotations["gitpod/id"]) }]) assert.throws(() => explain(input, all, { now: created }), InvalidPodError);
  });
});
