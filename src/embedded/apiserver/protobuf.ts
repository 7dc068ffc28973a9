/** The few protobuf bodies that kubectl sends of its own accord: small objects that it creates, questions about rights, and options of deletions. */
import { badRequest, unsupportedMediaType } from "./errors.ts";
import { put } from "./json.ts";
import type { Json } from "./json.ts";
import type { JsonObject } from "../../domain/json.ts";

type FieldKind = "text" | "bool" | "int" | "bytes" | "texts" | "textMap" | "byteMap" | Shape;
interface Shape {
  readonly [field: number]: readonly [name: string, kind: FieldKind];
}

const objectMeta: Shape = {
  1: ["name", "text"], 2: ["generateName", "text"], 3: ["namespace", "text"], 5: ["uid", "text"], 6: ["resourceVersion", "text"], 11: ["labels", "textMap"], 12: ["annotations", "textMap"], 14: ["finalizers", "texts"],
};

const resourceAttributes: Shape = { 1: ["namespace", "text"], 2: ["verb", "text"], 3: ["group", "text"], 4: ["version", "text"], 5: ["resource", "text"], 6: ["subresource", "text"], 7: ["name", "text"] };
const accessSpec: Shape = { 1: ["resourceAttributes", resourceAttributes], 2: ["nonResourceAttributes", { 1: ["path", "text"], 2: ["verb", "text"] }] };

const shapes: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ["Namespace", { 1: ["metadata", objectMeta] }],
  ["ServiceAccount", { 1: ["metadata", objectMeta] }],
  ["ConfigMap", { 1: ["metadata", objectMeta], 2: ["data", "textMap"], 3: ["binaryData", "byteMap"], 4: ["immutable", "bool"] }],
  ["Secret", { 1: ["metadata", objectMeta], 2: ["data", "byteMap"], 3: ["type", "text"], 4: ["stringData", "textMap"], 5: ["immutable", "bool"] }],
  ["SelfSubjectAccessReview", { 1: ["metadata", objectMeta], 2: ["spec", accessSpec] }],
  ["SelfSubjectRulesReview", { 1: ["metadata", objectMeta], 2: ["spec", { 1: ["namespace", "text"] }] }],
  ["SelfSubjectReview", { 1: ["metadata", objectMeta] }],
  ["DeleteOptions", { 1: ["gracePeriodSeconds", "int"], 2: ["preconditions", { 1: ["uid", "text"], 2: ["resourceVersion", "text"] }], 4: ["propagationPolicy", "text"], 5: ["dryRun", "texts"] }],
]);

const magic = Buffer.from([0x6b, 0x38, 0x73, 0]);

/** Decodes a body in Kubernetes' protobuf envelope. Throws ApiError 400 for broken bytes, 415 for kinds that are not known here. */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  let typeMeta: JsonObject = {};
  let raw: Buffer = Buffer.alloc(0);
  for (const { field, bytes } of fieldsOf(body.subarray(4))) {
    if (field === 1) typeMeta = decode(bytes, { 1: ["apiVersion", "text"], 2: ["kind", "text"] });
    if (field === 2) raw = bytes;
  }
  const kind = typeMeta["kind"];
  const shape = typeof kind === "string" ? shapes.get(kind) : undefined;
  if (!shape) throw unsupportedMediaType(["application/json", "application/yaml"]);
  return { ...typeMeta, ...decode(raw, shape) };
}

interface Field {
  readonly field: number;
  readonly number: number;
  readonly bytes: Buffer;
}

function* fieldsOf(message: Buffer): Generator<Field> {
  let offset = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[offset++];
      if (byte === undefined || scale > 2 ** 63) throw badRequest("protobuf: unexpected end of data");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const skip = (length: number): Buffer => {
    if (offset + length > message.length) throw badRequest("protobuf: unexpected end of data");
    const bytes = message.subarray(offset, offset + length);
    offset += length;
    return bytes;
  };
  while (offset < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: yield { field, number: varint(), bytes: Buffer.alloc(0) }; break;
      case 1: yield { field, number: 0, bytes: skip(8) }; break;
      case 2: yield { field, number: 0, bytes: skip(varint()) }; break;
      case 5: yield { field, number: 0, bytes: skip(4) }; break;
      default: throw badRequest("protobuf: unknown wire type");
    }
  }
}

function decode(message: Buffer, shape: Shape): JsonObject {
  const result: Json = {};
  for (const field of fieldsOf(message)) {
    const known = shape[field.field];
    if (known) result[known[0]] = member(field, known[1], result[known[0]]);
  }
  return result;
}

function member({ bytes, number }: Field, kind: FieldKind, former: unknown): unknown {
  switch (kind) {
    case "text": return bytes.toString();
    case "bool": return number !== 0;
    case "int": return number >= 2 ** 63 ? -1 : number;
    case "bytes": return bytes.toString("base64");
    case "texts": return [...(Array.isArray(former) ? former.map(String) : []), bytes.toString()];
    case "textMap": return entry(bytes, "text", former);
    case "byteMap": return entry(bytes, "bytes", former);
    default: return decode(bytes, kind);
  }
}

function entry(bytes: Buffer, kind: "text" | "bytes", former: unknown): Json {
  const map: Json = typeof former === "object" && former !== null ? { ...former } : {};
  const pair = decode(bytes, { 1: ["key", "text"], 2: ["value", kind] });
  const key = pair["key"];
  put(map, typeof key === "string" ? key : "", pair["value"] ?? "");
  return map;
}
