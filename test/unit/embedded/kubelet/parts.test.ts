/** The small parts of scheduler and kubelet: quantities, affinity, tolerations, faults as text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesAffinity, untoleratedTaint } from "../../../../src/embedded/kubelet/affinity.ts";
import { containersOf, containerStatus } from "../../../../src/embedded/kubelet/containers.ts";
import { parseFaults } from "../../../../src/embedded/kubelet/faults.ts";
import { unreachableToleration } from "../../../../src/embedded/kubelet/nodes.ts";
import { parseQuantity, podRequests, qosClass } from "../../../../src/embedded/kubelet/quantity.ts";

test("quantities are read as Kubernetes reads them", () => {
  for (const [source, amount] of [["500m", 0.5], ["1.5Gi", 1.5 * 2 ** 30], ["2e3", 2000], ["1E", 1e18], [".5", 0.5], ["7k", 7000], [3, 3]] as const) assert.equal(parseQuantity(source), amount, String(source));
  for (const bad of ["", "1 Gi", "Gi", "1ki", "1.2.3", null, {}, Number.NaN]) assert.equal(parseQuantity(bad), undefined, JSON.stringify(bad));
});

test("a pod asks for its containers' sum, or its greatest init container, with limits where there is no request", () => {
  const of = (requests: object, limits = {}): object => ({ resources: { requests, limits } });
  const requests = podRequests({ spec: { containers: [of({ cpu: "500m" }, { cpu: "4", memory: "1Gi" }), of({ cpu: 1 })], initContainers: [of({ cpu: "2" })], overhead: { memory: "1Mi" } } });
  assert.deepEqual(requests, { cpu: 2000, memory: 2 ** 30 + 2 ** 20, "ephemeral-storage": 0, pods: 1 });
});

test("the class of service follows from requests and limits", () => {
  const pod = (resources: object): object => ({ spec: { containers: [{ resources }] } });
  assert.equal(qosClass({ ...pod({}) }), "BestEffort");
  assert.equal(qosClass({ ...pod({ requests: { cpu: "1" } }) }), "Burstable");
  assert.equal(qosClass({ ...pod({ limits: { cpu: "1", memory: "1Gi" } }) }), "Guaranteed");
  assert.equal(qosClass({ ...pod({ requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1000m", memory: "1Gi" } }) }), "Guaranteed");
});

test("node affinity: terms are alternatives, expressions all hold, operators as in Kubernetes", () => {
  const node = { name: "n1", labels: { zone: "a", size: "8" }, taints: [] };
  const matches = (...terms: object[]): boolean => matchesAffinity({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } } }, node);
  const one = (key: string, operator: string, ...values: string[]): boolean => matches({ matchExpressions: [{ key, operator, values }] });
  assert.deepEqual([one("zone", "Exists"), one("rack", "Exists"), one("constructor", "Exists")], [true, false, false]);
  assert.deepEqual([one("zone", "In", "b", "a"), one("zone", "In", "b"), one("zone", "NotIn", "b"), one("rack", "NotIn", "b"), one("rack", "DoesNotExist")], [true, false, true, true, true]);
  assert.deepEqual([one("size", "Gt", "7"), one("size", "Lt", "7"), one("zone", "Gt", "1"), one("zone", "Odd")], [true, false, false, false]);
  assert.equal(matches({ matchExpressions: [{ key: "rack", operator: "Exists" }] }, { matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] }), true);
  assert.deepEqual([matches({}), matches(), matchesAffinity({}, node), matchesAffinity({ nodeSelector: { zone: "b" } }, node)], [false, false, true, false]);
});

test("taints keep pods away unless tolerated", () => {
  const node = (effect: string): { name: string; labels: object; taints: { key: string; value: string; effect: string }[] } => ({ name: "n", labels: {}, taints: [{ key: "k", value: "v", effect }] });
  const kept = (effect: string, ...tolerations: object[]): boolean => untoleratedTaint({ tolerations }, { ...node(effect), labels: {} }) !== undefined;
  assert.deepEqual([kept("NoSchedule"), kept("PreferNoSchedule"), kept("NoExecute")], [true, false, true]);
  assert.deepEqual([kept("NoSchedule", { operator: "Exists" }), kept("NoSchedule", { key: "k", value: "v" }), kept("NoSchedule", { key: "k", value: "w" }), kept("NoSchedule", { key: "k", operator: "Exists", effect: "NoExecute" })], [false, false, true, true]);
});

test("a pod leaves a lost node after its own toleration, else after five minutes", () => {
  const key = "node.kubernetes.io/unreachable";
  assert.equal(unreachableToleration({}), 300_000);
  assert.equal(unreachableToleration({ tolerations: [{ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 30 }] }), 30_000);
  assert.equal(unreachableToleration({ tolerations: [{ key, operator: "Exists" }] }), undefined);
});

test("faults are read as written; what is none is given back", () => {
  assert.deepEqual(parseFaults(" slow-start:60s, crash:1@20s ,never-ready"), {
    faults: [{ name: "slow-start", argument: "60s" }, { name: "crash", argument: "1", delayMs: 20_000 }, { name: "never-ready", argument: "" }], unknown: [],
  });
  assert.deepEqual(parseFaults("container-error@1m:a, b@c:d"), { faults: [{ name: "container-error", argument: "a, b@c:d", delayMs: 60_000 }], unknown: [] });
  assert.deepEqual(parseFaults("crash@soon, __proto__, Crash").unknown, ["crash@soon", "__proto__", "Crash"]);
});

test("no text and no object makes the readers fail", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (source) => { parseFaults(source); parseQuantity(source); }), { numRuns: 300 });
  fc.assert(fc.property(fc.dictionary(fc.constantFrom("spec", "containers", "affinity", "__proto__"), fc.anything()), (object) => {
    podRequests({ spec: object });
    qosClass(object);
    matchesAffinity(object, { name: "n", labels: {}, taints: [] });
    untoleratedTaint({ tolerations: object["spec"] }, { name: "n", labels: {}, taints: [{ key: "", value: "", effect: "" }] });
  }), { numRuns: 300 });
});

test("a time that a container's status does not tell stays untold: an empty one is no time", () => {
  const terminated = { exitCode: 0, reason: "", startedAt: null, finishedAt: null };
  const spec = { containers: [{ name: "a", image: "x" }, { name: "b", image: "x" }] };
  const [a, b] = containersOf({ spec, status: { containerStatuses: [{ name: "a", state: { waiting: {} }, lastState: { terminated } }, { name: "b", state: { running: {} } }] } }).map((container): Record<string, unknown> => ({ ...containerStatus(container) }));
  assert.deepEqual(a?.["lastState"], { terminated });
  assert.deepEqual(b?.["state"], { running: { startedAt: null } });
});
