/** The chart, rendered by helm: what it makes is sound, secure by default, and taken by an API server as it is. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { markerLabel } from "../../src/domain/names.ts";
import { parseConfig } from "../../src/main/config/index.ts";
import { chartFile, chartFolder, nameOf, noHelm, objectOf, objectsIn, rendered, runHelm, valueSets, valuesFile, type ValueSet } from "../support/chart.ts";
import { startTestCluster, unlessReal } from "../support/cluster.ts";
import { kubeApi, KubeApi, metaOf } from "../support/kube-api.ts";
import { readKubeconfig } from "../support/kubeconfig.ts";
import { chartRights, rulesIn } from "../support/rights.ts";
import { until } from "../support/until.ts";

const missing = await noHelm();
const skip = missing ?? false;
const skipUnlessReal = missing ?? unlessReal;
/** It outlives the tests, which take away their namespaces at their end. */
const cluster = skipUnlessReal === false ? await startTestCluster() : undefined;
after(() => cluster?.close());

function specOf(object: Json): Json {
  return record(object["spec"]);
}

function podOf(objects: readonly Json[]): Json {
  return record(record(specOf(objectOf(objects, "Deployment"))["template"])["spec"]);
}

function containerOf(objects: readonly Json[]): Json {
  return records(podOf(objects)["containers"])[0] ?? assert.fail("there is no container");
}

/** The configuration file that the daemon gets, as it reads it. */
async function configOf(objects: readonly Json[]) {
  const file = record(objectOf(objects, "ConfigMap")["data"])["config.json"];
  return parseConfig(JSON.parse(text(file)), "the chart");
}

for (const set of valueSets) {
  test(`helm finds nothing to complain about with the values "${set}"`, { skip }, async () => {
    await runHelm("lint", "--strict", "--quiet", chartFolder, "--values", valuesFile(set));
  });

  test(`with the values "${set}" no pod may do more than it needs, and what is selected is there`, { skip }, async () => {
    const objects = await rendered(set, "gitpod");
    const [pod, container] = [podOf(objects), containerOf(objects)];
    assert.deepEqual(container["securityContext"], { allowPrivilegeEscalation: false, privileged: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: { drop: ["ALL"] }, seccompProfile: { type: "RuntimeDefault" } });
    assert.deepEqual([record(pod["securityContext"])["runAsNonRoot"], record(record(pod["securityContext"])["seccompProfile"])["type"]], [true, "RuntimeDefault"]);
    for (const member of ["hostNetwork", "hostPID", "hostIPC", "hostUsers"]) assert.equal(pod[member], undefined);
    const labels = record(metaOf(record(specOf(objectOf(objects, "Deployment"))["template"]))["labels"]);
    const selectors = [record(specOf(objectOf(objects, "Deployment"))["selector"])["matchLabels"], specOf(objectOf(objects, "Service"))["selector"]];
    for (const selector of selectors) for (const [key, value] of Object.entries(record(selector))) assert.equal(labels[key], value);
    const volumes = new Set(records(pod["volumes"]).map(({ name }) => name));
    const mounts = records(container["volumeMounts"]);
    for (const { name, readOnly } of mounts) assert.deepEqual([volumes.has(name), readOnly], [true, true], String(name));
    assert.equal(volumes.size, mounts.length);
    assert.equal(new Set(objects.map((object) => `${text(metaOf(object)["namespace"])} ${nameOf(object)}`)).size, objects.length, "names differ");
  });

  test(`with the values "${set}" the probes are those that the daemon serves, and its end has its time`, { skip }, async () => {
    const objects = await rendered(set, "gitpod");
    const container = containerOf(objects);
    const probes = ["startupProbe", "livenessProbe", "readinessProbe"].map((probe) => record(record(container[probe])["httpGet"]));
    assert.deepEqual(probes.map(({ path, port }) => `${text(path)} ${text(port)}`), ["/livez metrics", "/livez metrics", "/readyz metrics"]);
    const ports = records(container["ports"]).map(({ name, containerPort }) => [name, containerPort]);
    assert.deepEqual(records(specOf(objectOf(objects, "Service"))["ports"]).map(({ name, port, targetPort }) => [targetPort, port, name]), ports.map(([name, port]) => [name, port, name]));
    const sleep = record(record(record(container["lifecycle"])["preStop"])["sleep"])["seconds"] ?? 0;
    const drain = set === "full" ? 60 : 30;
    assert.ok(Number(podOf(objects)["terminationGracePeriodSeconds"]) >= drain + Number(sleep) + 5);
  });
}

