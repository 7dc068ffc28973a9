/** How far fault tests are, for who waits for them: in a terminal a line that is written over every second, elsewhere a line now and then. */
import type { Clock } from "../../../src/domain/clock.ts";
import { age, fit } from "../../../src/main/cli/text.ts";
import type { Lab } from "./lab.ts";

/** What a fault test is doing. */
export interface Progress {
  /** What is done or waited for, in words. */
  readonly step: string;
  /** What there is so far, in words. */
  readonly counts: string;
}

/** Of a lab that is open. */
export function progressOf({ stage, step, witness, replicas, wrongs }: Pick<Lab, "stage" | "step" | "replicas" | "wrongs"> & { readonly witness: Pick<Lab["witness"], "all" | "wrongs"> }): Progress {
  const seen = witness.all();
  const killed = replicas.filter((replica) => replica.killed).length;
  // Workspaces so far: each that is gone was there, and most were ready.
  const counts = [
    `${seen.length} there, ${seen.filter(({ everReady }) => everReady).length} ready, ${seen.filter(({ gone }) => gone).length} gone`,
    `daemons ${replicas.length - killed} (killed ${killed})`,
    `wrong so far ${wrongs.length + witness.wrongs.length}`,
  ];
  return { step: stage === "" ? step : `${stage}: ${step}`, counts: counts.join("; ") };
}

/** Where it is told. */
export interface TellerOptions {
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly clock: Pick<Clock, "monotonic" | "timer">;
}

const tickMs = 1_000;
/** Where it goes to a file, another step has a line if the last one is so old, and other counts and nothing new if it is older, milliseconds. */
const quiet = { step: 5_000, counts: 10_000, nothing: 60_000 } as const;
const narrow = 80;

/** Tells of one after the other. */
export class Teller {
  readonly #options: TellerOptions;
  #cancel: () => void = () => {};
  #told: { readonly at: number; readonly progress: Progress } | undefined;

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** Tells of this until it is over. */
  begin(title: string, look: () => Progress): void {
    const from = this.#options.clock.monotonic();
    const tick = (): void => {
      this.#tell(title, from, look());
      this.#cancel = this.#options.clock.timer(tickMs, tick);
    };
    this.end();
    tick();
  }

  /** It is over: the terminal's line is free again. */
  end(): void {
    const { out } = this.#options;
    this.#cancel();
    if (this.#told && out.isTTY === true) out.write("\r\x1b[K");
    this.#told = undefined;
  }

  #tell(title: string, from: number, progress: Progress): void {
    const { out, clock } = this.#options;
    const now = clock.monotonic();
    const isTerminal = out.isTTY === true;
    if (!isTerminal && this.#told && now - this.#told.at < patience(this.#told.progress, progress)) return;
    this.#told = { at: now, progress };
    const line = [`${title}, ${age(now - from)}: ${progress.step}`, ...(progress.counts === "" ? [] : [progress.counts])].join("; ");
    out.write(isTerminal ? `\r\x1b[K${fit(line, (out.columns || narrow) - 1).trimEnd()}` : `${line}\n`);
  }
}

function patience(before: Progress, now: Progress): number {
  if (before.step !== now.step) return quiet.step;
  return before.counts === now.counts ? quiet.nothing : quiet.counts;
}
