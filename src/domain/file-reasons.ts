/** Words for why a file can not be used, in place of the system's, which name the call and repeat the path; and errors that say which file it is. */

const reasons: ReadonlyMap<unknown, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EISDIR", "it is a directory"],
  ["EEXIST", "there is something else of that name"],
  ["EACCES", "permission denied"],
  ["ENOTDIR", "a part of the path is no directory"],
  ["EROFS", "its file system can not be written to"],
  ["ENOSPC", "its file system is full"],
]);

/** Words for why a file can not be read. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown reason";
  const known = "code" in error ? reasons.get(error.code) : undefined;
  return known ?? error.message;
}

/** Words for why a file can not be written: of one that is to be made, it is the folder that is not there. */
export function writeReasonOf(error: unknown): string {
  return error instanceof Error && "code" in error && error.code === "ENOENT" ? "its folder is not there" : reasonOf(error);
}

/** An error for a file that can not be read. @param namedBy where its name stands: a flag, a key of the configuration. */
export function unreadable(namedBy: string, file: string, error: unknown): Error {
  return new Error(`${namedBy}: the file ${JSON.stringify(file)} can not be read: ${reasonOf(error)}`, { cause: error });
}

/** The same for one that can not be written. */
export function unwritable(namedBy: string, file: string, error: unknown): Error {
  return new Error(`${namedBy}: the file ${JSON.stringify(file)} can not be written: ${writeReasonOf(error)}`, { cause: error });
}
