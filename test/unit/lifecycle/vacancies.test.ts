/** Workspaces without a pod: they end when their time is over and no pod is known to have come, on every replica. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { Vacancies, type VacancyOptions } from "../../../src/main/lifecycle/vacancies.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordOf as anyRecordOf } from "../../support/results.ts";
import { RecordingLog } from "../kube/helpers.ts";

/** A workspace whose pod is gone. */
const recordOf = (...args: Parameters<typeof anyRecordOf>): WorkspaceRecord => Object.assign(anyRecordOf(...args), { vacant: true });

interface Stage {
  readonly clock: FakeClock;
  readonly vacancies: Vacancies;
  readonly givenUp: string[];
  /** Time passes, and what follows from it happens. */
  readonly pass: (ms: number) => Promise<void>;
}

function stage(options: Partial<Pick<VacancyOptions, "caughtUp" | "look" | "log">> = {}): Stage {
  const clock = new FakeClock();
  const givenUp: string[] = [];
  const vacancies = new Vacancies({ giveUp: (uid) => givenUp.push(uid), caughtUp: async () => {}, look: async () => false, limitMs: 600_000, clock, log: silentLog, ...options });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let i = 0; i < 4; i++) await new Promise(setImmediate);
  };
  return { clock, vacancies, givenUp, pass };
}

test("a workspace whose pod was not made anew in time has ended; one that was is left alone", async () => {
  const { clock, vacancies, givenUp, pass } = stage();
  const [lost, found, old] = [recordOf("lost", { createdAt: clock.now() }), recordOf("found", { createdAt: clock.now() }), recordOf("old", { createdAt: clock.now() - 700_000 })];
  for (const record of [lost, found, old]) vacancies.add(record);
  await pass(11_000);
  assert.deepEqual(givenUp, [], "the pod that the leader may have asked for just in time can still come");
  await pass(1_000);
  assert.deepEqual(givenUp, ["old"]);
  vacancies.remove(found);
  await pass(600_000);
  assert.deepEqual(givenUp, ["old", "lost"]);
  vacancies.add(found);
  vacancies.close();
  await pass(1_000_000);
  assert.equal(givenUp.length, 2);
});

test("a workspace that is told of twice has one timer, which ends with it", async () => {
  const { clock, vacancies, givenUp, pass } = stage();
  const record = recordOf("twice", { createdAt: clock.now() });
  vacancies.add(record);
  vacancies.add(record);
  vacancies.remove(record);
  await pass(1_000_000);
  assert.deepEqual(givenUp, []);
});

test("who is behind ends no workspace before what was heard has taken effect, and none whose pod has come by that", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { vacancies, givenUp, pass } = stage({ caughtUp: () => promise });
  const [lost, found] = [recordOf("lost"), recordOf("found")];
  vacancies.add(lost);
  vacancies.add(found);
  await pass(3_600_000);
  assert.deepEqual(givenUp, []);
  vacancies.remove(found);
  resolve();
  await pass(0);
  assert.deepEqual(givenUp, ["lost"]);
});

test("who hears nothing looks whether a pod is there, and ends no workspace while that can not be known", async () => {
  const looks: string[] = [];
  let reachable = false;
  const { vacancies, givenUp, pass } = stage({
    look: async ({ uid }) => {
      looks.push(uid);
      if (!reachable) throw new Error("connection refused");
      if (uid === "found") vacancies.remove({ uid });
      return uid === "found";
    },
  });
  for (const id of ["lost", "found"]) vacancies.add(recordOf(id));
  for (let i = 0; i < 5; i++) await pass(700_000);
  assert.equal(looks.length, 10);
  assert.deepEqual(givenUp, []);
  reachable = true;
  await pass(12_000);
  assert.deepEqual(givenUp, ["lost"]);
  await pass(1_000_000);
  assert.equal(looks.length, 12);
});

test("a look that is under way when the workspace goes on, or the process ends, ends nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { vacancies, givenUp, pass } = stage({ look: () => promise });
  for (const id of ["a", "b"]) vacancies.add(recordOf(id));
  await pass(700_000);
  vacancies.remove({ uid: "a" });
  vacancies.close();
  vacancies.add(recordOf("c"));
  resolve(false);
  await pass(1_000_000);
  assert.deepEqual(givenUp, []);
});

