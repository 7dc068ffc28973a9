/** What processes cost: CPU time, that of their main thread, and resident memory, read from /proc while a load runs. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { machineNow } from "../load/clock.ts";
import { thinned } from "./plot.ts";
import { Series } from "./series.ts";

/** Length of a tick of /proc's CPU times, milliseconds (USER_HZ is 100 on every Linux that Node runs on). */
const tickMs = 10;
const everyMs = 250;
/** Most samples that are kept of a process: the first 80 minutes go in as they are. */
const maxSamples = 20_000;

/** Most processes that are remembered: more than run at a time, in scale with as many clients as there may be. */
const maxProcesses = 512;

/** A process at a moment. */
interface Sample {
  readonly at: number;
  readonly cpuMs: number;
  readonly mainMs: number;
  readonly rssMb: number;
  /** The most since the sample before. */
  readonly rssMaxMb: number;
}

/** What a process cost in a time. */
export interface Cost {
  /** Share of one core, 0 to the number of cores. */
  readonly cpu: number;
  /** Share of its time that the main thread was running. */
  readonly main: number;
  readonly cpuMs: number;
  readonly mainMs: number;
  /** Resident memory in MiB (2^20 bytes): at the end, and the medians of the first and the last tenth of the time. */
  readonly rssMb: number;
  readonly rssFirstMb: number;
  readonly rssLastMb: number;
  readonly rssMaxMb: number;
}

/** A process that is, or was, watched. */
interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly series: Series<Sample>;
  gone: boolean;
}

/** Points of a curve. */
type Curve = readonly (readonly [number, number])[];

