/** One clock for all processes of a measurement: Linux' monotonic clock, which every process of a machine reads alike. */

/** Readings to compare; the process may be interrupted during some of them, or load code. */
const readings = 50;

const offset = calibrate();

/** Milliseconds on the machine's monotonic clock; comparable between processes of one machine, and with nothing else. */
export function machineNow(): number {
  return performance.now() + offset;
}

/** Waits until the machine's clock shows the time, as closely as timers go (about a millisecond late at most on an idle machine). */
export async function sleepUntil(at: number): Promise<void> {
  for (let wait = at - machineNow(); wait > 0; wait = at - machineNow()) await new Promise((resolve) => setTimeout(resolve, Math.max(1, Math.floor(wait))));
}

/** What this process' own clock must be moved by: from the reading that took the least time. (hrtime itself is too dear to be asked for every message.) */
function calibrate(): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < readings; i++) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const own = performance.now();
    const after = Number(process.hrtime.bigint()) / 1e6;
    if (after - before >= least) continue;
    least = after - before;
    best = (before + after) / 2 - own;
  }
  return best;
}