test("a look that fails after the workspace goes on, or the process has ended, is not made again", async () => {
  const looks: string[] = [];
  const { promise, reject } = Promise.withResolvers<boolean>();
  const { vacancies, givenUp, pass } = stage({
    look: ({ uid }) => {
      looks.push(uid);
      return promise;
    },
  });
  for (const id of ["a", "b"]) vacancies.add(recordOf(id));
  await pass(700_000);
  vacancies.remove({ uid: "a" });
  reject(new Error("connection refused"));
  await pass(0);
  vacancies.remove({ uid: "b" });
  await pass(1_000_000);
  assert.deepEqual([looks, givenUp], [["a", "b"], []]);
});

test("a workspace that has a pod again when what was heard has taken effect is not looked for", async () => {
  let looks = 0;
  const record = recordOf("a");
  const { vacancies, givenUp, pass } = stage({
    caughtUp: async () => void (record.vacant = false),
    look: async () => {
      looks++;
      return false;
    },
  });
  vacancies.add(record);
  await pass(700_000);
  assert.deepEqual([looks, givenUp], [0, []]);
});

test("a pod that is there and is not known to be the successor, since it can not be understood, keeps the workspace from having ended", async () => {
  let isThere = true;
  const { vacancies, givenUp, pass } = stage({ look: async () => isThere });
  vacancies.add(recordOf("a"));
  for (let i = 0; i < 5; i++) await pass(700_000);
  assert.deepEqual(givenUp, []);
  isThere = false;
  await pass(12_000);
  assert.deepEqual(givenUp, ["a"]);
});

test("a workspace whose own pod is there again is looked for no more", async () => {
  let looks = 0;
  const record = recordOf("a");
  const { vacancies, givenUp, pass } = stage({
    look: async () => {
      looks++;
      record.vacant = false;
      return true;
    },
  });
  vacancies.add(record);
  for (let i = 0; i < 5; i++) await pass(700_000);
  assert.deepEqual([looks, givenUp], [1, []]);
});

test("a clock that was ahead when the pod went ends no workspace early", async () => {
  const { clock, vacancies, givenUp, pass } = stage();
  const createdAt = clock.now();
  clock.setWall(createdAt + 3_600_000);
  vacancies.add(recordOf("a", { createdAt }));
  clock.setWall(createdAt);
  await pass(600_000 + 11_000);
  assert.deepEqual(givenUp, []);
  await pass(1_000);
  assert.deepEqual(givenUp, ["a"]);
});

test("a wait that goes on is logged with its first look, and with each 50th from then on", async () => {
  const log = new RecordingLog();
  let looks = 0;
  const look = async (): Promise<boolean> => {
    looks++;
    throw new Error("connection refused");
  };
  const { vacancies, pass } = stage({ look, log });
  vacancies.add(recordOf("a", { id: "a", createdAt: 0 }));
  const loggedAt: number[] = [];
  for (let i = 0; i < 120; i++) {
    const before = log.entries.length;
    await pass(12_000);
    if (log.entries.length > before) loggedAt.push(looks);
  }
  assert.deepEqual([looks, loggedAt, log.entries.length], [120, [1, 51, 101], 3]);
  assert.deepEqual(log.entries[1], { level: "warn", fields: { id: "a", error: "connection refused" }, message: "cannot tell whether a workspace's pod was made anew: it has not ended until that is known" });
});

test("a workspace ends as soon as nothing is left of its time by the wall clock, and waits while a millisecond is", async () => {
  for (const leftMs of [0, 1]) {
    const { clock, vacancies, givenUp, pass } = stage();
    const createdAt = clock.now();
    vacancies.add(recordOf("a", { createdAt }));
    await pass(1_000);
    // So that it is set back by the margin.
    clock.setWall(clock.now() - 12_000 - leftMs);
    await pass(611_000);
    assert.equal(clock.now(), createdAt + 600_000 - leftMs);
    assert.deepEqual(givenUp, leftMs === 0 ? ["a"] : []);
    await pass(12_000 + leftMs);
    assert.deepEqual(givenUp, ["a"]);
  }
});
