/** Whether profiles may be served as it is configured (pprof.addr, wsmand.profiling). */
import { isLoopback, parseListenAddress } from "../../domain/listen-address.ts";
import type { Config } from "./types.ts";

/** To this machine only, or to whoever has a client certificate. */
export function mayServeProfiles(addr: string, tls: object | undefined): boolean {
  return tls !== undefined || isLoopback(parseListenAddress(addr) ?? { host: undefined });
}

/** What is odd about it. An address that others reach is no problem: the Go daemon's files may have one, and it must not keep the daemon from starting. */
export function profilingWarnings({ pprof: { addr }, wsmand: { profiling } }: Config): readonly string[] {
  if (addr === undefined || mayServeProfiles(addr, profiling.tls)) return [];
  return [`pprof.addr: no profiles are served on ${JSON.stringify(addr)}, which others can reach: give a loopback address such as "127.0.0.1:6060", or wsmand.profiling.tls, with which clients need a certificate`];
}
