/** What a request to the server of profiles asks for. */
import { defaultSeconds, maxSeconds, ProfileRefusal, type ProfileKind } from "./profiles.ts";

/** It, checked. */
export type Asked =
  | { readonly kind: "index" }
  | { readonly kind: ProfileKind; readonly thread: string; readonly seconds: number }
  | { readonly kind: "snapshot"; readonly thread: string };

/** Where things are, as Go's pprof has them where it has the same. */
export const paths = { index: "/debug/pprof/", cpu: "/debug/pprof/profile", heap: "/debug/pprof/heap", allocs: "/debug/pprof/allocs", snapshot: "/debug/pprof/snapshot" } as const;

const kinds = new Map<string, ProfileKind | "snapshot">([[paths.cpu, "cpu"], [paths.heap, "heap"], [paths.allocs, "allocs"], [paths.snapshot, "snapshot"]]);

/** @throws ProfileRefusal naming the parameter, if it is not as it must be (400), or nothing is there (404). */
export function askedFor(url: URL | null): Asked {
  if (url && ["/", "/debug/pprof", paths.index].includes(url.pathname)) return { kind: "index" };
  const kind = url ? kinds.get(url.pathname) : undefined;
  if (!url || !kind) throw new ProfileRefusal(404, `not found: see ${paths.index}`);
  checkNames(url.searchParams, kind === "snapshot" ? ["thread"] : ["thread", "seconds"]);
  const thread = one(url.searchParams, "thread") ?? "main";
  return kind === "snapshot" ? { kind, thread } : { kind, thread, seconds: secondsOf(one(url.searchParams, "seconds")) };
}

function checkNames(given: URLSearchParams, known: readonly string[]): void {
  for (const name of given.keys()) if (!known.includes(name)) throw new ProfileRefusal(400, `unknown parameter ${JSON.stringify(name.slice(0, 40))}; there ${known.length === 1 ? "is" : "are"} ${known.join(", ")}`);
}

function one(given: URLSearchParams, name: string): string | undefined {
  const values = given.getAll(name);
  if (values.length > 1) throw new ProfileRefusal(400, `${name}: is given more than once`);
  return values[0];
}

function secondsOf(text: string | undefined): number {
  if (text === undefined) return defaultSeconds;
  const seconds = /^\d{1,6}(?:\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0 || seconds > maxSeconds) throw new ProfileRefusal(400, `seconds: must be a number above 0 and up to ${maxSeconds}, got ${JSON.stringify(text.slice(0, 40))}`);
  return seconds;
}
