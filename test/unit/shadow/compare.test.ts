/** Following another manager over days: over every connection anew, with what its contact says by then. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../src/domain/clock.ts";
import { connectionOf } from "../../../src/main/cli/connection.ts";
import { Compare } from "../../../src/main/shadow/compare.ts";
import { Comparison } from "../../../src/main/shadow/comparison.ts";
import { until } from "../../support/until.ts";
import { status, testServer } from "../cli/helpers.ts";
import { MemoryLog } from "../rpc/helpers.ts";

interface Setup {
  readonly comparison: Comparison;
  readonly compare: Compare;
  readonly log: MemoryLog;
  /** How often the contact was asked how to connect. */
  readonly asked: () => number;
}

/** A comparison that begins at once. @param unusable so many times the contact's files can not be used. */
function setup(t: TestContext, address: string, unusable = 0): Setup {
  const log = new MemoryLog();
  const comparison = new Comparison({ settleMs: 50, clock: systemClock, log, metrics: { compared() {}, differs() {} } });
  let asked = 0;
  const connection = async (): ReturnType<typeof connectionOf> => {
    if (asked++ < unusable) throw new Error("the TLS files can not be used");
    return connectionOf({ address, timeout: 10_000 }, undefined);
  };
  const compare = new Compare({ contact: { address, connection }, comparison, clock: systemClock, random: () => 0, log });
  const hub: Parameters<Compare["start"]>[0] = {
    subscribe(_filter, stream) {
      stream.initialSent?.();
      return { drained() {}, closed() {} };
    },
  };
  compare.start(hub, Promise.resolve());
  t.after(() => compare.stop());
  return { comparison, compare, log, asked: () => asked };
}

test("a manager that comes back is connected to anew, by what its contact says by then", async (t) => {
  const first = await testServer();
  const { comparison, asked, log } = setup(t, first.address);
  await until("it is known", () => comparison.levels.connected);
  assert.equal(asked(), 1);
  first.close();
  await until("it is missed", () => !comparison.levels.connected);
  const second = await testServer(Number(first.address.split(":")[1]));
  t.after(() => second.close());
  second.listed = [status("one", 1)];
  await until("it is known again, and compared", () => comparison.levels.connected && comparison.levels.open === 1, 30_000);
  assert.ok(asked() >= 2);
  assert.ok(log.lines.some(({ level, message }) => level === "warn" && message === "the other manager can not be followed, trying again"));
});

test("a contact whose files can not be used just now is asked again, and a question about activity fails until then", async (t) => {
  const server = await testServer();
  t.after(() => server.close());
  server.listed = [status("one", 1)];
  const { comparison, compare, asked, log } = setup(t, server.address, 2);
  await assert.rejects(compare.lastActivityOf("one"), /was not reached yet/);
  await until("it is known", () => comparison.levels.connected, 30_000);
  assert.equal(asked(), 3);
  assert.deepEqual(log.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields), Array.from({ length: 2 }, () => ({ error: "the TLS files can not be used" })));
  assert.equal(await compare.lastActivityOf("one"), Date.parse("2026-01-02T03:04:05Z"));
});
