/** Whatever happens in whatever order: what consumers are told obeys the rules, and in the end it is what the cluster says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wsman } from "../../../src/gen/proto.js";
import { matchAll } from "../../../src/main/state/filter.ts";
import { decodeFrame, type Status } from "../../../src/main/state/frame.ts";
import { processBatch } from "../../../src/workers/batch.ts";
import { allOf } from "../../support/frames.ts";
import type { PodState } from "../../support/pods.ts";
import { config } from "../workers/pods.ts";
import { json, turns } from "./core.ts";
import { History, objectOf, uidOf, versionOf, type ClusterPod, type Reader } from "./history.ts";

const { STOPPING, STOPPED } = wsman.WorkspacePhase;

type Step = (history: History) => void | Promise<void>;

interface Named {
  readonly name: string;
  readonly step: Step;
}

const ids = fc.constantFrom("a", "b", "c");
const states = fc.constantFrom<PodState>("scheduled", "creating", "creating", "initializing", "running", "interrupted", "interrupted", "image-pull", "crashed", "stopping", "stopped");
const index = fc.nat({ max: 5 });
const named = (name: string, step: Step): Named => ({ name, step });

const steps: fc.Arbitrary<Named> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(ids, states).map(([id, state]) => named(`${id} is ${state}`, (h) => h.put(id, state))) },
  { weight: 2, arbitrary: ids.map((id) => named(`${id} is removed`, (h) => h.remove(id))) },
  { weight: 5, arbitrary: fc.tuple(ids, fc.constantFrom("FailedMount" as const, "NetworkNotReady" as const), fc.boolean()).map(([id, reason, gone]) => named(`${reason} of ${id} ${gone ? "goes" : "comes"}`, (h) => h.event(id, reason, gone))) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 4 }).map((count) => named(`${count} lines`, (h) => h.deliver(count))) },
  { weight: 1, arbitrary: fc.constant(named("a line cut short", (h) => h.garble())) },
  { weight: 1, arbitrary: fc.constant(named("gap", (h) => h.gap())) },
  { weight: 3, arbitrary: fc.record({ odd: fc.nat({ max: 3 }).map((luck) => luck === 0), anew: fc.boolean() }).map((how) => named(`a list begins ${JSON.stringify(how)}`, (h) => h.beginList(how))) },
  { weight: 6, arbitrary: fc.constantFrom(1, 1, 2, Number.POSITIVE_INFINITY).map((count) => named(`${count} items`, (h) => h.goOnListing(count))) },
  { weight: 1, arbitrary: fc.constant(named("the list breaks off", (h) => h.breakList())) },
  { weight: 8, arbitrary: fc.tuple(index, fc.nat({ max: 9 })).map(([i, luck]) => named(`worker ${i} ${luck === 0 ? "dies" : "answers"}`, (h) => h.work(i, luck === 0))) },
  { weight: 5, arbitrary: fc.tuple(index, fc.nat({ max: 4 })).map(([i, luck]) => named(`read ${i} ${luck === 0 ? "fails" : "is answered"}`, (h) => h.answer(i, luck === 0))) },
  { weight: 2, arbitrary: fc.tuple(fc.boolean(), fc.constantFrom(1, 2, Number.POSITIVE_INFINITY)).map(([initial, room]) => named(`subscriber${initial ? " with initial state" : ""}, room ${room}`, (h) => h.subscribe(initial, room))) },
  { weight: 3, arbitrary: fc.tuple(index, fc.integer({ min: 1, max: 3 })).map(([i, room]) => named(`subscriber ${i} takes ${room}`, (h) => h.drain(i, room))) },
  { weight: 2, arbitrary: fc.constant(named("GetWorkspaces", (h) => h.collect())) },
  { weight: 2, arbitrary: fc.constantFrom(500, 6_000).map((ms) => named(`${ms} ms pass`, (h) => h.core.clock.advance(ms))) },
  { weight: 10, arbitrary: fc.constant(named("a turn", () => turns(2))) },
);

/** What was told of each pod, in order. */
function byPod(statuses: readonly Status[]): Map<string, Status[]> {
  return Map.groupBy(statuses, uidOf);
}

/** Rules over time, for whatever part of the statuses of a pod one got. */
function checkRules(statuses: readonly Status[]): void {
  for (const [id, own] of Map.groupBy(statuses, (status) => status.id ?? "")) {
    for (const [i, status] of own.entries()) assert.ok(i === 0 || versionOf(status) > versionOf(own[i - 1] ?? {}), `versions of ${id} rise`);
  }
  for (const [uid, own] of byPod(statuses)) {
    const stopped = own.findIndex(({ phase }) => phase === STOPPED);
    assert.ok(stopped < 0 || stopped === own.length - 1, `STOPPED is the last word of ${uid}`);
    let failed = "";
    for (const { conditions } of own) {
      assert.ok(failed === "" || conditions?.failed, `the failure of ${uid} is not taken back`);
      failed = conditions?.failed ?? "";
    }
  }
}

