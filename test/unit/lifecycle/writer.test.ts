/** Writes of annotations: what has taken effect here before they are answered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Priority } from "../../../src/main/kube/budget.ts";
import { WorkspaceWriter } from "../../../src/main/lifecycle/writer.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

/** Has the daemon write with a priority; gives the pods whose status was derived before that was answered. */
async function submittedBy(priority?: Priority): Promise<readonly string[]> {
  const submitted: string[] = [];
  const record = recordOf("a");
  const writer = new WorkspaceWriter({
    objects: { get: () => Promise.reject(new Error("nothing is to be read")), annotate: ({ podName }) => Promise.resolve(Buffer.from(podName)) },
    registry: { byId: () => record },
    submit: (bytes) => {
      submitted.push(Buffer.from(bytes).toString());
      return Promise.resolve();
    },
    clock: new FakeClock(), random: () => 0,
  });
  await writer.annotate(record, { a: "b" }, "try", new AbortController().signal, priority);
  return submitted;
}

test("what a user's call writes is seen by its reader", async () => {
  assert.deepEqual(await submittedBy(), [recordOf("a").facts.podName]);
  assert.deepEqual(await submittedBy("user"), [recordOf("a").facts.podName]);
});

test("what no one waits for is left to the watch, and costs no second look at the pod", async () => {
  assert.deepEqual(await submittedBy("housekeeping"), []);
  assert.deepEqual(await submittedBy("finalization"), []);
});
