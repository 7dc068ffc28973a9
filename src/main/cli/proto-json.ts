/** Reads proto3 JSON: names in either form, enums by name or number, wrapped well-known types. What it does not know is told, not refused. */
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { asObject, type JsonObject } from "../../domain/json.ts";
import { parseRfc3339 } from "../../domain/rfc3339.ts";

/** The .proto files: the package's proto/ is as far from src/main/cli as from dist/main/cli. */
const protoFolder = fileURLToPath(new URL("../../../proto", import.meta.url));

/** No message is nested more deeply. */
const maxDepth = 64;

/** What was read. */
export interface ProtoJson {
  /** As fromObject of the generated code takes it. */
  readonly message: JsonObject;
  /** Paths of members that the message does not have. */
  readonly unknown: readonly string[];
}

/**
 * Reads a message.
 * @param file of the proto folder. @param type full name, wsman.StartWorkspaceRequest.
 * @throws Error that names the member which is wrong, but not its value.
 */
export function readProtoJson(value: unknown, file: string, type: string): ProtoJson {
  const root = new protobuf.Root();
  const resolve = root.resolvePath.bind(root);
  root.resolvePath = (_origin, target) => (target.startsWith("google/") ? resolve("", target) : `${protoFolder}/${target}`);
  root.loadSync(file, { keepCase: true }).resolveAll();
  const unknown: string[] = [];
  const message = new Reader(unknown).message(root.lookupType(type), value, "", 0);
  return { message, unknown };
}

/** Walks a value along the message's description. */
class Reader {
  readonly #unknown: string[];

  constructor(unknown: string[]) {
    this.#unknown = unknown;
  }

  message(type: protobuf.Type, value: unknown, path: string, depth: number): JsonObject {
    if (depth > maxDepth) throw wrong(path, "is nested too deeply");
    if (type.fullName === ".google.protobuf.Timestamp") return timestamp(value, path);
    const given = asObject(value);
    if (given === undefined) throw wrong(path, "must be an object");
    const fields = fieldsByName(type);
    const members = new Map<string, unknown>();
    const cases = new Map<string, string>();
    for (const [name, member] of Object.entries(given)) {
      const field = fields.get(name);
      const at = path === "" ? name : `${path}.${name}`;
      if (field === undefined) this.#unknown.push(at);
      if (field === undefined || member === null) continue;
      const key = protobuf.util.camelCase(field.name);
      if (members.has(key)) throw wrong(at, "is there twice");
      onlyCase(field, cases, at);
      members.set(key, this.#field(field, member, at, depth));
    }
    return Object.fromEntries(members);
  }

  #field(field: protobuf.Field, value: unknown, path: string, depth: number): unknown {
    if (field instanceof protobuf.MapField) {
      const entries = asObject(value);
      if (entries === undefined) throw wrong(path, "must be an object");
      return Object.fromEntries(Object.entries(entries).map(([key, item]) => [key, this.#single(field, item, `${path}[${JSON.stringify(key)}]`, depth)]));
    }
    if (!field.repeated) return this.#single(field, value, path, depth);
    if (!Array.isArray(value)) throw wrong(path, "must be a list");
    return value.map((item: unknown, i) => this.#single(field, item, `${path}[${i}]`, depth));
  }

  #single(field: protobuf.Field, value: unknown, path: string, depth: number): unknown {
    const type = field.resolvedType;
    if (type instanceof protobuf.Type) return this.message(type, value, path, depth + 1);
    if (type instanceof protobuf.Enum) return enumValue(type, value, path);
    return scalar(field.type, value, path);
  }
}

/** Fields by their name in the protocol, and by their name in JSON. */
function fieldsByName(type: protobuf.Type): ReadonlyMap<string, protobuf.Field> {
  return new Map(type.fieldsArray.flatMap((field): [string, protobuf.Field][] => [[field.name, field], [jsonName(field.name), field]]));
}

function jsonName(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}

function onlyCase(field: protobuf.Field, cases: Map<string, string>, path: string): void {
  const oneof = field.partOf?.name;
  if (oneof === undefined) return;
  const other = cases.get(oneof);
  if (other !== undefined) throw wrong(path, `excludes ${other}`);
  cases.set(oneof, field.name);
}

function timestamp(value: unknown, path: string): JsonObject {
  const instant = typeof value === "string" ? parseRfc3339(value) : undefined;
  if (instant === undefined) throw wrong(path, "must be a time in RFC 3339");
  return { ...instant };
}

function enumValue(type: protobuf.Enum, value: unknown, path: string): number {
  const number = typeof value === "string" && Object.hasOwn(type.values, value) ? type.values[value] : value;
  if (typeof number !== "number" || !Number.isInteger(number)) throw wrong(path, `must be one of ${Object.keys(type.values).join(", ")}`);
  return number;
}

function scalar(type: string, value: unknown, path: string): unknown {
  if (type === "string" || type === "bytes") {
    if (typeof value !== "string") throw wrong(path, "must be a string");
    return value.toWellFormed();
  }
  if (type === "bool") {
    if (typeof value !== "boolean") throw wrong(path, "must be true or false");
    return value;
  }
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !inRange(type, number)) throw wrong(path, "must be a whole number in the range of its type");
  return number;
}

function inRange(type: string, number: number): boolean {
  const bits = type.endsWith("64") ? 53 : 32;
  const unsigned = type.startsWith("u") || type.startsWith("fixed");
  const limit = 2 ** (unsigned ? bits : bits - 1);
  return Number.isInteger(number) && number < limit && number >= (unsigned ? 0 : -limit);
}

function wrong(path: string, why: string): Error {
  return new Error(`${path === "" ? "the input" : path} ${why}`);
}
