/** Taking profiles: one at a time, for as long as was asked, given up when nobody waits, and never waited for without end. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { ProfiledThread, Recording } from "../../../src/main/http/profiled-threads.ts";
import { maxSnapshotHeap, ProfileRefusal, Profiles } from "../../../src/main/http/profiles.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";

interface Played {
  readonly did: string[];
  readonly thread: ProfiledThread;
}

/** A thread that notes what is asked of it. */
function played(name: string, members: Partial<ProfiledThread> = {}): Played {
  const did: string[] = [];
  const begin = (what: string) => async (): Promise<Recording> => {
    did.push(`begin ${what}`);
    return {
      async stop() {
        did.push(`stop ${what}`);
        return `{"${what}":1}`;
      },
      discard: async () => void did.push(`discard ${what}`),
    };
  };
  return { did, thread: { name, cpu: begin("cpu"), heap: begin("heap"), allocations: name === "main" ? begin("allocations") : undefined, heapUsed: async () => 1000, snapshot: async () => Readable.from(["{}"]), ...members } };
}

function setup(...all: readonly Played[]) {
  const clock = new FakeClock();
  const profiles = new Profiles({ threads: () => all.map(({ thread }) => thread), clock });
  return { clock, profiles };
}

const forever = new AbortController().signal;
const refused = (status: number, message: RegExp) => (error: unknown): boolean => error instanceof ProfileRefusal && error.status === status && message.test(error.message);

test("a recording lasts as long as was asked for", async () => {
  const main = played("main");
  const { clock, profiles } = setup(main);
  const taken = profiles.record("cpu", "main", 30, forever);
  await until("it has begun", () => main.did.length === 1);
  await new Promise(setImmediate);
  clock.advance(29_999);
  await new Promise(setImmediate);
  assert.deepEqual(main.did, ["begin cpu"]);
  clock.advance(1);
  assert.equal(await taken, '{"cpu":1}');
  assert.deepEqual(main.did, ["begin cpu", "stop cpu"]);
});

test("while one is taken there is no other, of no kind and no thread; then there is again", async () => {
  const [main, worker] = [played("main"), played("worker-0")];
  const { clock, profiles } = setup(main, worker);
  const first = profiles.record("heap", "main", 10, forever);
  clock.advance(4000);
  for (const another of [() => profiles.record("cpu", "worker-0", 1, forever), () => profiles.snapshot("main", async () => {})]) {
    await assert.rejects(another(), (error: unknown) => refused(409, /ends in about 6 s/)(error) && error instanceof ProfileRefusal && error.retryAfter === 6);
  }
  await new Promise(setImmediate);
  clock.advance(10_000);
  await first;
  const second = profiles.record("allocs", "main", 1, forever);
  await until("it has begun", () => main.did.includes("begin allocations"));
  await new Promise(setImmediate);
  clock.advance(1000);
  assert.equal(await second, '{"allocations":1}');
  assert.deepEqual(worker.did, []);
});

test("when nobody waits any more it ends at once, for nothing, and another one can be had", async () => {
  const main = played("main");
  const { profiles } = setup(main);
  const gone = new AbortController();
  const taken = profiles.record("cpu", "main", 300, gone.signal);
  await until("it has begun", () => main.did.length === 1);
  gone.abort();
  await assert.rejects(taken);
  assert.deepEqual(main.did, ["begin cpu", "discard cpu"]);
  await profiles.snapshot("main", async () => {});
});

test("a thread that does not answer is not waited for, and what it begins later is ended", async () => {
  const late = Promise.withResolvers<Recording>();
  const hanging = played("worker-0", { cpu: () => late.promise });
  const { clock, profiles } = setup(hanging);
  const taken = profiles.record("cpu", "worker-0", 5, forever);
  await new Promise(setImmediate);
  clock.advance(30_000);
  await assert.rejects(taken, refused(503, /does not answer/));
  const begun = played("late");
  late.resolve(await begun.thread.cpu());
  await until("it is ended", () => begun.did.includes("discard cpu"));
  const stuck = played("main", { cpu: async () => ({ stop: () => new Promise<string>(() => {}), discard: async () => {} }) });
  const other = setup(stuck);
  const stopped = assert.rejects(other.profiles.record("cpu", "main", 1, forever), refused(503, /does not answer/));
  for (let i = 0; i < 3; i++) {
    await new Promise(setImmediate);
    other.clock.advance(30_000);
  }
  await stopped;
});

test("a thread that has ended says so", async () => {
  const { profiles } = setup(played("worker-0", { cpu: () => Promise.reject(new Error("Worker instance not running")) }));
  await assert.rejects(profiles.record("cpu", "worker-0", 5, forever), refused(503, /the thread gives none: Worker instance not running/));
});

test("what there is not is told, with what there is", async () => {
  const { profiles } = setup(played("main"), played("worker-0"));
  await assert.rejects(profiles.record("cpu", "worker-7", 1, forever), refused(404, /^thread: .*there are main, worker-0$/));
  await assert.rejects(profiles.record("allocs", "worker-0", 1, forever), refused(400, /^thread: .*main thread only/));
  assert.deepEqual(profiles.threads, ["main", "worker-0"]);
});

test("a snapshot is given to one at a time, let go in any case, and refused of a heap that is too large", async () => {
  const snapshots: Readable[] = [];
  const take = async (): Promise<Readable> => {
    const snapshot = Readable.from(["{}"]);
    snapshots.push(snapshot);
    return snapshot;
  };
  const { profiles } = setup(played("main", { snapshot: take }), played("worker-0", { heapUsed: async () => maxSnapshotHeap + 1, snapshot: take }));
  await assert.rejects(profiles.snapshot("main", async () => assert.rejects(profiles.snapshot("main", async () => {}), refused(409, /another profile/)).then(() => Promise.reject(new Error("the client went away")))), /went away/);
  assert.deepEqual(snapshots.map(({ destroyed }) => destroyed), [true]);
  await assert.rejects(profiles.snapshot("worker-0", async () => assert.fail()), refused(413, /^thread: the heap of worker-0 has 512 MiB/));
  assert.equal(snapshots.length, 1);
});
