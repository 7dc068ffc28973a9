/** All scenarios by their names. */
import { burst } from "./burst.ts";
import { calls } from "./calls.ts";
import { connect } from "./connect.ts";
import { fanout } from "./fanout.ts";
import { lifecycle } from "./lifecycle.ts";
import { list } from "./list.ts";
import { markactive } from "./markactive.ts";
import { ready } from "./ready.ts";
import { relist } from "./relist.ts";
import { scale } from "./scale.ts";
import type { Scenario } from "./scenario.ts";
import { scrape } from "./scrape.ts";
import { soak } from "./soak.ts";
import { stall } from "./stall.ts";
import { start } from "./start.ts";
import { stream } from "./stream.ts";

export const scenarios: ReadonlyMap<string, Scenario> = new Map(Object.entries({ stream, burst, fanout, stall, list, relist, scale, ready, connect, scrape, start, markactive, calls, lifecycle, soak }));
