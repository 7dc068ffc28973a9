/** What checks before a change-over have in common: what they are given, and what they say. */
import type { Clock } from "../../../domain/clock.ts";
import type { Config } from "../../config/index.ts";
import type { ClusterView } from "./cluster-view.ts";

/** From the best to the worst. `note`: worth knowing; `warning`: should be looked at; `problem`: has to be mended first. */
export const verdicts = ["ok", "note", "warning", "problem"] as const;
/** One of {@link verdicts}. */
export type Verdict = (typeof verdicts)[number];

/** Something that was found. The text holds no secret. */
export interface Finding {
  readonly verdict: Exclude<Verdict, "ok">;
  readonly text: string;
}

/** What a check says. */
export interface Outcome {
  /** One line. */
  readonly summary: string;
  readonly findings: readonly Finding[];
  /** More, for machines. */
  readonly data?: object;
}

/** What a check works with. */
export interface Context {
  readonly config: Config;
  readonly cluster: ClusterView;
  /** This process runs in the cluster: files of the configuration are those that the daemon would find, and pods can be reached. */
  readonly inCluster: boolean;
  /** Whose rights are asked for; undefined: this process's own. */
  readonly user: string | undefined;
  /** How far the API server's clock is ahead of this machine's, milliseconds; undefined: not known yet. */
  readonly skewMs: () => number | undefined;
  /** Nodes that workspaces are on, as far as a check before has seen. */
  readonly nodesInUse: Set<string>;
  readonly clock: Clock;
  /** Aborts when there is no more time for the check. */
  readonly signal: AbortSignal;
  /** Tells how far it is. */
  readonly progress: (text: string) => void;
}

/** A check. */
export interface Check {
  /** For machines. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** How long it may take, in units of the time for a short one. */
  readonly share: number;
  /** Rejects if it can not be done. */
  readonly run: (context: Context) => Promise<Outcome>;
}

/** The worst of all findings; ok if there are none. */
export function worstOf(findings: readonly Finding[]): Verdict {
  return findings.reduce<Verdict>((worst, { verdict }) => (verdicts.indexOf(verdict) > verdicts.indexOf(worst) ? verdict : worst), "ok");
}

/** Short ways to make findings. */
export const note = (text: string): Finding => ({ verdict: "note", text });
export const warning = (text: string): Finding => ({ verdict: "warning", text });
export const problem = (text: string): Finding => ({ verdict: "problem", text });

/** `3 pods`, `1 pod`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** Some of the names, and how many there are beyond. */
export function some(names: readonly string[], most = 5): string {
  const told = names.slice(0, most).join(", ");
  return names.length > most ? `${told} and ${names.length - most} more` : told;
}
