/** All fault tests of the lifecycle controller, in the order in which they are run. */
import { apiserver, byHand, nodes } from "./cluster-scenarios.ts";
import { burst, crashes } from "./load-scenarios.ts";
import type { Scenario } from "./run.ts";

/** All of them. */
export const scenarios: readonly Scenario[] = [burst, crashes, apiserver, nodes, byHand];
