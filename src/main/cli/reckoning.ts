/** Times of workspaces as a leader takes them, for commands that say what one would do. */
import type { Clock } from "../../domain/clock.ts";
import type { Config } from "../config/index.ts";
import { unwrittenMs } from "../lifecycle/activity.ts";
import { Reckoning } from "../lifecycle/elapsed.ts";
import { holdMsOf } from "../lifecycle/hold-time.ts";

/** Of a leader with this configuration that leads since then, Unix milliseconds; 0: since ever. */
export function reckoningOf({ manager, wsmand }: Config, clock: Pick<Clock, "now">, since: number): Reckoning {
  const reckoning = new Reckoning({ unwrittenMs: unwrittenMs(wsmand.activity.persistInterval), holdMs: holdMsOf(manager), finalizationMs: manager.timeouts.contentFinalization, clock });
  reckoning.begin(since);
  return reckoning;
}
