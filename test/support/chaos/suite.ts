/** Fault tests at their small size, as tests: on the built-in cluster, or on a real API server where tests run on one. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { onRealCluster, startTestCluster, type TestCluster } from "../cluster.ts";
import { reportText, runScenario } from "./run.ts";
import { reasonToSkip, scenarios } from "./scenarios.ts";

/** Declares those of these names. @throws Error if there is none of a name. */
export function testScenarios(...names: readonly string[]): void {
  let real: TestCluster | undefined;
  if (onRealCluster) {
    before(async () => void (real = await startTestCluster()));
    after(async () => real?.close());
  }
  for (const name of names) {
    const scenario = scenarios.find((each) => each.name === name);
    if (!scenario) throw new Error(`there is no fault test ${name}`);
    test(`nothing is lost: ${scenario.what}`, { skip: reasonToSkip(scenario) ?? false }, async (t) => {
      const report = await runScenario(scenario, scenario.small, { seed: 1, kubeconfig: real?.kubeconfig });
      t.diagnostic(reportText(report));
      assert.deepEqual(report.lost, []);
    });
  }
}
