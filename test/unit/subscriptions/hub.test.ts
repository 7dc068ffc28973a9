/** What subscribers get: everything if they are fast, the newest if they are slow, never less than the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { queryObjects } from "node:v8";
import fc from "fast-check";
import { Hub } from "../../../src/main/subscriptions/hub.ts";
import { matchAll, type Filter } from "../../../src/main/state/filter.ts";
import type { EndReason, SubscriberStream } from "../../../src/main/subscriptions/stream.ts";
import { Subscriber, type InitialState } from "../../../src/main/subscriptions/subscriber.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { facts } from "../../support/results.ts";

class TestStream implements SubscriberStream {
  readonly got: string[] = [];
  capacity = Number.POSITIVE_INFINITY;
  ended: EndReason | undefined;
  write(frame: Buffer): boolean {
    this.got.push(frame.toString());
    return --this.capacity > 0;
  }
  end(reason: EndReason): void {
    this.ended = reason;
  }
}

class FakeInitial implements InitialState {
  readonly map = new Map<string, WorkspaceRecord>();
  readonly frames = new Map<string, Buffer | Promise<Buffer | undefined>>();
  sequence = 0;
  workspaces() {
    return this.map.values();
  }
  workspace(id: string) {
    return this.map.get(id);
  }
  frame(record: WorkspaceRecord) {
    return this.frames.get(record.facts.id) ?? Promise.resolve(undefined);
  }
}

function setup(limits = { stallTimeoutMs: 300_000, maxBacklog: 1000 }) {
  const clock = new FakeClock();
  const initial = new FakeInitial();
  let coalesced = 0;
  const hub = new Hub({ clock, limits, initial, hooks: { coalesced: () => coalesced++, ended: () => {} } });
  const publish = (id: string, text: string, options: { keep?: boolean; owner?: string; metaId?: string; annotations?: Record<string, string> } = {}) => {
    const record = facts({ id, owner: options.owner ?? "alice", metaId: options.metaId ?? "m", annotations: options.annotations });
    const frame = Buffer.from(`${id}:${text}`);
    initial.sequence++;
    const changed = { facts: record, digest: text, sequence: initial.sequence };
    const known = initial.map.get(id);
    if (known) Object.assign(known, changed);
    else initial.map.set(id, { uid: id, resourceVersion: "1", version: { seconds: 1, logical: 1 }, stopped: false, awaitsRunning: false, listGeneration: 0, frame: undefined, place: -1, held: undefined, actions: [], init: undefined, vacant: false, placeholder: undefined, activeAt: undefined, activityWrittenAt: undefined, ...changed });
    initial.frames.set(id, frame);
    hub.publish({ facts: record, frame, keep: options.keep ?? false });
  };
  const subscribe = (filter: Partial<Filter> = {}, options: { initialState?: boolean; capacity?: number } = {}) => {
    const stream = new TestStream();
    stream.capacity = options.capacity ?? Number.POSITIVE_INFINITY;
    const subscription = hub.subscribe({ ...matchAll, ...filter }, stream, { initialState: options.initialState ?? false, client: "c" });
    const drain = (room: number) => {
      stream.capacity = room;
      subscription.drained();
    };
    return { stream, subscription, drain };
  };
  return { clock, hub, initial, publish, subscribe, coalesced: () => coalesced };
}

test("a fast subscriber gets every status, in order", () => {
  const { publish, subscribe } = setup();
  const { stream } = subscribe();
  for (let i = 0; i < 5; i++) publish("a", String(i));
  assert.deepEqual(stream.got, ["a:0", "a:1", "a:2", "a:3", "a:4"]);
});

test("a slow one gets the newest per workspace, and never something stale", () => {
  const { publish, subscribe, coalesced } = setup();
  const { stream, drain } = subscribe({}, { capacity: 1 });
  for (let i = 0; i < 4; i++) publish("a", String(i));
  publish("b", "0");
  drain(10);
  assert.deepEqual(stream.got, ["a:0", "a:3", "b:0"]);
  assert.equal(coalesced(), 2);
});

test("a failure and STOPPED are never coalesced away", () => {
  const { publish, subscribe } = setup();
  const { stream, drain } = subscribe({}, { capacity: 1 });
  publish("a", "0");
  publish("a", "1");
  publish("a", "failed", { keep: true });
  publish("a", "2");
  publish("a", "STOPPED", { keep: true });
  drain(10);
  assert.deepEqual(stream.got, ["a:0", "a:failed", "a:STOPPED"]);
});

test("filters by owner, meta ID and annotations", () => {
  const { publish, subscribe } = setup();
  const owner = subscribe({ owner: "bob" });
  const meta = subscribe({ metaId: "m2" });
  const annotated = subscribe({ annotations: new Map([["__proto__", "x"]]) });
  const both = subscribe({ owner: "bob", metaId: "m2" });
  publish("a", "1", { owner: "bob", metaId: "m1" });
  publish("b", "1", { owner: "bob", metaId: "m2" });
  publish("c", "1", { annotations: Object.fromEntries([["__proto__", "x"]]) });
  assert.deepEqual(owner.stream.got, ["a:1", "b:1"]);
  assert.deepEqual(meta.stream.got, ["b:1"]);
  assert.deepEqual(both.stream.got, ["b:1"]);
  assert.deepEqual(annotated.stream.got, ["c:1"]);
});

test("initial state comes first, without gap, repetition or anything stale, however the stream stutters", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.constantFrom("a", "b", "c", "d"), drain: fc.integer({ min: 0, max: 3 }) }), { maxLength: 40 }), fc.integer({ min: 0, max: 30 }), (steps, joinAt) => {
      const { publish, subscribe } = setup();
      const last = new Map<string, string>();
      let joined: ReturnType<typeof subscribe> | undefined;
      for (const [i, step] of steps.entries()) {
        if (i === joinAt) joined = subscribe({}, { initialState: true, capacity: 1 });
        publish(step.id, String(i));
        last.set(step.id, `${step.id}:${i}`);
        if (step.drain > 0) joined?.drain(step.drain);
      }
      joined?.drain(1000);
      if (!joined) return;
      const { got } = joined.stream;
      assert.equal(new Set(got).size, got.length, "nothing twice");
      for (const [id, frame] of last) {
        const own = got.filter((text) => text.startsWith(`${id}:`));
        assert.equal(own.at(-1), frame, "the newest in the end");
        const numbers = own.map((text) => Number(text.split(":")[1]));
        assert.deepEqual(numbers, numbers.toSorted((x, y) => x - y), "in order");
      }
    }),
  );
});

test("an evicted initial state is waited for, and what changes meanwhile overtakes nothing", async () => {
  const { publish, subscribe, initial } = setup();
  publish("a", "0");
  publish("b", "0");
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  initial.frames.set("a", promise);
  const { stream } = subscribe({}, { initialState: true });
  publish("b", "1");
  assert.deepEqual(stream.got, []);
  resolve(Buffer.from("a:0"));
  await promise;
  await Promise.resolve();
  assert.deepEqual(stream.got, ["a:0", "b:1"]);
});

test("a stalled subscriber is ended after the stall timeout, an idle one is not", () => {
  const { clock, hub, publish, subscribe } = setup({ stallTimeoutMs: 10_000, maxBacklog: 1000 });
  const stalled = subscribe({}, { capacity: 1 });
  const idle = subscribe({ owner: "nobody" });
  publish("a", "1");
  publish("a", "2");
  clock.advance(9_000);
  assert.equal(stalled.stream.ended, undefined);
  clock.advance(3_000);
  assert.equal(stalled.stream.ended, "stalled");
  assert.equal(idle.stream.ended, undefined);
  assert.equal(hub.size, 1);
});

test("a slow reader that takes something now and then is not stalled", () => {
  const { clock, publish, subscribe } = setup({ stallTimeoutMs: 10_000, maxBacklog: 1000 });
  const slow = subscribe({}, { capacity: 1 });
  for (let i = 0; i < 10; i++) {
    publish("a", String(i));
    publish("b", String(i));
    clock.advance(8_000);
    slow.drain(1);
  }
  assert.equal(slow.stream.ended, undefined);
});

test("a subscriber whose initial state takes us long to rebuild is not stalled", () => {
  const { clock, initial, publish, subscribe } = setup({ stallTimeoutMs: 10_000, maxBacklog: 1000 });
  publish("a", "1");
  initial.frames.set("a", new Promise(() => {}));
  const waiting = subscribe({}, { initialState: true });
  publish("b", "1");
  clock.advance(60_000);
  assert.equal(waiting.stream.ended, undefined);
});

test("above the bound of all backlogs the subscriber with the longest is ended, the others stay", () => {
  const { clock, publish, subscribe } = setup({ stallTimeoutMs: 300_000, maxBacklog: 50 });
  const slow = subscribe({}, { capacity: 1 });
  const other = subscribe({ owner: "bob" }, { capacity: 1 });
  for (let i = 0; i < 60; i++) publish(`w${i}`, "1");
  publish("x", "1", { owner: "bob" });
  publish("y", "1", { owner: "bob" });
  clock.advance(1_000);
  assert.equal(slow.stream.ended, "overflow");
  assert.equal(other.stream.ended, undefined);
});

test("however many are slow, the backlog of all together stays within its bound at any time", () => {
  const { hub, publish, subscribe } = setup({ stallTimeoutMs: 300_000, maxBacklog: 50 });
  const slow = Array.from({ length: 20 }, () => subscribe({}, { capacity: 1 }));
  const backlog = () => [...hub.levels()].reduce((sum, { pending }) => sum + pending, 0);
  for (let i = 0; i < 100; i++) {
    publish(`w${i}`, "1", { keep: true });
    assert.ok(backlog() <= 50);
  }
  assert.ok(slow.some(({ stream }) => stream.ended === "overflow"));
});

test("one workspace costs a stalled subscriber a bounded number of statuses", () => {
  const { publish, subscribe, hub } = setup();
  const { stream, drain } = subscribe({}, { capacity: 1 });
  for (let i = 0; i < 10_000; i++) publish("a", String(i), { keep: i % 2 === 0 });
  const [level] = hub.levels();
  assert.equal(level?.pending, 9);
  drain(1000);
  assert.equal(stream.got.length, 1 + 9);
  assert.equal(stream.got.at(-1), "a:9999");
});

test("an initial state that can not be read ends the stream: a part of it would be taken for the whole", async () => {
  const { initial, publish, subscribe } = setup();
  publish("a", "1");
  publish("b", "1");
  initial.frames.set("a", Promise.reject(new Error("the API server is away")));
  const { stream } = subscribe({}, { initialState: true });
  await new Promise(setImmediate);
  assert.deepEqual([stream.ended, stream.got], ["unavailable", []]);
});

test("shutdown lets streams take what waits, as fast as they can, and ends them then", async () => {
  const { hub, publish, subscribe } = setup();
  const { stream, drain } = subscribe({}, { capacity: 1 });
  for (const id of ["a", "b", "c"]) publish(id, "1");
  const closed = hub.shutdown(5_000);
  publish("d", "1");
  assert.deepEqual([stream.got, stream.ended], [["a:1"], undefined]);
  drain(1);
  assert.deepEqual([stream.got, stream.ended], [["a:1", "b:1"], undefined]);
  drain(1);
  assert.equal(stream.ended, undefined);
  drain(1);
  await closed;
  assert.deepEqual([stream.got, stream.ended], [["a:1", "b:1", "c:1"], "shutdown"]);
  assert.throws(() => subscribe(), /shutting down/);
});

test("shutdown does not wait longer than it may for one that takes nothing", async () => {
  const { clock, hub, publish, subscribe } = setup();
  const stuck = subscribe({}, { capacity: 1 });
  publish("a", "1");
  publish("b", "1");
  const closed = hub.shutdown(5_000);
  assert.equal(stuck.stream.ended, undefined);
  clock.advance(5_000);
  await closed;
  assert.equal(stuck.stream.ended, "shutdown");
});

/** A filter that counts how often a publish looks at it. */
class CountingFilter implements Filter {
  readonly metaId: string;
  readonly annotations = new Map<string, string>();
  looks = 0;
  readonly #owner: string;
  constructor(owner: string, metaId: string) {
    this.#owner = owner;
    this.metaId = metaId;
  }
  get owner(): string {
    this.looks++;
    return this.#owner;
  }
}