test("by default there are two replicas that do not go at once, and whoever asks for nothing gets what works", { skip }, async () => {
  const objects = await rendered("default", "gitpod");
  assert.deepEqual(objects.map(nameOf).toSorted(), [
    "ClusterRole gitpod-wsmand", "ClusterRoleBinding gitpod-wsmand", "ConfigMap wsmand", "Deployment wsmand", "NetworkPolicy wsmand", "PodDisruptionBudget wsmand", "Role wsmand", "RoleBinding wsmand", "Service wsmand", "ServiceAccount wsmand",
  ]);
  const deployment = specOf(objectOf(objects, "Deployment"));
  assert.deepEqual([deployment["replicas"], record(record(deployment["strategy"])["rollingUpdate"])["maxUnavailable"], specOf(objectOf(objects, "PodDisruptionBudget"))["maxUnavailable"]], [2, 0, 1]);
  assert.deepEqual(records(podOf(objects)["topologySpreadConstraints"]).map(({ topologyKey }) => topologyKey), ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
  const { config, warnings } = await configOf(objects);
  assert.deepEqual([config.manager.namespace, config.rpcServer.addr, config.prometheus.addr, config.rpcServer.tls], ["gitpod", ":8080", ":9500", undefined]);
  assert.deepEqual(warnings.map((warning) => warning.split(": ", 1)[0]), ["manager.registryFacadeHost"], "only the installation knows it");
  assert.equal(containerOf(objects)["image"], `wsmand:${text((await chartFile("Chart.yaml"))["appVersion"])}`);
});

test("what can be set is set: addresses, certificates, namespace and templates come to the daemon", { skip }, async () => {
  const objects = await rendered("full", "gitpod");
  const { config, warnings } = await configOf(objects);
  const files = (of: string): object => ({ ca: `/etc/wsmand/tls/${of}/ca.crt`, crt: `/etc/wsmand/tls/${of}/tls.crt`, key: `/etc/wsmand/tls/${of}/tls.key` });
  assert.deepEqual([config.manager.namespace, config.rpcServer.addr, config.rpcServer.tls, config.manager.wsdaemon], ["workspaces", ":9000", files("rpc"), { port: 8081, tls: files("wsdaemon") }]);
  assert.deepEqual([config.content.storage?.kind, config.wsmand.subscriptions.maxBacklog, config.manager.workspaceClasses.map(({ id }) => id), warnings], ["minio", 2_000_000, ["default", "large"], []]);
  const secrets = records(podOf(objects)["volumes"]).map((volume) => record(volume["secret"])["secretName"]).filter((name) => name !== undefined);
  const certificates = objects.filter(({ kind }) => kind === "Certificate");
  assert.deepEqual(secrets.slice(0, 2), certificates.map((certificate) => specOf(certificate)["secretName"]));
  assert.deepEqual(certificates.map((certificate) => specOf(certificate)["usages"]), [["digital signature", "key encipherment", "server auth"], ["digital signature", "key encipherment", "client auth"]]);
  assert.match(text(containerOf(objects)["image"]), /^registry\.example\.com\/wsmand@sha256:/);
  const templates = records(podOf(objects)["volumes"]).find(({ name }) => name === "templates");
  assert.match(text(record(objectOf(objects, "ConfigMap", text(record(templates?.["configMap"])["name"]))["data"])["default.yaml"]), /nodeSelector/);
});

test("rights are those in files/rbac.yaml, in the namespace of the workspaces, and for the daemon's service account alone", { skip }, async () => {
  const objects = await rendered("full", "gitpod");
  const rights = await chartRights();
  assert.deepEqual({ namespace: rulesIn(objectOf(objects, "Role")["rules"]), cluster: rulesIn(objectOf(objects, "ClusterRole")["rules"]) }, rights);
  assert.deepEqual([metaOf(objectOf(objects, "Role"))["namespace"], metaOf(objectOf(objects, "RoleBinding"))["namespace"]], ["workspaces", "workspaces"]);
  for (const kind of ["RoleBinding", "ClusterRoleBinding"]) {
    const binding = objectOf(objects, kind);
    assert.deepEqual([binding["subjects"], record(binding["roleRef"])["name"]], [[{ kind: "ServiceAccount", name: "ws-manager", namespace: "gitpod" }], metaOf(objectOf(objects, kind.replace("Binding", "")))["name"]]);
  }
  const few = await rendered("no-snapshots", "gitpod");
  assert.ok(rulesIn(objectOf(few, "Role")["rules"]).every(({ apiGroups }) => !apiGroups.includes("snapshot.storage.k8s.io")));
  assert.equal(few.some(({ kind }) => kind === "ClusterRole"), false);
  const none = await rendered("beside", "gitpod");
  assert.deepEqual(none.map(nameOf).toSorted(), ["Deployment wsmand", "Service wsmand"]);
  assert.equal(podOf(none)["serviceAccountName"], "wsmand-existing");
});

/** The rules for ways out: to whom, if not to all, and at which ports, if not at all. */
async function waysOut(set: ValueSet, ...flags: readonly string[]) {
  const policy = specOf(objectOf(await rendered(set, "gitpod", ...flags), "NetworkPolicy"));
  return records(policy["egress"]).map((rule) => ({ to: rule["to"], ports: records(rule["ports"]).map(({ port }) => port) }));
}

/** Sets a value that helm's own syntax would take apart. */
function setText(key: string, value: string): readonly string[] {
  return ["--set-json", `${key}=${JSON.stringify(value)}`];
}

test("the network policy opens what the configuration needs, and nothing twice", { skip }, async () => {
  const policy = specOf(objectOf(await rendered("full", "gitpod"), "NetworkPolicy"));
  assert.deepEqual(await waysOut("full"), [
    { to: undefined, ports: [53, 53] },
    { to: [{ namespaceSelector: {} }], ports: [] },
    { to: undefined, ports: [443, 6443, 8081, 8443, 9000, 8090, 4318] },
    { to: [{ ipBlock: { cidr: "10.0.0.0/8" } }], ports: [7777] },
  ]);
  assert.deepEqual(records(policy["ingress"]).map((rule) => records(rule["ports"]).map(({ port }) => port)), [["grpc"], ["metrics"]]);
  const open = specOf(objectOf(await rendered("no-snapshots", "gitpod"), "NetworkPolicy"));
  assert.deepEqual([open["policyTypes"], open["egress"]], [["Ingress"], undefined]);
});

test("workspaces are not let in unless somebody names them: neither to gRPC nor to metrics", { skip }, async () => {
  const unless = { podSelector: { matchExpressions: [{ key: markerLabel, operator: "DoesNotExist" }] } };
  const peersOf = async (set: ValueSet) => records(specOf(objectOf(await rendered(set, "gitpod"), "NetworkPolicy"))["ingress"]).map(({ from }) => from);
  assert.deepEqual(await peersOf("default"), [[unless], [{ namespaceSelector: {}, ...unless }]]);
  const monitoring = { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } };
  assert.deepEqual((await peersOf("full"))[1], [monitoring], "who names peers gets these");
});

