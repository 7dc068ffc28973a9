/** CPU profiles of the programs that the load tool starts (`--cpu-prof`): Node writes them, and what they say is told in short. */
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeReasonOf } from "../../domain/file-reasons.ts";
import { summarizeProfile } from "../report/cpu-profile.ts";
import type { Share } from "../report/cpu-profile.ts";

/** Time between samples, microseconds: a change costs tens of them, and a run has tens of thousands of changes. */
const intervalUs = 250;
/** Rows of each list that are told; the files have the rest. */
const rowsTold = 12;

/** A folder of profiles. */
export class CpuProfiles {
  readonly #folder: string;
  readonly #told = new Set<string>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws Error that names flag, folder and reason if it can not be made. */
  static async open(folder: string): Promise<CpuProfiles> {
    // Not with those above it: where none can be made at all (/proc), Node would try without end.
    await mkdir(folder).catch(async (error: unknown) => {
      if (await isFolder(folder)) return;
      throw new Error(`--cpu-prof: the folder ${JSON.stringify(folder)} can not be made: ${writeReasonOf(error)}`, { cause: error });
    });
    const profiles = new CpuProfiles(folder);
    for (const file of await profiles.#files()) profiles.#told.add(file);
    return profiles;
  }

  /** Node's flags for a program whose threads are profiled from start to end. @param name begins the names of its files. */
  flags(name: string): readonly string[] {
    // Node would give all threads the file of a whole name; a folder each keeps programs apart.
    return ["--cpu-prof", `--cpu-prof-dir=${join(this.#folder, name)}`, `--cpu-prof-interval=${intervalUs}`];
  }

  /** What the profiles say that were written since this was asked for the last time; lines for people. */
  async summary(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const file of await this.#files()) {
      if (this.#told.has(file)) continue;
      this.#told.add(file);
      const path = join(this.#folder, file);
      lines.push(...describe(threadOf(file), path, await readFile(path, "utf8")));
    }
    return lines;
  }

  async #files(): Promise<readonly string[]> {
    const all = await readdir(this.#folder, { recursive: true });
    return all.filter((file) => file.endsWith(".cpuprofile")).sort();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}

/** Node's names have process, thread (0: the main thread) and number at their end. */
function threadOf(file: string): string {
  const thread = /\.(\d+)\.\d+\.cpuprofile$/.exec(file)?.[1];
  return `${dirname(file)}, ${thread === undefined || thread === "0" ? "main thread" : `worker thread ${thread}`}`;
}

function describe(thread: string, path: string, text: string): readonly string[] {
  const { seconds, busySeconds, places, functions } = summarizeProfile(text);
  return [
    `${thread}: busy ${busySeconds.toFixed(1)} s of ${seconds.toFixed(1)} s (${path})`,
    "  by place, with the native code that it calls:", ...rows(places),
    "  by function:", ...rows(functions),
  ];
}

function rows(shares: readonly Share[]): readonly string[] {
  return shares.slice(0, rowsTold).map(({ name, share }) => `  ${`${(share * 100).toFixed(1)} %`.padStart(8)}  ${name}`);
}
