/** docs/migration.md, and how docs/installation.md takes wsmand away: the commands of kubectl and helm, typed as they stand there against a real API server. The test plays its controllers and kubelets. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { record, records, text, texts } from "../../src/embedded/kubelet/json.ts";
import { buildProgram } from "../../src/main/cli/program.ts";
import { chartFolder, helm, noHelm, objectOf, rendered, runHelm } from "../support/chart.ts";
import { startTestCluster, unlessReal } from "../support/cluster.ts";
import { commandLineProblems } from "../support/docs/command-line.ts";
import { repository } from "../support/docs/world.ts";
import { kubeApi, metaOf, namesOf, simplePod, type KubeApi } from "../support/kube-api.ts";
import { unlessThere } from "../support/tools.ts";
import { noParts, testIo } from "../unit/cli/helpers.ts";

const missing = await noHelm();
const skipUnlessReal = missing ?? (unlessReal || unlessThere("kubectl", "kubernetes-client"));
/** It outlives the tests, which take away their namespaces at their end. */
const cluster = skipUnlessReal === false ? await startTestCluster() : undefined;
after(() => cluster?.close());

const page = await readFile(join(repository, "docs/migration.md"), "utf8");
const installation = await readFile(join(repository, "docs/installation.md"), "utf8");
const goLabels = { app: "gitpod", component: "ws-manager" };

/** What a section of a page holds, up to the next one. */
function sectionOf(of: string, heading: string): string {
  const [, after] = of.split(`\n## ${heading}\n`);
  return after?.split("\n## ")[0] ?? assert.fail(`there is no section ${heading}`);
}

