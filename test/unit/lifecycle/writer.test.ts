/** Writes of annotations: what has taken effect here before they are answered, and whose pod is meant where one is made anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Priority } from "../../../src/main/kube/budget.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { anotherPod, type AnnotationPatch } from "../../../src/main/kube/objects.ts";
import { WorkspaceWriter } from "../../../src/main/lifecycle/writer.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";
import { until } from "../../support/until.ts";

/** Has the daemon write with a priority; gives the pods whose status was derived before that was answered. */
async function submittedBy(priority?: Priority, watched = false): Promise<readonly string[]> {
  const submitted: string[] = [];
  const record = recordOf("a");
  const writer = new WorkspaceWriter({
    objects: { get: () => Promise.reject(new Error("nothing is to be read")), annotate: ({ podName }) => Promise.resolve(Buffer.from(podName)), note: () => Promise.resolve() },
    registry: { byId: () => record },
    submit: (bytes) => {
      submitted.push(Buffer.from(bytes).toString());
      return Promise.resolve();
    },
    sightings: { comes: () => Promise.resolve(watched) }, clock: new FakeClock(), random: () => 0,
  });
  await writer.annotate(record, { a: "b" }, "try", new AbortController().signal, priority);
  return submitted;
}

test("what a user's call writes is seen by its reader", async () => {
  assert.deepEqual(await submittedBy(), [recordOf("a").facts.podName]);
  assert.deepEqual(await submittedBy("user"), [recordOf("a").facts.podName]);
});

test("what the watch brings soon is not derived from the answer as well", async () => {
  assert.deepEqual(await submittedBy("user", true), []);
});

test("an answer is held for a second at most until its effect is seen, the wait for the watch included", async () => {
  const clock = new FakeClock();
  const record = recordOf("a");
  const writer = new WorkspaceWriter({
    objects: { get: () => Promise.reject(new Error("nothing is to be read")), annotate: () => Promise.resolve(Buffer.from("pod")), note: () => Promise.resolve() },
    registry: { byId: () => record },
    submit: () => new Promise(() => {}),
    sightings: { comes: (_, withinMs) => new Promise((resolve) => clock.timer(withinMs, () => resolve(false))) }, clock, random: () => 0,
  });
  const answered: number[] = [];
  void writer.annotate(record, { a: "b" }, "try", new AbortController().signal).then(() => answered.push(clock.monotonic()));
  for (let i = 0; i < 300 && answered.length === 0; i++) {
    await new Promise(setImmediate);
    clock.advance(10);
  }
  const [at = Number.NaN] = answered;
  assert.ok(at > 500 && at <= 1_010, `${at} ms`);
});

test("what no one waits for is left to the watch, and costs no second look at the pod", async () => {
  assert.deepEqual(await submittedBy("housekeeping"), []);
  assert.deepEqual(await submittedBy("finalization"), []);
});

/** Writes to a workspace whose pod is gone. @param later what takes its place, within so long (ms). */
function writeTo(record: WorkspaceRecord, later?: { readonly record: WorkspaceRecord; readonly afterMs: number }): Promise<readonly string[]> {
  const clock = new FakeClock();
  const from = clock.monotonic();
  const written: string[] = [];
  const writer = new WorkspaceWriter({
    objects: {
      get: () => Promise.reject(new Error("nothing is to be read")),
      note: () => Promise.reject(new Error("its effect is waited for")),
      annotate: ({ podName, uid }) => {
        written.push(uid);
        return uid === record.uid ? Promise.reject(anotherPod(podName)) : Promise.resolve(Buffer.from(podName));
      },
    },
    registry: { byId: () => (later && clock.monotonic() - from >= later.afterMs ? later.record : record) },
    submit: () => Promise.resolve(),
    sightings: { comes: () => Promise.resolve(false) }, clock, random: () => 0,
  });
  return passing(clock, writer.annotate(record, { a: "b" }, "stop workspace a", new AbortController().signal).then(() => written));
}

test("what is written while a refused pod is made anew is written on the next one; if there is none soon, that is not told as the workspace's end", async () => {
  const refused = Object.assign(recordOf("old"), { actions: [{ action: "recreatePod" }] as const });
  const vacant = Object.assign(recordOf("old"), { vacant: true });
  for (const old of [refused, vacant]) {
    assert.deepEqual(await writeTo(old, { record: recordOf("next"), afterMs: 2_000 }), ["old", "next"]);
    await assert.rejects(writeTo(old), { code: "UNAVAILABLE" });
    await assert.rejects(writeTo(old, { record: Object.assign(recordOf("old"), { stopped: true }), afterMs: 2_000 }), { code: "NOT_FOUND" });
  }
});

