/** Command `describe`: everything about one workspace, for people or as JSON. */
import { asObject, textAt, type JsonObject } from "../../domain/json.ts";
import { withClient } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { wantsColor, type Io } from "./io.ts";
import { phaseStyles } from "./phases.ts";
import { age, painter, sanitize, sanitizeLines, toSafeJson, widthOf, type Paint } from "./text.ts";
import { jsonOf, viewOf } from "./view.ts";
import type { wsman } from "../../gen/proto.js";

/** Flags of `describe`. */
export interface DescribeFlags extends ConnectionFlags {
  readonly id: string;
  readonly json: boolean;
  readonly showSecrets: boolean;
}

/** A value and how it is called. */
type Entry = readonly [label: string, value: string];

/** Labels are padded to the longest of their block, within these. */
const labelWidths = { least: 18, most: 40 } as const;

/** Prints one workspace. JSON is a DescribeWorkspaceResponse. @throws CliError if the call fails. */
export async function describe(io: Io, flags: DescribeFlags): Promise<void> {
  const { status, lastActivity } = await withClient(io, flags, (client) => client.describe(flags.id));
  if (flags.json) {
    io.stdout.write(`${toSafeJson({ status: jsonOf(status, flags.showSecrets), lastActivity }, 2)}\n`);
    return;
  }
  const paint = painter(wantsColor(io));
  io.stdout.write(`${describeLines(status, lastActivity, { now: io.clock.now(), paint, showSecrets: flags.showSecrets }).join("\n")}\n`);
}

/** The lines; what is empty is left out. */
export function describeLines(status: wsman.WorkspaceStatus, lastActivity: string, options: { now: number; paint: Paint; showSecrets: boolean }): readonly string[] {
  const { paint } = options;
  const json = jsonOf(status, options.showSecrets);
  const lines: string[] = [];
  const block = (title: string, entries: readonly Entry[]): void => {
    const told = entries.filter(([, value]) => value !== "");
    if (told.length === 0) return;
    if (title !== "") lines.push("", paint("bold", title));
    const longest = Math.max(...told.map(([label]) => widthOf(label) + 1));
    const width = Math.max(labelWidths.least, Math.min(labelWidths.most, longest));
    for (const [label, value] of told) lines.push(...entryLines(label, value, title === "" ? "" : "  ", width));
  };
  block("", head(status, lastActivity, options));
  const token = status.auth?.ownerToken ? "hidden; --show-secrets shows it" : "";
  block("Conditions", entriesOf(asObject(json["conditions"])));
  // Type and class stand at the top.
  block("Spec", entriesOf(asObject(json["spec"])).filter(([label]) => label !== "type" && label !== "class"));
  block("Runtime", entriesOf(asObject(json["runtime"])));
  block("Access", [...entriesOf(asObject(json["auth"])), ["ownerToken", options.showSecrets ? "" : token]]);
  block("Annotations", entriesOf(asObject(asObject(json["metadata"])?.["annotations"])));
  block("Repository", entriesOf(asObject(json["repo"])));
  return lines;
}

function head(status: wsman.WorkspaceStatus, lastActivity: string, { now, paint }: { now: number; paint: Paint }): Entry[] {
  const view = viewOf(status);
  const style = phaseStyles.get(view.phase);
  const started = view.startedAt === undefined ? "" : `${timeOf(view.startedAt)} (${age(now - view.startedAt)} ago)`;
  return [
    ["Workspace", view.id],
    ["Phase", style ? paint(style, view.phase) : view.phase],
    ["Type", view.type],
    ["Class", view.workspaceClass],
    ["Message", status.message],
    ["Owner", view.owner],
    ["Meta ID", view.metaId],
    ["Team", status.metadata?.team ?? ""],
    ["Project", status.metadata?.project ?? ""],
    ["Started", started],
    ["Last activity", lastActivity],
    ["Status version", status.statusVersion.toString()],
  ];
}

/** A server may tell times that no calendar holds. */
function timeOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}

function entriesOf(object: JsonObject | undefined): Entry[] {
  return Object.entries(object ?? {}).flatMap(([key, value]): Entry[] => (typeof value === "string" ? [[key, value]] : nestedEntries(key, value)));
}

function nestedEntries(key: string, value: unknown): Entry[] {
  if (Array.isArray(value)) return value.map((item: unknown, i): Entry => [i === 0 ? key : "", itemText(key, item)]);
  const object = asObject(value);
  if (object === undefined) return [[key, toSafeJson(value)]];
  return entriesOf(object).map(([inner, text]): Entry => [`${key}.${inner}`, text]);
}

function itemText(key: string, item: unknown): string {
  if (typeof item === "string") return item;
  const object = asObject(item);
  return key === "exposedPorts" && object !== undefined ? portText(object) : toSafeJson(item);
}

/** `3000 private https://...`. */
function portText(port: JsonObject): string {
  const visibility = port["visibility"] === "PORT_VISIBILITY_PUBLIC" ? "public" : "private";
  return [toSafeJson(port["port"] ?? 0), visibility, textAt(port, "url")].filter((text) => text !== "").join(" ");
}

/** A value of several lines is indented under its label. Phases bring their colour along, and nothing else that is not sanitized. */
function entryLines(label: string, value: string, indent: string, labelWidth: number): string[] {
  const name = (label === "" ? "" : `${sanitize(label)}:`).padEnd(labelWidth);
  if (label === "Phase") return [`${indent}${name} ${value}`];
  const [first = "", ...rest] = sanitizeLines(value);
  return [`${indent}${name} ${first}`, ...rest.map((line) => `${indent}${" ".repeat(labelWidth)} ${line}`)];
}
