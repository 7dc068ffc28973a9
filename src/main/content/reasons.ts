/** Why the storage did not do what it was asked for, in a few words that hold no secret: what libraries say quotes requests, whose addresses are signed. */
import { asObject, objectAt, objectsAt } from "../../domain/json.ts";

/** The storage answered with a status that says no more. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  /** HTTP status. */
  readonly code: number;

  constructor(code: number) {
    super(`status ${code}`);
    this.code = code;
  }
}

/** HTTP status of an error of either library; undefined if there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const members = asObject(error);
  const status = objectAt(members, "$metadata")?.["httpStatusCode"] ?? members?.["code"];
  return typeof status === "number" && status >= 100 && status <= 599 ? status : undefined;
}

/** What the storage calls the error: S3's code, or Google's reason; empty if it has no name. */
export function nameOf(error: unknown): string {
  const members = asObject(error);
  if (members === undefined) return "";
  const given = members["$metadata"] === undefined ? objectsAt(members, "errors")[0]?.["reason"] : members["name"];
  return typeof given === "string" && /^[A-Za-z][\w.-]{0,63}$/.test(given) ? given : "";
}

/** A few words on any error. */
export function reasonOf(error: unknown): string {
  const status = statusOf(error);
  if (status !== undefined) return `it answered ${[status, nameOf(error)].filter((word) => word !== "").join(" ")}`;
  const code = asObject(error)?.["code"];
  if (typeof code === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return files.get(code) ?? code;
  return "it can not be reached, or its credentials can not be used";
}

/** Codes that are those of the files with credentials. */
const files: ReadonlyMap<string, string> = new Map([["ENOENT", "a file with its credentials does not exist"], ["EACCES", "a file with its credentials can not be read"]]);
