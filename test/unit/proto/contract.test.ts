/**
 * Our contracts are compatible with those that installations use today: contract.json has their facts, which the .proto files and the
 * generated code are held against. With PEER_PROTO set to an edition of core.proto, contract.json is held against that as well.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import protobuf from "protobufjs";
import * as generated from "../../../src/gen/proto.js";
import contractFacts from "./contract.json" with { type: "json" };
import { contractOf, factsOf, type PackageFacts } from "./facts.ts";

const files: Readonly<Record<string, readonly string[]>> = {
  contentservice: ["content-service-api/initializer.proto"],
  wsdaemon: ["ws-daemon-api/daemon.proto"],
  registryfacade: ["registry-facade-api/imagespec.proto", "registry-facade-api/provider.proto"],
  wsman: ["ws-manager-api/core.proto"],
};
const contract: Readonly<Record<string, PackageFacts>> = contractFacts;

function protoText(file: string): string {
  return readFileSync(new URL(`../../../proto/${file}`, import.meta.url), "utf8");
}

/** An edition of core.proto may come with lines in front of it. */
function parse(texts: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  for (const text of texts) protobuf.parse(text.slice(text.indexOf("syntax =")), root, { keepCase: true });
  return root;
}

describe("the .proto files", () => {
  for (const [name, paths] of Object.entries(files)) {
    it(`of ${name} have every name, number and type of the contract`, () => {
      assert.deepEqual(JSON.parse(JSON.stringify(factsOf(parse(paths.map(protoText)), name))), contract[name]);
    });
  }
  const peer = process.env["PEER_PROTO"];
  if (peer !== undefined) {
    it("agree with the given edition of core.proto", () => {
      assert.deepEqual(JSON.parse(JSON.stringify(factsOf(parse([readFileSync(peer, "utf8")]), "wsman"))), contract["wsman"]);
    });
  }
});

// --- the generated code, message by message ----------------------------------------------------------------

interface Codec {
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
  fromObject(value: object): object;
  toObject(message: object, options: protobuf.IConversionOptions): object;
}

function isCodec(value: unknown): value is Codec {
  return typeof value === "function" && ["encode", "decode", "fromObject", "toObject"].every((method) => typeof Reflect.get(value, method) === "function");
}

function generatedCodec(fullName: string): Codec {
  let value: unknown = generated;
  for (const part of fullName.split(".").filter((p) => p !== "")) {
    assert.ok((typeof value === "object" || typeof value === "function") && value !== null, fullName);
    value = Reflect.get(value, part);
  }
  assert.ok(isCodec(value), `${fullName} is not generated`);
  return value;
}

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: text,
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 20 }),
  int32: fc.integer(),
  uint32: fc.nat(0xffffffff),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
};

/** Random values of a field; nested messages get shallower, so that recursive ones end. */
function valuesOf(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const single = elementOf(field, depth);
  if (field instanceof protobuf.MapField) return fc.dictionary(fc.oneof(text, fc.constantFrom("constructor", "1")), single, { maxKeys: 3 });
  return field.repeated ? fc.array(single, { maxLength: 3 }) : single;
}

function elementOf(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) return fc.constantFrom(...Object.values(type.values));
  if (type instanceof protobuf.Type) return depth === 0 ? fc.constant({}) : messagesOf(type, depth - 1);
  const scalar = scalars[field.type];
  assert.ok(scalar, `no values for type ${field.type}`);
  return scalar;
}

/** Random messages with any of their fields set, and at most one of each oneof. */
function messagesOf(type: protobuf.Type, depth: number): fc.Arbitrary<object> {
  const inOneof = (field: protobuf.Field): boolean => field.partOf !== null && !field.partOf.name.startsWith("_");
  const plain = type.fieldsArray.filter((field) => !inOneof(field));
  const free = fc.record(Object.fromEntries(plain.map((field) => [field.name, valuesOf(field, depth)])), { requiredKeys: [] });
  const cases = type.fieldsArray.filter(inOneof).map((field) => valuesOf(field, depth).map((value) => ({ [field.name]: value })));
  return cases.length === 0 ? free : fc.tuple(free, fc.oneof(...cases)).map(([some, one]) => ({ ...some, ...one }));
}

function messageTypes(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap((object) => {
    if (object instanceof protobuf.Type) return [object, ...messageTypes(object)];
    return object instanceof protobuf.Namespace ? messageTypes(object) : [];
  });
}

const options: protobuf.IConversionOptions = { longs: String, bytes: String, defaults: true, oneofs: true };

describe("messages, encoded by one side and decoded by the other, have the same value in every field:", () => {
  const root = contractOf(contract);
  const types = messageTypes(root).filter((type) => !type.fullName.startsWith(".google."));

  it("all of them are looked at", () => {
    const names = Object.entries(contract).flatMap(([name, { messages }]) => Object.keys(messages).map((message) => `.${name}.${message}`));
    assert.deepEqual(types.map((type) => type.fullName).sort(), names.sort());
  });

  for (const type of types) {
    it(type.fullName, () => {
      const ours = generatedCodec(type.fullName);
      fc.assert(fc.property(messagesOf(type, 3), (value) => {
        const theirMessage = type.fromObject(value);
        const expected = type.toObject(theirMessage, options);
        assert.deepEqual(ours.toObject(ours.decode(type.encode(theirMessage).finish()), options), expected);
        assert.deepEqual(type.toObject(type.decode(ours.encode(ours.fromObject(value)).finish()), options), expected);
      }), { numRuns: 60 });
    });
  }
});
