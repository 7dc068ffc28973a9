/** Pods in the Kubernetes API: binding, status, eviction, and what is refused. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, patches, refusal, simplePod } from "../support/kube-api.ts";
import type { Answer, KubeApi } from "../support/kube-api.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const binding = (api: KubeApi, name: string, more: object = {}): Promise<Answer> => api.send("POST", `${api.path("pods", name)}/binding`, { apiVersion: "v1", kind: "Binding", metadata: { name }, target: { kind: "Node", name: "n1" }, ...more });
const get = (api: KubeApi, name = "a"): Promise<Json> => api.get(api.path("pods", name));
const setStatus = (api: KubeApi, status: object): Promise<Answer> => api.patch(`${api.path("pods", "a")}/status`, { status }, patches.strategic);

test("a binding gives the pod its node and the condition PodScheduled", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  const { code, body } = await binding(api, "a", { metadata: { name: "a", annotations: { by: "me" } } });
  assert.equal(code, 201);
  assert.deepEqual(body, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
  const pod = await get(api);
  assert.equal(record(pod["spec"])["nodeName"], "n1");
  assert.deepEqual(metaOf(pod)["annotations"], { by: "me" });
  const [condition, ...others] = records(record(pod["status"])["conditions"]);
  assert.deepEqual([condition?.["type"], condition?.["status"], others.length], ["PodScheduled", "True", 0]);
  assert.ok(!Number.isNaN(Date.parse(String(condition?.["lastTransitionTime"]))));
});

test("a pod is bound once, to a node, and not when it is leaving", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  assert.equal(refusal(await binding(api, "a", { target: { kind: "Node", name: "" } })), "500 : target.name: Required value");
  assert.equal(refusal(await binding(api, "a", { target: { kind: "Pod", name: "n1" } })), '500 : target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"');
  assert.equal(refusal(await binding(api, "a", { metadata: { name: "b" } })), "400 BadRequest: name in URL does not match name in Binding object");
  assert.match(refusal(await binding(api, "a", { metadata: { name: "a", uid: "11111111-2222-3333-4444-555555555555" } })), /^409 Conflict: .*Precondition failed: UID in precondition: 11111111/);
  assert.equal((await binding(api, "a")).code, 201);
  assert.equal(refusal(await binding(api, "a", { target: { name: "n2" } })), '409 Conflict: Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"');
  assert.equal(refusal(await binding(api, "none")), '404 NotFound: pods "none" not found');
  await api.create("pods", simplePod("leaving", {}, { finalizers: ["example.com/one"] }));
  await api.send("DELETE", api.path("pods", "leaving"));
  assert.equal(refusal(await binding(api, "leaving")), '409 Conflict: Operation cannot be fulfilled on pods/binding "leaving": pod leaving is being deleted, cannot be assigned to a host');
  await api.patch(api.path("pods", "leaving"), { metadata: { finalizers: null } });
});

test("status and the rest are written apart", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", { activeDeadlineSeconds: 100 }));
  await api.patch(api.path("pods", "a"), { status: { phase: "Failed" } });
  assert.equal(record((await get(api))["status"])["phase"], "Pending");
  const put = await api.ok("PUT", `${api.path("pods", "a")}/status`, { ...simplePod("a", { activeDeadlineSeconds: 5 }), status: { phase: "Running" } });
  assert.deepEqual(put["status"], { phase: "Running", qosClass: "BestEffort" });
  assert.equal(record(put["spec"])["activeDeadlineSeconds"], 100);
  assert.deepEqual((await api.ok("GET", `${api.path("pods", "a")}/status`))["status"], put["status"]);
});

test("a status shows what clients leave out", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  const { body } = await setStatus(api, { podIP: "10.0.0.7", conditions: [{ type: "Ready", status: "True" }], containerStatuses: [{ name: "main", ready: true, state: { running: {} } }] });
  const status = record(body["status"]);
  assert.deepEqual(status["podIPs"], [{ ip: "10.0.0.7" }]);
  assert.deepEqual(status["conditions"], [{ type: "Ready", status: "True", lastProbeTime: null, lastTransitionTime: null }]);
  const [container = {}] = records(status["containerStatuses"]);
  const { state: _state, ...rest } = container;
  assert.deepEqual(rest, { name: "main", lastState: {}, ready: true, restartCount: 0, image: "", imageID: "" });
});

test("a container of a pod that is never restarted does not come back", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", { restartPolicy: "Never" }));
  const is = (state: object): Promise<Answer> => setStatus(api, { containerStatuses: [{ name: "main", state }] });
  assert.equal((await is({ running: { startedAt: "2024-01-01T00:00:00Z" } })).code, 200);
  assert.equal((await api.patch(`${api.path("pods", "a")}/status`, { status: { containerStatuses: [{ name: "main", state: { terminated: { exitCode: 1 } } }] } })).code, 200);
  assert.equal(refusal(await api.patch(`${api.path("pods", "a")}/status`, { status: { containerStatuses: [{ name: "main", state: { running: {} } }] } })), '422 Invalid: Pod "a" is invalid: status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state');
});

test("an eviction is a deletion", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", { nodeName: "n1" }));
  const evict = (name: string, path = "a"): Promise<Answer> => api.send("POST", `${api.path("pods", path)}/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name }, deleteOptions: { gracePeriodSeconds: 11 } });
  assert.equal(refusal(await evict("b")), "400 BadRequest: name in URL does not match name in Eviction object");
  assert.equal((await evict("a")).code, 201);
  assert.equal(metaOf(await get(api))["deletionGracePeriodSeconds"], 11);
});

test("of a pod's spec only images, deadline and more tolerations can be changed", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", { activeDeadlineSeconds: 100 }));
  const patched = async (spec: object): Promise<string> => refusal(await api.patch(api.path("pods", "a"), { spec }, patches.strategic));
  assert.match(await patched({ containers: [{ name: "main", image: "other" }] }), /^200 /);
  assert.match(await patched({ activeDeadlineSeconds: 50 }), /^200 /);
  assert.match(await patched({ tolerations: [{ key: "special", operator: "Exists" }] }), /^200 /);
  assert.deepEqual(records(record((await get(api))["spec"])["tolerations"]).map((toleration) => toleration["key"]), ["special", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]);
  assert.match(await patched({ restartPolicy: "Never" }), /^422 Invalid: Pod "a" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/);
  assert.match(await patched({ nodeName: "n1" }), /^422 Invalid: Pod "a" is invalid: spec: Forbidden: pod updates may not change/);
  assert.equal(await patched({ containers: [{ name: "more", image: "i" }] }), '422 Invalid: Pod "a" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers');
  assert.equal(await patched({ activeDeadlineSeconds: 60 }), '422 Invalid: Pod "a" is invalid: spec.activeDeadlineSeconds: Invalid value: 60: must be less than or equal to previous value');
});

test("a pod that could not run is refused, with all that is wrong", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const refused = async (spec: object): Promise<string> => refusal(await api.send("POST", api.path("pods"), simplePod("a", spec)));
  const of = '422 Invalid: Pod "a" is invalid: ';
  assert.equal(await refused({ containers: [] }), `${of}spec.containers: Required value`);
  assert.equal(await refused({ containers: [{ name: "main" }] }), `${of}spec.containers[0].image: Required value`);
  assert.equal(await refused({ containers: [{ image: "i" }] }), `${of}spec.containers[0].name: Required value`);
  assert.equal(await refused({ containers: [{ name: "a.b", image: "i" }] }), `${of}spec.containers[0].name: Invalid value: "a.b": must not contain dots`);
  assert.equal(await refused({ containers: [{ name: "a", image: "i" }, { name: "a", image: "i" }] }), `${of}spec.containers[1].name: Duplicate value: "a"`);
  assert.equal(await refused({ containers: [{ name: "a", image: "i", volumeMounts: [{ name: "v", mountPath: "/v" }] }] }), `${of}spec.containers[0].volumeMounts[0].name: Not found: "v"`);
  assert.equal(await refused({ containers: [{ name: "a", image: "i", resources: { limits: { cpu: "1" }, requests: { cpu: "2" } } }] }), `${of}spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`);
  assert.equal(await refused({ restartPolicy: "Sometimes" }), `${of}spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"`);
  assert.equal(await refused({ activeDeadlineSeconds: 0 }), `${of}spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive`);
  assert.equal(await refused({ containers: [{ name: "a", image: "i", imagePullPolicy: "Often" }], dnsPolicy: "Guess" }), `${of}[spec.containers[0].imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never", spec.dnsPolicy: Unsupported value: "Guess": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]`);
  assert.match(await refused({ containers: [{ name: "a", image: "i", resources: { limits: { cpu: "lots" } } }] }), /^400 BadRequest: Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression/);
  assert.match(await refused({ containers: {} }), /^400 BadRequest: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type \[\]v1.Container/);
});

test("logs and commands of a pod that has no node are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  assert.equal(refusal(await api.send("POST", `${api.path("pods", "a")}/exec?command=ls`)), "400 BadRequest: pod a does not have a host assigned");
  assert.equal(refusal(await api.send("GET", `${api.path("pods", "none")}/log`)), '404 NotFound: pods "none" not found');
});
