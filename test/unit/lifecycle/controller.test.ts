/** The controller across terms: what it was told between them counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { wsman } from "../../../src/gen/proto.js";
import type { Permit } from "../../../src/main/lifecycle/acting.ts";
import { Controller } from "../../../src/main/lifecycle/controller.ts";
import type { Workers } from "../../../src/main/lifecycle/job.ts";
import type { Placeholder, WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { recordOf } from "../../support/results.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { timeouts } from "./world.ts";

const { PENDING, CREATING, INITIALIZING, RUNNING, STOPPING } = wsman.WorkspacePhase;
const minute = 60_000;
/** Another replica may have known of so much later activity, milliseconds: what is looked for every half minute, and may wait for others' writes. */
const unwrittenMs = 90_000;
const never = (): Promise<never> => Promise.reject(new Error("nothing is to be done here"));

interface Setup {
  /** What was tried to be dropped, "pod: placeholder"; so many tries fail. */
  readonly dropped: string[];
  readonly failing: { times: number };
  readonly clock: FakeClock;
  readonly controller: Controller;
  readonly record: WorkspaceRecord;
  /** When the workspace is due, Unix milliseconds. */
  readonly dueAt: () => number | undefined;
}

/** One workspace, used until a moment ago. @param workers who does what is to be done about it; without them nothing is. */
function setup(workers: Partial<Pick<Workers, "quick" | "content" | "finalization">> = {}): Setup {
  const clock = new FakeClock();
  const record = recordOf("a", { createdAt: clock.now(), everActive: true, lastActivity: clock.now() });
  const dropped: string[] = [];
  const failing = { times: 0 };
  const drop = async (of: WorkspaceRecord, { podName }: Placeholder): Promise<void> => {
    dropped.push(`${of.uid}: ${podName}`);
    if (failing.times-- > 0) throw new Error("the API server is ill");
  };
  let due: number | undefined;
  const controller = new Controller({
    quick: { first: never }, content: { initialize: never, waitForReady: never }, finalization: { finalize: never }, recreation: { recreate: never, fill: never, drop }, ...workers,
    registry: { records: () => new Map([["a", record]]).values(), byUid: () => record },
    timeouts: {
      registry: { byUid: () => record }, writer: { change: never }, objects: { get: never }, seen: never, due: { set: (_uid, at) => void (due = at) },
      timeouts, note: () => {}, gaveUp: () => {}, clock, log: silentLog,
    },
    persistIntervalMs: 0, holdMs: 3 * minute, clock, random: () => 0.5, log: silentLog,
  });
  return { clock, controller, record, dropped, failing, dueAt: () => due };
}

function leading(controller: Controller): AbortController {
  const term = new AbortController();
  controller.lead({ signal: term.signal, goesOn: () => !term.signal.aborted });
  return term;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
};

test("a jump of the clock takes nobody's time, also if the term has ended by it", () => {
  for (const endsFirst of [true, false]) {
    const { clock, controller, dueAt } = setup();
    const term = leading(controller);
    clock.advance(10 * minute);
    clock.setWall(clock.now() + 26 * 60 * minute);
    if (endsFirst) term.abort();
    controller.jumped(26 * 60 * minute);
    term.abort();
    assert.equal(dueAt(), undefined);
    leading(controller);
    assert.equal(dueAt(), clock.now() + 20 * minute + unwrittenMs);
  }
});

test("after a pause, and when a term begins, a workspace that was used has the time of a few heartbeats at least", () => {
  const { clock, controller, dueAt } = setup();
  clock.advance(1_000);
  const term = leading(controller);
  assert.equal(dueAt(), clock.now() + 30 * minute);
  clock.advance(40 * minute);
  controller.paused(40 * minute);
  assert.equal(dueAt(), clock.now() + 3 * minute);
  clock.advance(10 * minute);
  term.abort();
  leading(controller);
  assert.equal(dueAt(), clock.now() + 3 * minute);
});

