/** What the metrics of all processes say at the end of a day, compared with what was seen to happen. What a process counted before it died is known here, where all are in one thread. */
import type { Metrics } from "../../../src/metrics/registry.ts";
import { sumOf } from "../metrics.ts";
import type { Ledger } from "./laws.ts";

/** What happened, as seen from outside. */
export interface Happened {
  /** Lives that were begun, and those whose start was answered. */
  readonly begun: number;
  readonly answered: number;
  /** Lives to be backed up for which it was written down that this was done, or failed. */
  readonly saved: number;
  readonly unsaved: number;
  /** No process and no request was disturbed: what happened was counted. */
  readonly undisturbed: boolean;
  /** Processes that serve at the end. */
  readonly able: ReadonlySet<string>;
}

/** A process, as far as its metrics are concerned. */
interface Counted {
  readonly name: string;
  readonly metrics: Pick<Metrics, "render">;
  leads: boolean;
  /** Ends that it told while it led. */
  ends: number;
}

const law = "metrics say what happened";

/** Looks on from the beginning, and compares at the end. */
export class MetricsCheck {
  readonly #processes = new Map<string, Counted>();

  /** A process begins. */
  add(name: string, metrics: Pick<Metrics, "render">): void {
    this.#processes.set(name, { name, metrics, leads: false, ends: 0 });
  }

  /** A process leads from now on, or not any more. */
  leads(name: string, leads: boolean): void {
    const process = this.#processes.get(name);
    if (process) process.leads = leads;
  }

  /** A process told somebody who listens from its beginning that a workspace has stopped. */
  endTold(name: string): void {
    const process = this.#processes.get(name);
    if (process?.leads) process.ends++;
  }

  /** Tells the ledger what is not so. */
  async judge(happened: Happened, ledger: Pick<Ledger, "breach" | "did">): Promise<void> {
    const wrong = (what: string): void => ledger.breach(law, what);
    const total = { starts: 0, made: 0, failed: 0, leaders: 0, present: 0 };
    for (const { name, metrics, ends } of this.#processes.values()) {
      const text = await metrics.render();
      const stops = sumOf(text, "gitpod_ws_manager_workspace_stops_total");
      if (stops !== ends) wrong(`${name}: ${stops} ends, where it told ${ends} while it led`);
      if (sumOf(text, "wsmand_skipped_pods_total") > 0) wrong(`${name}: pods that could not be read`);
      total.starts += sumOf(text, "gitpod_ws_manager_workspace_starts_total");
      total.made += sumOf(text, "gitpod_ws_manager_workspace_backups_success_total");
      total.failed += sumOf(text, "gitpod_ws_manager_workspace_backups_failure_total");
      if (!happened.able.has(name)) continue;
      total.leaders += sumOf(text, "wsmand_leader");
      total.present += sumOf(text, "gitpod_ws_manager_workspace_phase_total");
    }
    const { begun, answered, saved, unsaved, undisturbed, able } = happened;
    const within = (what: string, got: number, least: number, most: number): void => {
      if (got < least || got > most) wrong(`${got} ${what} instead of ${least === most ? most : `${least} to ${most}`}`);
    };
    within("starts", total.starts, answered, begun);
    within("backups made", total.made, undisturbed ? saved : 0, saved);
    within("backups that failed", total.failed, undisturbed ? unsaved : 0, unsaved);
    within("leaders", total.leaders, able.size > 0 ? 1 : 0, able.size > 0 ? 1 : 0);
    within("workspaces at the end", total.present, 0, 0);
    ledger.did("processes whose metrics were looked at", this.#processes.size);
    if (undisturbed) ledger.did("days whose metrics are exact");
  }
}
