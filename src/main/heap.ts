/** How V8 keeps the daemon's heap. */
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A half of the young generation, MiB. */
const halfMiB = 4;
/** Both halves together, bytes. */
const youngBytes = 2 * halfMiB * 1024 * 1024;
/** Growing takes about ten rounds. */
const maxRounds = 100;
/** A fourth of a MiB. */
const arraysPerRound = 32;
const numbersPerArray = 1024;

/**
 * Keeps the heap small and of one size. To be called before much is loaded: in a process that runs flags can be set, but not sizes.
 *
 * The young generation grows to 4 MiB a half, and no further. As it begins, with 1 MiB, a burst's frames outlive it and pile up until a full collection (300 MB resident
 * in place of 210); where it may grow as it likes it takes a hundred MiB that are resident for nothing, in rarer and longer pauses (docs/performance.md).
 */
export function shapeHeap(): void {
  // So little is copied sooner than other threads are woken to help, who would take a core from the workers.
  setFlagsFromString("--no-parallel-scavenge");
  growYoungGeneration();
  letGrow(false);
  keepYoungGeneration();
  // Of threads that begin from now on: workers, whose results of a full batch would outlive a collection or two as well.
  setFlagsFromString(`--min-semi-space-size=${halfMiB}`);
}

/** V8 shrinks it when little is allocated, and could not grow it again when there is more to do: it may, until it has its size again. */
function keepYoungGeneration(): void {
  let mayGrow = false;
  const observer = new PerformanceObserver(() => {
    const small = youngSize() < youngBytes;
    if (small === mayGrow) return;
    mayGrow = small;
    letGrow(small);
  });
  observer.observe({ entryTypes: ["gc"] });
}

function letGrow(may: boolean): void {
  setFlagsFromString(`--semi-space-growth-factor=${may ? 2 : 1}`);
}

/** The size follows from growth alone: hence the objects that outlive a collection or two. Takes 25 ms, which the kernel needs to find the memory. */
function growYoungGeneration(): void {
  const survivors: unknown[] = [];
  const numbers = Array.from({ length: numbersPerArray }, (_, i) => i);
  for (let round = 0; round < maxRounds && youngSize() < youngBytes; round++) {
    if (survivors.length > arraysPerRound * 8) survivors.length = 0;
    for (let i = 0; i < arraysPerRound; i++) survivors.push(Array.from(numbers));
  }
}

/**
 * Collects the garbage of loading, before there is much else: V8 waits with its first full collection until the old generation has about 100 MiB, whatever lives of it. Until then streams and sockets
 * that are over pile up, with what they hold outside of the heap, which the system's allocator never gives back. Blocks for some 15 ms.
 */
export function collectGarbageOfLoading(): void {
  setFlagsFromString("--expose-gc");
  // A context has the function if the flag was set when it was made.
  runInNewContext("gc()");
  setFlagsFromString("--no-expose-gc");
}

function youngSize(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? Number.POSITIVE_INFINITY;
}
