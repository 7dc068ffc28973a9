/** The HTTP servers, wired to the core: metrics, health and the page that people look at; profiles where they are asked for. */
import { hostname } from "node:os";
import type { Worker } from "node:worker_threads";
import { startHttpServer, type Check, type HttpServer } from "../metrics/http.ts";
import { overhear, type Overheard } from "../metrics/overheard.ts";
import { createMetrics } from "../metrics/registry.ts";
import { SlowOperations } from "../metrics/slow-operations.ts";
import type { Core } from "./core.ts";
import type { DaemonOptions } from "./daemon.ts";
import { OverviewSource, type ComparisonLevel } from "./http/overview.ts";
import { statusPages } from "./http/page.ts";
import { version } from "./version.ts";

/** Lines that wait for so long while nothing moves, milliseconds: the pipeline is stuck. Its own measures against that take seconds. */
const stuckMs = 60_000;

/** Metrics, and what is listened to for the page. */
export interface Watched extends Overheard {
  readonly slow: SlowOperations;
}

/** Makes the metrics, and listens to what they are told. @param workers threads that derive statuses. */
export function watchedMetrics({ surroundings, workers, clock }: DaemonOptions): Watched {
  const plain = createMetrics({ process: surroundings === undefined });
  plain.runtime.workers(workers);
  const slow = new SlowOperations(() => clock.now());
  return { ...overhear(plain, slow), slow };
}

/** What the page shows beside. */
export interface Shown {
  readonly watched: Watched;
  readonly threads: () => readonly Worker[];
  /** Who holds the Lease, as far as is known. */
  readonly leaseHolder: () => string;
  /** Undefined: it is none. */
  readonly shadow?: { readonly comparison: ComparisonLevel | undefined } | undefined;
  /** Aborts when the daemon begins to end. */
  readonly ending: AbortSignal;
}

/** Serves metrics, health and the page, where that is configured. @throws Error if the address can not be bound. */
export async function startHttp(options: DaemonOptions, { store, pipeline, hub }: Core, { watched, threads, leaseHolder, shadow, ending }: Shown): Promise<HttpServer | undefined> {
  const { metricsAddr: addr, namespace, lifecycle, workers, clock, log } = options;
  if (addr === undefined) return undefined;
  const live: readonly Check[] = [{ name: "pipeline", check: () => (pipeline.stalledMs > stuckMs ? `nothing has moved for ${Math.round(pipeline.stalledMs / 1000)} s` : undefined) }];
  const ready: readonly Check[] = [
    { name: "synchronized", check: () => (store.synced ? undefined : "the first list of pods is not complete yet") },
    { name: "serving", check: () => (ending.aborted ? "the daemon is ending" : undefined) },
  ];
  const overview = new OverviewSource({ version: version(), host: hostname(), namespace, acts: lifecycle, shadow, leaseHolder, heard: watched, slow: watched.slow, store, hub, pipeline, workers, threads, checks: [...live, ...ready], clock });
  const server = await startHttpServer({ addr, metrics: watched.metrics, live, ready, pages: statusPages(overview), log });
  return {
    port: server.port,
    async close() {
      overview.close();
      await server.close();
    },
  };
}

/** Serves profiles, where they are configured; what it needs is loaded only then. @throws Error if the address can not be bound, or the TLS files can not be used. */
export async function startProfiling({ profiling, clock, log }: DaemonOptions, threads: () => readonly Worker[]): Promise<HttpServer | undefined> {
  if (!profiling) return undefined;
  const [{ startProfilingServer }, { profiledThreads }] = await Promise.all([import("./http/profiling-server.ts"), import("./http/profiled-threads.ts")]);
  return startProfilingServer(profiling, { threads: () => profiledThreads(threads()), clock, log });
}
