/** How busy the thread of a part is: what tells whether the load side was the limit. */

/** Starts to measure; the function given back tells the share of time, 0 to 1, that this thread was busy since. */
export function loadShare(): () => number {
  const before = performance.eventLoopUtilization();
  return () => performance.eventLoopUtilization(before).utilization;
}
