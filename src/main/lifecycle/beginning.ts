/** Work that may be given up only as long as it was not begun. */

/** A signal that aborts with another one only as long as nothing was begun. */
export function untilBegun(unwanted: AbortSignal): { readonly signal: AbortSignal; begin(): boolean } {
  const own = new AbortController();
  const give = (): void => own.abort();
  if (unwanted.aborted) give();
  else unwanted.addEventListener("abort", give, { once: true });
  const begin = (): boolean => {
    if (!own.signal.aborted) unwanted.removeEventListener("abort", give);
    return !own.signal.aborted;
  };
  return { signal: own.signal, begin };
}