test("a publish visits those of its owner and meta ID and those that named neither; no others, and none that is closed", () => {
  const { hub, publish } = setup();
  const kinds = [["alice", ""], ["alice", "m2"], ["", "m1"], ["", ""], ["bob", ""], ["bob", "m1"], ["", "m2"]] as const;
  const filters = kinds.map(([owner, metaId]) => new CountingFilter(owner, metaId));
  const streams = filters.map(() => new TestStream());
  const open = filters.map((filter, i) => hub.subscribe(filter, streams[i] ?? new TestStream(), { initialState: false, client: "c" }));
  const visited = () => {
    for (const filter of filters) filter.looks = 0;
    publish("a", "1", { owner: "alice", metaId: "m1" });
    return kinds.filter((_, i) => (filters[i]?.looks ?? 0) > 0);
  };
  assert.deepEqual(visited(), [["alice", ""], ["alice", "m2"], ["", "m1"], ["", ""]]);
  assert.deepEqual(streams.map(({ got }) => got.length), [1, 0, 1, 1, 0, 0, 0]);
  for (const [i, subscription] of open.entries()) {
    if (i === 1) continue;
    subscription.closed();
    subscription.closed();
  }
  assert.deepEqual(visited(), [["alice", "m2"]]);
  assert.equal(hub.size, 1);
});

