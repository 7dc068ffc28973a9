/** Runs a fault test: opens a lab, does what the test does, and says at the end what was done and what was lost. */
import { Lab, type LabOptions } from "./lab.ts";
import type { Life } from "./lives.ts";
import { verdict } from "./verdict.ts";

/** How much of it. */
export interface Size {
  readonly workspaces: number;
  /** Kills, blows, rounds of a fault. */
  readonly rounds: number;
  /** How long a fault lasts that lasts, milliseconds. */
  readonly faultMs: number;
  /** How long anything may take until it counts as lost, milliseconds. */
  readonly patienceMs: number;
}

/** A fault test. */
export interface Scenario {
  readonly name: string;
  /** What is done, in a line. */
  readonly what: string;
  readonly full: Size;
  readonly small: Size;
  readonly lab: (size: Size) => Omit<LabOptions, keyof RunOptions>;
  /** Does it, until all workspaces have ended. Gives those that there were. Rejects if something did not come about in time. */
  readonly play: (lab: Lab, size: Size, lives: Life[]) => Promise<void>;
}

/** What became of it. */
export interface Report {
  readonly scenario: string;
  readonly seed: number;
  readonly seconds: number;
  readonly workspaces: number;
  readonly done: Readonly<Record<string, number>>;
  readonly lost: readonly string[];
}

/** Where and how it is played. */
export interface RunOptions extends Pick<LabOptions, "seed" | "kubeconfig" | "belongings" | "signal"> {
  /** Given the lab that is being opened. */
  readonly opening?: (lab: Promise<Lab>) => void;
}

/** Plays it, and looks at everything. Never leaves anything running. */
export async function runScenario(scenario: Scenario, size: Size, options: RunOptions): Promise<Report> {
  const began = performance.now();
  const { seed, kubeconfig, belongings, signal, opening } = options;
  const opened = Lab.open({ seed, kubeconfig, belongings, signal, ...scenario.lab(size) });
  opening?.(opened);
  const lab = await opened;
  const lives: Life[] = [];
  const lost: string[] = [];
  try {
    await scenario.play(lab, size, lives);
  } catch (error) {
    lost.push(error instanceof Error ? error.message : String(error));
  }
  lab.stage = "";
  try {
    lab.step = "looking at everything there is";
    lost.push(...(await verdict(lab, lives)));
  } finally {
    lab.step = "ending what is left";
    const before = lab.wrongs.length;
    await lab.close();
    lost.push(...lab.wrongs.slice(before));
  }
  return { scenario: scenario.name, seed, seconds: Math.round((performance.now() - began) / 100) / 10, workspaces: lives.length, done: Object.fromEntries(lab.done), lost };
}

/** The report in plain text. */
export function reportText({ scenario, seed, seconds, workspaces, done, lost }: Report): string {
  const lines = [`${lost.length === 0 ? "ok  " : "LOST"} ${scenario}: ${workspaces} workspaces in ${seconds} s (seed ${seed})`];
  for (const [what, times] of Object.entries(done)) lines.push(`       ${what}: ${times}`);
  for (const each of lost.slice(0, 50)) lines.push(`     ! ${each}`);
  if (lost.length > 50) lines.push(`     ! and ${lost.length - 50} more`);
  return lines.join("\n");
}

/** So many workspaces, named alike. */
export function livesOf(prefix: string, count: number): Life[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${prefix}-${i}` }));
}
