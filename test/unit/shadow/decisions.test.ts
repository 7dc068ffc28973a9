/** What a shadow says that it would do: each once, timeouts by what the manager that acts knows of activity. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Decisions } from "../../../src/main/shadow/decisions.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import type { Timeouts } from "../../../src/domain/timeouts.ts";
import { decide } from "../../../src/workers/actions.ts";
import { factsOf } from "../../../src/workers/facts.ts";
import { readPod } from "../../../src/workers/pod.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { MemoryLog } from "../rpc/helpers.ts";
import { deletedPod, runningPod, statusOf, withState, type RawPod } from "../workers/pods.ts";

const minute = 60_000;
const timeouts: Timeouts = {
  startup: 60 * minute, initialization: 30 * minute, regularWorkspace: 30 * minute, maxLifetime: 36 * 60 * minute, headlessWorkspace: 60 * minute,
  afterClose: 2 * minute, contentFinalization: 60 * minute, stopping: 60 * minute, interrupted: 5 * minute,
};

function recordOf(raw: RawPod, id = "one"): WorkspaceRecord {
  raw.metadata.annotations["gitpod/id"] = id;
  raw.metadata["uid"] = `uid-${id}`;
  const pod = readPod(raw);
  const status = statusOf(raw);
  return {
    uid: pod.uid, resourceVersion: "1", facts: factsOf(pod, status), digest: "", version: { seconds: 1, logical: 1 }, sequence: 1, actions: decide(pod, status), init: undefined, vacant: false,
    placeholder: undefined, stopped: false, awaitsRunning: false, listGeneration: 0, frame: undefined, place: 0, held: undefined, activeAt: undefined, activityWrittenAt: undefined,
  };
}

/** One that is used, and was ten minutes old when the shadow began. */
function used(clock: FakeClock, id = "one"): WorkspaceRecord {
  return recordOf(runningPod((pod) => {
    pod.metadata["creationTimestamp"] = new Date(clock.now() - 10 * minute).toISOString();
    pod.metadata.annotations["gitpod/firstUserActivity"] = new Date(clock.now() - 9 * minute).toISOString();
    pod.metadata.annotations["gitpod.io/nodeName"] = "node-1";
  }), id);
}

interface Setup {
  readonly clock: FakeClock;
  readonly log: MemoryLog;
  readonly decisions: Decisions;
  readonly decided: string[];
  readonly messages: (level?: string) => readonly string[];
}

function setup(lastActivityOf?: (id: string) => Promise<number | undefined>): Setup {
  const clock = new FakeClock(Date.parse("2026-03-01T12:00:00Z"));
  const log = new MemoryLog();
  const decided: string[] = [];
  const decisions = new Decisions({ timeouts, unwrittenMs: 5 * minute, holdMs: 2 * minute, lastActivityOf, clock, log, onDecision: (decision) => void decided.push(decision) });
  return { clock, log, decisions, decided, messages: (level = "info") => log.lines.filter((line) => line.level === level).map(({ message }) => message) };
}

test("what the workers decide is told once per workspace, whatever changes meanwhile", () => {
  const { decisions, messages, log } = setup();
  const stopped = deletedPod((pod) => {
    pod.status["phase"] = "Succeeded";
    withState(pod, { terminated: { exitCode: 0, reason: "Completed" } });
  });
  const record = recordOf(stopped);
  decisions.changed(record);
  decisions.changed(record);
  assert.deepEqual(messages(), ["would back up its content"]);
  assert.deepEqual(log.lines.at(-1)?.fields, { id: "one", pod: "ws-one" });
  decisions.changed(recordOf(structuredClone(stopped), "two"));
  assert.deepEqual([messages().length, decisions.counts], [2, { "back up": 2 }]);
  decisions.close();
});

test("deletions and initializations are told, housekeeping is only counted", () => {
  const { decisions, messages, decided } = setup();
  decisions.changed(recordOf(runningPod((pod) => (pod.metadata.annotations["gitpod.io/stoppedByRequest"] = "30s"))));
  assert.deepEqual([messages(), messages("debug")], [["would delete its pod"], ["would change an annotation"]]);
  assert.deepEqual(decided, ["delete pod", "annotate"]);
  decisions.close();
});

