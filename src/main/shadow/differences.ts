/** Where two statuses of a workspace differ, field by field: pure, and of secrets only that they do. */
import { asObject, type JsonObject } from "../../domain/json.ts";
import { wsman } from "../../gen/proto.js";
import type { Status } from "../state/frame.ts";
import { wantedReason } from "./wanted.ts";

/** Values of a status by the paths of their fields, "conditions.failed"; what has its default is left out. */
export type Fields = ReadonlyMap<string, string>;

/** A field that differs. */
export interface Difference {
  readonly field: string;
  /** Both values, for people, where they can hold no secret. */
  readonly values: { readonly ours: string; readonly theirs: string } | undefined;
  /** Why it is to differ; undefined: it is not. */
  readonly wanted: string | undefined;
}

/** Names and values of users' own: one field, so that their names name no fields. */
const wholes: ReadonlySet<string> = new Set(["metadata.annotations"]);
/** Each side counts its own. */
const left: ReadonlySet<string> = new Set(["statusVersion"]);

const { WorkspacePhase, WorkspaceType, AdmissionLevel, WorkspaceConditionBool } = wsman;
/** Fields whose values are names of the contract. */
const enums: ReadonlyMap<string, Readonly<Record<number, string>>> = new Map<string, Readonly<Record<number, string>>>([
  ["phase", WorkspacePhase],
  ["spec.type", WorkspaceType],
  ["auth.admission", AdmissionLevel],
  ...["pullingImages", "finalBackupComplete", "deployed", "networkNotReady", "stoppedByRequest"].map((name) => [`conditions.${name}`, WorkspaceConditionBool] as const),
]);
/** Further fields whose values can be shown to everyone. */
const shown: ReadonlySet<string> = new Set(["spec.timeout", "spec.class", "spec.headless", "runtime.nodeName", "runtime.podName", "runtime.nodeIp"]);
/** Characters of a value that are shown. */
const maxShown = 100;

/** The fields of a status. */
export function fieldsOf(status: Status): Fields {
  const object: JsonObject = wsman.WorkspaceStatus.toObject(wsman.WorkspaceStatus.create(status), { longs: String });
  const fields = new Map<string, string>();
  addMembers(object, "", fields);
  return fields;
}

/** The fields in which they differ, in the order of their names. */
export function differencesBetween(ours: Fields, theirs: Fields): readonly Difference[] {
  const names = [...new Set([...ours.keys(), ...theirs.keys()])].filter((name) => ours.get(name) !== theirs.get(name)).toSorted();
  return names.map((field) => ({ field, values: valuesOf(field, ours, theirs), wanted: wantedReason(field, ours, theirs) }));
}

function addMembers(members: JsonObject, path: string, fields: Map<string, string>): void {
  for (const [name, value] of Object.entries(members)) {
    const field = path === "" ? name : `${path}.${name}`;
    const inner = asObject(value);
    if (inner && wholes.has(field)) addWhole(inner, field, fields);
    else if (inner) addMembers(inner, field, fields);
    else if (!left.has(field) && !isDefault(value)) fields.set(field, textOf(value));
  }
}

function addWhole(members: JsonObject, field: string, fields: Map<string, string>): void {
  const entries = Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length > 0) fields.set(field, JSON.stringify(entries));
}

/** What is not sent, or as good as. */
function isDefault(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  const members = asObject(value);
  if (members) return Object.values(members).every(isDefault);
  return value === undefined || value === null || value === "" || value === 0 || value === "0" || value === false;
}

/** The same text for the same value: ports, and whatever else comes in no order, is put in one. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return JSON.stringify(value.map(textOf).toSorted());
  const members = asObject(value);
  if (!members) return String(value);
  return JSON.stringify(Object.entries(members).filter(([, member]) => !isDefault(member)).map(([name, member]) => [name, textOf(member)] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function valuesOf(field: string, ours: Fields, theirs: Fields): Difference["values"] {
  const names = enums.get(field);
  if (!names && !shown.has(field)) return undefined;
  const value = (fields: Fields): string => {
    const text = fields.get(field);
    return names ? (names[Number(text ?? 0)] ?? String(text)) : (text ?? "").slice(0, maxShown);
  };
  return { ours: value(ours), theirs: value(theirs) };
}
