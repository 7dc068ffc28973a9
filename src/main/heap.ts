/** How V8 keeps the daemon's heap. */
import { setFlagsFromString } from "node:v8";

/**
 * Keeps the young generation as small as it begins (1 MiB a half), instead of letting it grow to a hundred: the daemon's garbage dies at once, so
 * larger halves only mean rarer, longer pauses, tens of MiB that are resident for nothing, and buffers of sockets that pile up until a full collection
 * (docs/performance.md). Must run before much is loaded: what has grown stays. It is the growth that can be set in a process that runs; the size can not.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  // So little is copied sooner than other threads are woken to help, who would take a core from the workers.
  setFlagsFromString("--no-parallel-scavenge");
}