test("who was used lately, as the manager that acts knows, does not time out; who was not is told once, with the reason", async () => {
  const activity = new Map<string, number | undefined>();
  const { clock, decisions, log, messages } = setup(async (id) => activity.get(id));
  for (const id of ["busy", "idle"]) decisions.changed(used(clock, id));
  activity.set("busy", clock.now() + 29 * minute);
  clock.advance(30 * minute + 1);
  await new Promise(setImmediate);
  assert.deepEqual(messages(), ["would time out"]);
  assert.deepEqual(log.lines.at(-1)?.fields, { id: "idle", pod: "ws-one", reason: "workspace timed out after period of inactivity (00h30m) took longer than 00h30m" });
  activity.set("busy", undefined);
  clock.advance(30 * minute);
  await new Promise(setImmediate);
  assert.deepEqual([messages().length, decisions.counts], [2, { "time out": 2 }]);
  decisions.close();
});

test("without somebody to ask, only what does not depend on use is told as timed out", () => {
  const { clock, decisions, messages } = setup();
  decisions.changed(used(clock));
  decisions.changed(recordOf(runningPod((pod) => (pod.metadata["creationTimestamp"] = new Date(clock.now() - timeouts.maxLifetime + 40 * minute).toISOString())), "old"));
  clock.advance(39 * minute);
  assert.ok(!messages().includes("would time out"));
  assert.equal(messages("debug").filter((message) => message.startsWith("would time out unless")).length, 2);
  clock.advance(2 * minute);
  assert.deepEqual(decisions.counts["time out"], 1);
  clock.advance(10 * 60 * minute);
  assert.deepEqual([decisions.counts["time out"], decisions.counts["time out unless used"]], [1, 2]);
  decisions.close();
});

test("a manager that does not answer is asked again, and a workspace that goes meanwhile is nobody's matter", async () => {
  let asked = 0;
  const { clock, decisions, messages } = setup(async () => {
    asked++;
    if (asked < 3) throw new Error("away");
    return undefined;
  });
  const record = used(clock);
  decisions.changed(record);
  clock.advance(30 * minute + 1);
  for (let i = 0; i < 2; i++) {
    await new Promise(setImmediate);
    assert.deepEqual(messages(), []);
    clock.advance(30_001);
  }
  await new Promise(setImmediate);
  assert.deepEqual([asked, messages()], [3, ["would time out"]]);
  const gone = used(clock, "gone");
  decisions.changed(gone);
  decisions.forgotten(gone);
  clock.advance(60 * minute);
  await new Promise(setImmediate);
  assert.equal(asked, 3);
  decisions.close();
});

test("who was marked as timed out by the manager that acts is not told again", () => {
  const { clock, decisions, messages } = setup();
  const record = recordOf(runningPod((pod) => {
    pod.metadata["creationTimestamp"] = new Date(clock.now() - timeouts.maxLifetime - minute).toISOString();
    pod.metadata.annotations["gitpod/timedout"] = "it did";
  }));
  decisions.changed(record);
  clock.advance(minute);
  assert.deepEqual(messages(), ["would delete its pod"]);
  decisions.close();
});

test("a burst of decisions is told as far as there is room in the log, and all of it is counted", () => {
  const { clock, decisions, log, messages } = setup();
  const stop = (i: number): void => decisions.changed(recordOf(runningPod((pod) => {
    pod.metadata.annotations["gitpod.io/stoppedByRequest"] = "30s";
    pod.metadata.annotations["gitpod.io/nodeName"] = "node-1";
  }), `ws-${i}`));
  for (let i = 0; i < 1_000; i++) stop(i);
  assert.deepEqual([messages().length, decisions.counts], [200, { "delete pod": 1_000 }]);
  clock.advance(50);
  stop(1_000);
  assert.deepEqual(log.lines.at(-1)?.fields, { id: "ws-1000", pod: "ws-one", gracePeriodSeconds: 30, untold: 800 });
  decisions.close();
});
