/** Field selectors: which of an object's fields can be selected by, and their values. */
import type { KubeObject } from "../contract.ts";
import { ApiError, badRequest } from "./errors.ts";
import { at } from "./json.ts";
import type { ResourceType } from "./resources.ts";

/** One term of a field selector. */
export interface FieldTerm {
  readonly field: string;
  readonly value: string;
  readonly equal: boolean;
}

/** Parses a field selector for the resource. Throws ApiError 400 for bad syntax or a field that the resource can not be selected by. */
export function parseFieldSelector(text: string, type: ResourceType): readonly FieldTerm[] {
  const terms = split(text).filter((term) => term !== "").map(parseTerm);
  for (const { field } of terms) if (!supported(type, field)) throw unsupported(type, field);
  return terms;
}

/** Whether the object fulfils all terms. */
export function matchesFields(object: KubeObject, terms: readonly FieldTerm[]): boolean {
  return terms.every(({ field, value, equal }) => (fieldValue(object, field) === value) === equal);
}

function supported(type: ResourceType, field: string): boolean {
  return field === "metadata.name" || (field === "metadata.namespace" && type.namespaced) || type.fields.includes(field);
}

function unsupported(type: ResourceType, field: string): ApiError {
  if (type.fields.length > 0) return badRequest(`field label not supported: ${field}`);
  const known = ["metadata.name", ...(type.namespaced ? ["metadata.namespace"] : [])];
  return badRequest(`"${field}" is not a known field selector: only ${known.map((name) => `"${name}"`).join(", ")}`);
}

/** Cuts at commas that no backslash precedes. */
function split(text: string): readonly string[] {
  return text.match(/(?:\\.|[^,\\])+/gs) ?? [];
}

function parseTerm(term: string): FieldTerm {
  const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
  if (!match) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
  const [, field = "", operator, value = ""] = match;
  return { field, value: unescape(value), equal: operator !== "!=" };
}

function unescape(value: string): string {
  const escape = /\\.?/s.exec(value.replaceAll(/\\[\\,=]/g, ""));
  if (escape) throw badRequest(`invalid field selector: invalid escape sequence: ${escape[0]}`);
  const bad = /^(?:\\[\\,=]|[^\\,=])*([,=])/s.exec(value);
  if (bad) throw badRequest(`invalid field selector: unescaped character in value: ${bad[1]?.codePointAt(0)}`);
  return value.replaceAll(/\\([\\,=])/g, "$1");
}

function fieldValue(object: KubeObject, field: string): string {
  if (field === "source") return text(at(object, "source", "component")) || text(object["reportingComponent"]);
  if (field === "reportingComponent") return text(object["reportingComponent"]);
  if (field === "status.podIP") return text(at(object, "status", "podIP"));
  return text(at(object, ...field.split(".")), field);
}

/** A field's value as selectors see it: missing booleans are false. */
function text(value: unknown, field = ""): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  return field === "spec.hostNetwork" || field === "spec.unschedulable" ? "false" : "";
}
