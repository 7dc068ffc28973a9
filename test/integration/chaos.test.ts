/** Fault tests of the lifecycle controller at a small size: no work is lost, whatever happens. `npm run chaos` runs them at full size. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reportText, runScenario } from "../support/chaos/run.ts";
import { reasonToSkip, scenarios } from "../support/chaos/scenarios.ts";

for (const scenario of scenarios) {
  test(`nothing is lost: ${scenario.what}`, { skip: reasonToSkip(scenario) ?? false }, async (t) => {
    const report = await runScenario(scenario, scenario.small, 1);
    t.diagnostic(reportText(report));
    assert.deepEqual(report.lost, []);
  });
}