test("subscribers that came and went leave nothing behind, whatever they asked for", () => {
  const { hub, publish, subscribe } = setup();
  publish("a", "1");
  const sets = queryObjects(Set, { format: "count" });
  for (let n = 0; n < 300; n++) {
    for (const filter of [{ owner: `o${n}` }, { metaId: `m${n}` }, {}]) {
      const { subscription } = subscribe(filter, { initialState: true });
      publish("a", String(n));
      subscription.closed();
    }
  }
  assert.equal(hub.size, 0);
  // The last ones may still be on the stack.
  assert.ok(queryObjects(Subscriber, { format: "count" }) < 10);
  assert.ok(queryObjects(Set, { format: "count" }) - sets < 100);
});

test("an evicted initial state that a change overtakes is told once, by the change", async () => {
  const { publish, subscribe, initial } = setup();
  publish("a", "0");
  publish("b", "0");
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  initial.frames.set("a", promise);
  const { stream } = subscribe({}, { initialState: true });
  publish("a", "1");
  resolve(Buffer.from("a:1"));
  await new Promise(setImmediate);
  assert.deepEqual(stream.got, ["a:1", "b:0"]);
});

test("an evicted initial state whose workspace came to match the filter no more is not told", async () => {
  const { publish, subscribe, initial } = setup();
  publish("a", "0");
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  initial.frames.set("a", promise);
  const { stream } = subscribe({ owner: "alice" }, { initialState: true });
  publish("a", "1", { owner: "bob" });
  resolve(Buffer.from("a:1"));
  await new Promise(setImmediate);
  assert.deepEqual(stream.got, []);
});

