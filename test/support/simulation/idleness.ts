/** Hours in which a simulated cluster is empty and everybody has what they can expect: what goes on then by itself was looked at often enough, and is left out. */
import { minute } from "./plan.ts";
import type { Simulation } from "./simulation.ts";

const lookEveryMs = 3 * minute;
/** So long before what comes next the time goes on. */
const beforeMs = minute;

/** From now on idle hours are left out: what was idle for two looks stays so until the next item of the plan. */
export function leaveOutIdleness(simulation: Simulation): void {
  const { clock, agenda, ledger, journal } = simulation;
  let wasIdle = false;
  const look = (): void => {
    const { next } = agenda;
    const isIdle = simulation.isIdle();
    const until = (next ?? 0) - beforeMs;
    if (isIdle && wasIdle && until - agenda.now > lookEveryMs) {
      ledger.did("idle minutes left out", Math.round((until - agenda.now) / minute));
      journal.note(`idle: the time until ${until} is left out`);
      agenda.leaveOutUntil(until);
    }
    wasIdle = isIdle;
    if (!simulation.late) clock.timer(lookEveryMs, look);
  };
  clock.timer(lookEveryMs, look);
}
