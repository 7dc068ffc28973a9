/** All fault tests of the lifecycle controller, in the order in which they are run. */
import { apiserver, byHand, nodes } from "./cluster-scenarios.ts";
import { burst, crashes } from "./load-scenarios.ts";
import { replicas } from "./replica-scenario.ts";
import type { Scenario } from "./run.ts";
import { noCases } from "../recorded.ts";
import { upgrade } from "./upgrade-scenario.ts";

/** All of them. */
export const scenarios: readonly Scenario[] = [burst, crashes, apiserver, nodes, replicas, byHand, upgrade];

/** Why one can not be run here; undefined: it can. */
export function reasonToSkip(scenario: Scenario): string | undefined {
  return scenario === upgrade ? noCases : undefined;
}
