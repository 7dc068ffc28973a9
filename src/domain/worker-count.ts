/** How many threads derive statuses where nobody says. */

/**
 * A change costs the main thread 20 us and a worker 30: two keep up with one main thread, and four leave room for pods that are larger.
 * Each is an isolate with a heap of its own, and a container sees all processors of its machine, however few it may use.
 */
const most = 4;

/** Worker threads of a daemon whose configuration does not say. @param cores processors that the process sees. */
export function workersFor(cores: number): number {
  return Math.min(Math.max(1, cores - 1), most);
}
