/** How busy the thread of a part is: what tells whether the load side was the limit. */

/** Starts to measure; the function given back tells the share of time, 0 to 1, that this thread ran since. Waits for a free core are none of it: those the whole machine has. */
export function loadShare(): () => number {
  const before = process.threadCpuUsage();
  const since = performance.now();
  return () => {
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000 / Math.max(1, performance.now() - since);
  };
}
