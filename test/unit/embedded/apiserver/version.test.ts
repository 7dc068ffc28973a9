/** Versions of objects: their JSON, and what of it they share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChangeType, KubeObject } from "../../../../src/embedded/contract.ts";
import { typeOf } from "../../../../src/embedded/apiserver/resources.ts";
import { Version } from "../../../../src/embedded/apiserver/version.ts";
import type { Bytes } from "../../../../src/embedded/apiserver/version.ts";

function textOf(bytes: Bytes): string {
  return Buffer.concat(bytes).toString();
}

const identity = { name: "a", namespace: "ns", uid: "u", resourceVersion: "1", creationTimestamp: "2024-01-01T00:00:00Z" };
const fields = [{ manager: "m", operation: "Update" }];
const large = { containers: [{ name: "main", env: [{ name: "LONG", value: "x".repeat(10_000) }] }] };

function podOf(metadata: object, rest: object): KubeObject {
  return { kind: "Pod", apiVersion: "v1", metadata: { ...identity, ...metadata }, ...rest };
}

test("whatever changed since the version before, the JSON is the object's", () => {
  // Few values of each kind, the same objects again and again, so that versions share much or little.
  const values = (...known: readonly object[]): fc.Arbitrary<object | undefined> => fc.constantFrom(undefined, ...known);
  const state = fc.record({
    annotations: values({ a: "ä\ud800" }, { a: "1", b: "😀" }), managedFields: values(fields, [{ manager: "n" }]), invented: fc.constantFrom({}, {}, { zz: 1 }),
    spec: values(large, { nodeName: "n" }), extra: fc.constantFrom({}, {}, { extra: [1] }, { other: "x" }), status: values({ phase: "Running" }, { phase: "Pending", conditions: [] }),
  });
  const step = fc.record({ state, change: fc.constantFrom<ChangeType>("ADDED", "MODIFIED", "DELETED"), released: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
    let previous: Version | undefined;
    for (const { change, released, state: { annotations, managedFields, invented, spec, extra, status } } of steps) {
      const metadata = { ...(annotations ? { annotations } : {}), ...(managedFields ? { managedFields } : {}), ...invented };
      const object = podOf(metadata, { ...(spec ? { spec } : {}), ...extra, ...(status ? { status } : {}) });
      const version = new Version(typeOf("pods"), change, object, previous);
      const json = JSON.stringify(object);
      assert.equal(version.size, Buffer.byteLength(`{"type":"${change}","object":${json}}\n`));
      if (released) version.release();
      assert.equal(textOf(version.line), `{"type":"${change}","object":${json}}\n`);
      for (const other of ["ADDED", "DELETED"] as const) assert.equal(textOf(version.lineAs(other)), `{"type":"${other}","object":${json}}\n`);
      assert.equal(textOf(version.json), json);
      assert.equal(`{"kind":"Pod","apiVersion":"v1",${textOf(version.item)}`, json);
      previous = version;
    }
  }), { numRuns: 500 });
});

test("a change of annotations, or of the status, costs the bytes of that part alone", () => {
  const first = new Version(typeOf("pods"), "ADDED", podOf({ managedFields: fields }, { spec: large, status: { phase: "Pending" } }));
  assert.equal(first.newBytes, first.size);
  const annotated = new Version(typeOf("pods"), "MODIFIED", { ...first.object, metadata: { ...identity, annotations: { a: "1" }, managedFields: fields } }, first);
  const running = new Version(typeOf("pods"), "MODIFIED", { ...annotated.object, status: { phase: "Running" } }, annotated);
  for (const version of [annotated, running]) assert.ok(version.size > 10_000 && version.newBytes < 500, `${version.newBytes} of ${version.size}`);
  assert.deepEqual(running.line[1], first.line[1]);
  assert.equal(running.line[1], first.line[1]);
});