test("a pod that takes the place of one whose initial state is rebuilt is told once, after the other's end", async () => {
  const { publish, subscribe, initial } = setup();
  publish("a", "0");
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  initial.frames.set("a", promise);
  const { stream } = subscribe({}, { initialState: true });
  initial.map.delete("a");
  publish("a", "STOPPED", { keep: true });
  initial.map.delete("a");
  publish("a", "new");
  resolve(Buffer.from("a:new"));
  await new Promise(setImmediate);
  assert.deepEqual(stream.got, ["a:STOPPED", "a:new"]);
});

test("a workspace that is gone when its initial state comes is left out, and the others come", async () => {
  const { publish, subscribe, initial } = setup();
  for (const id of ["a", "b"]) publish(id, "0");
  initial.frames.set("a", Promise.resolve(undefined));
  const { stream } = subscribe({}, { initialState: true });
  await new Promise(setImmediate);
  assert.deepEqual(stream.got, ["b:0"]);
});

test("nothing is written to a stream that went while its initial state was rebuilt, whether that works or not", async () => {
  for (const outcome of [() => Promise.resolve(Buffer.from("a:0")), () => Promise.reject(new Error("away"))]) {
    const { publish, subscribe, initial } = setup();
    publish("a", "0");
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    initial.frames.set("a", promise);
    const { stream, subscription } = subscribe({}, { initialState: true });
    publish("b", "0");
    subscription.closed();
    resolve(outcome());
    await new Promise(setImmediate);
    assert.deepEqual([stream.got, stream.ended], [[], undefined]);
  }
});

test("shutdown waits for no initial state, but for the changes that waited for it", async () => {
  const { hub, publish, subscribe, initial } = setup();
  publish("a", "0");
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  initial.frames.set("a", promise);
  const { stream, drain } = subscribe({}, { initialState: true, capacity: 1 });
  for (const id of ["b", "c"]) publish(id, "1");
  const closed = hub.shutdown(5_000);
  assert.deepEqual(stream.got, ["b:1"]);
  resolve(Buffer.from("a:0"));
  await new Promise(setImmediate);
  assert.deepEqual([stream.got, stream.ended], [["b:1"], undefined]);
  drain(2);
  await closed;
  assert.deepEqual([stream.got, stream.ended], [["b:1", "c:1"], "shutdown"]);
});

test("a stream is told once all current statuses were written, also where one had to be read again first", async () => {
  const { hub, initial, publish } = setup();
  for (const id of ["a", "b"]) publish(id, "1");
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  initial.frames.set("b", promise);
  const events: string[] = [];
  const stream: SubscriberStream = { write: (frame) => events.push(frame.toString()) > 0, initialSent: () => void events.push("all"), end: (reason) => void events.push(reason) };
  hub.subscribe(matchAll, stream, { initialState: true, client: "c" });
  publish("a", "2");
  assert.deepEqual(events, ["a:1"]);
  resolve(Buffer.from("b:1"));
  await promise;
  await new Promise(setImmediate);
  assert.deepEqual(events, ["a:1", "b:1", "a:2", "all"]);
  publish("b", "2");
  assert.deepEqual(events.slice(4), ["b:2"]);
});
