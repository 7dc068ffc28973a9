/** Parsing a pod without what nothing looks at: what is read from it stays the same, and what is broken stays broken. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bulk } from "../../../src/embedded/demo/index.ts";
import { PodParser } from "../../../src/workers/parse.ts";
import { readPod } from "../../../src/workers/pod.ts";

const parser = new PodParser();
const parse = (text: string, source: "watch" | "object" = "object"): unknown => parser.parse(Buffer.from(text), source);

/** Strings with all that makes JSON hard to follow. */
const nasty = fc.oneof(fc.string(), fc.constantFrom('"', "\\", '\\"', "}]", '}],"labels":{"a":"b"}', "[{", "é😀\u0000", "x".repeat(100), `${"\\".repeat(33)}"`, '"'.repeat(40)));
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, nasty, fc.integer(), fc.boolean(), fc.constant(null), fc.array(tie("value"), { maxLength: 4 }), fc.dictionary(nasty, tie("value"), { maxKeys: 4 })),
})).value;
/** An object with some of these members, among others, in any order. */
const withMembers = (known: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> =>
  fc.array(fc.oneof(...Object.entries(known).map(([key, value]) => fc.tuple(fc.constant(key), fc.oneof({ weight: 5, arbitrary: value }, json))), fc.tuple(nasty, json)), { maxLength: 8 }).map((entries) => Object.fromEntries(entries));

const container = withMembers({ name: fc.constant("workspace"), image: nasty, env: json, ports: json });
const managed = fc.array(withMembers({ manager: nasty, fieldsV1: fc.object({ values: [fc.constant({})], key: nasty }) }), { maxLength: 3 });
const pod = withMembers({
  kind: fc.constant("Pod"),
  metadata: withMembers({ name: nasty, uid: nasty, resourceVersion: nasty, labels: fc.dictionary(nasty, nasty), annotations: fc.dictionary(nasty, nasty), finalizers: fc.array(nasty), managedFields: managed, deletionTimestamp: nasty }),
  spec: withMembers({ nodeName: nasty, containers: fc.array(container, { maxLength: 3 }), volumes: json, initContainers: fc.array(container) }),
  status: withMembers({ phase: fc.constant("Running"), containerStatuses: fc.array(withMembers({ name: nasty, state: json })) }),
});

function read(value: unknown): unknown {
  try {
    return readPod(value);
  } catch (error) {
    return String(error);
  }
}

describe("parsing a pod without what nothing looks at", () => {
  it("reads the same from every pod", () => {
    fc.assert(fc.property(pod, fc.constantFrom(undefined, 1), (value, indent) => assert.deepEqual(read(parse(JSON.stringify(value, undefined, indent))), read(JSON.parse(JSON.stringify(value))))), { numRuns: 2000 });
  });

  it("reads the same from every line of a watch", () => {
    fc.assert(fc.property(pod, (object) => {
      const parsed = parse(JSON.stringify({ type: "MODIFIED", object }), "watch");
      assert.ok(typeof parsed === "object" && parsed !== null && "type" in parsed && "object" in parsed);
      assert.deepEqual([parsed.type, read(parsed.object)], ["MODIFIED", read(JSON.parse(JSON.stringify(object)))]);
    }), { numRuns: 500 });
  });

  it("leaves out what is large", () => {
    for (const made of bulk(20, { phases: ["running", "creating", "stopping", "unscheduled"] })) {
      const parsed = parse(JSON.stringify(made));
      assert.ok(JSON.stringify(parsed).length < 5000, `${JSON.stringify(parsed).length}`);
      assert.deepEqual(read(parsed), read(made));
    }
  });

  it("gives any other JSON as it is, or without what a pod would have too much", () => {
    fc.assert(fc.property(json, (value) => assert.doesNotThrow(() => parse(JSON.stringify(value)))));
    for (const value of [5, "text", null, [], {}, [{ a: 1 }], { spec: 5, metadata: [] }, { spec: { containers: {} } }]) assert.deepEqual(parse(JSON.stringify(value)), value);
  });

  it("follows any depth", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    for (const text of [`{"metadata":${deep}}`, `{"metadata":{"name":"a","managedFields":${deep}},"spec":{"volumes":${deep},"containers":${deep}}}`]) assert.doesNotThrow(() => parse(text));
  });

  it("takes a name that is written with escapes for what it means", () => {
    assert.deepEqual(read(parse('{"m\\u0065tadata":{"name":"a","managedFields":[{}]},"spec":{"volumes":[],"nodeN\\u0061me":"b"}}')), read({ metadata: { name: "a" }, spec: { nodeName: "b" } }));
  });

  it("refuses what is cut short, wherever that is", () => {
    const [made] = bulk(1, { size: 9000 });
    const text = JSON.stringify({ type: "ADDED", object: made });
    for (let end = 0; end < text.length; end += 7) assert.throws(() => parse(text.slice(0, end), "watch"), SyntaxError, `${end}`);
  });

  it("refuses what lacks a bracket, but for those in managed fields", () => {
    const [made] = bulk(1, { size: 9000 });
    const text = JSON.stringify(made);
    const from = text.indexOf('"managedFields":[{') + '"managedFields":['.length;
    const to = text.indexOf('}]},"spec":');
    for (const { index } of text.matchAll(/[{}[\]]/g)) {
      const broken = text.slice(0, index) + text.slice(index + 1);
      if (!isBroken(broken) || (index >= from && index < to)) continue;
      assert.throws(() => parse(broken), SyntaxError, text.slice(index - 20, index + 20));
    }
  });
});

/** A bracket in a string is none. */
function isBroken(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}
