// Simulated cluster-days from seeds, with faults: tells what was done and what was broken, shortens the plan of what broke a promise, and ends with exit code 1 if one did. --help tells the flags.
import { fork, type ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { unreadable } from "../src/domain/file-reasons.ts";
import type { Breach } from "../test/support/simulation/laws.ts";
import { drawPlan, usual } from "../test/support/simulation/draw.ts";
import { parsePlan, type Plan } from "../test/support/simulation/plan.ts";
import { runPlan } from "../test/support/simulation/run.ts";
import { shrink, story } from "../test/support/simulation/shrink.ts";
import { checkWritable, counted, runScript } from "./command.ts";

interface Flags {
  readonly seed: number;
  readonly days: number;
  readonly workspaces: number;
  readonly faults: number;
  readonly jobs: number;
  readonly plan?: string;
  readonly log?: string;
  readonly save?: string;
  readonly shrink: boolean;
  readonly verbose?: boolean;
}

/** What became of one day. */
interface Day {
  readonly seed: number;
  readonly breaches: readonly Breach[];
  readonly digest: string;
  readonly steps: number;
  readonly lines: number;
  readonly milliseconds: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** Days that a process lives through: what simulated crashes leave waiting for ever is never freed, some 25 MB a day. */
const daysEach = 25;
const program = new Command("simulate")
  .description("Lets replicas, the built-in cluster, node daemons and people live through days of virtual time with faults, all drawn from seeds, in one thread each; every promise is checked at each step. Exit code 1 if one was broken.")
  .option("--seed <n>", "the first day's seed; each day has the next one", whole, 1)
  .option("--days <n>", "how many days", whole, 1)
  .option("--workspaces <n>", "workspaces a day", whole, usual.workspaces)
  .option("--faults <n>", "faults a day; 0 for none", number, usual.faults)
  .addOption(new Option("--jobs <n>", "processes").argParser(whole).default(availableParallelism(), "as many as there are cores"))
  .option("--plan <file>", "run this plan instead, as written by --save")
  .option("--log <file>", "write all that happens there: the same seed gives the same bytes; one day only")
  .option("--save <file>", "write the plan there, shortened if it breaks a promise; one day only")
  .option("--no-shrink", "do not shorten what broke a promise")
  .option("--verbose", "a line for each day");

/** Days that are over. */
const done: Day[] = [];
let shortening = false;

await runScript(program, () => main(program.opts<Flags>()), process.send ? undefined : {
  soFar: () => `${counted(done.length, "day")} done, ${brokenOf(done)} broke a promise${shortening ? "; the plan of one was being shortened" : ""}`,
});

async function main(flags: Flags): Promise<void> {
  if (process.send) return work(flags);
  const single = flags.plan !== undefined || flags.days === 1;
  if (!single && (flags.log !== undefined || flags.save !== undefined)) program.error("error: --log and --save are for one day: give its --seed");
  checkWritable("--log", flags.log);
  checkWritable("--save", flags.save);
  const from = performance.now();
  if (single) done.push(await runOne(planOf(flags), flags.log));
  else await spread(flags);
  const days = done.toSorted((a, b) => a.seed - b.seed);
  if (flags.verbose || single) for (const day of days) process.stdout.write(`${dayText(day)}\n`);
  process.stdout.write(`${summary(days, (performance.now() - from) / 1000)}\n`);
  const failed = days.filter(({ breaches }) => breaches.length > 0);
  report(failed);
  if (single) await tell(flags, planOf(flags), failed[0]);
  else if (failed[0] && flags.shrink) await tell(flags, planOf({ ...flags, seed: failed[0].seed }), failed[0]);
}

function report(failed: readonly Day[]): void {
  if (failed.length > 0) process.exitCode = 1;
  for (const { seed, breaches } of failed) for (const { law, what } of breaches) process.stdout.write(`BROKEN by seed ${seed}: ${law}: ${what}\n`);
}

/** Shortens what broke a promise, tells it, and saves it. */
async function tell(flags: Flags, plan: Plan, day: Day | undefined): Promise<void> {
  const breach = day?.breaches[0];
  shortening = breach !== undefined && flags.shrink;
  const short = breach && flags.shrink ? await shrink(plan, breach, { run: runPlan, onShorter: ({ faults, lives }) => process.stderr.write(`\r${counted(faults.length, "fault")}, ${counted(lives.length, "workspace")} left  `) }) : undefined;
  if (short) process.stdout.write(`\nshortened in ${counted(short.runs, "run")}; --save FILE writes it, --plan FILE runs it, --log FILE tells all that happens:\n${story(short.plan, short.breach)}\n`);
  if (flags.save !== undefined) writeFileSync(flags.save, `${JSON.stringify(short?.plan ?? plan, undefined, 1)}\n`);
}

function planOf({ plan, seed, workspaces, faults }: Flags): Plan {
  return plan === undefined ? drawPlan(seed, { days: 1, workspaces, faults }) : parsePlan(textOf(plan));
}

/** @throws Error that names the file, and why it can not be read. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable("--plan", file, error);
  }
}

async function runOne(plan: Plan, log?: string): Promise<Day> {
  const from = performance.now();
  const { breaches, digest, steps, lines, counts } = await runPlan(plan, { file: log });
  return { seed: plan.seed, breaches, digest, steps, lines, milliseconds: performance.now() - from, counts: Object.fromEntries(counts) };
}

/** In processes of their own, a day at a time. */
async function spread(flags: Flags): Promise<void> {
  let next = flags.seed;
  const end = flags.seed + flags.days;
  const children: ChildProcess[] = [];
  // A day is lived through in one turn of seconds, in which a child would hear nothing else; there is nothing that it could leave behind.
  process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));
  const some = (): Promise<void> => new Promise((resolve, reject) => {
    let left = daysEach;
    const child = fork(fileURLToPath(import.meta.url), ["--workspaces", String(flags.workspaces), "--faults", String(flags.faults)]);
    children.push(child);
    const give = (): void => void (next < end && left-- > 0 ? child.send(next++) : child.disconnect());
    child.on("message", (day: Day) => {
      done.push(day);
      if (process.stderr.isTTY || done.length % 50 === 0) process.stderr.write(`\r${done.length} of ${flags.days} days, ${brokenOf(done)} broke a promise  ${process.stderr.isTTY ? "" : "\n"}`);
      give();
    });
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with code ${code}`))));
    give();
  });
  const lane = async (): Promise<void> => {
    for (;;) {
      if (next >= end) return;
      await some();
    }
  };
  await Promise.all(Array.from({ length: Math.min(flags.jobs, flags.days) }, lane));
}

function brokenOf(days: readonly Day[]): number {
  return days.filter(({ breaches }) => breaches.length > 0).length;
}

/** One of those processes: takes seeds, gives days. */
function work(flags: Flags): Promise<void> {
  return new Promise((resolve) => {
    process.on("message", (seed: number) => {
      void runOne(planOf({ ...flags, seed })).then((day) => process.send?.(day));
    });
    process.on("disconnect", resolve);
  });
}

function dayText({ seed, breaches, digest, steps, lines, milliseconds }: Day): string {
  return `${breaches.length === 0 ? "ok    " : "BROKEN"} seed ${seed}: ${steps} steps, ${lines} lines of log, sha256 ${digest.slice(0, 16)}, ${Math.round(milliseconds)} ms`;
}

function summary(days: readonly Day[], seconds: number): string {
  const counts = new Map<string, number>();
  for (const day of days) for (const [what, times] of Object.entries(day.counts)) counts.set(what, (counts.get(what) ?? 0) + times);
  const each = days.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / days.length;
  // What is counted stands in the plural, whatever the number: so the number stands apart from it.
  const width = Math.max(0, ...[...counts.keys()].map((what) => what.length));
  const lines = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([what, times]) => `  ${what.padEnd(width)} ${String(times).padStart(8)}`);
  return [`${counted(days.length, "day")} in ${seconds.toFixed(1)} s (${Math.round(each)} ms each), ${brokenOf(days)} broke a promise`, ...lines].join("\n");
}

function number(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("must be a whole number");
  return Number(text);
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("must be a whole number from 1 on");
  return Number(text);
}
