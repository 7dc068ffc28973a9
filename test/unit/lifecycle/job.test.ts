/** What is done about one workspace: one thing at a time, by the newest decision; long things once, beside that; nothing for one who does not lead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../../../src/domain/actions.ts";
import { wsman } from "../../../src/gen/proto.js";
import type { Permit } from "../../../src/main/lifecycle/acting.ts";
import { Job } from "../../../src/main/lifecycle/job.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

const { CREATING, STOPPING } = wsman.WorkspacePhase;
const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};

interface Doing {
  readonly what: string;
  readonly permit: Permit;
  /** For its last write. */
  readonly last: Permit;
  readonly done: PromiseWithResolvers<void>;
}

function setup() {
  const clock = new FakeClock();
  const doing: Doing[] = [];
  const failed: string[] = [];
  const term = { leads: true, ending: new AbortController() };
  const act = async (what: string, permit: Permit, last = permit): Promise<void> => {
    const done = Promise.withResolvers<void>();
    doing.push({ what, permit, last, done });
    return done.promise;
  };
  const record = recordOf("u", { phase: CREATING, everReady: false });
  const job = new Job(record, {
    quick: {
      first: async (_record, actions, permit) => {
        await act(actions[0]?.action ?? "", permit);
        return 1;
      },
    },
    content: { initialize: (_record, permit) => act("initialize", permit), waitForReady: (_record, permit) => act("wait", permit) },
    finalization: { finalize: (_record, _resume, permit, last) => act("finalize", permit, last) },
    recreation: { recreate: (_record, permit) => act("recreate", permit), fill: (_record, permit) => act("fill", permit) },
    term: { signal: term.ending.signal, goesOn: () => term.leads }, since: 0, clock, random: () => 1, onFailed: (_record, what) => failed.push(what),
  });
  /** The workspace changes. */
  const change = async (actions: readonly Action[], facts: Partial<typeof record.facts> = {}): Promise<void> => {
    record.actions = actions;
    record.facts = { ...record.facts, ...facts };
    job.poke();
    await settle();
  };
  const end = async (i: number, error?: Error): Promise<void> => {
    if (error) doing[i]?.done.reject(error);
    else doing[i]?.done.resolve();
    await settle();
  };
  return { clock, doing, failed, term, record, job, change, end, whats: () => doing.map(({ what }) => what) };
}

const [add, remove, initialize, finalize] = [{ action: "addFinalizer" }, { action: "removeAnnotation", key: "k" }, { action: "initializeContent" }, { action: "finalizeContent", resume: false }] as const;

test("one thing after the other, and after each what is to be done is looked at again", async () => {
  const { change, end, whats, record } = setup();
  await change([add, remove]);
  assert.deepEqual(whats(), ["addFinalizer"]);
  await change([remove]);
  assert.deepEqual(whats(), ["addFinalizer"], "the first is not done yet");
  await end(0);
  assert.deepEqual(whats(), ["addFinalizer", "removeAnnotation"]);
  record.actions = [];
  await end(1);
  assert.equal(whats().length, 2);
});

test("what takes long runs beside, once, and is cancelled when it is overtaken", async () => {
  const { change, doing, end, whats } = setup();
  await change([initialize]);
  await change([initialize, add]);
  assert.deepEqual(whats(), ["initialize", "addFinalizer"]);
  await end(1);
  await change([finalize], { phase: STOPPING, deletedAt: 1 });
  assert.deepEqual(whats(), ["initialize", "addFinalizer", "finalize"]);
  assert.equal(doing[0]?.permit.signal.aborted, true);
  assert.equal(doing[2]?.permit.signal.aborted, false);
  await change([finalize, add]);
  assert.deepEqual(whats().slice(3), ["addFinalizer"], "not begun again");
  await change([], { backupComplete: true });
  assert.equal(doing[2]?.permit.signal.aborted, true);
});

test("the end of a content cancels what is done for it, but not the write that tells of it, until the pod is gone", async () => {
  const { change, record, doing, job } = setup();
  await change([finalize], { phase: STOPPING, deletedAt: 1 });
  record.stopped = true;
  await change([], { backupComplete: true });
  assert.deepEqual([doing[0]?.permit.signal.aborted, doing[0]?.last.signal.aborted], [true, false]);
  job.end();
  assert.equal(doing[0]?.last.signal.aborted, true);
});

