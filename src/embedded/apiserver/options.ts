/** Options of requests, as the API checks them. */
import { ApiError, badRequest, invalidOptions } from "./errors.ts";
import { parseFieldSelector } from "./fields.ts";
import type { FieldTerm } from "./fields.ts";
import { isTrue } from "./request.ts";
import type { ResourceRequest } from "./request.ts";
import { parseLabelSelector } from "./selectors.ts";
import type { LabelMatch } from "./selectors.ts";

/** What lists and watches select. */
export interface Selection {
  readonly namespace: string | undefined;
  readonly labels: LabelMatch | undefined;
  readonly fields: readonly FieldTerm[];
}

/** Options of a list or watch. */
export interface ListOptions extends Selection {
  /** undefined: the newest state. */
  readonly resourceVersion: number | undefined;
  readonly match: "Exact" | "NotOlderThan" | "";
  readonly limit: number;
  readonly continueToken: string;
  readonly timeoutSeconds: number | undefined;
  readonly bookmarks: boolean;
  /** Whether a watch begins with the state so far; undefined: the resourceVersion says so. */
  readonly sendInitialEvents: boolean | undefined;
}

/** Reads the options of a list or watch. Throws ApiError 400 and 422. */
export function listOptions(request: ResourceRequest): ListOptions {
  const { query, verb } = request;
  const versionText = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const options: ListOptions = {
    ...selectionOf(request),
    resourceVersion: parseVersion(versionText, verb),
    match: knownMatch(match),
    limit: integer(query.get("limit")) ?? 0,
    continueToken: query.get("continue") ?? "",
    timeoutSeconds: integer(query.get("timeoutSeconds")),
    bookmarks: isTrue(query.get("allowWatchBookmarks")),
    sendInitialEvents: query.has("sendInitialEvents") ? isTrue(query.get("sendInitialEvents")) : undefined,
  };
  const problem = verb === "watch" ? watchProblem(match, query.has("sendInitialEvents"), options.continueToken) : listProblem(match, versionText, options.continueToken);
  if (problem !== undefined) throw refusal(problem);
  return options;
}

/** What a request selects. Throws ApiError 400. */
export function selectionOf({ query, type, namespace }: ResourceRequest): Selection {
  return {
    namespace: namespace === "" ? undefined : namespace,
    labels: parseLabelSelector(query.get("labelSelector") ?? ""),
    fields: parseFieldSelector(query.get("fieldSelector") ?? "", type),
  };
}

function knownMatch(match: string): ListOptions["match"] {
  return match === "Exact" || match === "NotOlderThan" ? match : "";
}

function integer(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** A resourceVersion in a query. Throws ApiError: 400, or 500 where the real API server does so. */
export function parseVersion(text: string, verb: string): number | undefined {
  if (text === "") return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const problem = `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw verb === "list" ? badRequest(`invalid resource version: ${problem}`) : new ApiError(500, "", problem);
}

function refusal(message: string): Error {
  const reason = message.startsWith("Unsupported") ? "FieldValueNotSupported" : "FieldValueForbidden";
  return invalidOptions("ListOptions", { field: "resourceVersionMatch", reason, message });
}

function unsupported(match: string): string | undefined {
  return ["", "Exact", "NotOlderThan"].includes(match) ? undefined : `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`;
}

function listProblem(match: string, version: string, continueToken: string): string | undefined {
  if (match === "") return undefined;
  if (version === "") return "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
  if (continueToken !== "") return "Forbidden: resourceVersionMatch is forbidden when continue is provided";
  if (match === "Exact" && version === "0") return 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
  return unsupported(match);
}

function watchProblem(match: string, initialEvents: boolean, continueToken: string): string | undefined {
  if (continueToken !== "") return "Forbidden: resourceVersionMatch is forbidden when continue is provided";
  if (initialEvents) return match === "NotOlderThan" ? undefined : "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
  return match === "" ? undefined : "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
}
