/** The controller across terms: what it was told between them counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { Controller } from "../../../src/main/lifecycle/controller.ts";
import type { Placeholder, WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { recordOf } from "../../support/results.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { timeouts } from "./world.ts";

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
  /** When the workspace is due, Unix milliseconds. */
  readonly dueAt: () => number | undefined;
}

/** One workspace, used until a moment ago. */
function setup(): Setup {
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
    quick: { first: never }, content: { initialize: never, waitForReady: never }, finalization: { finalize: never }, recreation: { recreate: never, fill: never, drop },
    registry: { records: () => new Map([["a", record]]).values(), byUid: () => record },
    timeouts: {
      registry: { byUid: () => record }, writer: { change: never }, objects: { get: never }, seen: never, due: { set: (_uid, at) => void (due = at) },
      timeouts, note: () => {}, gaveUp: () => {}, clock, log: silentLog,
    },
    persistIntervalMs: 0, holdMs: 3 * minute, clock, random: () => 0.5, log: silentLog,
  });
  return { clock, controller, dropped, failing, dueAt: () => due };
}

function leading(controller: Controller): AbortController {
  const term = new AbortController();
  controller.lead({ signal: term.signal, goesOn: () => !term.signal.aborted });
  return term;
}

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
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  };
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
});
