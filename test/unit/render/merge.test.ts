/** Merging of pod templates, rule by rule. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../../src/domain/json.ts";
import { combineTemplates, selectClass } from "../../../src/main/render/classes.ts";
import { mergePod } from "../../../src/main/render/merge.ts";
import { at, config } from "./helpers.ts";

const merged = (into: object, template: object): unknown => mergePod({ spec: into }, { spec: template })["spec"];
const required = (...nodeSelectorTerms: readonly object[]): object => ({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } });
const named = (members: object): object => ({ containers: [{ name: "workspace", ...members }] });

test("the pod wins on scalars, the template adds what the pod has not", () => {
  assert.deepEqual(merged({ hostname: "a", enableServiceLinks: false, securityContext: { fsGroup: 1 } }, { hostname: "b", enableServiceLinks: true, dnsPolicy: "None", securityContext: { fsGroup: 2, sysctls: [] } }), {
    hostname: "a", enableServiceLinks: false, dnsPolicy: "None", securityContext: { fsGroup: 1, sysctls: [] },
  });
  assert.deepEqual(mergePod({ metadata: { name: "p", labels: { app: "gitpod" } } }, { metadata: { name: "t", labels: { app: "x", team: "y" } } }), { metadata: { name: "p", labels: { app: "gitpod", team: "y" } } });
});

test("lists are appended, the pod's part first", () => {
  assert.deepEqual(merged({ tolerations: [{ key: "a" }], volumes: [{ name: "v" }] }, { tolerations: [{ key: "a" }, { key: "b" }], imagePullSecrets: [{ name: "s" }] }), {
    tolerations: [{ key: "a" }, { key: "a" }, { key: "b" }], volumes: [{ name: "v" }], imagePullSecrets: [{ name: "s" }],
  });
});

test("inside a container the template wins on scalars, and lists are appended", () => {
  const pod = named({ image: "i", imagePullPolicy: "IfNotPresent", env: [{ name: "A", value: "1" }], resources: { limits: { cpu: "1", memory: "1G" } }, securityContext: { privileged: false } });
  const template = named({ image: "", imagePullPolicy: "Always", env: [{ name: "B", value: "2" }], resources: { limits: { cpu: "2" } }, securityContext: { privileged: true }, tty: true });
  assert.deepEqual(merged(pod, template), named({
    image: "i", imagePullPolicy: "Always", env: [{ name: "A", value: "1" }, { name: "B", value: "2" }], resources: { limits: { cpu: "2", memory: "1G" } }, securityContext: { privileged: true }, tty: true,
  }));
});

test("containers that the pod does not have are ignored, init containers are taken", () => {
  const template = { containers: [{ name: "sidecar", image: "evil" }, { image: "nameless" }], initContainers: [{ name: "prepare" }] };
  assert.deepEqual(merged(named({}), template), { ...named({}), initContainers: [{ name: "prepare" }] });
});

test("expressions for required nodes must all hold, whatever alternatives the template has", () => {
  const pod = required({ matchExpressions: [{ key: "a" }] });
  assert.deepEqual(merged(pod, required({ matchExpressions: [{ key: "b" }] }, { matchExpressions: [{ key: "c" }], matchFields: [{ key: "f" }] })), required({ matchExpressions: [{ key: "a" }, { key: "b" }, { key: "c" }], matchFields: [{ key: "f" }] }));
  const preferred = { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1 }] } } };
  assert.equal(at(merged(pod, preferred), "affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight"), 1);
});

test("a probe's handler is the template's, its other members stay where the template has none", () => {
  const pod = named({ readinessProbe: { httpGet: { path: "/", port: 1 }, periodSeconds: 1, failureThreshold: 600 } });
  assert.deepEqual(merged(pod, named({ readinessProbe: { exec: { command: ["echo"] }, periodSeconds: 3 } })), named({ readinessProbe: { exec: { command: ["echo"] }, periodSeconds: 3, failureThreshold: 600 } }));
  assert.deepEqual(merged(pod, named({ readinessProbe: { httpGet: { port: 2 } } })), named({ readinessProbe: { httpGet: { port: 2 }, periodSeconds: 1, failureThreshold: 600 } }));
  assert.deepEqual(merged(pod, named({ readinessProbe: { timeoutSeconds: 9 } })), named({ readinessProbe: { httpGet: { path: "/", port: 1 }, periodSeconds: 1, failureThreshold: 600, timeoutSeconds: 9 } }));
});

test("a type's template is merged under the default one, which stands where the pod does", () => {
  const base = { spec: { dnsPolicy: "None", nodeSelector: { pool: "a" }, ...named({ env: [{ name: "A" }] }) } };
  const ofType = { spec: { dnsPolicy: "Default", nodeSelector: { pool: "b", disk: "ssd" }, ...named({ env: [{ name: "B" }] }) } };
  assert.deepEqual(combineTemplates(base, ofType), { spec: { dnsPolicy: "None", nodeSelector: { pool: "a", disk: "ssd" }, ...named({ env: [{ name: "A" }, { name: "B" }] }) } });
  assert.deepEqual([combineTemplates(base, undefined), combineTemplates(undefined, ofType), combineTemplates(undefined, undefined)], [base, ofType, undefined]);
});

test("an unknown class is the default one", async () => {
  const { manager } = await config();
  assert.deepEqual(["large", "", "no-such", "__proto__"].map((id) => selectClass(manager, id).id), ["large", "default", "default", "default"]);
  assert.throws(() => selectClass({ workspaceClasses: [] }, "x"), { code: "INVALID_ARGUMENT", message: 'workspace class "x" is unknown' });
});

test("merging any two objects changes neither, keeps all that the pod has, and reaches no prototype", () => {
  const key = fc.oneof(fc.constantFrom("spec", "containers", "name", "env", "affinity", "constructor", "toString", "readinessProbe", "exec"), fc.string({ maxLength: 3 }));
  const tree = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof({ depthSize: "small" }, fc.string({ maxLength: 3 }), fc.integer(), fc.boolean(), fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(key, tie("node"), { maxKeys: 4 })),
  })).node;
  const object = fc.dictionary(key, tree, { maxKeys: 4 });
  fc.assert(
    fc.property(object, object, (into: JsonObject, template: JsonObject) => {
      const before = JSON.stringify([into, template]);
      const result = mergePod(into, template);
      assert.equal(JSON.stringify([into, template]), before);
      for (const name of Object.keys({ ...into, ...template })) assert.ok(Object.hasOwn(result, name), name);
      for (const [name, value] of Object.entries(into)) if (typeof value !== "object") assert.equal(result[name], value);
      assert.equal(Object.getPrototypeOf(result), Object.prototype);
    }),
  );
});
