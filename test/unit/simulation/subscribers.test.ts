/** What subscribers of a simulation are told is judged by the life it is of, whenever it comes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { buildFrame, encodeStatus } from "../../../src/main/state/frame.ts";
import { Ledger } from "../../support/simulation/laws.ts";
import { Listener } from "../../support/simulation/subscribers.ts";

const { CREATING, RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;

/** Tells statuses one after the other, each with a higher version; gives the promises that were broken. */
function broken(statuses: readonly { readonly life: number; readonly phase: wsman.WorkspacePhase; readonly failed?: string }[]): readonly string[] {
  const ledger = new Ledger(() => 0, () => {});
  const listener = new Listener("somebody", ledger, () => {});
  for (const [i, { life, phase, failed = "" }] of statuses.entries()) listener.write(buildFrame(encodeStatus({ id: "w1", phase, conditions: { failed }, metadata: { annotations: { life: String(life) } } }), { seconds: i + 1, logical: 0 }));
  return ledger.breaches.map(({ law }) => law);
}

test("a slow subscriber may hear of a life's end and of the next one at once, whenever that was begun", () => {
  assert.deepEqual(broken([{ life: 1, phase: CREATING, failed: "no mount" }, { life: 1, phase: STOPPED, failed: "no mount" }, { life: 2, phase: CREATING }, { life: 2, phase: STOPPED }, { life: 3, phase: STOPPED }]), []);
});

test("within a life STOPPED is the last word, and told once; phases and failures are not taken back", () => {
  assert.deepEqual(broken([{ life: 1, phase: STOPPED }, { life: 1, phase: CREATING }]), ["STOPPED is the last word"]);
  assert.deepEqual(broken([{ life: 1, phase: STOPPED }, { life: 2, phase: STOPPED }, { life: 2, phase: STOPPED }]), ["STOPPED is told once"]);
  assert.deepEqual(broken([{ life: 2, phase: STOPPING }, { life: 2, phase: RUNNING }]), ["phases do not go back"]);
  assert.deepEqual(broken([{ life: 1, phase: RUNNING, failed: "it broke" }, { life: 1, phase: RUNNING }]), ["a failure is not taken back"]);
});

test("a life whose end is not told has no other one after it", () => {
  assert.deepEqual(broken([{ life: 1, phase: RUNNING }, { life: 2, phase: CREATING }]), ["every end is told"]);
});