test("a placeholder whose workspace has ended is taken away by whoever leads, then or later, until that works; once", async () => {
  const { clock, controller, dropped, failing } = setup();
  const placeholder = { podName: "placeholder-ws-b", uid: "s" };
  controller.forgotten({ ...recordOf("b"), placeholder });
  controller.forgotten(recordOf("c"));
  await settle();
  assert.deepEqual(dropped, []);
  failing.times = 1;
  const term = leading(controller);
  await settle();
  assert.deepEqual(dropped, ["b: placeholder-ws-b"]);
  term.abort();
  clock.advance(minute);
  await settle();
  assert.equal(dropped.length, 1);
  failing.times = 1;
  leading(controller);
  await settle();
  assert.equal(dropped.length, 2);
  clock.advance(minute);
  await settle();
  assert.equal(dropped.length, 3);
  controller.lead({ signal: new AbortController().signal, goesOn: () => true });
  await settle();
  assert.equal(dropped.length, 3);
  controller.forgotten({ ...recordOf("d"), placeholder: { podName: "placeholder-ws-d", uid: "t" } });
  await settle();
  assert.equal(dropped.at(-1), "d: placeholder-ws-d");
  controller.strayed(recordOf("e", { podName: "placeholder-ws-e" }));
  await settle();
  assert.equal(dropped.at(-1), "e: placeholder-ws-e");
});

/** A workspace on which something is done, as is told here; what takes long takes for ever. */
function atWork() {
  const did: string[] = [];
  const lasts: Permit[] = [];
  const long = (what: string, last?: Permit): Promise<never> => {
    did.push(what);
    if (last) lasts.push(last);
    return new Promise(() => {});
  };
  const first: Workers["quick"]["first"] = async (_record, [action]) => {
    did.push(action?.action ?? "");
    return 1;
  };
  const { clock, controller, record } = setup({
    quick: { first },
    content: { initialize: () => long("initialize"), waitForReady: (_record, _permit, last) => long("wait", last) },
    finalization: { finalize: (_record, resume, _permit, last) => long(resume ? "finalize again" : "finalize", last) },
  });
  const change = async (actions: WorkspaceRecord["actions"], facts: Partial<WorkspaceRecord["facts"]> = {}): Promise<void> => {
    record.actions = actions;
    record.facts = { ...record.facts, ...facts };
    controller.changed(record);
    await settle();
  };
  return { clock, controller, did, lasts, change };
}

test("what waited for its effect does not act once more after that: a content is finalized once, by the one who began it", async () => {
  const { clock, controller, did, change } = atWork();
  leading(controller);
  // The API server has deleted the pod; what that changes is known here later.
  await change([{ action: "deletePod", gracePeriodSeconds: 30 }]);
  clock.advance(2_000);
  await change([], { phase: STOPPING, deletedAt: clock.now() });
  assert.equal(controller.jobs, 0);
  clock.advance(5_000);
  await change([{ action: "finalizeContent", resume: false }]);
  for (let i = 0; i < 10; i++) {
    clock.advance(minute);
    await settle();
  }
  assert.deepEqual(did, ["deletePod", "finalize"]);
});

test("nor is a workspace waited for twice, whose place was noted late", async () => {
  const { clock, controller, did, change } = atWork();
  leading(controller);
  await change([{ action: "removeAnnotation", key: "gitpod.io/attemptingToCreate" }], { phase: PENDING, everReady: false });
  await change([]);
  await change([{ action: "initializeContent" }], { phase: CREATING });
  await change([{ action: "waitForReady" }], { phase: INITIALIZING });
  clock.advance(minute);
  await settle();
  assert.deepEqual(did, ["removeAnnotation", "initialize", "wait"]);
});

test("a last word whose effect is seen before it is answered is not taken from who writes it, although there is nothing more to be done", async () => {
  const { controller, lasts, change } = atWork();
  const term = leading(controller);
  await change([{ action: "waitForReady" }], { phase: INITIALIZING, everReady: false });
  await change([], { phase: RUNNING, everReady: true });
  await change([], { everActive: true });
  assert.equal(controller.jobs, 0);
  assert.deepEqual(lasts.map(({ signal }) => signal.aborted), [false]);
  term.abort();
});
