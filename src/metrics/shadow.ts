/** Metrics of a shadow: what it would have done, and where its statuses differ from those of another manager. */
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { tallyCounter, tallyCounters } from "./tally.ts";

/** How far a comparison is. */
export interface ComparisonLevels {
  /** The statuses of both, the shadow and the other manager, are known and go on coming. */
  readonly connected: boolean;
  /** Differences that there are now. */
  readonly open: number;
  /** Workspaces that wait until neither side changes any more. */
  readonly waiting: number;
}

/** Recording of a shadow. Names of fields are the contract's, decisions words of the code: never the cluster's. */
export interface ShadowMetrics {
  /** This process is one. */
  begin(): void;
  /** It would have done this. */
  decided(decision: string): void;
  /** A workspace's statuses were compared. */
  compared(): void;
  /** A difference was found. */
  differs(field: string, known: boolean): void;
  /** Where the levels come from at a scrape. @param address of the other manager. */
  levels(address: string, read: () => ComparisonLevels): void;
}

/** Declares them. */
export function createShadowMetrics(registry: Registry): ShadowMetrics {
  const decisions = tallyCounters(registry, "wsmand_shadow_decisions_total", "What a shadow would have done to workspaces, each once per workspace.", ["decision"]);
  const compared = tallyCounter(registry, "wsmand_shadow_compared_total", "Comparisons of a workspace's statuses here and at the other manager.");
  const differences = tallyCounters(registry, "wsmand_shadow_differences_total", "Differences between a shadow's statuses and the other manager's, by field; known: wanted, as the documentation tells.", ["field", "known"]);
  let isShadow = false;
  let source: { readonly address: string; readonly read: () => ComparisonLevels } | undefined;
  registry.registerMetric(new Gauge({
    name: "wsmand_shadow",
    help: "1 in a process that computes everything and writes nothing (--shadow).",
    registers: [],
    collect() {
      this.set(isShadow ? 1 : 0);
    },
  }));
  // With a label there is no series where nothing is compared: a zero would say that there is no connection.
  const gauge = (name: string, help: string, value: (levels: ComparisonLevels) => number): void => {
    registry.registerMetric(new Gauge({
      name,
      help,
      labelNames: ["with"],
      registers: [],
      collect() {
        this.reset();
        if (source) this.set({ with: source.address }, value(source.read()));
      },
    }));
  };
  gauge("wsmand_shadow_connected", "Whether a shadow is connected to the manager that it is compared with, and knows its own statuses: only then it compares.", ({ connected }) => (connected ? 1 : 0));
  gauge("wsmand_shadow_open_differences", "Differences between a shadow's statuses and the other manager's that there are now.", ({ open }) => open);
  gauge("wsmand_shadow_waiting_workspaces", "Workspaces that a shadow has not compared yet, since they changed a moment ago.", ({ waiting }) => waiting);
  return {
    begin() {
      isShadow = true;
    },
    decided: (decision) => decisions.of(decision).add(),
    compared: () => compared.add(),
    differs: (field, known) => differences.of(field, String(known)).add(),
    levels(address, read) {
      source = { address, read };
    },
  };
}
