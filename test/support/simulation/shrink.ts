/** Makes a plan that breaks a promise as short as it can be while it still breaks it: what is left is the story. */
import type { Breach } from "./laws.ts";
import { hour, type LifePlan, type Plan } from "./plan.ts";
import type { Outcome } from "./run.ts";

/** How it is tried. */
export interface ShrinkOptions {
  readonly run: (plan: Plan) => Promise<Pick<Outcome, "breaches">>;
  /** Runs at most. Default 300. */
  readonly maxRuns?: number;
  /** Told of each shorter plan. */
  readonly onShorter?: (plan: Plan) => void;
}

/** The shortest plan that was found, and what it breaks. */
export interface Shrunk {
  readonly plan: Plan;
  readonly breach: Breach;
  readonly runs: number;
}

/** Shrinks. @param breach what the plan breaks: a shorter one has to break the same promise. */
export async function shrink(plan: Plan, breach: Breach, options: ShrinkOptions): Promise<Shrunk> {
  const shrinking = new Shrinking(plan, breach, options);
  await shrinking.all();
  return shrinking.found();
}

class Shrinking {
  #plan: Plan;
  #breach: Breach;
  #runs = 0;
  readonly #options: ShrinkOptions;

  constructor(plan: Plan, breach: Breach, options: ShrinkOptions) {
    this.#plan = plan;
    this.#breach = breach;
    this.#options = options;
  }

  found(): Shrunk {
    return { plan: this.#plan, breach: this.#breach, runs: this.#runs };
  }

  async all(): Promise<void> {
    // What comes after it has no part in it.
    await this.#try(this.#upTo());
    for (let before: Plan | undefined; before !== this.#plan; ) {
      before = this.#plan;
      await this.#fewer((plan) => plan.faults, (faults) => ({ ...this.#plan, faults }));
      await this.#fewer((plan) => plan.lives, (lives) => ({ ...this.#plan, lives }));
      for (const { id } of this.#plan.lives) await this.#simplerLife(id);
      for (let replicas = 1; replicas < this.#plan.replicas; replicas++) if (await this.#try({ ...this.#plan, replicas })) break;
      if (this.#plan.nodes > 1) await this.#try({ ...this.#plan, nodes: 1 });
    }
  }

  #upTo(): Plan {
    const { at } = this.#breach;
    const { faults, lives, hours } = this.#plan;
    return { ...this.#plan, hours: Math.min(hours, Math.ceil(at / hour)), faults: faults.filter((fault) => fault.at <= at), lives: lives.filter((life) => life.at <= at) };
  }

  /** Leaves out as much of a list as can be: halves of it, then quarters, and so on. */
  async #fewer<T>(listOf: (plan: Plan) => readonly T[], withList: (list: readonly T[]) => Plan): Promise<void> {
    for (let size = Math.ceil(listOf(this.#plan).length / 2); size > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < listOf(this.#plan).length; ) {
        const list = listOf(this.#plan);
        // What was left out makes room for the next ones.
        if (!(await this.#try(withList([...list.slice(0, from), ...list.slice(from + size)])))) from += size;
      }
    }
  }

  async #simplerLife(id: string): Promise<void> {
    const changes: readonly Partial<LifePlan>[] = [{ deeds: [] }, { fault: "" }, { claim: false }, { type: "REGULAR" }, { usedMs: 0 }, { end: "leave" }, { again: undefined }];
    for (const change of changes) {
      const life = this.#plan.lives.find((each) => each.id === id);
      if (!life || Object.entries(change).every(([name, value]) => JSON.stringify(Reflect.get(life, name)) === JSON.stringify(value))) continue;
      await this.#try({ ...this.#plan, lives: this.#plan.lives.map((each) => (each === life ? { ...each, ...change } : each)) });
    }
  }

  /** Whether that breaks the same promise; then it is the plan. */
  async #try(plan: Plan): Promise<boolean> {
    const { run, maxRuns = 300, onShorter } = this.#options;
    if (this.#runs >= maxRuns) return false;
    this.#runs++;
    const breach = (await run(plan)).breaches.find(({ law }) => law === this.#breach.law);
    if (!breach) return false;
    this.#plan = plan;
    this.#breach = breach;
    onShorter?.(plan);
    return true;
  }
}

/** The plan in plain words, in the order of time. */
export function story({ seed, hours, replicas, nodes, lease, lives, faults }: Plan, breach: Breach): string {
  const events = [
    ...lives.map(({ at, id, type, claim, fault, usedMs, deeds, end, again }) => ({ at, text: `workspace ${id} is started (${[type, ...(claim ? ["on a claim"] : []), ...(fault === "" ? [] : [fault])].join(", ")}), used for ${span(usedMs)}${deeds.map(({ afterMs, what }) => `, ${what} after ${span(afterMs)}`).join("")}, then: ${end}${again ? `, and started again ${span(again.afterMs)} after that${again.fault === "" ? "" : ` (${again.fault})`}` : ""}` })),
    ...faults.map(({ at, kind, ...given }) => ({ at, text: `${kind} ${JSON.stringify(given)}` })),
    { at: breach.at, text: `BROKEN: ${breach.law}: ${breach.what}` },
  ];
  const lines = events.toSorted((a, b) => a.at - b.at).map(({ at, text }) => `  ${clockTime(at)}  ${text}`);
  return [`seed ${seed}, ${hours} h, ${replicas} replicas, ${nodes} nodes, Lease of ${span(lease.durationMs)}`, ...lines].join("\n");
}

function span(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms < 120_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 6_000) / 10} min`;
}

function clockTime(ms: number): string {
  return new Date(ms).toISOString().slice(8, 23).replace(/^(\d\d)T/, (_, day: string) => (day === "01" ? "   " : `+${Number(day) - 1} `));
}