const workspaceUrls: readonly (readonly [urlTemplate: string, hostURL: string, port: number | undefined])[] = [
  ["https://{{ .ID }}.ws.gitpod.test", "https://gitpod.test", undefined],
  ["http://{{ .ID }}.ws.gitpod.test", "https://gitpod.test", 80],
  ["http://{{ .ID }}.ws.gitpod.test:31080/", "https://gitpod.test", 31080],
  ["https://{{ .ID }}.ws.gitpod.test:8443", "https://gitpod.test:10443", 8443],
  ["https://{{ .Prefix }}.{{ .Host }}", "gitpod.test:10443", 10443],
  ["https://{{ .Prefix }}-{{- .Host -}}/x?a=b:1", "gitpod.test", undefined],
];

for (const [urlTemplate, hostURL, port] of workspaceUrls) {
  test(`workspaces can be asked whether they are ready where their URL is ${urlTemplate}, of ${hostURL}`, { skip }, async () => {
    const rules = await waysOut("default", ...setText("config.manager.urlTemplate", urlTemplate), ...setText("config.manager.hostURL", hostURL));
    assert.deepEqual(rules[2]?.ports, [443, 6443, ...(port === undefined ? [] : [port]), 8080]);
  });
}

test("the machine's own identity can be asked for where the storage is reached by it, and only there", { skip }, async () => {
  const metadata = { to: ["169.254.169.254/32", "169.254.169.252/32"].map((cidr) => ({ ipBlock: { cidr } })), ports: [80, 988] };
  assert.deepEqual((await waysOut("default", "--set", "config.content.storage.kind=gcloud")).slice(3), [metadata]);
  assert.deepEqual((await waysOut("default", "--set", "config.content.storage.kind=gcloud,config.content.storage.gcloud.credentialsFile=/mnt/key.json", "--set-json", 'extraVolumeMounts=[{"name":"key","mountPath":"/mnt"}]')).slice(3), []);
  assert.deepEqual((await waysOut("default")).slice(3), []);
});

