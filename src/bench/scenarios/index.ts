/** All scenarios by their names. */
import { connect } from "./connect.ts";
import { fanout } from "./fanout.ts";
import { list } from "./list.ts";
import { ready } from "./ready.ts";
import type { Scenario } from "./scenario.ts";
import { scrape } from "./scrape.ts";
import { stall } from "./stall.ts";
import { stream } from "./stream.ts";

export const scenarios: ReadonlyMap<string, Scenario> = new Map(Object.entries({ stream, fanout, stall, list, ready, connect, scrape }));