/** Samples processes until it is stopped. Without /proc there is nothing to see, and nothing fails. */
export class Usage {
  readonly #processes: Watched[] = [];
  readonly #machine = new Series<{ readonly at: number; readonly busyMs: number }>(maxSamples, (_older, newer) => newer);
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.sample(), everyMs);
  }

  /** Watches a process under a name, from now until it ends. Another one may have had the name before it. */
  watch(name: string, pid: number | undefined): void {
    if (pid === undefined || pid === 0 || this.#processes.some((process) => process.name === name && process.pid === pid && !process.gone)) return;
    if (this.#processes.length >= maxProcesses) {
      // Of those that have ended the oldest goes.
      const oldest = this.#processes.findIndex((process) => process.gone);
      if (oldest < 0) return;
      this.#processes.splice(oldest, 1);
    }
    const watched = { name, pid, series: new Series<Sample>(maxSamples, folded), gone: false };
    this.#processes.push(watched);
    // What its start costs is seen, too.
    lookAt(watched);
  }

  /** Takes a sample. */
  sample(): void {
    const busyMs = machineBusy();
    if (busyMs !== undefined) this.#machine.add({ at: machineNow(), busyMs });
    for (const process of this.#processes) lookAt(process);
  }

  /** What a process cost between two times of the machine's clock; undefined if it was not seen then. */
  cost(name: string, from: number, to: number): Cost | undefined {
    const samples = this.#processes.filter((process) => process.name === name).map(({ series }) => around(series.samples, from, to)).findLast(({ length }) => length > 1) ?? [];
    const first = samples[0];
    const last = samples.at(-1);
    if (!first || !last || last.at === first.at) return undefined;
    const time = last.at - first.at;
    const tenth = Math.max(1, Math.floor(samples.length / 10));
    const memory = samples.map(({ rssMb }) => rssMb);
    return {
      cpu: (last.cpuMs - first.cpuMs) / time, main: (last.mainMs - first.mainMs) / time, cpuMs: last.cpuMs - first.cpuMs, mainMs: last.mainMs - first.mainMs,
      rssMb: last.rssMb, rssFirstMb: middle(memory.slice(0, tenth)), rssLastMb: middle(memory.slice(-tenth)), rssMaxMb: Math.max(...samples.map(({ rssMaxMb }) => rssMaxMb)),
    };
  }

  /** Resident memory (MiB) and CPU (share of a core) of a process over a time: points of seconds since `from` and value, at most 500 of each. */
  curves(name: string, from: number, to: number): { readonly rss: Curve; readonly cpu: Curve } {
    const samples = thinned(apart(this.#within(name, from, to)));
    const seconds = (at: number): number => (at - from) / 1000;
    return {
      rss: samples.map(({ at, rssMb }) => [seconds(at), rssMb] as const),
      cpu: samples.slice(1).map(({ at, cpuMs }, i) => [seconds(at), rate(samples[i], at, cpuMs)] as const),
    };
  }

  /** Resident memory (MiB) of a process over a time, as seconds since `from`: all that is known. */
  memory(name: string, from: number, to: number): Curve {
    return this.#within(name, from, to).map(({ at, rssMb }) => [(at - from) / 1000, rssMb] as const);
  }

  /** Share of the machine's cores that was busy, whoever used them, 0 to 1; undefined without /proc. */
  machine(from: number, to: number): number | undefined {
    const samples = apart(within(this.#machine.samples, from, to));
    const first = samples[0];
    const last = samples.at(-1);
    return first && last && last.at > first.at ? (last.busyMs - first.busyMs) / (last.at - first.at) / cpus().length : undefined;
  }

  /** Names of the processes. */
  get names(): readonly string[] {
    return [...new Set(this.#processes.map(({ name }) => name))];
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Those of a process that had the name just before are left out, if another one had it in that time. */
  #within(name: string, from: number, to: number): readonly Sample[] {
    const near = this.#processes.filter((process) => process.name === name).map(({ series }) => within(series.samples, from, to));
    const there = near.filter((samples) => samples.some(({ at }) => at >= from && at <= to));
    return (there.length > 0 ? there : near).flat();
  }
}

/** Without samples that were asked for just after another one: in so short a time a single tick of the CPU's clock looks like a peak, and none like rest. */
function apart<T extends { readonly at: number }>(samples: readonly T[]): readonly T[] {
  const kept: T[] = [];
  for (const sample of samples) if (sample.at - (kept.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= everyMs / 2) kept.push(sample);
  return kept;
}

/** Share of a core since the sample before; 0 where another process came in between. */
function rate(before: Sample | undefined, at: number, cpuMs: number): number {
  return before && at > before.at ? Math.max(0, cpuMs - before.cpuMs) / (at - before.at) : 0;
}

/** Those between two times, and the next ones before and after, however far they are: whoever looks may have been busy. What they tell of is a longer time then. */
function around(samples: readonly Sample[], from: number, to: number): readonly Sample[] {
  const first = samples.findLastIndex(({ at }) => at <= from);
  const last = samples.findIndex(({ at }) => at >= to);
  return samples.slice(Math.max(0, first), last < 0 ? samples.length : last + 1);
}

/** Those between two times, and the ones just before and after. */
function within<T extends { readonly at: number }>(samples: readonly T[], from: number, to: number): readonly T[] {
  return samples.filter(({ at }) => at >= from - everyMs && at <= to + everyMs);
}

/** One sample for two; counters only grow, so the newer one has the older one's. */
function folded(older: Sample, newer: Sample): Sample {
  return { ...newer, rssMaxMb: Math.max(older.rssMaxMb, newer.rssMaxMb) };
}

function lookAt(process: Watched): void {
  if (process.gone) return;
  const sample = look(process.pid);
  if (sample) process.series.add(sample);
  else process.gone = true;
}

function look(pid: number): Sample | undefined {
  const [status = "", all = "", main = ""] = [`${pid}/status`, `${pid}/stat`, `${pid}/task/${pid}/stat`].map(kernelFile);
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  // It may end between two of them.
  if (rss === undefined || all === "" || main === "") return undefined;
  return { at: machineNow(), cpuMs: ticks(all), mainMs: ticks(main), rssMb: Number(rss) / 1024, rssMaxMb: Number(rss) / 1024 };
}

/** Text of a file of /proc, without waiting: the kernel makes it up at once, for less than what it costs to wait for it. Empty if there is none. */
function kernelFile(name: string): string {
  try {
    return readFileSync(`/proc/${name}`, "utf8");
  } catch {
    return "";
  }
}

/** User and system time; the fields are counted from behind the name, which may hold anything. */
function ticks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickMs;
}

function machineBusy(): number | undefined {
  const fields = /^cpu +(.*)$/m.exec(kernelFile("stat"))?.[1]?.split(" ").map(Number);
  if (!fields) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = fields;
  return (user + nice + system + irq + soft) * tickMs;
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
