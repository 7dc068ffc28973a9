/** Renders the reference of docs/configuration.md from the schema. */
import { formatGoDuration } from "../../src/domain/duration.ts";
import type { FieldNotes } from "../../src/main/config/fields.ts";
import { configSchema } from "../../src/main/config/schema.ts";
import { code, markdownTable } from "../markdown.ts";
import { nodesOf, type SchemaNode } from "./schema.ts";

/** All sections and fields. What depends on the machine is told in words, so any machine does. */
export function configNodes(): readonly SchemaNode[] {
  return nodesOf(configSchema({ cores: 1, kubeStage: undefined }));
}

/** The reference: a heading for each section that is described, with a table of its fields. */
export function renderConfiguration(nodes: readonly SchemaNode[] = configNodes()): string {
  const sections = nodes.filter(({ kind, description }) => kind === "section" && description !== undefined);
  const fields = nodes.filter(({ kind }) => kind === "field");
  const parts = sections.map((section) => {
    const own = fields.filter(({ path }) => nearest(sections, path) === section);
    return [`### ${section.path}`, section.description ?? "", ...(own.length > 0 ? [markdownTable(["key", "type", "default", "meaning"], own.map(row))] : [])].join("\n\n");
  });
  return parts.join("\n\n");
}

/** The innermost section that a field stands in. */
function nearest(sections: readonly SchemaNode[], path: string): SchemaNode | undefined {
  return sections.filter((section) => path.startsWith(`${section.path}.`)).toSorted((a, b) => b.path.length - a.path.length)[0];
}

function row({ path, notes, description = "" }: SchemaNode): readonly string[] {
  return [code(path), typeOf(notes), defaultOf(notes), description];
}

/** Numbers that are bounds only because every number has some are not worth telling. */
function typeOf({ type = "" }: FieldNotes): string {
  return type.replace(/ to (?:1000000000|9007199254740991)$/, " on");
}

function defaultOf({ type, required, fallback, missing }: FieldNotes): string {
  if (missing !== undefined) return missing;
  if (required === true) return "required";
  return code(valueText(type, fallback));
}

function valueText(type: string | undefined, value: unknown): string {
  if (typeof value === "string" || typeof value === "boolean") return String(value);
  if (typeof value !== "number") return "";
  if (type === "duration") return formatGoDuration(value).replace(/(?<=[hm])0s$/, "").replace(/(?<=h)0m$/, "");
  return type === "quantity of bytes" ? `${value / 2 ** 20}Mi` : String(value);
}
