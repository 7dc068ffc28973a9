/** The files that a report is written to: tried before anything is measured, and written each whatever becomes of the others. */
import { open, unlink, writeFile } from "node:fs/promises";
import { unwritable } from "../../domain/file-reasons.ts";

/** A file of the report. */
export interface ReportFile {
  /** Names it in errors. */
  readonly flag: string;
  readonly path: string;
  /** What is to stand in it. */
  content(): string | Promise<string>;
}

/** @throws Error that names flag, file and reason, for each of them that can not be written. Nothing is left where nothing was, and what is there stays as it is. */
export async function checkFiles(files: readonly Pick<ReportFile, "flag" | "path">[]): Promise<void> {
  throwAll(await Promise.all(files.map(async (file) => problemOf(file, () => tryFile(file.path)))));
}

/** Writes all that can be written. @param written is told of each that was, in their order. @throws Error that names flag, file and reason of each of the others. */
export async function writeFiles(files: readonly ReportFile[], written: (file: ReportFile) => void): Promise<void> {
  const problems = await Promise.all(files.map(async (file) => problemOf(file, async () => writeFile(file.path, await file.content()))));
  for (const [i, file] of files.entries()) if (problems[i] === undefined) written(file);
  throwAll(problems);
}

/** Makes the file and takes it away again; opens one that is there. */
async function tryFile(path: string): Promise<void> {
  const made = await open(path, "ax").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return undefined;
    throw error;
  });
  const file = made ?? (await open(path, "a"));
  await file.close();
  if (made) await unlink(path);
}

async function problemOf({ flag, path }: Pick<ReportFile, "flag" | "path">, work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return unwritable(flag, path, error).message;
  }
}

function throwAll(problems: readonly (string | undefined)[]): void {
  const told = problems.filter((problem) => problem !== undefined);
  if (told.length > 0) throw new Error(told.join("\n"));
}