/** Lines of kubectl and helm that are to be typed, in blocks that are fenced or indented. */
function commandsIn(section: string): readonly string[] {
  return Array.from(section.matchAll(/^ *((?:kubectl|helm) .*)$/gm), ([, line = ""]) => line.replace(/ +# .*$/, ""));
}

/** The first block of YAML. */
function yamlIn(section: string): string {
  return /```yaml\n(.*?)```/s.exec(section)?.[1] ?? assert.fail("there is no block of YAML");
}

/** Somebody who types commands in a folder with the page's files. */
class Typist {
  /** What was typed so far, as it stands on the page. */
  readonly typed: string[] = [];
  readonly folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #namespace: string;

  constructor(folder: string, kubeconfig: string, namespace: string) {
    this.folder = folder;
    this.#namespace = namespace;
    this.#environment = { ...process.env, KUBECONFIG: kubeconfig };
  }

  /** Types the one command of a list that a pattern fits. Rejects with what it says if it fails. */
  async type(commands: readonly string[], pattern: RegExp, change: (command: string) => string = (command) => command): Promise<string> {
    const fitting = commands.filter((command) => pattern.test(command));
    const [command = ""] = fitting;
    assert.equal(fitting.length, 1, `commands like ${String(pattern)}: ${fitting.join("; ")}`);
    const line = change(command).replaceAll(/\bNS\b|(?<=--namespace )gitpod\b/g, this.#namespace).replace(/^helm /, `'${helm}' `).replace("deploy/helm/wsmand", `'${chartFolder}'`);
    const { stdout } = await promisify(execFile)("sh", ["-c", line], { cwd: this.folder, env: this.#environment, timeout: 60_000 });
    this.typed.push(command);
    return stdout;
  }

  /** Types a command that waits for pods to be gone: while they are there it waits for them, and tells the first by name; once they are gone it ends. */
  async waitFor(commands: readonly string[], pattern: RegExp, pods: readonly string[], remove: () => Promise<void>): Promise<void> {
    await assert.rejects(this.type(commands, pattern, (command) => command.replace("--timeout=120s", "--timeout=1s")), (error) => pods.includes(/timed out waiting for the condition on pods\/(\S+)/.exec(String(error))?.[1] ?? ""));
    await remove();
    await this.type(commands, pattern);
  }
}

/** Where the files are that the configuration names. */
const folders = { files: "/mnt/secrets", profiling: "/certs", templates: "/examples" };
const filesOf = {
  extraVolumes: Object.keys(folders).map((name) => ({ name, secret: { secretName: name } })),
  extraVolumeMounts: Object.entries(folders).map(([name, mountPath]) => ({ name, mountPath, readOnly: true })),
};

async function typist(t: TestContext, kubeconfig: string, api: KubeApi): Promise<Typist> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-changing-over-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = record(JSON.parse(await readFile(join(repository, "examples/config.json"), "utf8")));
  await writeFile(join(folder, "config.yaml"), `config: ${JSON.stringify({ ...file, manager: { ...record(file["manager"]), namespace: api.namespace } })}`);
  // The Prometheus operator's kinds are not there.
  const values = yamlIn(sectionOf(installation, "The configuration")).replace(/^serviceMonitor:.*\n/m, "").replace("workspaceNamespace: gitpod", `workspaceNamespace: ${api.namespace}`);
  await writeFile(join(folder, "values.yaml"), `${values}\n${Object.entries(filesOf).map(([key, list]) => `${key}: ${JSON.stringify(list)}\n`).join("")}`);
  const shadow = record(parse(yamlIn(sectionOf(page, "2. Shadow"))));
  const both = Object.entries(filesOf).map(([key, list]) => [key, [...list, ...records(shadow[key])]]);
  await writeFile(join(folder, "shadow.yaml"), JSON.stringify({ ...shadow, ...Object.fromEntries(both) }));
  return new Typist(folder, kubeconfig, api.namespace);
}

/** A cluster with the Go daemon in it, which elects a leader. */
async function goDaemon(api: KubeApi): Promise<void> {
  await api.ok("POST", `/apis/apps/v1/namespaces/${api.namespace}/deployments`, {
    metadata: { name: "ws-manager" },
    spec: { replicas: 1, selector: { matchLabels: goLabels }, template: { metadata: { labels: goLabels }, spec: { containers: [{ name: "ws-manager", image: "ws-manager" }] } } },
  });
  await api.create("services", { metadata: { name: "ws-manager" }, spec: { selector: goLabels, ports: [{ name: "rpc", port: 8080, targetPort: "rpc" }] } });
  await api.create("leases", { metadata: { name: "ws-manager-leader.gitpod.io" }, spec: { holderIdentity: "wsmand-1" } });
  await api.create("pods", simplePod("ws-manager-1", {}, { labels: goLabels }));
}

/** What the Deployment's controller would do: pods by its template, and a status that says so. */
async function rollOut(api: KubeApi, deployment: string, ...pods: readonly string[]): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${api.namespace}/deployments/${deployment}`;
  const { spec, metadata } = await api.get(path);
  const labels = record(metaOf(record(record(spec)["template"]))["labels"]);
  for (const pod of pods) await api.create("pods", simplePod(pod, {}, { labels }));
  const count = pods.length;
  const status = { observedGeneration: record(metadata)["generation"], replicas: count, updatedReplicas: count, readyReplicas: count, availableReplicas: count };
  const { code } = await api.patch(`${path}/status`, { status });
  assert.equal(code, 200);
}

/** The pods that a Service sends calls to. */
async function behindService(api: KubeApi): Promise<readonly string[]> {
  const selector = record(record((await api.get(api.path("services", "ws-manager")))["spec"])["selector"]);
  const query = Object.entries(selector).map(([key, value]) => `${key}=${text(value)}`).join(",");
  return namesOf(await api.get(`${api.path("pods")}?labelSelector=${encodeURIComponent(query)}`));
}

async function removePods(api: KubeApi, ...pods: readonly string[]): Promise<void> {
  for (const pod of pods) await api.ok("DELETE", api.path("pods", pod), { gracePeriodSeconds: 0 });
}

async function replicasOf(api: KubeApi, deployment: string): Promise<unknown> {
  return record((await api.get(`/apis/apps/v1/namespaces/${api.namespace}/deployments/${deployment}`))["spec"])["replicas"];
}

test("the page's commands change over and back: waits wait, and the Service finds those who answer", { skip: skipUnlessReal }, async (t) => {
  assert.ok(cluster);
  const api = await kubeApi(t, cluster.kubeconfig);
  await goDaemon(api);
  const person = await typist(t, cluster.kubeconfig, api);
  const [shadow, there, back, away] = [sectionOf(page, "2. Shadow"), sectionOf(page, "4. Switch"), sectionOf(page, "Back"), sectionOf(installation, "Taking it away")].map(commandsIn);
  assert.ok(shadow && there && back && away);

  await person.type(shadow, /^helm install wsmand-shadow /);
  await rollOut(api, "wsmand-shadow", "wsmand-shadow-1");

  await person.type(there, /^helm install wsmand /);
  await rollOut(api, "wsmand", "wsmand-1", "wsmand-2");
  assert.match(await person.type(there, /rollout status/), /successfully rolled out/);
  const found = await person.type(there, /get pods -l app\.kubernetes/);
  assert.deepEqual(found.match(/^\S+/gm), ["NAME", "wsmand-1", "wsmand-2"], "not the shadow");
  assert.deepEqual(await behindService(api), ["ws-manager-1"], "nobody is sent to wsmand while the Go daemon acts");

  assert.match(await person.type(there, /get pods -l app=gitpod/), /^ws-manager-1 /m);
  await person.type(there, /scale deployment\/ws-manager /);
  assert.equal(await replicasOf(api, "ws-manager"), 0);
  await person.waitFor(there, /wait --for=delete/, ["ws-manager-1"], () => removePods(api, "ws-manager-1"));
  await person.type(there, /^helm upgrade /);
  assert.equal(await person.type(there, /get lease/), "wsmand-1");

  await person.type(there, /> selector\.json/);
  assert.deepEqual(JSON.parse(await readFile(join(person.folder, "selector.json"), "utf8")), goLabels);
  await person.type(there, /patch service .*spec\/selector/);
  assert.deepEqual(await behindService(api), ["wsmand-1", "wsmand-2"]);
  assert.match(await person.type(there, /\.spec\.ports/), /"targetPort":"rpc"/);
  await person.type(there, /patch service .*targetPort/);
  const [port] = records(record((await api.get(api.path("services", "ws-manager")))["spec"])["ports"]);
  const template = record(record((await api.get(`/apis/apps/v1/namespaces/${api.namespace}/deployments/wsmand`))["spec"])["template"]);
  const ports = records(records(record(template["spec"])["containers"])[0]?.["ports"]).map(({ name }) => name);
  assert.ok(ports.includes(port?.["targetPort"]), "the port is there");
  await person.type(there, /get endpointslices/);
  assert.deepEqual(there.filter((command) => !person.typed.includes(command)), [], "the whole section was typed");
  await runHelm("uninstall", "wsmand-shadow", "--namespace", api.namespace, "--kubeconfig", cluster.kubeconfig);

  await person.type(back, /scale deployment\/wsmand /);
  assert.equal(await replicasOf(api, "wsmand"), 0);
  await person.waitFor(back, /wait --for=delete/, ["wsmand-1", "wsmand-2"], () => removePods(api, "wsmand-1", "wsmand-2"));
  assert.equal(await person.type(back, /get pods/), "", "none");
  await person.type(back, /scale deployment\/ws-manager /);
  assert.equal(await replicasOf(api, "ws-manager"), 1);
  await rollOut(api, "ws-manager", "ws-manager-2");
  await person.type(back, /patch service .*spec\/selector/);
  assert.deepEqual(await behindService(api), ["ws-manager-2"]);
  assert.deepEqual(record(record((await api.get(api.path("services", "ws-manager")))["spec"])["selector"]), goLabels);
  assert.deepEqual(back.filter((command) => !person.typed.includes(command)), [], "the whole section was typed");

  await rollOut(api, "wsmand", "wsmand-3");
  await person.type(away, /get pods --selector component=workspace/);
  await person.type(away, /scale/);
  await person.waitFor(away, /wait --for=delete/, ["wsmand-3"], () => removePods(api, "wsmand-3"));
  await person.type(away, /^helm uninstall /);
  assert.deepEqual(namesOf(await api.get(`/apis/apps/v1/namespaces/${api.namespace}/deployments`)), ["ws-manager"]);
});

test("the labels on the page are those of the chart's pods, and only the release's own", { skip: missing ?? false }, async () => {
  const wanted = record(record(objectOf(await rendered("default", "gitpod"), "Service")["spec"])["selector"]);
  const selectors = Array.from(page.matchAll(/-l (app\.kubernetes\.io\S+)/g), ([, selector = ""]) => Object.fromEntries(new URLSearchParams(selector.replaceAll(",", "&"))));
  const patched = Array.from(page.matchAll(/"path":"\/spec\/selector","value":(\{[^}]*\})/g), ([, value = ""]): unknown => JSON.parse(value));
  assert.deepEqual([selectors.length > 2, patched.length], [true, 1]);
  for (const selector of [...selectors, ...patched]) assert.deepEqual(selector, wanted);
});

test("the shadow's values make a pod whose command line wsmand takes, with the files that it names", { skip: missing ?? false }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-shadow-values-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "shadow.yaml");
  const values = yamlIn(sectionOf(page, "2. Shadow"));
  await writeFile(file, values);
  const deployment = objectOf(await rendered("default", "gitpod", "--values", file), "Deployment");
  const pod = record(record(record(deployment["spec"])["template"])["spec"]);
  const [container] = records(pod["containers"]);
  const args = texts(container?.["args"]);
  assert.deepEqual(commandLineProblems(buildProgram(testIo().io, noParts, () => {}), args, "block"), []);
  assert.deepEqual(args.slice(3), texts(record(parse(values))["extraArgs"]));
  const mounts = records(container?.["volumeMounts"]).map(({ mountPath }) => text(mountPath));
  for (const path of args.filter((arg) => arg.startsWith("/"))) assert.ok(mounts.some((mount) => path.startsWith(`${mount}/`)), path);
});