test("pods go to nodes that the image is made for, and wherever somebody says", { skip }, async () => {
  const selectorOf = async (...flags: readonly string[]) => podOf(await rendered("default", "gitpod", ...flags))["nodeSelector"];
  assert.deepEqual(await selectorOf(), { "kubernetes.io/arch": "amd64" });
  assert.deepEqual(await selectorOf("--set", "nodeSelector.pool=services"), { "kubernetes.io/arch": "amd64", pool: "services" });
  assert.equal(await selectorOf("--set", "nodeSelector.kubernetes\\.io/arch=null"), undefined);
});

test("alerts lead to a page of the installation's own, where one is named", { skip }, async () => {
  const page = "https://wiki.test/wsmand/alerts";
  const groups = records(specOf(objectOf(await rendered("full", "gitpod", "--set", `prometheusRule.runbookURL=${page}`), "PrometheusRule"))["groups"]);
  const alerts = groups.flatMap(({ rules }) => records(rules)).filter(({ alert }) => alert !== undefined);
  assert.ok(alerts.length > 20);
  for (const { alert, annotations } of alerts) assert.equal(record(annotations)["runbook_url"], `${page}#${text(alert).toLowerCase()}`);
});

test("monitoring is carried as it is in the chart's files", { skip }, async () => {
  const objects = await rendered("full", "gitpod");
  assert.deepEqual(records(specOf(objectOf(objects, "ServiceMonitor"))["endpoints"]).map(({ port, path }) => [port, path]), [["metrics", "/metrics"]]);
  const filesIn = async (folder: string): Promise<readonly string[]> => (await readdir(`${chartFolder}files/${folder}`).catch(() => [])).filter((name) => /^[^.]+\.(json|yaml)$/.test(name));
  const rules = await filesIn("rules");
  if (rules.includes("wsmand.yaml")) assert.deepEqual(specOf(objectOf(objects, "PrometheusRule")), await chartFile("files/rules/wsmand.yaml"));
  else assert.equal(objects.some(({ kind }) => kind === "PrometheusRule"), false);
  const dashboards = objects.filter((object) => object["kind"] === "ConfigMap" && record(metaOf(object)["labels"])["grafana_dashboard"] === "1");
  const carried = new Map(dashboards.flatMap(({ data }) => Object.entries(record(data))));
  assert.deepEqual([...carried.keys()].toSorted(), (await filesIn("dashboards")).toSorted());
  for (const [name, dashboard] of carried) assert.equal(text(dashboard).trim(), (await readFile(`${chartFolder}files/dashboards/${name}`, "utf8")).trim());
});

test("the pods are replaced when the configuration changes", { skip }, async () => {
  const checksums = await Promise.all([[], ["--set", "config.manager.heartbeatInterval=20s"]].map(async (flags) => {
    const template = record(specOf(objectOf(await rendered("default", "gitpod", ...flags), "Deployment"))["template"]);
    return record(metaOf(template)["annotations"])["checksum/config"];
  }));
  assert.notEqual(checksums[0], checksums[1]);
});

/** Where objects of a kind are created: by what the API server says of itself. Undefined: it does not know the kind. */
async function collectionOf(api: KubeApi, object: Json): Promise<string | undefined> {
  const version = text(object["apiVersion"]);
  const root = version.includes("/") ? `/apis/${version}` : `/api/${version}`;
  const { code, body } = await api.send("GET", root);
  const resource = code === 200 ? records(body["resources"]).find((each) => each["kind"] === object["kind"] && !text(each["name"]).includes("/")) : undefined;
  if (!resource) return undefined;
  return resource["namespaced"] === true ? `${root}/namespaces/${text(metaOf(object)["namespace"])}/${text(resource["name"])}` : `${root}/${text(resource["name"])}`;
}

/** Folder with definitions of the kinds that others bring; empty: the API server will not know them. */
const kinds = process.env["WSMAND_TEST_CRDS"] ?? "";
const ofOthers = new Set(["Certificate", "ServiceMonitor", "PrometheusRule"]);

async function defineKinds(api: KubeApi): Promise<void> {
  if (kinds === "") return;
  const collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  for (const name of (await readdir(kinds)).filter((each) => each.endsWith(".yaml"))) {
    for (const definition of objectsIn(await readFile(join(kinds, name), "utf8"))) {
      if (definition["kind"] !== "CustomResourceDefinition") continue;
      await api.ok("POST", collection, definition);
      const path = `${collection}/${text(metaOf(definition)["name"])}`;
      await until(`${nameOf(definition)} is served`, async () => records(record((await api.get(path))["status"])["conditions"]).some(({ type, status }) => type === "Established" && status === "True"));
    }
  }
}

