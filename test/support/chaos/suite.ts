/** Fault tests at their small size, as tests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reportText, runScenario } from "./run.ts";
import { reasonToSkip, scenarios } from "./scenarios.ts";

/** Declares those of these names. @throws Error if there is none of a name. */
export function testScenarios(...names: readonly string[]): void {
  for (const name of names) {
    const scenario = scenarios.find((each) => each.name === name);
    if (!scenario) throw new Error(`there is no fault test ${name}`);
    test(`nothing is lost: ${scenario.what}`, { skip: reasonToSkip(scenario) ?? false }, async (t) => {
      const report = await runScenario(scenario, scenario.small, 1);
      t.diagnostic(reportText(report));
      assert.deepEqual(report.lost, []);
    });
  }
}
