/**
 * Closes what tests started and did not close: of a test's hooks none runs after one that failed, as where a daemon's log shows a secret, and what is open keeps the process from ending.
 */
import { after } from "node:test";

/** In the order in which they were started. */
const open = new Set<() => Promise<void>>();

// Before the hooks of the file, which were declared later.
after(async () => {
  const failures: unknown[] = [];
  for (const close of [...open].toReversed()) await close().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, "what was left open could not be closed as it should");
});

/** Gives a way to close something that does so once, however often it is asked for, and is asked for after the file's last test at the latest. */
export function closedAtLast(close: () => Promise<void>): () => Promise<void> {
  let closed: Promise<void> | undefined;
  const once = (): Promise<void> => {
    open.delete(once);
    return (closed ??= close());
  };
  open.add(once);
  return once;
}