test("a workspace whose pod is gone for good is not there", async () => {
  await assert.rejects(writeTo(recordOf("old")), { code: "NOT_FOUND" });
});

test("a value that depends on what is known is made anew where the pod is not as it was known, and nothing is written where there is nothing to do then", async () => {
  const record = Object.assign(recordOf("a"), { resourceVersion: "5" });
  const write = async (noted: string): Promise<readonly string[]> => {
    const written: string[] = [];
    const patch = ({ resourceVersion, annotations }: AnnotationPatch): Promise<void> => {
      written.push(`${resourceVersion}: ${annotations["at"]}`);
      return resourceVersion === "7" ? Promise.resolve() : Promise.reject(new KubeError("modified", { status: 409, reason: "Conflict" }));
    };
    const writer = new WorkspaceWriter({
      objects: {
        get: () => Promise.resolve(Buffer.from(JSON.stringify({ metadata: { uid: "a", resourceVersion: "7", annotations: { at: noted } } }))),
        annotate: async (change) => {
          await patch(change);
          return Buffer.from("pod");
        },
        note: patch,
      },
      registry: { byId: () => record },
      sightings: { comes: () => Promise.resolve(true) },
      submit: () => Promise.resolve(),
      clock: new FakeClock(), random: () => 0,
    });
    await writer.annotate(record, { at: "3" }, "try", new AbortController().signal, "housekeeping", (now) => (Number(now.get("at")) < 3 ? { at: "3" } : undefined));
    return written;
  };
  assert.deepEqual(await write("2"), ["5: 3", "7: 3"]);
  assert.deepEqual(await write("4"), ["5: 3"]);
});

/** A writer on an API server with one pod, whose requests wait as long as they are held. */
function onOnePod(held: (priority: Priority) => Promise<void>, comes: () => Promise<boolean>) {
  const record = Object.assign(recordOf("a"), { resourceVersion: "1" });
  const did: string[] = [];
  let version = 5;
  const patch = async ({ resourceVersion, annotations }: AnnotationPatch, { priority }: { readonly priority: Priority }): Promise<Buffer> => {
    if (resourceVersion !== undefined && resourceVersion !== String(version)) throw new KubeError("modified", { status: 409, reason: "Conflict" });
    version++;
    did.push(`${priority}: ${Object.keys(annotations).join()}`);
    return Buffer.from("pod");
  };
  const writer = new WorkspaceWriter({
    objects: {
      get: async (_path, { priority }) => {
        await held(priority);
        return Buffer.from(JSON.stringify({ metadata: { uid: "a", resourceVersion: String(version) } }));
      },
      annotate: patch,
      note: async (change, wish) => void (await patch(change, wish)),
    },
    registry: { byId: () => record }, sightings: { comes }, submit: () => Promise.resolve(), clock: new FakeClock(), random: () => 0,
  });
  return { writer, record, did };
}

test("a call that changes a workspace does not wait until what those before it wrote is seen", async () => {
  const seen = Promise.withResolvers<boolean>();
  const { writer, record, did } = onOnePod(() => Promise.resolve(), () => seen.promise);
  const never = new AbortController().signal;
  let answered = 0;
  const calls = Array.from({ length: 90 }, (_, i) => writer.change(record, "try", never, () => ({ [`p${i}`]: "x" })).then(() => answered++));
  await until("all have written", () => did.length === 90);
  assert.deepEqual([did[0], did[89], answered], ["user: p0", "user: p89", 0]);
  seen.resolve(true);
  await Promise.all(calls);
});

test("what no one waits for keeps its priority where the pod has changed meanwhile, waits for no sight of it, and holds up no call", async () => {
  const slow = Promise.withResolvers<void>();
  let looks = 0;
  const { writer, record, did } = onOnePod((priority) => (priority === "user" ? Promise.resolve() : slow.promise), () => Promise.resolve(++looks > 0));
  const never = new AbortController().signal;
  const noted = writer.annotate(record, { at: "1" }, "note activity", never, "housekeeping", () => ({ at: "2" }));
  await writer.change(record, "try", never, () => ({ port: "x" }));
  assert.deepEqual([did, looks], [["user: port"], 1]);
  slow.resolve();
  await noted;
  assert.deepEqual([did, looks], [["user: port", "housekeeping: at"], 1]);
});
