/** A shadow put together: it watches what the state does, tells what it would do, compares, and sums up at the end. */
import type { Metrics } from "../../metrics/registry.ts";
import type { ComparisonLevels } from "../../metrics/shadow.ts";
import type { DaemonOptions } from "../daemon.ts";
import { unwrittenMs } from "../lifecycle/activity.ts";
import { holdMsOf } from "../lifecycle/hold-time.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import type { Hub } from "../subscriptions/hub.ts";
import { Compare } from "./compare.ts";
import { Comparison } from "./comparison.ts";
import { Decisions } from "./decisions.ts";

/** What a daemon is told of that is a shadow. */
export type ShadowOptions = NonNullable<DaemonOptions["shadow"]>;

/** Another manager, and what the comparison with it has come to. */
interface Compared {
  readonly address: string;
  readonly comparison: Comparison;
  readonly compare: Compare;
}

/** Watches a daemon that is one. */
export class Shadow {
  readonly #options: DaemonOptions;
  readonly #decisions: Decisions;
  readonly #compared: Compared | undefined;

  /** @param shadow the options' own. */
  constructor(options: DaemonOptions, shadow: ShadowOptions, metrics: Metrics) {
    const { manager, persistIntervalMs, clock, log } = options;
    this.#options = options;
    // Workspaces are counted by who acts on them.
    metrics.leader(false);
    metrics.shadow.begin();
    this.#compared = compared(options, shadow, metrics);
    const compare = this.#compared?.compare;
    this.#decisions = new Decisions({
      timeouts: manager.timeouts, unwrittenMs: unwrittenMs(persistIntervalMs), holdMs: holdMsOf(manager), clock, log,
      lastActivityOf: compare && ((id) => compare.lastActivityOf(id)),
      onDecision: (decision) => metrics.shadow.decided(decision),
    });
    log.info({ with: shadow.compare?.address }, "this daemon is a shadow: it computes everything and writes nothing");
  }

  /** How far the comparison is, and with whom; undefined: there is none. */
  get comparison(): (ComparisonLevels & { readonly with: string }) | undefined {
    return this.#compared && { with: this.#compared.address, ...this.#compared.comparison.levels };
  }

  /** The state has taken something new over of a workspace. */
  changed(record: WorkspaceRecord): void {
    this.#decisions.changed(record);
  }

  /** The pod is gone. */
  forgotten(record: WorkspaceRecord): void {
    this.#decisions.forgotten(record);
  }

  /** Begins to compare, if it is to, once the own state is complete. */
  start(hub: Hub, synced: Promise<void>): void {
    this.#compared?.compare.start(hub, synced);
  }

  /** Ends, and tells what it came to. */
  async stop(): Promise<void> {
    this.#decisions.close();
    await this.#compared?.compare.stop();
    const { log } = this.#options;
    log.info({ would: this.#decisions.counts, ...this.#compared?.comparison.summary }, "what the shadow has seen");
  }
}

function compared({ clock, random, log }: DaemonOptions, { compare: contact, settleMs }: ShadowOptions, metrics: Metrics): Compared | undefined {
  if (!contact) return undefined;
  const comparison = new Comparison({ settleMs, clock, log, metrics: metrics.shadow });
  metrics.shadow.levels(contact.address, () => comparison.levels);
  return { address: contact.address, comparison, compare: new Compare({ contact, comparison, clock, random, log }) };
}
