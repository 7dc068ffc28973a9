/** Whether this daemon acts on workspaces, and when: always, never, or while it leads its replicas. */
import { once } from "node:events";
import type { Metrics } from "../metrics/registry.ts";
import type { Core } from "./core.ts";
import type { DaemonOptions } from "./daemon.ts";
import { Leader } from "./lifecycle/leader.ts";

/** The acting. */
export interface Acting {
  /** Lets what runs be finished while the lead goes on, and hands it over. Idempotent, never rejects. */
  stop(): Promise<void>;
  /** Who holds the Lease, as far as is known; empty: nobody, or none is looked at. */
  readonly holder: string;
}

/** What the acting waits for. */
export interface Known {
  /** Resolves once the workspaces are known. */
  readonly synced: Promise<void>;
  /** Resolves once the node daemons are known, or were waited for long enough. */
  readonly nodesKnown: Promise<void>;
}

/** Takes part in the election once the state is known, so that whoever leads acts at once. @param drainMs how long what runs may take at the end, and as long again the hand-over, milliseconds. */
export function startActing(options: DaemonOptions, metrics: Metrics, core: Core, known: Known, drainMs: number): Acting {
  const { lifecycle, leaderElection, namespace, clock, random, log } = options;
  if (!lifecycle) return { stop: async () => core.control.close(drainMs), holder: "" };
  const ending = new AbortController();
  // Of its own: a renewal must not wait for connections that calls use.
  const client = options.connect({ onRequest: ({ verb, resource, code, seconds }) => metrics.kube.request(verb, resource, code, seconds) });
  const leader: Leader = new Leader({
    ...leaderElection, drainMs, client, namespace, clock, random, log,
    hooks: {
      onStarted(signal) {
        // A process that stood still, and whose time is over, must not report beside the next one until a timer tells it.
        metrics.leader(() => leader.leads());
        core.control.lead({ signal, goesOn: () => leader.leads() });
      },
      onStopped: () => metrics.leader(false),
      finish: () => core.control.close(drainMs),
    },
  });
  metrics.leader(false);
  const run = async (): Promise<void> => {
    // The first list may never come.
    await Promise.race([Promise.all([known.synced, known.nodesKnown]), once(ending.signal, "abort")]);
    if (!ending.signal.aborted) await leader.run(ending.signal);
  };
  const running = run();
  const stop = async (): Promise<void> => {
    ending.abort();
    await running;
    await core.control.close(drainMs);
    await client.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    stop: () => (stopped ??= stop()),
    get holder() {
      return leader.holder;
    },
  };
}
