/** Workspaces without a pod: they end when their time is over, on every replica. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Vacancies } from "../../../src/main/lifecycle/vacancies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

test("a workspace whose pod was not made anew in time has ended; one that was is left alone", () => {
  const clock = new FakeClock();
  const givenUp: string[] = [];
  const vacancies = new Vacancies({ giveUp: (uid) => givenUp.push(uid), limitMs: 600_000, clock });
  const [lost, found, old] = [recordOf("lost", { createdAt: clock.now() }), recordOf("found", { createdAt: clock.now() }), recordOf("old", { createdAt: clock.now() - 700_000 })];
  for (const record of [lost, found, old]) vacancies.add(record);
  clock.advance(11_000);
  assert.deepEqual(givenUp, [], "the pod that the leader may have asked for just in time can still come");
  clock.advance(1_000);
  assert.deepEqual(givenUp, ["old"]);
  vacancies.remove(found);
  clock.advance(600_000);
  assert.deepEqual(givenUp, ["old", "lost"]);
  vacancies.add(found);
  vacancies.close();
  clock.advance(1_000_000);
  assert.equal(givenUp.length, 2);
});

test("a workspace that is told of twice has one timer, which ends with it", () => {
  const clock = new FakeClock();
  const givenUp: string[] = [];
  const vacancies = new Vacancies({ giveUp: (uid) => givenUp.push(uid), limitMs: 600_000, clock });
  const record = recordOf("twice", { createdAt: clock.now() });
  vacancies.add(record);
  vacancies.add(record);
  vacancies.remove(record);
  clock.advance(1_000_000);
  assert.deepEqual(givenUp, []);
});
