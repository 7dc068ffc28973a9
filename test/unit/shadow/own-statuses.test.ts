/** The own side of a comparison: when it counts as known, and what becomes of it when its subscription ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { OwnStatuses } from "../../../src/main/shadow/own-statuses.ts";
import type { SubscriberStream } from "../../../src/main/subscriptions/stream.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { MemoryLog } from "../rpc/helpers.ts";

/** A hub of which the test plays the side that sends. */
function setup() {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const told: string[] = [];
  const streams: SubscriberStream[] = [];
  let left = 0;
  let atItsEnd = false;
  const own = new OwnStatuses({
    hub: {
      subscribe(_filter, stream, { initialState }) {
        if (atItsEnd) throw new WsmanError("UNAVAILABLE", "the server is shutting down: subscribe again");
        assert.ok(initialState);
        streams.push(stream);
        return { drained() {}, closed: () => void left++ };
      },
    },
    comparison: { ours: (frame) => void told.push(frame.toString()), oursKnown: (since) => void told.push(`known since ${since}`), oursLost: () => void told.push("lost") },
    clock, random: () => 0.5, log,
  });
  const end = (): void => void (atItsEnd = true);
  return { clock, log, told, streams, own, left: () => left, end };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the own statuses are known once all current ones were handed over, not before", () => {
  const { told, streams, own, left } = setup();
  assert.equal(streams[0]?.write(Buffer.from("one")), true);
  assert.deepEqual(told, ["one"]);
  streams[0]?.initialSent?.();
  streams[0]?.write(Buffer.from("two"));
  assert.deepEqual(told, ["one", "known since 0", "two"]);
  own.close();
  assert.equal(left(), 1);
});

test("a subscription that ends is missed, and made anew with all current statuses, after longer and longer while that fails", async () => {
  const { clock, log, told, streams } = setup();
  streams[0]?.initialSent?.();
  streams[0]?.end("unavailable");
  assert.deepEqual(told, ["known since 0", "lost"]);
  assert.deepEqual(log.lines.map(({ level, fields }) => [level, fields]), [["warn", { reason: "unavailable" }]]);
  clock.advance(749);
  await turn();
  assert.equal(streams.length, 1);
  clock.advance(1);
  await turn();
  assert.equal(streams.length, 2);
  streams[1]?.end("overflow");
  clock.advance(1499);
  await turn();
  assert.equal(streams.length, 2);
  clock.advance(1);
  await turn();
  assert.equal(streams.length, 3);
  streams[2]?.write(Buffer.from("again"));
  streams[2]?.initialSent?.();
  assert.deepEqual(told.slice(2), ["lost", "again", "known since 2250"]);
  // It has worked: the next time it is tried soon again.
  streams[2]?.end("overflow");
  clock.advance(750);
  await turn();
  assert.equal(streams.length, 4);
});

test("at the end nothing is tried again, whoever ends first", async () => {
  for (const reason of ["shutdown", "overflow"] as const) {
    const { clock, streams, own } = setup();
    if (reason === "overflow") own.close();
    streams[0]?.end(reason);
    clock.advance(3_600_000);
    await turn();
    assert.equal(streams.length, 1, reason);
    own.close();
  }
  const { clock, log, streams, end } = setup();
  streams[0]?.end("overflow");
  end();
  clock.advance(3_600_000);
  await turn();
  assert.deepEqual(log.lines.map(({ level }) => level), ["warn", "debug"]);
});
