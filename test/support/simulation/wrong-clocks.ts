/** How wrong the wall clocks of replicas' machines are, and how much too early that may have a leader take a workspace's time for over. */

/** A wall clock was set. */
interface Setting {
  readonly at: number;
  readonly byMs: number;
}

/** A wall clock that has moved by no more than this since its last jump is taken for right, milliseconds. */
const unnoticedMs = 60_000;

/** The clocks of all machines, by the number of their slots. Times are virtual milliseconds; clocks that nobody has set are right. */
export class WrongClocks {
  readonly #settings = new Map<number, Setting[]>();
  readonly #began = new Map<number, number>();

  /** A clock is set ahead, or back (below zero). */
  set(slot: number, at: number, byMs: number): void {
    const settings = this.#settings.get(slot) ?? [];
    this.#settings.set(slot, settings);
    settings.push({ at, byMs });
  }

  /** A process begins on a machine, and takes its clock for right, whatever it says. */
  began(slot: number, at: number): void {
    this.#began.set(slot, at);
  }

  /**
   * By how much a machine's process may be too early for a workspace that was active at a time, which somebody with a right clock has written down, milliseconds. The least that is right:
   * - how wrong its clock was when it began, and what was too little to be noticed since;
   * - of a jump that it has noticed: nothing for activity from before, which is moved with the clock. Later activity counts at least from the jump on, and is that of before the jump for a clock
   *   that is ahead: so much too early as it came after the jump, and no more than the jump.
   */
  earlyMs(slot: number, active: number): number {
    const since = this.#began.get(slot) ?? Number.NEGATIVE_INFINITY;
    let [wrong, fromBegin, unnoticed, jumped] = [0, 0, 0, 0];
    let firstJump = active;
    for (const { at, byMs } of this.#settings.get(slot) ?? []) {
      wrong += byMs;
      if (at <= since) {
        fromBegin += byMs;
        continue;
      }
      unnoticed += byMs;
      if (Math.abs(unnoticed) <= unnoticedMs) continue;
      if (at < active) {
        jumped += unnoticed;
        firstJump = Math.min(firstJump, at);
      }
      unnoticed = 0;
    }
    return Math.max(0, Math.min(wrong, fromBegin + Math.max(0, unnoticed) + Math.min(jumped, active - firstJump)));
  }
}
