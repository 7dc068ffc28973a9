/** The text of conditions.failed: what went wrong with a workspace, and behind it what went wrong with its last backup. */

const backupFailed = "last backup failed";
const separator = "; ";

/** Both parts; empty where there is nothing. */
export interface FailedText {
  readonly failure: string;
  /** Begins with `last backup failed`. */
  readonly backup: string;
}

/** Takes a text apart. */
export function splitFailed(text: string): FailedText {
  const at = text.indexOf(backupFailed);
  if (at < 0) return { failure: text, backup: "" };
  const before = text.slice(0, at);
  return { failure: before.endsWith(separator) ? before.slice(0, -separator.length) : before, backup: text.slice(at) };
}

/** Puts a text together. */
export function joinFailed({ failure, backup }: FailedText): string {
  return failure !== "" && backup !== "" ? `${failure}${separator}${backup}` : failure + backup;
}

/** Adds a failed backup's message, unless the text tells of one already. */
export function withBackupFailure(text: string, message: string): string {
  return text.includes(backupFailed) ? text : joinFailed({ failure: text, backup: `${backupFailed}: ${message}.` });
}