/** The status that follows from the pod and its Events alone, without version. */
function derived(history: History, pod: ClusterPod): Status {
  const bytes = json(objectOf(pod));
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  const { results, bytes: encoded } = processBatch({ buffer, lines: [{ source: "object", start: 0, length: bytes.length, events: history.core.events.eventsOf(pod.uid) }] }, config);
  const [result] = results;
  assert.ok(result?.kind === "workspace");
  return wsman.WorkspaceStatus.decode(encoded.subarray(result.start, result.start + result.length));
}

/** The status is the derived one, but for what the rules over time keep of those told before. */
function checkDerived(history: History, pod: ClusterPod, status: Status, before: readonly Status[]): void {
  if (status.phase === STOPPED) return assert.equal(pod.state, "stopped");
  const expected = derived(history, pod);
  const last = before.findLast(({ phase }) => phase === STOPPING)?.phase;
  if (last === STOPPING && expected.phase !== STOPPED && expected.phase !== STOPPING) {
    expected.phase = STOPPING;
    expected.message = "";
  }
  const failed = expected.conditions?.failed || before.findLast(({ conditions }) => conditions?.failed)?.conditions?.failed || "";
  const plain = (value: Status) => {
    const { statusVersion: _, ...rest } = wsman.WorkspaceStatus.toObject(wsman.WorkspaceStatus.fromObject({ ...value }));
    return rest;
  };
  return assert.deepEqual(plain(status), plain({ ...expected, conditions: { ...expected.conditions, failed } }), `what is told of ${pod.uid}`);
}

/** In the end a reader knows what the cluster says. */
function checkReader(reader: Reader, published: readonly Status[], current: ReadonlyMap<string, Status>): void {
  checkRules(reader.got);
  if (reader.ended) return assert.equal(reader.ended, "unavailable");
  const last = new Map(reader.got.map((status) => [status.id ?? "", status]));
  const due = new Map(published.slice(reader.initialState ? 0 : reader.since).map((status) => [status.id ?? "", status]));
  for (const [id, status] of due) {
    const known = current.has(id) || published.indexOf(status) >= reader.since;
    if (known) assert.equal(last.get(id) && versionOf(last.get(id) ?? {}), versionOf(status), `the last status of ${id} that a subscriber got`);
  }
  const ends = published.slice(reader.since).filter(({ phase }) => phase === STOPPED);
  for (const end of ends) assert.ok(reader.got.some((status) => versionOf(status) === versionOf(end)), `the end of ${uidOf(end)}`);
  return undefined;
}

async function checkEnd(history: History): Promise<void> {
  const { core, pods } = history;
  const published = core.told();
  checkRules(published);
  for (const record of core.store.registry.records()) assert.equal(record.frame, core.store.cache.peek(record.facts.id), `the frame at hand of ${record.uid}`);
  const frames = core.workspaces.collect(matchAll, new AbortController().signal);
  for (let i = 0; i < 10; i++) await turns(2);
  const current = new Map(allOf(await frames).map((frame) => [decodeFrame(frame).id ?? "", decodeFrame(frame)]));
  assert.deepEqual([...current.values()].map(uidOf).sort((a, b) => (a < b ? -1 : 1)), [...pods.values()].map(({ uid }) => uid).sort((a, b) => (a < b ? -1 : 1)), "GetWorkspaces has whoever is there");
  for (const [uid, own] of byPod(published)) {
    const pod = [...pods.values()].find((there) => there.uid === uid);
    const status = own.at(-1) ?? {};
    if (!pod) assert.equal(status.phase, STOPPED, `the end of ${uid}`);
    else {
      const now = current.get(pod.id) ?? {};
      assert.deepEqual([now.phase, versionOf(now)], [status.phase, versionOf(status)], "GetWorkspaces gives what was published last");
      if (status.phase !== STOPPED) assert.deepEqual(now, status);
      checkDerived(history, pod, status, own);
    }
  }
  for (const reader of history.readers) checkReader(reader, published, current);
}

function checkNothingPending(history: History): void {
  const { core } = history;
  const waiting = [...core.hub.levels()].reduce((sum, { pending }) => sum + pending, 0);
  assert.deepEqual({ lines: core.pipeline.depth, answers: history.open, tasks: core.pool.held.length, waiting, timers: core.clock.pending }, { lines: 0, answers: 0, tasks: 0, waiting: 0, timers: 0 });
}

test("whatever happens in whatever order, the rules hold, and in the end everyone knows what the cluster says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(1, 2, 10), fc.array(steps, { maxLength: 60, size: "max" }), async (entries, all) => {
      const history = new History(entries);
      history.core.pool.hold();
      try {
        for (const { step } of all) await step(history);
        await history.rest();
        await checkEnd(history);
        checkNothingPending(history);
      } finally {
        history.close();
      }
    }),
    { numRuns: Number(process.env["RUNS"] ?? 150) },
  );
});
