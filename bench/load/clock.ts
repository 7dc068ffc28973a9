/** One clock for all processes of a measurement: Linux' monotonic clock, which every process of a machine reads alike. */

const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds on the machine's monotonic clock; comparable between processes of one machine, and with nothing else. */
export function machineNow(): number {
  return performance.now() + offset;
}

/** Waits until the machine's clock shows the time, as closely as timers go (about a millisecond late at most on an idle machine). */
export async function sleepUntil(at: number): Promise<void> {
  for (let wait = at - machineNow(); wait > 0; wait = at - machineNow()) await new Promise((resolve) => setTimeout(resolve, Math.max(1, Math.floor(wait))));
}
