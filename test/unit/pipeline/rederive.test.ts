/** Statuses derived again when a pod's Events change: one derivation per pod at a time, few at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Rederiver } from "../../../src/main/pipeline/rederive.ts";
import { RecordingLog } from "../kube/helpers.ts";
import { turns } from "./core.ts";

function setup() {
  const held = new Map<string, Uint8Array>();
  const log = new RecordingLog();
  const submitted: { readonly text: string; done(): void; fail(): void }[] = [];
  const rederiver = new Rederiver({
    heldOf: (uid) => held.get(uid),
    submit: (bytes) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      submitted.push({ text: Buffer.from(bytes).toString(), done: () => resolve(), fail: () => reject(new Error("bug")) });
      return promise;
    },
    log,
  });
  const hold = (uid: string, text: string): void => void held.set(uid, Buffer.from(text));
  return { rederiver, held, hold, log, submitted, texts: () => submitted.map(({ text }) => text) };
}

test("a pod on which Events have no bearing costs nothing, neither now nor later", async () => {
  const { rederiver, hold, texts } = setup();
  rederiver.request("a");
  hold("a", "a1");
  hold("b", "b1");
  rederiver.request("b");
  await turns();
  assert.deepEqual(texts(), ["b1"]);
});

test("asked for again and again while it runs, a pod is derived once more, from what is held of it then", async () => {
  const { rederiver, hold, submitted, texts } = setup();
  hold("a", "a1");
  rederiver.request("a");
  hold("a", "a2");
  for (let i = 0; i < 5; i++) rederiver.request("a");
  assert.deepEqual(texts(), ["a1"]);
  hold("a", "a3");
  submitted[0]?.done();
  await turns();
  assert.deepEqual(texts(), ["a1", "a3"]);
  submitted[1]?.done();
  await turns();
  assert.deepEqual(texts(), ["a1", "a3"]);
  rederiver.request("a");
  assert.deepEqual(texts(), ["a1", "a3", "a3"]);
});

test("a pod of which nothing is held any more when its turn comes is left alone, and keeps nobody waiting", async () => {
  const { rederiver, held, hold, submitted, texts } = setup();
  hold("a", "a1");
  hold("b", "b1");
  rederiver.request("a");
  rederiver.request("a");
  held.delete("a");
  submitted[0]?.done();
  await turns();
  hold("a", "a2");
  rederiver.request("b");
  assert.deepEqual(texts(), ["a1", "b1"]);
});

test("one that runs and is asked for again keeps no other from its turn", () => {
  const { rederiver, hold, texts } = setup();
  for (const uid of ["a", "b"]) hold(uid, uid);
  rederiver.request("a");
  rederiver.request("a");
  rederiver.request("b");
  assert.deepEqual(texts(), ["a", "b"]);
});

test("at most 64 are derived at once; others wait, but for those on which Events have no bearing", async () => {
  const { rederiver, hold, submitted, texts } = setup();
  for (let n = 0; n < 100; n++) {
    hold(`p${n}`, `p${n}`);
    rederiver.request(`p${n}`);
  }
  assert.equal(texts().length, 64);
  rederiver.request("p0");
  rederiver.request("late");
  hold("late", "late");
  for (let n = 1; n < 40; n++) submitted[n]?.done();
  await turns();
  assert.deepEqual(texts(), Array.from({ length: 100 }, (_, n) => `p${n}`));
  submitted[0]?.done();
  await turns();
  assert.equal(texts().at(-1), "p0");
  assert.equal(texts().length, 101);
});

test("one that fails is told, and others go on; it can be asked for again", async () => {
  const { rederiver, hold, submitted, texts, log } = setup();
  hold("a", "a1");
  rederiver.request("a");
  submitted[0]?.fail();
  await turns();
  assert.deepEqual(log.entries.map(({ level, fields }) => [level, fields]), [["error", { uid: "a", error: "bug" }]]);
  rederiver.request("a");
  assert.deepEqual(texts(), ["a1", "a1"]);
});
