/** Kubernetes Events on pods: what is written, what is counted up, and what is left out rather than waited for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { objectAt, parseObject, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { abortedError, KubeError } from "../../../src/main/kube/errors.ts";
import { EventRecorder, type EventOutcome, type EventRecorderOptions, type PodEvent } from "../../../src/main/kube/event-recorder.ts";
import type { KubeObjects, Wish } from "../../../src/main/kube/objects.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";
import { RecordingLog } from "./helpers.ts";

/** An API server's Events, slow or refusing if asked to be. */
class Events implements Pick<KubeObjects, "create" | "merge"> {
  readonly events = new Map<string, JsonObject>();
  readonly wishes: Wish[] = [];
  requests = 0;
  underWay = 0;
  most = 0;
  failure: KubeError | undefined;
  gate: Promise<void> = Promise.resolve();

  async create(resource: string, body: string, wish: Wish): Promise<Uint8Array> {
    assert.equal(resource, "events");
    const event = parseObject(Buffer.from(body)) ?? {};
    return this.#do(wish, () => {
      this.events.set(textAt(objectAt(event, "metadata"), "name"), event);
      return new Uint8Array();
    });
  }

  async merge(path: string, change: object, wish: Wish): Promise<Uint8Array> {
    const name = decodeURIComponent(path.replace("events/", ""));
    return this.#do(wish, () => {
      const event = this.events.get(name);
      if (!event) throw new KubeError("gone", { status: 404, reason: "NotFound" });
      this.events.set(name, { ...event, ...change });
      return new Uint8Array();
    });
  }

  async #do(wish: Wish, work: () => Uint8Array): Promise<Uint8Array> {
    this.requests++;
    this.wishes.push(wish);
    this.most = Math.max(this.most, ++this.underWay);
    try {
      await Promise.race([this.gate, rejection(wish.signal)]);
      if (this.failure) throw this.failure;
      return work();
    } finally {
      this.underWay--;
    }
  }

  get all(): readonly JsonObject[] {
    return [...this.events.values()];
  }
}

/** As requests do when their signal aborts. */
function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(abortedError()), { once: true }));
}

interface Setup {
  readonly events: Events;
  readonly recorder: EventRecorder;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly outcomes: Map<EventOutcome, number>;
  readonly record: (event?: Partial<PodEvent>) => void;
  readonly idle: () => Promise<void>;
}

function setup(options: Partial<EventRecorderOptions> = {}): Setup {
  const [events, clock, log, outcomes] = [new Events(), new FakeClock(Date.UTC(2024, 0, 1)), new RecordingLog(), new Map<EventOutcome, number>()];
  let names = 0;
  const recorder = new EventRecorder({
    enabled: true,
    objects: events,
    namespace: "ns",
    instance: "ws-manager-0_abc",
    clock,
    random: () => (++names % 1000) / 1000,
    log,
    onOutcome: (outcome, count) => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count),
    ...options,
  });
  const record = (event: Partial<PodEvent> = {}): void => recorder.record({ podName: "ws-one", uid: "u1", type: "Normal", reason: "Started", message: "it runs", ...event });
  const idle = (): Promise<void> => until("nothing waits", () => recorder.waiting === 0 && events.underWay === 0);
  return { events, recorder, clock, log, outcomes, record, idle };
}

test("an Event says what happened to which pod, and who says so, as kubectl shows it", async () => {
  const { events, record, idle, outcomes } = setup();
  record();
  await idle();
  const [event] = events.all;
  const { metadata, ...rest } = event ?? {};
  assert.match(JSON.stringify(metadata), /^\{"name":"ws-one\.[0-9a-f]{16}","namespace":"ns"\}$/);
  assert.deepEqual(rest, {
    apiVersion: "v1",
    kind: "Event",
    involvedObject: { apiVersion: "v1", kind: "Pod", namespace: "ns", name: "ws-one", uid: "u1" },
    type: "Normal",
    reason: "Started",
    message: "it runs",
    count: 1,
    firstTimestamp: "2024-01-01T00:00:00Z",
    lastTimestamp: "2024-01-01T00:00:00Z",
    source: { component: "ws-manager" },
    reportingComponent: "ws-manager",
    reportingInstance: "ws-manager-0_abc",
  });
  assert.deepEqual([...outcomes], [["written", 1]]);
  assert.ok(events.wishes.every(({ priority }) => priority === "events"));
});

test("the same again counts up the Event that there is; after ten minutes, or if it is gone, there is another one", async () => {
  const { events, record, idle, clock } = setup();
  const counts = (): unknown => events.all.map((event) => event["count"]);
  record();
  await idle();
  clock.advance(5_000);
  record();
  await idle();
  assert.deepEqual([counts(), events.all[0]?.["lastTimestamp"], events.all[0]?.["firstTimestamp"]], [[2], "2024-01-01T00:00:05Z", "2024-01-01T00:00:00Z"]);
  record({ message: "something else" });
  record({ uid: "u2" });
  record({ type: "Warning" });
  await idle();
  assert.deepEqual(counts(), [2, 1, 1, 1]);
  clock.advance(601_000);
  record();
  await idle();
  assert.deepEqual(counts(), [2, 1, 1, 1, 1]);
  events.events.clear();
  record();
  await idle();
  assert.deepEqual(counts(), [1]);
});

