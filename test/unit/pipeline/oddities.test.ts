/** Odd pods come again with every change and every list: each time counts, the first is logged. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SkippedResult } from "../../../src/domain/messages.ts";
import { Oddities } from "../../../src/main/oddities.ts";
import { RecordingLog } from "../kube/helpers.ts";

function setup() {
  const [log, counted] = [new RecordingLog(), new Array<string>()];
  const oddities = new Oddities({ skippedPod: (reason) => void counted.push(reason) }, log);
  const skip = (changes: Partial<SkippedResult>): void => oddities.skipped({ kind: "skipped", reason: "invalid", message: "no owner", uid: "uid-a", podName: "ws-a", resourceVersion: "1", removed: false, ...changes });
  return { log, counted, oddities, skip };
}

test("a pod that is skipped again and again counts each time and is logged once, with its name and the reason", () => {
  const { log, counted, skip } = setup();
  for (let n = 0; n < 3; n++) skip({ resourceVersion: String(n) });
  assert.deepEqual(counted, ["invalid", "invalid", "invalid"]);
  assert.deepEqual(log.entries, [{ level: "warn", fields: { pod: "ws-a", uid: "uid-a", reason: "invalid", error: "no owner" }, message: "a pod is skipped" }]);
});

test("another pod, another instance of it, and another reason are told as well; a line that makes workers fail is an error", () => {
  const { log, counted, skip } = setup();
  skip({});
  skip({ uid: "uid-b" });
  skip({ reason: "poisoned" });
  skip({ reason: "poisoned" });
  assert.deepEqual(counted, ["invalid", "invalid", "poisoned", "poisoned"]);
  assert.deepEqual(log.entries.map(({ level, message }) => [level, message]), [["warn", "a pod is skipped"], ["warn", "a pod is skipped"], ["error", "a pod makes workers fail and is set aside"]]);
});

test("without a uid the name tells pods apart, and without a name what is wrong", () => {
  const { log, skip } = setup();
  for (const podName of ["ws-a", "ws-b", "ws-a"]) skip({ uid: "", podName });
  for (const message of ["not valid JSON", "no metadata", "not valid JSON"]) skip({ uid: "", podName: "", message });
  assert.equal(log.entries.length, 4);
});

test("a pod that claims another's ID is logged once, and does not count as skipped", () => {
  const { log, counted, oddities } = setup();
  for (const pod of ["ws-2", "ws-2", "ws-3"]) oddities.conflict("ws1", pod);
  assert.deepEqual(log.entries.map(({ level, fields }) => [level, fields]), [["warn", { id: "ws1", pod: "ws-2" }], ["warn", { id: "ws1", pod: "ws-3" }]]);
  assert.deepEqual(counted, []);
});

test("however many are odd, few are remembered: the oldest may be told of again", () => {
  const { log, skip } = setup();
  for (let n = 0; n <= 10_000; n++) skip({ uid: `uid-${n}` });
  skip({ uid: "uid-1" });
  assert.equal(log.entries.length, 10_001);
  skip({ uid: "uid-0" });
  assert.equal(log.entries.length, 10_002);
});
