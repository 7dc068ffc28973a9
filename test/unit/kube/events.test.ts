/** The store of Kubernetes Events of pods. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { EventReason } from "../../../src/domain/names.ts";
import { PodEventStore, type PodEventLimits } from "../../../src/main/kube/events.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "./helpers.ts";

const encoder = new TextEncoder();

function setup(limits: Partial<PodEventLimits> = {}): { store: PodEventStore; changed: string[]; log: RecordingLog; clock: FakeClock } {
  const [changed, log, clock] = [new Array<string>(), new RecordingLog(), new FakeClock()];
  return { store: new PodEventStore({ clock, log, onChange: (uid) => void changed.push(uid), limits }), changed, log, clock };
}

function event(uid: string, podUid: string, seconds: number, more: object = {}): object {
  const lastTimestamp = new Date(seconds * 1000).toISOString();
  return { metadata: { uid, resourceVersion: String(seconds) }, involvedObject: { kind: "Pod", uid: podUid }, reason: "FailedMount", message: `message ${uid}`, lastTimestamp, ...more };
}

const bytes = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

function list(store: PodEventStore, reason: EventReason, ...events: readonly object[]): void {
  const sink = store.sinkFor(reason);
  sink.listStarted(false, undefined);
  for (const each of events) void sink.item(bytes(each));
  sink.listFinished("1000");
}

function messages(store: PodEventStore, podUid: string): string[] | undefined {
  return store.eventsOf(podUid)?.map(({ message }) => message);
}

describe("events of pods", () => {
  test("of lists and watches are found by the pod's uid, oldest first", () => {
    const { store, changed } = setup();
    list(store, "FailedMount", event("b", "p1", 20), event("c", "p2", 5));
    void store.sinkFor("FailedMount").line(bytes({ type: "ADDED", object: event("a", "p1", 10) }));
    assert.deepEqual(store.eventsOf("p1"), [
      { reason: "FailedMount", message: "message a", timeMs: 10_000 },
      { reason: "FailedMount", message: "message b", timeMs: 20_000 },
    ]);
    assert.equal(store.eventsOf("p3"), undefined);
    assert.equal(store.size, 2);
    assert.deepEqual(changed, ["p1", "p2", "p1"]);
  });

  test("that are repeated unchanged are not told as a change; a new count and time are", () => {
    const { store, changed } = setup();
    const sink = store.sinkFor("FailedMount");
    for (const seconds of [10, 10, 11]) void sink.line(bytes({ type: "MODIFIED", object: event("a", "p1", seconds) }));
    assert.deepEqual(changed, ["p1", "p1"]);
    assert.equal(store.eventsOf("p1")?.[0]?.timeMs, 11_000);
  });

  test("that are deleted, or missing in a new list of their reason, are forgotten", () => {
    const { store, changed } = setup();
    const other = event("n", "p1", 30, { reason: "NetworkNotReady" });
    list(store, "FailedMount", event("a", "p1", 10), event("b", "p1", 20));
    list(store, "NetworkNotReady", other);
    void store.sinkFor("FailedMount").line(bytes({ type: "DELETED", object: event("a", "p1", 10) }));
    assert.deepEqual(messages(store, "p1"), ["message b", "message n"]);
    changed.length = 0;
    list(store, "FailedMount");
    assert.deepEqual(messages(store, "p1"), ["message n"]);
    list(store, "NetworkNotReady");
    assert.equal(store.eventsOf("p1"), undefined);
    assert.equal(store.size, 0);
    assert.deepEqual(changed, ["p1", "p1"]);
  });

  test("are kept when a list breaks off", () => {
    const { store } = setup();
    list(store, "FailedMount", event("a", "p1", 10));
    const sink = store.sinkFor("FailedMount");
    sink.listStarted(false, undefined);
    sink.listAborted();
    assert.deepEqual(messages(store, "p1"), ["message a"]);
  });

  test("of a pod are no more than the bound, the newest ones", () => {
    const { store } = setup({ eventsPerPod: 3 });
    list(store, "FailedMount", ...[5, 1, 4, 2, 3].map((n) => event(String(n), "p1", n)));
    assert.deepEqual(messages(store, "p1"), ["message 3", "message 4", "message 5"]);
  });

  test("of more pods than the bound push out the pod that was not looked at for longest", () => {
    const { store } = setup({ pods: 2 });
    list(store, "FailedMount", event("a", "p1", 1), event("b", "p2", 2));
    store.eventsOf("p1");
    void store.sinkFor("FailedMount").line(bytes({ type: "ADDED", object: event("c", "p3", 3) }));
    assert.deepEqual([store.size, messages(store, "p1"), messages(store, "p2")], [2, ["message a"], undefined]);
  });

  test("with too much JSON are skipped and counted, logged at most once a minute; messages are cut", () => {
    const { store, log, clock } = setup({ maxEventBytes: 2000, maxMessage: 10 });
    const big = event("a", "p1", 1, { note: "x".repeat(2000) });
    list(store, "FailedMount", big, big, event("b", "p1", 1, { message: "y".repeat(1000) }));
    assert.equal(store.skipped, 2);
    assert.equal(log.entries.length, 1);
    clock.advance(60_000);
    list(store, "FailedMount", big);
    assert.equal(log.entries.length, 2);
    list(store, "FailedMount", event("b", "p1", 1, { message: "y".repeat(1000) }));
    assert.deepEqual(messages(store, "p1"), ["yyyyyyyyyy"]);
  });

  test("settled gives the version of the last line, beside lists, until the API server's store is set back", async () => {
    const { store } = setup();
    const sink = store.sinkFor("FailedMount");
    assert.equal(await sink.settled(), undefined);
    void sink.line(bytes({ type: "ADDED", object: event("a", "p1", 77) }));
    assert.equal(await sink.settled(), "77");
    sink.listStarted(false, undefined);
    void sink.item(bytes(event("a", "p1", 50)));
    void sink.line(bytes({ type: "ADDED", object: event("b", "p1", 78) }));
    sink.listFinished("60");
    assert.equal(await sink.settled(), "78");
    sink.listStarted(true, undefined);
    assert.equal(await sink.settled(), undefined);
  });

  test("that the watch tells of while a list is read are as the watch tells them", () => {
    const { store, changed } = setup();
    const sink = store.sinkFor("FailedMount");
    const line = (type: string, object: object): void => void sink.line(bytes({ type, object }));
    list(store, "FailedMount", event("old", "p1", 1), event("changed", "p2", 2), event("deleted", "p3", 3));
    // What is told before the list's first item may be newer than the list as well.
    line("ADDED", event("early", "p4", 21));
    line("DELETED", event("deleted", "p3", 22));
    sink.listStarted(false, undefined);
    line("ADDED", event("late", "p5", 23));
    line("MODIFIED", event("changed", "p2", 24));
    changed.length = 0;
    for (const item of [event("old", "p1", 1), event("changed", "p2", 2), event("deleted", "p3", 3)]) void sink.item(bytes(item));
    sink.listFinished("20");
    assert.deepEqual(["p1", "p2", "p3", "p4", "p5"].map((pod) => store.eventsOf(pod)?.map(({ message, timeMs }) => `${message} at ${timeMs / 1000}`)), [["message old at 1"], ["message changed at 24"], undefined, ["message early at 21"], ["message late at 23"]]);
    assert.deepEqual(changed, []);
    sink.listStarted(false, undefined);
    sink.listFinished("30");
    assert.equal(store.size, 0);
  });

  test("after the API server's store was set back are what it says, whatever versions were known and whatever was deleted", () => {
    const { store } = setup();
    const sink = store.sinkFor("FailedMount");
    for (const uid of ["kept", "deleted", "gone"]) void sink.line(bytes({ type: "ADDED", object: event(uid, uid, 100) }));
    void sink.line(bytes({ type: "DELETED", object: event("deleted", "deleted", 101) }));
    sink.listStarted(true, undefined);
    for (const uid of ["kept", "deleted"]) void sink.item(bytes(event(uid, uid, 50, { message: "as it was" })));
    sink.listFinished("60");
    assert.deepEqual(["kept", "deleted", "gone"].map((pod) => messages(store, pod)), [["as it was"], ["as it was"], undefined]);
  });

  test("are listed again if more were deleted while a list was read than are remembered", () => {
    const { store } = setup();
    const sink = store.sinkFor("FailedMount");
    sink.listStarted(false, undefined);
    for (let i = 0; i < 2500; i++) void sink.line(bytes({ type: "DELETED", object: event(`e${i}`, "p1", 100) }));
    void sink.item(bytes(event("a", "p1", 1)));
    void sink.line(bytes({ type: "DELETED", object: event("one-more", "p1", 100) }));
    assert.throws(() => void sink.item(bytes(event("b", "p1", 2))), /too many were deleted/);
    sink.listAborted();
    sink.listStarted(false, undefined);
    void sink.item(bytes(event("b", "p1", 2)));
    sink.listFinished("200");
    assert.deepEqual(messages(store, "p1"), ["message b"]);
  });

  test("whatever comes as an Event never throws, and hostile names are names", () => {
    const { store } = setup();
    const sink = store.sinkFor("FailedMount");
    for (const uid of ["__proto__", "constructor", "toString"]) void sink.line(bytes({ type: "ADDED", object: event(uid, uid, 1) }));
    assert.deepEqual(messages(store, "__proto__"), ["message __proto__"]);
    assert.equal(store.eventsOf("hasOwnProperty"), undefined);
    fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map((text) => encoder.encode(text)), fc.record({ type: fc.jsonValue(), object: fc.record({ metadata: fc.jsonValue(), involvedObject: fc.jsonValue(), reason: fc.jsonValue(), message: fc.jsonValue() }) }).map(bytes)), (input) => {
      void sink.item(input);
      void sink.line(input);
    }));
  });
});
