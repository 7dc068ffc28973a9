/** Tells the lines of a watch apart by their first bytes; only small ones are parsed. */
import { KubeError, statusError } from "./errors.ts";
import { member, stringMember } from "./json.ts";

/** What a line is. `object`: ADDED, MODIFIED or DELETED, for the sink. */
export type WatchLine =
  | { readonly kind: "object" }
  | { readonly kind: "bookmark"; readonly resourceVersion: string }
  | { readonly kind: "error"; readonly error: KubeError };

const object: WatchLine = { kind: "object" };
const prefixes = ['{"type":"ADDED",', '{"type":"MODIFIED",', '{"type":"DELETED",'].map((text) => Buffer.from(text));

/**
 * Reads what the main thread needs of a line. ADDED, MODIFIED and DELETED as API servers write them are not looked into; bookmarks, errors and lines of any other form are parsed.
 * Throws a KubeError (reason "Malformed") for what is no watch event.
 */
export function readWatchLine(line: Uint8Array): WatchLine {
  for (const prefix of prefixes) if (startsWith(line, prefix)) return object;
  const event = parse(line);
  switch (stringMember(event, "type") ?? "") {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return object;
    case "BOOKMARK":
      return bookmark(member(event, "object"));
    case "ERROR":
      return { kind: "error", error: statusError(member(event, "object"), 0) };
    default:
      throw malformed();
  }
}

function bookmark(value: unknown): WatchLine {
  const resourceVersion = stringMember(member(value, "metadata"), "resourceVersion");
  if (resourceVersion === undefined) throw malformed();
  return { kind: "bookmark", resourceVersion };
}

function startsWith(line: Uint8Array, prefix: Uint8Array): boolean {
  if (line.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (line[i] !== prefix[i]) return false;
  return true;
}

function parse(line: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(line));
  } catch {
    throw malformed();
  }
}

function malformed(): KubeError {
  return new KubeError("a line of a watch is not a watch event", { status: 0, reason: "Malformed" });
}
