/** The object store as parts of this process use it: trusted, immediate, in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Collection } from "../../../../src/embedded/apiserver/collection.ts";
import { produce } from "../../../../src/embedded/apiserver/draft.ts";
import { randomIdentities } from "../../../../src/embedded/apiserver/metadata.ts";
import { typeOf } from "../../../../src/embedded/apiserver/resources.ts";
import { ObjectStore } from "../../../../src/embedded/apiserver/store.ts";
import { Version } from "../../../../src/embedded/apiserver/version.ts";
import { record } from "../../../../src/embedded/kubelet/json.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

function makeStore(): ObjectStore {
  return new ObjectStore({ clock: new VirtualClock(), identities: randomIdentities, history: { changes: 1000, bytes: 1e6 }, quota: { objects: 1000, bytes: 1e6 } });
}

const pod = { metadata: { name: "a", finalizers: ["example.com/one"] }, spec: { nodeName: "n1", containers: [] }, status: { phase: "Running" } } as const;

test("what comes from this process is trusted: a status is kept, a node is not tainted, nothing is validated", () => {
  const store = makeStore();
  assert.deepEqual(store.create("pods", pod, "default")["status"], { phase: "Running" });
  assert.deepEqual(store.create("nodes", { metadata: { name: "n1" }, spec: {} }, "")["spec"], {});
});

test("listeners hear of every change in order, also of those that listeners make", () => {
  const store = makeStore();
  const heard: string[] = [];
  store.subscribe("pods", (type, { metadata }) => {
    heard.push(`first ${type} ${metadata.resourceVersion}`);
    if (type === "ADDED") store.update("pods", "default", "a", (draft) => { draft["status"] = { phase: "Failed" }; });
  });
  const stop = store.subscribe("pods", (type, { metadata }) => heard.push(`second ${type} ${metadata.resourceVersion}`));
  store.create("pods", pod, "default");
  assert.deepEqual(heard, ["first ADDED 2", "second ADDED 2", "first MODIFIED 3", "second MODIFIED 3"]);
  stop();
  store.update("pods", "default", "a", (draft) => { draft["status"] = {}; });
  assert.deepEqual(heard.slice(4), ["first MODIFIED 4"]);
});

test("a deletion without grace and a finalizer: marked with zero seconds once, gone with the finalizer", () => {
  const store = makeStore();
  store.create("pods", pod, "default");
  const types: string[] = [];
  store.subscribe("pods", (type) => types.push(type));
  store.delete("pods", "default", "a", { gracePeriodSeconds: 30 });
  store.delete("pods", "default", "a", { gracePeriodSeconds: 40 });
  store.delete("pods", "default", "a");
  store.delete("pods", "default", "a", { gracePeriodSeconds: 0 });
  assert.equal(store.get("pods", "default", "a")?.metadata.deletionGracePeriodSeconds, 0);
  store.update("pods", "default", "a", (draft) => { draft["metadata"] = { ...record(draft["metadata"]), finalizers: [] }; });
  assert.deepEqual(types, ["MODIFIED", "MODIFIED", "DELETED"]);
  assert.equal(store.get("pods", "default", "a"), undefined);
});

test("errors are those of the API", () => {
  const store = makeStore();
  store.create("pods", pod, "default");
  assert.throws(() => store.create("pods", pod, "default"), { code: 409, reason: "AlreadyExists" });
  assert.throws(() => store.update("pods", "default", "b", () => {}), { code: 404, reason: "NotFound" });
  assert.throws(() => store.delete("pods", "default", "a", { uid: "other" }), { code: 409, reason: "Conflict" });
});

test("old states are rebuilt from the history, whatever happened since", () => {
  const names = fc.constantFrom("a", "b", "c", "d");
  const step = fc.record({ what: fc.constantFrom("create", "update", "delete"), name: names });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const store = makeStore();
    const states = new Map<number, string>();
    const state = (): string => store.list("configmaps").map((object) => JSON.stringify(object)).join("\n");
    states.set(store.resourceVersion, state());
    for (const [i, { what, name }] of steps.entries()) {
      const exists = store.get("configmaps", "ns", name) !== undefined;
      if (what === "create" && !exists) store.create("configmaps", { metadata: { name }, data: { i: String(i) } }, "ns");
      if (what === "update" && exists) store.update("configmaps", "ns", name, (draft) => { draft["data"] = { i: String(i) }; });
      if (what === "delete" && exists) store.delete("configmaps", "ns", name);
      states.set(store.resourceVersion, state());
    }
    for (const [version, expected] of states) {
      assert.equal(store.versionsAt(typeOf("configmaps"), undefined, version).map(({ object }) => JSON.stringify(object)).join("\n"), expected);
    }
  }), { numRuns: 100 });
});

test("a collection is in order however it came about", () => {
  const step = fc.record({ gone: fc.boolean(), name: fc.constantFrom("a", "a-1", "a.b", "b", "c0", "c00", "z"), namespace: fc.constantFrom("x", "x-y", "y") });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), fc.nat(30), (steps, listAfter) => {
    const collection = new Collection();
    const model = new Set<string>();
    for (const [i, { gone, name, namespace }] of steps.entries()) {
      const key = `${namespace}/${name}`;
      if (gone) collection.delete(key);
      else collection.set(new Version(typeOf("configmaps"), "ADDED", { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, uid: "", resourceVersion: String(i), creationTimestamp: "" } }));
      if (gone) model.delete(key);
      else model.add(key);
      if (i >= listAfter) assert.deepEqual(collection.list().map((version) => version.key), [...model].sort((a, b) => (a < b ? -1 : Number(a > b))));
    }
    assert.deepEqual(collection.list("x").map((version) => version.key), collection.list().map((version) => version.key).filter((key) => key.startsWith("x/")));
  }));
});

test("a draft changes what it is told to, and shares the rest", () => {
  const base = { kept: { deep: [1, { two: 2 }] }, changed: { list: [{ a: 1 }, { b: 2 }], other: { c: 3 } }, gone: 1 };
  const before = structuredClone(base);
  const next = produce(base, (draft) => {
    const changed = record(draft["changed"]);
    const list = changed["list"];
    if (Array.isArray(list)) list.push({ d: 4 });
    delete draft["gone"];
    draft["moved"] = draft["kept"];
  });
  assert.deepEqual(base, before);
  assert.deepEqual(next, { kept: base.kept, changed: { list: [{ a: 1 }, { b: 2 }, { d: 4 }], other: { c: 3 } }, moved: base.kept });
  assert.equal(next["kept"], base.kept);
  assert.equal(record(next["changed"])["other"], base.changed.other);
  assert.equal(produce(base, (draft) => void draft["kept"]), base);
});

test("a draft does what a deep copy would", () => {
  const value = fc.letrec((tie) => ({ any: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.string(), fc.array(tie("any"), { maxLength: 3 }), fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), tie("any"), { noNullPrototype: true })) })).any;
  const object = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { noNullPrototype: true });
  const edit = fc.record({ path: fc.array(fc.constantFrom("a", "b", "c", "0", "1"), { minLength: 1, maxLength: 3 }), value: fc.option(value, { nil: undefined }) });
  const apply = (target: unknown, path: readonly string[], to: unknown): void => {
    let current = target;
    for (const name of path.slice(0, -1)) {
      if (typeof current !== "object" || current === null || !Object.hasOwn(current, name)) return;
      current = Reflect.get(current, name);
    }
    const last = path.at(-1);
    if (typeof current !== "object" || current === null || last === undefined || Array.isArray(current)) return;
    if (to === undefined) Reflect.deleteProperty(current, last);
    else Reflect.set(current, last, structuredClone(to));
  };
  fc.assert(fc.property(object, fc.array(edit, { maxLength: 5 }), (base, edits) => {
    const copy = structuredClone(base);
    for (const { path, value: to } of edits) apply(copy, path, to);
    const untouched = JSON.stringify(base);
    const drafted = produce(base, (draft) => { for (const { path, value: to } of edits) apply(draft, path, to); });
    assert.equal(JSON.stringify(drafted), JSON.stringify(copy));
    assert.equal(JSON.stringify(base), untouched);
  }));
});
