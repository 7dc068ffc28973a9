/** Looks at workspaces whose time is over: what they decide on, how many there are at a time, and how often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { textAt } from "../../../src/domain/json.ts";
import { silentLog } from "../../../src/domain/log.ts";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { metadataIn } from "../../../src/main/kube/objects.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { Deadlines } from "../../../src/main/lifecycle/deadlines.ts";
import { Reckoning } from "../../../src/main/lifecycle/elapsed.ts";
import { TimeoutWatch } from "../../../src/main/lifecycle/timeouts.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { recordOf } from "../../support/results.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { timeouts } from "./world.ts";

const minute = 60_000;

/** A watch over workspaces whose pods are as the API server says, `seen` as a test likes. */
class Setup {
  readonly clock = new VirtualClock();
  readonly records = new Map<string, WorkspaceRecord>();
  readonly marks: string[] = [];
  readonly ending = new AbortController();
  /** Times of the reads, and how many are under way. */
  readonly reads: number[] = [];
  reading = 0;
  mostReading = 0;
  /** What the API server has, by uid, and how it takes effect here. */
  versionOf: (record: WorkspaceRecord) => string = ({ resourceVersion }) => resourceVersion;
  seen: (record: WorkspaceRecord) => void = () => {};
  marked: (record: WorkspaceRecord, text: string) => void = (record, text) => void (record.facts = { ...record.facts, timedOut: text });
  answer: Promise<void> = Promise.resolve();
  readonly watch: TimeoutWatch;
  readonly due: Deadlines;

  constructor() {
    const { clock, ending } = this;
    this.due = new Deadlines({ clock, log: silentLog, recheckMs: 30_000, onDue: (uid) => void this.watch.due(uid) });
    const reckoning = new Reckoning({ unwrittenMs: 5 * minute, holdMs: 0, finalizationMs: 55 * minute, clock });
    const term = { signal: ending.signal, goesOn: () => !ending.signal.aborted };
    this.watch = new TimeoutWatch({
      registry: { byUid: (uid) => this.records.get(uid) },
      objects: { get: (path) => this.#read(path) },
      seen: async (pod) => this.seen(this.#ofPod(pod)),
      writer: {
        change: async (record, changes) => {
          this.marks.push(record.uid);
          this.marked(record, String(changes["gitpod/timedout"]));
          return new Uint8Array();
        },
      },
      due: this.due, timeouts, note: () => {}, gaveUp: () => {}, clock, log: silentLog, random: () => 0.5,
    }, reckoning, new Permit(term, clock.now(), ending.signal));
  }

  add(uid: string, changes: Partial<WorkspaceFacts> = {}): WorkspaceRecord {
    const now = this.clock.now();
    const record = recordOf(uid, { podName: uid, createdAt: now, everActive: true, lastActivity: now, ...changes });
    this.records.set(uid, record);
    this.watch.changed(record);
    return record;
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.clock.advance(Math.min(1_000, ms - passed));
      await new Promise(setImmediate);
    }
  }

  async #read(path: string): Promise<Uint8Array> {
    this.reads.push(this.clock.now());
    this.mostReading = Math.max(this.mostReading, ++this.reading);
    await this.answer;
    this.reading--;
    const record = this.records.get(path.slice("pods/".length));
    assert.ok(record);
    return Buffer.from(JSON.stringify({ metadata: { uid: record.uid, resourceVersion: this.versionOf(record) } }));
  }

  #ofPod(pod: Uint8Array): WorkspaceRecord {
    const record = this.records.get(textAt(metadataIn(pod), "uid"));
    assert.ok(record);
    return record;
  }
}

test("a workspace is not marked before what was read of its pod is known: activity may stand there", async () => {
  const setup = new Setup();
  const record = setup.add("a");
  setup.versionOf = () => "2";
  await setup.pass(30 * minute);
  assert.deepEqual([setup.reads.length, setup.marks], [1, []]);
  await setup.pass(2_000);
  assert.deepEqual([setup.reads.length > 1, setup.marks], [true, []]);
  // It takes effect: somebody was active.
  const lastActivity = setup.clock.now();
  setup.seen = () => {
    record.resourceVersion = "2";
    record.facts = { ...record.facts, lastActivity };
  };
  await setup.pass(29 * minute);
  assert.deepEqual(setup.marks, []);
  await setup.pass(2 * minute);
  assert.deepEqual(setup.marks, ["a"]);
});

test("of thousands that are due together no more than 64 are read at a time, and all are marked", async () => {
  const setup = new Setup();
  for (let i = 0; i < 20_000; i++) setup.add(`${i}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  setup.answer = promise;
  await setup.pass(30 * minute + 1_000);
  assert.equal(setup.reading, 64);
  resolve();
  await setup.pass(10_000);
  assert.deepEqual([setup.mostReading, new Set(setup.marks).size, setup.marks.length], [64, 20_000, 20_000]);
});

test("a pod that does not take effect here, and a mark that does not, are tried less and less often", async () => {
  for (const version of ["1", "2"]) {
    const setup = new Setup();
    setup.add("a");
    setup.versionOf = () => version;
    setup.marked = () => {};
    await setup.pass(40 * minute);
    assert.ok(setup.reads.length >= 15 && setup.reads.length <= 35, `${setup.reads.length} reads in 10 minutes`);
    setup.records.clear();
    setup.watch.forgotten("a");
    await setup.pass(2 * minute);
    assert.equal(setup.due.size, 0);
  }
});

test("one that a change has made overdue is left for a moment, so that another replica can write what it knows, and not longer for further changes", async () => {
  const setup = new Setup();
  const record = setup.add("a");
  await setup.pass(4 * minute);
  record.facts = { ...record.facts, customTimeout: "3m" };
  for (let i = 0; i < 4; i++) {
    setup.watch.changed(record);
    await setup.pass(1_000);
  }
  assert.deepEqual(setup.reads, []);
  setup.watch.changed(record);
  await setup.pass(1_000);
  assert.deepEqual(setup.marks, ["a"]);
});