test("what fails is tried again after a while, and at once if something else is to be done", async () => {
  const { change, clock, end, whats, failed } = setup();
  await change([add]);
  await end(0, new Error("no"));
  assert.deepEqual([whats().length, failed], [1, ["act"]]);
  await change([add, remove]);
  assert.equal(whats().length, 2);
  await end(1, new Error("no"));
  clock.advance(1_999);
  await settle();
  assert.equal(whats().length, 2, "the pause has grown");
  clock.advance(1);
  await settle();
  assert.equal(whats().length, 3);
});

test("a long task that fails is begun again after a while", async () => {
  const { change, clock, end, whats, failed } = setup();
  await change([finalize], { phase: STOPPING });
  await end(0, new Error("no"));
  assert.deepEqual(failed, ["finalizeContent"]);
  clock.advance(1_000);
  await settle();
  assert.deepEqual(whats(), ["finalize", "finalize"]);
});

test("a task that goes on failing is begun less and less often, until it succeeds", async () => {
  const { change, clock, end, whats } = setup();
  await change([finalize], { phase: STOPPING });
  for (const [i, delay] of [1_000, 2_000, 4_000, 8_000].entries()) {
    await end(i, new Error("no"));
    clock.advance(delay - 1);
    await settle();
    assert.equal(whats().length, i + 1, `not before ${delay} ms`);
    clock.advance(1);
    await settle();
    assert.equal(whats().length, i + 2);
  }
});

test("what was done without an effect is done again after a while", async () => {
  const { change, clock, end, whats } = setup();
  await change([remove]);
  await end(0);
  clock.advance(29_000);
  await settle();
  assert.equal(whats().length, 1);
  clock.advance(1_000);
  await settle();
  assert.deepEqual(whats(), ["removeAnnotation", "removeAnnotation"]);
  await end(1);
  await change([]);
  clock.advance(100_000);
  await settle();
  assert.equal(whats().length, 2, "there is nothing more to be done");
});

test("nothing is looked at again after the end", async () => {
  const { change, clock, end, job, whats } = setup();
  await change([remove]);
  await end(0);
  job.end();
  clock.advance(100_000);
  await settle();
  assert.equal(whats().length, 1);
});

test("after the end was told there is only the finalizer to be taken away", async () => {
  const { change, record, whats } = setup();
  record.stopped = true;
  await change([finalize], { phase: STOPPING });
  assert.deepEqual(whats(), ["removeFinalizer"]);
});

test("and a claim that was never used goes before it", async () => {
  const { change, record, end, whats } = setup();
  record.stopped = true;
  await change([{ action: "setAnnotation", key: "a", value: "b" }, { action: "deletePvc" }, { action: "removeFinalizer" }], { phase: STOPPING });
  await end(0);
  assert.deepEqual(whats(), ["deletePvc", "removeFinalizer"]);
});

test("whoever does not lead does nothing, and what runs is told to end", async () => {
  const { change, end, doing, job, term, whats, failed } = setup();
  await change([initialize, add, remove]);
  term.leads = false;
  await end(1);
  assert.deepEqual(whats(), ["initialize", "addFinalizer"]);
  job.end();
  assert.equal(doing[0]?.permit.signal.aborted, true);
  assert.deepEqual(failed, []);
});

test("a placeholder that stands behind the pod goes before anything else is done; not while the pod is to be made anew, for then it is needed", async () => {
  const { record, change, whats } = setup();
  record.placeholder = { podName: "placeholder-ws-ws1", uid: "s" };
  await change([{ action: "recreatePod" }]);
  assert.deepEqual(whats(), ["recreate"]);
  await change([{ action: "deletePod", gracePeriodSeconds: 1 }]);
  assert.deepEqual(whats(), ["recreate", "dropPlaceholder"]);
});

test("a placeholder is filled as often as that is to be done, and not any more once its workspace ends", async () => {
  const { doing, change, end, whats } = setup();
  await change([{ action: "fillPlaceholder" }]);
  await end(0);
  await change([{ action: "fillPlaceholder" }]);
  assert.deepEqual(whats(), ["fill", "fill"]);
  await change([{ action: "deletePod", gracePeriodSeconds: 1 }]);
  assert.equal(doing[1]?.permit.signal.aborted, true);
});
