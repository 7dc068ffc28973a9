/** Kubernetes Events, reduced. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { toPodEvent, toPodEvents } from "../../../src/domain/events.ts";

const at = (seconds: number): string => new Date(Date.UTC(2026, 2, 1, 10, 0, seconds)).toISOString();
const ms = (seconds: number): number => Date.parse(at(seconds));

describe("events of a pod", () => {
  it("are those that statuses depend on, in order", () => {
    const raw = [{ reason: "Scheduled" }, { reason: "NetworkNotReady", message: "n" }, null, "x", { reason: 3 }, { reason: "__proto__" }, { reason: "FailedMount" }];
    assert.deepEqual(toPodEvents(raw), [{ reason: "NetworkNotReady", message: "n", timeMs: 0 }, { reason: "FailedMount", message: "", timeMs: 0 }]);
  });
  it("tell when they happened last, in the old style and the new", () => {
    const time = (event: object): number | undefined => toPodEvent({ reason: "FailedMount", ...event })?.timeMs;
    assert.equal(time({ firstTimestamp: at(1), lastTimestamp: at(5) }), ms(5));
    assert.equal(time({ lastTimestamp: null, eventTime: at(3), series: { lastObservedTime: at(9) } }), ms(9));
    assert.equal(time({ lastTimestamp: "?", eventTime: at(3) }), ms(3));
    assert.equal(time({ metadata: { creationTimestamp: at(2) } }), ms(2));
  });
  it("leave out a failed mount that was followed by an event that shows it succeeded", () => {
    const mount = (seconds: number): object => ({ reason: "FailedMount", message: String(seconds), lastTimestamp: at(seconds) });
    const messages = (raw: unknown[]): string[] => toPodEvents(raw).map((e) => e.message);
    assert.deepEqual(messages([mount(1), { reason: "Pulled", lastTimestamp: at(2) }, mount(3)]), ["3"]);
    assert.deepEqual(messages([mount(1), { reason: "Scheduled", lastTimestamp: at(2) }]), ["1"]);
  });
  it("may be any JSON", () => fc.assert(fc.property(fc.array(fc.jsonValue()), (raw) => assert.ok(Array.isArray(toPodEvents(raw))))));
});
