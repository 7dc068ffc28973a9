/** All scenarios by their names. */
import { stream } from "./stream.ts";
import type { Scenario } from "./scenario.ts";

export const scenarios: ReadonlyMap<string, Scenario> = new Map([["stream", stream]]);
