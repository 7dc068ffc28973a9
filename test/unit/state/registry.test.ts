/** The list of all frames, against records that come, change, lose their frames and go in any order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Registry, type WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { allOf } from "../../support/frames.ts";
import { facts } from "../../support/results.ts";

function recordOf(uid: string, frame: Buffer | undefined): WorkspaceRecord {
  return { uid, resourceVersion: "1", facts: facts({ id: `id-${uid}` }), digest: "", version: { seconds: 1, logical: 0 }, sequence: 0, stopped: false, awaitsRunning: false, listGeneration: 0, frame, place: -1, held: undefined, actions: [], init: undefined, vacant: false, placeholder: undefined, activeAt: undefined, activityWrittenAt: undefined };
}

/** What the list holds; undefined if there is none. */
function texts(registry: Registry): string[] | undefined {
  const frames = registry.allFrames();
  return frames && allOf(frames).map(String);
}

const step = fc.record({ uid: fc.nat(7).map(String), does: fc.constantFrom("come", "change", "lose", "go") });

test("the list has every record's frame once, and is none while one lacks its own", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const registry = new Registry();
    let made = 0;
    for (const { uid, does } of steps) {
      const frame = Buffer.from(`${made++}`);
      const record = registry.byUid(uid);
      if (!record && does === "come") registry.add(recordOf(uid, made % 3 === 0 ? undefined : frame));
      else if (record && does === "change") registry.setFrame(record, frame);
      else if (record && does === "lose") registry.setFrame(record, undefined);
      else if (record && does === "go") registry.remove(record);
      const own = [...registry.records()].map((each) => each.frame);
      const complete = own.every((each) => each !== undefined);
      assert.deepEqual(texts(registry)?.sort(), complete ? own.map(String).sort() : undefined);
    }
  }));
});

test("the list stays as it was when it was asked for", () => {
  const registry = new Registry();
  const record = recordOf("a", Buffer.from("old"));
  registry.add(record);
  const before = registry.allFrames();
  registry.setFrame(record, Buffer.from("new"));
  registry.remove(record);
  assert.deepEqual(before && allOf(before).map(String), ["old"]);
  assert.deepEqual(texts(registry), []);
});
