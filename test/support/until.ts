/** Waits for a condition instead of for luck. */

/** Resolves when the condition holds; fails with what was waited for after the deadline, which is for what never comes: a machine may be slow, and busy with other tests. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, deadlineMs = 60_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
