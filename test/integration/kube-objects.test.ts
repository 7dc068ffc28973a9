/** Objects of the Kubernetes API: creation, defaults, updates and their preconditions. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, namesOf, refusal, simplePod } from "../support/kube-api.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const config = (name: string, data: object = { a: "1" }, metadata: object = {}): object => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata }, data });
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

test("an object that was created is read back with what the server set", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const answer = await api.send("POST", api.path("configmaps"), config("a", { x: "1" }, { labels: { l: "1" } }));
  assert.equal(answer.code, 201);
  const metadata = metaOf(answer.body);
  assert.match(String(metadata["uid"]), uuid);
  assert.match(String(metadata["resourceVersion"]), /^\d+$/);
  assert.match(String(metadata["creationTimestamp"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(metadata["namespace"], api.namespace);
  assert.deepEqual(metadata["labels"], { l: "1" });
  assert.deepEqual(await api.get(api.path("configmaps", "a")), answer.body);
});

test("a pod is created with its defaults, pending, whatever status it brings", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const pod = await api.create("pods", { ...simplePod("a"), status: { phase: "Running" } });
  const { tolerations, ...spec } = record(pod["spec"]);
  assert.deepEqual(spec, {
    containers: [{ name: "main", image: "nginx:1.27", resources: {}, terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "File", imagePullPolicy: "IfNotPresent" }],
    restartPolicy: "Always", terminationGracePeriodSeconds: 30, dnsPolicy: "ClusterFirst", securityContext: {}, schedulerName: "default-scheduler", priority: 0, enableServiceLinks: true, preemptionPolicy: "PreemptLowerPriority",
  });
  assert.deepEqual(records(tolerations).map((toleration) => [toleration["key"], toleration["tolerationSeconds"]]), [["node.kubernetes.io/not-ready", 300], ["node.kubernetes.io/unreachable", 300]]);
  assert.deepEqual(pod["status"], { phase: "Pending", qosClass: "BestEffort" });
  assert.equal(metaOf(pod)["generation"], 1);
});

test("requests follow limits, and the class of service follows both", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const made = async (name: string, resources: object): Promise<unknown> => {
    const pod = await api.create("pods", simplePod(name, { containers: [{ name: "main", image: "i", resources }] }));
    return [record(records(record(pod["spec"])["containers"])[0])["resources"], record(pod["status"])["qosClass"]];
  };
  const limits = { cpu: "1", memory: "1Gi" };
  assert.deepEqual(await made("a", { limits }), [{ limits, requests: limits }, "Guaranteed"]);
  assert.deepEqual(await made("b", { limits, requests: { cpu: "500m" } }), [{ limits, requests: { cpu: "500m", memory: "1Gi" } }, "Burstable"]);
});

test("a name is made of generateName, another one each time", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const made = await Promise.all([1, 2, 3].map(async () => String(metaOf(await api.create("pods", { ...simplePod(""), metadata: { generateName: "gen-" } }))["name"])));
  for (const name of made) assert.match(name, /^gen-[a-z0-9]{5}$/);
  assert.equal(new Set(made).size, 3);
});

test("what can not be created is refused, and says why", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  const refused = async (object: object, path = api.path("pods")): Promise<string> => refusal(await api.send("POST", path, object));
  assert.equal(await refused(simplePod("a")), '409 AlreadyExists: pods "a" already exists');
  assert.match(await refused(simplePod("Not_a_name")), /^422 Invalid: Pod "Not_a_name" is invalid: metadata.name: Invalid value: "Not_a_name": a lowercase RFC 1123 subdomain must consist of/);
  assert.match(await refused(simplePod("")), /^422 Invalid: Pod "" is invalid: metadata.name: Required value: name or generateName is required/);
  assert.match(await refused(simplePod("b", {}, { labels: { "a b": "" } })), /^422 Invalid: Pod "b" is invalid: metadata.labels: Invalid value: "a b": name part must consist of/);
  assert.match(await refused(simplePod("b", {}, { labels: { a: "x y" } })), /^422 Invalid: Pod "b" is invalid: metadata.labels: Invalid value: "x y": a valid label must be/);
  assert.match(await refused(simplePod("b", {}, { annotations: { big: "x".repeat(262_145) } })), /^422 Invalid: Pod "b" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes/);
  assert.match(await refused(simplePod("b", {}, { finalizers: ["plain"] })), /^422 Invalid: Pod "b" is invalid: metadata.finalizers\[0\]: Invalid value: "plain": name is neither a standard finalizer name nor is it fully qualified/);
  assert.match(await refused(simplePod("b", {}, { labels: { a: 1 } })), /^400 BadRequest: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string/);
  assert.equal(await refused(simplePod("b", {}, { namespace: "other" })), "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request");
  assert.match(await refused({ ...simplePod("b"), kind: "Secret" }), /^400 BadRequest: Secret in version "v1" cannot be handled as a Pod/);
  assert.equal(await refused(simplePod("b", {}, { resourceVersion: "1" })), "500 : resourceVersion should not be set on objects to be created");
  assert.equal(await refused(simplePod("b"), "/api/v1/namespaces/nowhere/pods"), '404 NotFound: namespaces "nowhere" not found');
  assert.deepEqual(namesOf(await api.get(api.path("pods"))), ["a"]);
});

test("an update replaces the object if its resourceVersion is the newest, or none", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const first = await api.create("configmaps", config("a"));
  const put = (object: object): ReturnType<typeof api.send> => api.send("PUT", api.path("configmaps", "a"), object);
  const second = await put({ ...first, data: { b: "2" } });
  assert.equal(second.code, 200);
  assert.deepEqual(second.body["data"], { b: "2" });
  assert.ok(Number(metaOf(second.body)["resourceVersion"]) > Number(metaOf(first)["resourceVersion"]));
  const stale = await put({ ...first, data: { c: "3" } });
  assert.equal(refusal(stale), '409 Conflict: Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again');
  assert.deepEqual(stale.body["details"], { name: "a", kind: "configmaps" });
  assert.equal((await put(config("a", { d: "4" }))).code, 200);
  assert.deepEqual((await api.get(api.path("configmaps", "a")))["data"], { d: "4" });
});

test("a change that changes nothing makes no new version", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const first = await api.create("configmaps", config("a"));
  const put = await api.ok("PUT", api.path("configmaps", "a"), first);
  const patched = await api.patch(api.path("configmaps", "a"), { data: { a: "1" } });
  assert.equal(metaOf(put)["resourceVersion"], metaOf(first)["resourceVersion"]);
  assert.equal(metaOf(patched.body)["resourceVersion"], metaOf(first)["resourceVersion"]);
});

test("an update of something else than the path names is refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const made = await api.create("configmaps", config("a"));
  const put = async (object: object, name = "a"): Promise<string> => refusal(await api.send("PUT", api.path("configmaps", name), object));
  assert.equal(await put(config("b")), "400 BadRequest: the name of the object (b) does not match the name on the URL (a)");
  assert.equal(await put(config("b"), "b"), '404 NotFound: configmaps "b" not found');
  const other = "11111111-2222-3333-4444-555555555555";
  assert.match(await put(config("a", {}, { uid: other })), new RegExp(`^409 Conflict: .*Precondition failed: UID in precondition: ${other}, UID in object meta: ${String(metaOf(made)["uid"])}$`));
});

test("what the server sets can not be changed", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const pod = await api.create("pods", simplePod("a"));
  const { body } = await api.patch(api.path("pods", "a"), { metadata: { creationTimestamp: "2001-01-01T00:00:00Z", generation: 77, labels: { a: "b" } } });
  const { resourceVersion: _version, managedFields: _fields, ...now } = metaOf(body);
  const { resourceVersion: _before, managedFields: _managed, ...then } = metaOf(pod);
  assert.deepEqual(now, { ...then, labels: { a: "b" } });
  const refused = async (metadata: object): Promise<string> => refusal(await api.patch(api.path("pods", "a"), { metadata }));
  assert.equal(await refused({ deletionTimestamp: "2001-01-01T00:00:00Z" }), '422 Invalid: Pod "a" is invalid: metadata.deletionTimestamp: Invalid value: "2001-01-01T00:00:00Z": field is immutable');
  assert.equal(await refused({ uid: "other" }), '422 Invalid: Pod "a" is invalid: metadata.uid: Invalid value: "other": field is immutable');
});

test("labels and annotations of a change are checked beside those that are there", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", {}, { labels: { a: "b" }, annotations: { big: "x".repeat(262_000) } }));
  const patched = async (metadata: object): Promise<string> => refusal(await api.patch(api.path("pods", "a"), { metadata }));
  assert.match(await patched({ labels: { a: "x y" } }), /^422 Invalid: Pod "a" is invalid: metadata.labels: Invalid value: "x y": a valid label must be/);
  assert.match(await patched({ labels: { "a b": "" } }), /^422 Invalid: Pod "a" is invalid: metadata.labels: Invalid value: "a b": name part must consist of/);
  assert.match(await patched({ annotations: { "a b": "" } }), /^422 Invalid: Pod "a" is invalid: metadata.annotations: Invalid value: "a b": name part must consist of/);
  assert.match(await patched({ annotations: { more: "x".repeat(200) } }), /^422 Invalid: Pod "a" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes/);
  assert.equal((await api.patch(api.path("pods", "a"), { metadata: { annotations: { big: "x".repeat(100), more: "x".repeat(200) } } })).code, 200);
});

test("generation counts changes of the spec, not of labels, status or node", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  const generation = async (): Promise<unknown> => metaOf(await api.get(api.path("pods", "a")))["generation"];
  await api.patch(api.path("pods", "a"), { metadata: { labels: { a: "b" } } });
  await api.patch(`${api.path("pods", "a")}/status`, { status: { phase: "Running" } });
  await api.ok("POST", `${api.path("pods", "a")}/binding`, { metadata: { name: "a" }, target: { kind: "Node", name: "n" } });
  assert.equal(await generation(), 1);
  await api.patch(api.path("pods", "a"), { spec: { activeDeadlineSeconds: 100 } });
  assert.equal(await generation(), 2);
  await api.send("DELETE", api.path("pods", "a"));
  assert.equal(await generation(), 3);
});

test("a dry run answers as the real thing, and leaves everything as it was", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("configmaps");
  const made = await api.create("configmaps", config("a"));
  assert.equal((await api.send("POST", `${path}?dryRun=All`, config("b"))).code, 201);
  assert.equal(refusal(await api.send("POST", `${path}?dryRun=All`, config("a"))), '409 AlreadyExists: configmaps "a" already exists');
  const patched = await api.patch(`${path}/a?dryRun=All`, { data: { a: "2" } });
  assert.deepEqual(patched.body["data"], { a: "2" });
  assert.equal((await api.send("DELETE", `${path}/a?dryRun=All`)).code, 200);
  assert.equal((await api.send("DELETE", `${path}/a`, { dryRun: ["All"] })).code, 200);
  const list = await api.get(path);
  assert.deepEqual(namesOf(list), ["a"]);
  assert.equal(metaOf(await api.get(`${path}/a`))["resourceVersion"], metaOf(made)["resourceVersion"]);
  assert.equal(refusal(await api.send("POST", `${path}?dryRun=Some`, config("b"))), '422 Invalid: CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"');
});

test("YAML is as good as JSON", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const answer = await api.send("POST", api.path("configmaps"), "metadata:\n  name: a\ndata:\n  text: |\n    one\n    two\n", { contentType: "application/yaml" });
  assert.equal(answer.code, 201);
  assert.deepEqual(answer.body["data"], { text: "one\ntwo\n" });
});
