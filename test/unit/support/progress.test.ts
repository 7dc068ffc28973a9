/** How fault tests tell how far they are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { progressOf, Teller, type Progress } from "../../support/chaos/progress.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function setup(terminal?: { readonly columns: number }) {
  const clock = new FakeClock();
  let told = "";
  const out = { write: (text: string) => void (told += text), isTTY: terminal !== undefined, ...terminal };
  const teller = new Teller({ out, clock });
  const now: { progress: Progress } = { progress: { step: "starting", counts: "1 there" } };
  teller.begin("burst", () => now.progress);
  return { clock, teller, now, told: () => told, lines: () => told.split("\n").filter((line) => line !== "") };
}

test("where it goes to a file there are few lines: for another step, other counts, and now and then that it goes on", () => {
  const { clock, now, lines, teller } = setup();
  assert.deepEqual(lines(), ["burst, 0s: starting; 1 there"]);
  now.progress = { step: "stopping", counts: "1 there" };
  clock.advance(4_000);
  assert.equal(lines().length, 1, "not at once");
  clock.advance(1_000);
  assert.deepEqual(lines().slice(1), ["burst, 5s: stopping; 1 there"]);
  for (let i = 2; i <= 21; i++) {
    now.progress = { step: "stopping", counts: `${i} there` };
    clock.advance(1_000);
  }
  assert.deepEqual(lines().slice(2), ["burst, 15s: stopping; 11 there", "burst, 25s: stopping; 21 there"]);
  clock.advance(120_000);
  assert.deepEqual(lines().slice(4), ["burst, 85s: stopping; 21 there", "burst, 2m25s: stopping; 21 there"]);
  teller.end();
  clock.advance(120_000);
  assert.equal(lines().length, 6, "nothing more after the end");
});

test("in a terminal one line is written over every second, never wider than that, and is gone at the end", () => {
  const { clock, now, told, teller } = setup({ columns: 30 });
  now.progress = { step: "waiting until all are gone", counts: "" };
  clock.advance(1_000);
  teller.end();
  assert.equal(told(), "\r\x1b[Kburst, 0s: starting; 1 there\r\x1b[Kburst, 1s: waiting until all…\r\x1b[K");
});

test("what there is is counted by those who look on", () => {
  const seen = { id: "a", metaId: "m", uids: new Set<string>(), everReady: true, deleted: false, gone: false, node: "", disposal: "", hasFinalizer: true };
  const witness = { all: () => [seen, { ...seen, everReady: false, gone: true }], wrongs: ["x"] };
  assert.deepEqual(progressOf({ stage: "wave 2", step: "starting", witness, replicas: [], wrongs: ["y"] }), { step: "wave 2: starting", counts: "2 there, 1 ready, 1 gone; daemons 0 (killed 0); wrong so far 2" });
});