test("what is said again while it waits costs no request of its own, and one thing said twice is written in turn", async () => {
  const { events, record, idle } = setup();
  const gate = Promise.withResolvers<void>();
  events.gate = gate.promise;
  for (let i = 0; i < 10; i++) record();
  assert.equal(events.requests, 1);
  gate.resolve();
  await idle();
  assert.deepEqual([events.requests, events.all.map((event) => event["count"])], [2, [10]]);
});

test("one pod, and all together, may say so much at once, and so much in the long run; the rest is dropped and counted", async () => {
  const { events, record, idle, outcomes, clock } = setup({ limits: { podBurst: 3, podIntervalMs: 10_000, burst: 8, intervalMs: 1_000 } });
  for (let i = 0; i < 10; i++) record({ message: `${i}` });
  await idle();
  assert.deepEqual([events.events.size, outcomes.get("dropped_rate")], [3, 7]);
  for (let i = 0; i < 10; i++) record({ uid: `other-${i}`, podName: `ws-${i}` });
  await idle();
  assert.deepEqual([events.events.size, outcomes.get("dropped_rate")], [8, 12]);
  clock.advance(10_000);
  for (let i = 0; i < 10; i++) record({ message: `later ${i}` });
  await idle();
  assert.equal(events.events.size, 9);
});

test("with an API server that does not answer, few requests are under way, so many Events wait, and the rest is dropped; nobody is held up", async () => {
  const { events, recorder, record, idle, outcomes } = setup({ limits: { burst: 10_000, maxWaiting: 20 } });
  const gate = Promise.withResolvers<void>();
  events.gate = gate.promise;
  for (let i = 0; i < 100; i++) record({ uid: `u-${i}` });
  assert.deepEqual([events.underWay, recorder.waiting, outcomes.get("dropped_queue")], [4, 20, 76]);
  gate.resolve();
  await idle();
  assert.deepEqual([events.events.size, events.most], [24, 4]);
});

test("without the right to write Events, it is tried once a minute, and logged now and then", async () => {
  const { events, record, idle, outcomes, clock, log } = setup();
  events.failure = new KubeError("forbidden", { status: 403, reason: "Forbidden" });
  for (let i = 0; i < 600; i++) {
    record({ uid: `u-${i}` });
    await idle();
    clock.advance(1_000);
  }
  assert.ok(events.requests <= 11, `${events.requests} requests`);
  assert.deepEqual([log.entries.length, outcomes.get("failed")], [2, 600]);
  events.failure = undefined;
  clock.advance(60_000);
  record();
  await idle();
  assert.equal(events.events.size, 1);
});

test("other failures concern one Event alone", async () => {
  const { events, record, idle, outcomes } = setup();
  events.failure = new KubeError("no", { status: 422, reason: "Invalid" });
  record();
  await idle();
  events.failure = new KubeError("exists", { status: 409, reason: "AlreadyExists" });
  // The answer to the first request was lost: it is there.
  record({ uid: "u2" });
  await idle();
  events.failure = undefined;
  record({ uid: "u3" });
  await idle();
  assert.deepEqual([...outcomes], [["failed", 1], ["written", 2]]);
});

test("what is remembered is bounded, by pods and by Events of a pod, and goes with the pod", async () => {
  const { events, recorder, record, idle } = setup({ limits: { burst: 10_000, podBurst: 1_000, maxPods: 2, maxPerPod: 2 } });
  const counts = (): unknown => events.all.map((event) => event["count"]);
  for (const uid of ["a", "b", "c"]) record({ uid });
  await idle();
  // The first one is forgotten, the others are not.
  for (const uid of ["c", "b", "a"]) record({ uid });
  await idle();
  assert.deepEqual(counts(), [1, 2, 2, 1]);
  recorder.forget("a");
  record({ uid: "a" });
  await idle();
  assert.deepEqual(counts(), [1, 2, 2, 1, 1]);
  events.events.clear();
  for (const message of ["1", "2", "3", "3", "1"]) {
    record({ uid: "a", message });
    await idle();
  }
  assert.deepEqual(counts(), [1, 1, 2, 1]);
});

test("messages lose what may be secret, and what is too long", async () => {
  const { events, record, idle } = setup();
  record({ message: `cannot fetch https://u:p@host/x?signature=abc ${"x".repeat(2_000)}` });
  await idle();
  const message = textAt(events.all[0], "message");
  assert.ok(message.startsWith("cannot fetch https://host/x?… xxx") && Buffer.byteLength(message) <= 1024, message);
});

test("at the end what waits is written, within the time that there is; then nothing is any more", async () => {
  const ending = setup();
  for (let i = 0; i < 20; i++) ending.record({ uid: `u-${i}` });
  await ending.recorder.close(1_000);
  ending.record();
  assert.deepEqual([ending.events.events.size, ending.recorder.waiting], [20, 0]);

  const stuck = setup();
  stuck.events.gate = new Promise(() => {});
  for (let i = 0; i < 20; i++) stuck.record({ uid: `u-${i}` });
  const closing = stuck.recorder.close(1_000);
  stuck.clock.advance(1_000);
  await closing;
  assert.deepEqual([stuck.events.requests, stuck.recorder.waiting, stuck.outcomes.get("failed"), stuck.log.entries], [4, 0, 20, []]);
});

test("switched off, it does nothing", async () => {
  const { events, record, idle, outcomes } = setup({ enabled: false });
  record();
  await idle();
  assert.deepEqual([events.requests, outcomes.size], [0, 0]);
});
