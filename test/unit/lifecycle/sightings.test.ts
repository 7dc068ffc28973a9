/** Waits for what was written to come back with the watch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sightings } from "../../../src/main/lifecycle/sightings.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

const pod = (uid: string, resourceVersion: string): Buffer => Buffer.from(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"ws-1","namespace":"n","uid":"${uid}","resourceVersion":"${resourceVersion}","labels":{}}}`);

function setup(): { readonly sightings: Sightings; readonly clock: FakeClock; readonly records: Map<string, WorkspaceRecord>; readonly bring: (uid: string, resourceVersion: string) => void } {
  const clock = new FakeClock();
  const records = new Map<string, WorkspaceRecord>();
  const sightings = new Sightings({ registry: { byUid: (uid) => records.get(uid) }, clock });
  return {
    sightings, clock, records,
    bring(uid, resourceVersion) {
      const record = records.get(uid) ?? recordOf(uid);
      record.resourceVersion = resourceVersion;
      records.set(uid, record);
      sightings.changed(record);
    },
  };
}

test("a version that is there already, or a later one, is not waited for", async () => {
  const { sightings, bring } = setup();
  bring("a", "10");
  assert.equal(await sightings.comes(pod("a", "10"), 100), true);
  assert.equal(await sightings.comes(pod("a", "9"), 100), true);
  assert.equal(sightings.waiting, 0);
});

test("one that is not is waited for, by all who do, and not taken for an earlier one", async () => {
  const { sightings, bring } = setup();
  bring("a", "9");
  const both = Promise.all([sightings.comes(pod("a", "10"), 100), sightings.comes(pod("a", "11"), 100), sightings.comes(pod("new", "12"), 100)]);
  let over = 0;
  void both.then(() => over++);
  bring("a", "9");
  bring("other", "99");
  await Promise.resolve();
  assert.equal(sightings.waiting, 2);
  bring("a", "10");
  await Promise.resolve();
  assert.equal(over, 0);
  bring("a", "12");
  bring("new", "12");
  assert.deepEqual(await both, [true, true, true]);
  assert.equal(sightings.waiting, 0);
});

test("it is not waited for longer than is said, and nothing is kept of it", async () => {
  const { sightings, clock, bring } = setup();
  const late = sightings.comes(pod("a", "10"), 100);
  clock.advance(100);
  assert.equal(await late, false);
  assert.equal(sightings.waiting, 0);
  bring("a", "10");
});

test("bytes that do not tell which pod they are, in the order of API servers, are not waited for", async () => {
  const { sightings } = setup();
  for (const text of ["", "{}", '{"metadata":{"annotations":{"uid":"x"},"uid":"a","resourceVersion":"1"}}', '{"metadata":{"resourceVersion":"1","uid":"a"}}', JSON.stringify({ metadata: { name: '"uid":"a","resourceVersion":"1"', namespace: "n" } })]) {
    assert.equal(await sightings.comes(Buffer.from(text), 100), false, text);
  }
});

test("versions that are no numbers count only where they are the same", async () => {
  const { sightings, bring, clock } = setup();
  bring("a", "x7");
  const late = sightings.comes(pod("a", "10"), 100);
  clock.advance(100);
  assert.equal(await late, false);
});
