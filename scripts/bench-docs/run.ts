/** Runs the load tool, in a process of its own, as anyone would. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportSchema } from "./results.ts";
import type { Report } from "./results.ts";

/** The longest that a measurement may take, milliseconds. */
const limitMs = 3 * 3_600_000;
/** How long it may take to clean up once it is to end. */
const endMs = 60_000;
/** Characters of its progress that are kept, for the reason if it fails. */
const keptText = 4000;

/** Where the program is, and who looks on. */
export interface Surroundings {
  /** The load tool's program: dist/main/index.js. */
  readonly entry: string;
  /** Ends the measurement early: it is told once, and cleans up. */
  readonly signal: AbortSignal;
  /** Takes its progress and its table. */
  readonly progress: (text: string) => void;
}

/** Runs a measurement. @param args behind `wsmand bench`. @throws Error with its last words if it fails, or takes too long. */
export async function runBench(args: readonly string[], surroundings: Surroundings): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), "bench-docs-"));
  try {
    const file = join(folder, "report.json");
    await ended(["bench", ...args, "--json", file], surroundings);
    const report: unknown = JSON.parse(await readFile(file, "utf8"));
    return reportSchema.parse(report);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ended(args: readonly string[], { entry, signal, progress }: Surroundings): Promise<void> {
  // In a group of its own, since a terminal's Ctrl-C goes to the whole group: a second one would keep it from cleaning up.
  const child = spawn(process.execPath, [entry, ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let kept = "";
  const take = (text: string): void => {
    kept = (kept + text).slice(-keptText);
    progress(text);
  };
  child.stdout.setEncoding("utf8").on("data", progress);
  child.stderr.setEncoding("utf8").on("data", take);
  const late = AbortSignal.timeout(limitMs);
  const stopped = AbortSignal.any([signal, late]);
  let killing: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill("SIGINT");
    killing = setTimeout(() => child.kill("SIGKILL"), endMs);
  };
  if (stopped.aborted) stop();
  stopped.addEventListener("abort", stop, { once: true });
  try {
    await once(child, "close");
  } finally {
    stopped.removeEventListener("abort", stop);
    clearTimeout(killing);
  }
  if (late.aborted) throw new Error(`it was ended after ${limitMs / 3_600_000} hours`);
  if (child.exitCode !== 0) throw new Error(`${child.exitCode === null ? `ended by ${child.signalCode}` : `exit code ${child.exitCode}`}: ${reasonIn(kept)}`);
}

/** What it said went wrong: from its last error on, or its last line. */
function reasonIn(output: string): string {
  const lines = output.trimEnd().split("\n");
  const error = lines.findLastIndex((line) => line.includes("error: "));
  return lines.slice(error).join(" ").replace(/^.*?error: /, "");
}