/** Has everything made. What is of others' kinds is also tried with a field too much, since a definition may let in anything. */
async function applyAll(t: TestContext, api: KubeApi, set: ValueSet): Promise<void> {
  const left: string[] = [];
  for (const object of await rendered(set, api.namespace, "--set", `workspaceNamespace=${api.namespace}`)) {
    const collection = await collectionOf(api, object);
    if (collection === undefined) {
      left.push(nameOf(object));
      continue;
    }
    if (ofOthers.has(text(object["kind"]))) {
      const wrong = await api.send("POST", `${collection}?fieldValidation=Strict&dryRun=All`, { ...object, spec: { ...specOf(object), unheard: 1 } });
      assert.equal(wrong.code, 400, `${nameOf(object)} with spec.unheard: ${wrong.text}`);
    }
    await api.ok("POST", `${collection}?fieldValidation=Strict`, object);
  }
  if (left.length > 0) t.diagnostic(`${set}: the API server does not know the kind of ${left.join(", ")}`);
  assert.deepEqual(left.filter((name) => kinds !== "" || !ofOthers.has(name.split(" ")[0] ?? "")), [], "all kinds are known, but for those that others bring and nobody defined");
}

test("an API server takes every object as it is, with no unknown or doubled field", { skip: skipUnlessReal }, async (t) => {
  assert.ok(cluster);
  const first = new KubeApi(await readKubeconfig(cluster.kubeconfig), "default");
  await defineKinds(first);
  await first.close();
  for (const set of valueSets) await t.test(set, async (t) => {
    const api = await kubeApi(t, cluster.kubeconfig);
    // Pods that are not secure enough would not be admitted to it.
    await api.ok("PATCH", `/api/v1/namespaces/${api.namespace}`, { metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } } }, { contentType: "application/merge-patch+json" });
    await applyAll(t, api, set);
    const template = record(specOf(objectOf(await rendered(set, api.namespace, "--set", "priorityClassName="), "Deployment"))["template"]);
    const pod = await api.send("POST", `${api.path("pods")}?fieldValidation=Strict&dryRun=All`, { apiVersion: "v1", kind: "Pod", ...template, metadata: { ...metaOf(template), name: "one" } });
    assert.equal(pod.code, 201, pod.text);
  });
});

/** How the warnings of what helm says begin: up to the colon, or the name of a namespace. */
function warningsIn(notes: string): readonly string[] {
  return Array.from(notes.matchAll(/^WARNING: (.*?)(?::| test-\S+ alone|, without asking)/gm), ([, warning = ""]) => warning);
}

test("helm installs it, changes it, and takes it away again without a trace", { skip: skipUnlessReal }, async (t) => {
  assert.ok(cluster);
  const api = await kubeApi(t, cluster.kubeconfig);
  const access = ["--kubeconfig", cluster.kubeconfig, "--namespace", api.namespace];
  const replicas = async (): Promise<unknown> => specOf(await api.get(`/apis/apps/v1/namespaces/${api.namespace}/deployments/wsmand`))["replicas"];
  const notes = await runHelm("install", "wsmand", chartFolder, ...access);
  assert.match(notes, /2 replicas in namespace test-/);
  assert.deepEqual(warningsIn(notes), ["gRPC is served in plaintext", "image.repository is \"wsmand\", where nobody publishes an image", "config.manager.registryFacadeHost is empty", "config.manager.hostURL and urlTemplate are those of the example"]);
  assert.equal(await replicas(), 2);
  const after = await runHelm("upgrade", "wsmand", chartFolder, ...access, "--values", valuesFile("no-snapshots"), "--set", "replicaCount=3,tls.rpc.secretName=certificates,image.repository=registry.test/wsmand", "--set", `workspaceNamespace=${api.namespace}`);
  assert.deepEqual(warningsIn(after), []);
  assert.equal(await replicas(), 3);
  const outside = await runHelm("upgrade", "wsmand", chartFolder, ...access, "--reuse-values", "--set", "service.type=LoadBalancer");
  assert.deepEqual(warningsIn(outside), ["the Service is a LoadBalancer, but the network policy lets in pods of namespace"]);
  assert.equal((await api.send("GET", `/apis/rbac.authorization.k8s.io/v1/clusterroles/${api.namespace}-wsmand`)).code, 404);
  await runHelm("uninstall", "wsmand", ...access);
  for (const path of [`/apis/apps/v1/namespaces/${api.namespace}/deployments`, `/apis/rbac.authorization.k8s.io/v1/namespaces/${api.namespace}/roles`, api.path("services"), api.path("secrets")]) {
    assert.deepEqual((await api.get(path))["items"], [], path);
  }
});
