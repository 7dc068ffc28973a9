/** How V8 keeps the daemon's heap. */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Both halves together, bytes: what the young generation has once a half is 4 MiB. */
const youngBytes = 8 * 1024 * 1024;
/** Growing takes about ten rounds. */
const maxRounds = 100;
/** A fourth of a MiB. */
const arraysPerRound = 32;
const numbersPerArray = 1024;

/**
 * Lets the young generation grow to 4 MiB a half, and no further. As it begins, with 1 MiB, a burst's frames outlive it and pile up until a full collection (300 MB resident
 * in place of 210); where it may grow as it likes it takes a hundred MiB that are resident for nothing, in rarer and longer pauses (docs/performance.md).
 * In a process that runs only the growth can be set, not the size: hence the objects that outlive a collection or two. To be called before much is loaded; takes 25 ms, which the kernel needs to find the memory.
 */
export function shapeYoungGeneration(): void {
  // So little is copied sooner than other threads are woken to help, who would take a core from the workers.
  setFlagsFromString("--no-parallel-scavenge");
  const survivors: unknown[] = [];
  const numbers = Array.from({ length: numbersPerArray }, (_, i) => i);
  for (let round = 0; round < maxRounds && youngSize() < youngBytes; round++) {
    if (survivors.length > arraysPerRound * 8) survivors.length = 0;
    for (let i = 0; i < arraysPerRound; i++) survivors.push(Array.from(numbers));
  }
  setFlagsFromString("--semi-space-growth-factor=1");
}

function youngSize(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? Number.POSITIVE_INFINITY;
}
