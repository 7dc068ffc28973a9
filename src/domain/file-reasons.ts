/** Words for why a file can not be used, in place of the system's, which name the call and repeat the path. */

const reasons: ReadonlyMap<unknown, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EISDIR", "it is a directory"],
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
