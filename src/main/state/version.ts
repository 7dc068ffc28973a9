/** The hybrid logical clock behind status_version (spec: status, "status_version"). */
import type { Clock } from "../../domain/clock.ts";

/** A status version as an exact split: `(seconds << 16) | logical`. Both are integers; seconds fit 37 bits, logical 16. */
export interface Version {
  readonly seconds: number;
  readonly logical: number;
}

/** The version as the uint64 that consumers see. */
export function versionToBigInt(version: Version): bigint {
  return (BigInt(version.seconds) << 16n) | BigInt(version.logical);
}

/** Ahead of our own wall clock by more than this, another clock is not believed. */
const maxAheadSeconds = 600;
const logicalLimit = 1 << 16;

/** Hands out versions that always rise, whatever the wall clock does. */
export class VersionClock {
  readonly #clock: Clock;
  readonly #onBackwards: () => void;
  #seconds = 0;
  #logical = 0;
  #lastWall = 0;

  /** @param onBackwards called when the wall clock is found to have gone back. */
  constructor(clock: Clock, onBackwards: () => void = () => {}) {
    this.#clock = clock;
    this.#onBackwards = onBackwards;
  }

  /** The next version: greater than every one before. More than 65,536 in a second borrow from the next. */
  tick(): Version {
    const wall = this.#wallSeconds();
    if (wall > this.#seconds) {
      this.#seconds = wall;
      this.#logical = 0;
    } else if (++this.#logical === logicalLimit) {
      this.#seconds++;
      this.#logical = 0;
    }
    return { seconds: this.#seconds, logical: this.#logical };
  }

  /**
   * Takes in the time of another clock (the API server's), so that replicas whose own clocks differ, or one that was set back over
   * a restart, go on from a common time. One that is far ahead of ours (10 minutes) is not believed.
   * @param unixMs that clock's time.
   */
  observe(unixMs: number): void {
    const seconds = Math.floor(unixMs / 1000);
    const believable = Number.isSafeInteger(seconds) && seconds <= this.#wallSeconds() + maxAheadSeconds;
    if (believable && seconds > this.#seconds) {
      this.#seconds = seconds;
      this.#logical = 0;
    }
  }

  #wallSeconds(): number {
    const wall = Math.floor(this.#clock.now() / 1000);
    if (wall < this.#lastWall) this.#onBackwards();
    this.#lastWall = wall;
    return wall;
  }
}
