/** What a scenario is. */
import type { Lab } from "../lab.ts";
import type { Described, Options } from "../options.ts";
import type { Figures } from "../report/figures.ts";
import type { Needs } from "../report/left-out.ts";
import type { Plot } from "../report/plot.ts";

/** What a run gave. */
export interface Outcome {
  readonly figures: Figures;
  /** What a reader of the figures must know: that the load side was the limit, that streams ended, and the like. */
  readonly notes: readonly string[];
  readonly plots: readonly Plot[];
  /** Figures that are not there for want of something that the user may give or not, and why. */
  readonly leftOut?: Readonly<Record<string, string>>;
}

/** A kind of measurement. */
export interface Scenario extends Described {
  /** Where cluster and daemon are the tool's own, so many workspaces live at a time: on nodes with kubelets and node daemons, and the daemon acts on them. */
  readonly lives?: (options: Options) => number;
  /** Figures that need to know more of the daemon than its calls tell. */
  readonly needs?: Needs;
  /** One run. What it starts, it ends; the cluster and its workspaces are shared with the runs after it. */
  run(lab: Lab): Promise<Outcome>;
}
