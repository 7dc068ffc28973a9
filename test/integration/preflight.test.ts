/** `wsmand preflight` against a cluster with nodes, node daemons and workspaces: what it finds, and that it writes nothing. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { parseAllDocuments } from "yaml";
import { record, records, text, type Json } from "../../src/embedded/kubelet/json.ts";
import { embeddedDocument } from "../../src/main/config/embedded.ts";
import { wsman } from "../../src/gen/proto.js";
import { openStage, writesOver, type Stage, type Way } from "../support/beside.ts";
import { onRealCluster, startTestCluster, type TestCluster } from "../support/cluster.ts";
import { KubeApi } from "../support/kube-api.ts";
import { podIn } from "../support/pods.ts";
import { noCases, plantable, recordedCases, renamed } from "../support/recorded.ts";
import { assertNoSecrets } from "../support/secrets.ts";
import { until } from "../support/until.ts";
import { assertOk, request, start } from "../support/workspace-calls.ts";
import { command } from "../unit/cli/helpers.ts";

let real: TestCluster | undefined;
before(async () => {
  if (onRealCluster) real = await startTestCluster();
});
after(async () => real?.close());

/** A report, and what is needed to ask for another. */
interface Report {
  readonly code: number;
  readonly report: Json;
  /** "verdict check: text" of all findings but notes. */
  readonly told: readonly string[];
  readonly check: (name: string) => Json;
}

interface Setup {
  readonly stage: Stage;
  readonly way: Way;
  readonly api: KubeApi;
  /** Runs it on the configuration of the stage, changed. */
  readonly preflight: (change?: { readonly manager?: object; readonly others?: object }, flags?: readonly string[]) => Promise<Report>;
}

async function setup(t: TestContext): Promise<Setup> {
  const stage = await openStage(t, real?.kubeconfig);
  const { place } = stage;
  const way = await stage.way("admin");
  const folder = await mkdtemp(join(tmpdir(), "wsmand-preflight-"));
  const api = new KubeApi(place.connection, place.namespace);
  t.after(async () => {
    await api.close();
    await rm(folder, { recursive: true, force: true });
  });
  // What every installation has.
  await api.create("serviceaccounts", { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "workspace" } });
  const document = record(embeddedDocument({ rpcAddr: "127.0.0.1:0", metricsAddr: "127.0.0.1:0", logFormat: "json", wsdaemon: { port: place.nodes.port } }));
  const preflight: Setup["preflight"] = async ({ manager = {}, others = {} } = {}, flags = []) => {
    const file = join(folder, "config.json");
    await writeFile(file, JSON.stringify({ ...document, manager: { ...record(document["manager"]), namespace: place.namespace, ...manager }, wsmand: { ...record(document["wsmand"]), leaderElection: { enabled: true } }, ...others }));
    const { code, out, err } = await command(["preflight", "--config", file, "--kubeconfig", way.kubeconfig, "--json", ...flags]);
    assertNoSecrets("the report", [out, err]);
    const report = record(JSON.parse(out));
    const checks = records(report["checks"]);
    const told = checks.flatMap((check) => records(check["findings"]).filter(({ verdict }) => verdict !== "note").map((finding) => `${text(finding["verdict"])} ${text(check["name"])}: ${text(finding["text"])}`));
    return { code, report, told, check: (name) => checks.find((check) => check["name"] === name) ?? assert.fail(`no check ${name}`) };
  };
  await until("the node daemons are ready", async () => record((await preflight()).check("nodes")["data"])["ready"] === 2);
  return { stage, way, api, preflight };
}

function notes(check: Json): readonly string[] {
  return records(check["findings"]).map((finding) => text(finding["text"]));
}

test("a cluster in order has no problems: workspaces would be taken over, the leader is told; nothing is written", async (t) => {
  const { stage, way, preflight } = await setup(t);
  const acting = await stage.daemon();
  for (const id of ["one", "two"]) assertOk(await start(acting.client, request({ id, metadata: { owner: "jane", metaId: `meta-${id}` } })));
  await until("they run", () => ["one", "two"].every((id) => acting.stream.last(id)?.phase === wsman.WorkspacePhase.RUNNING));
  await until("somebody leads", async () => (await stage.place.lease()) !== undefined);
  const { code, check, told } = await preflight();
  assert.equal(code, 0, told.join("\n"));
  assert.deepEqual(notes(check("leader")), ["acting leads: wsmand waits until it has gone, and leads then by itself"]);
  assert.equal(check("workspaces")["summary"], "2 workspaces would be taken over: 2 REGULAR RUNNING");
  assert.match(text(check("leader")["summary"]), /^acting, renewed \d+ s ago$/);
  assert.match(text(check("nodes")["summary"]), /2 node daemons ready, 2 answer$/);
  assert.match(text(check("rights")["summary"]), /^24 of 24/);
  assert.match(text(check("apiServer")["summary"]), /^Kubernetes v1\.\d+/);
  // Questions about the own rights are posted, and store nothing: they are no resources of the namespace.
  assert.deepEqual(writesOver(way).filter((write) => write !== "create /"), []);
  assert.ok(way.requests.length > 30);
  // It leaves the Lease behind, held by nobody, as a wsmand that was tried before does.
  await acting.close();
  const after = await preflight();
  assert.equal(after.code, 0);
  assert.equal(after.check("leader")["summary"], "nobody at this moment");
  assert.deepEqual(notes(after.check("leader")), ["nobody holds the Lease: a manager that runs all the same elects no leader, and has to be gone before wsmand acts"]);
});

test("what is not understood, would time out, would be ended, and is odd is told by name; secrets are not", async (t) => {
  const { stage: { place }, preflight } = await setup(t);
  const { namespace } = place;
  const put = (id: string, phase: Parameters<typeof podIn>[0], change: (metadata: Json) => Json = (metadata) => metadata): Promise<void> => {
    const pod = podIn(phase, id, { namespace });
    const { creationTimestamp: _c, deletionTimestamp: _d, ...metadata } = record(JSON.parse(JSON.stringify(pod.metadata)));
    return place.create({ ...pod, metadata: change({ ...metadata, namespace }) });
  };
  const annotated = (more: object) => (metadata: Json): Json => ({ ...metadata, annotations: { ...record(metadata["annotations"]), ...more } });
  await put("plain", "running", annotated({ "gitpod.io/firstCreated": new Date(Date.now() - 5 * 60_000).toISOString() }));
  await put("old", "running", annotated({ "gitpod.io/firstCreated": "2020-01-01T00:00:00Z" }));
  await put("stopped", "running", annotated({ "gitpod.io/stoppedByRequest": "30s" }));
  await put("odd", "running", (metadata) => ({ ...annotated({ "gitpod/customTimeout": "soon", "gitpod/unheard": "of" })(metadata), labels: { ...record(metadata["labels"]), "gitpod.io/workspaceClass": "huge" } }));
  await put("broken", "running", annotated({ "gitpod/imageSpec": "%%%" }));
  const { code, told, check } = await preflight();
  assert.equal(code, 1);
  const aboutWorkspaces = told.filter((line) => line.includes(" workspaces: "));
  assert.deepEqual(aboutWorkspaces.toSorted(), [
    "problem workspaces: pod ws-broken is not understood: invalid image spec: not base64",
    "warning workspaces: odd: gitpod.io/workspaceClass names a class that is not configured: huge",
    "warning workspaces: odd: gitpod/customTimeout is no duration: the configured timeout counts",
    aboutWorkspaces.find((line) => line.startsWith("warning workspaces: old would time out at once: workspace timed out after maximum lifetime")) ?? "old would time out",
  ].toSorted());
  const also = notes(check("workspaces"));
  assert.ok(also.includes("1 would have their pod deleted at once: stopped"), also.join("\n"));
  assert.ok(also.includes("annotations and labels that mean nothing to wsmand, and stay as they are: gitpod/unheard"), also.join("\n"));
  const { pods, timedOut } = record(check("workspaces")["data"]);
  assert.deepEqual([pods, record(timedOut)["total"]], [5, 1]);
});

test("what the configuration names and the cluster does not have is a problem, with the place where it is named", async (t) => {
  const { stage, api, preflight } = await setup(t);
  const folder = await mkdtemp(join(tmpdir(), "wsmand-template-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const template = join(folder, "template.yaml");
  await writeFile(template, JSON.stringify({ spec: { imagePullSecrets: [{ name: "pull" }], priorityClassName: "first", containers: [{ name: "workspace", envFrom: [{ configMapRef: { name: "settings" } }, { secretRef: { name: "maybe", optional: true } }] }] } }));
  const workspaceClass = { default: { templates: { defaultPath: template }, pvc: { size: "1Gi", storageClass: "fast", snapshotClass: "snaps" } } };
  const change = { manager: { caCertSecret: "ca", workspaceClass }, others: { colour: "red" } };
  const { code, told } = await preflight(change);
  assert.equal(code, 1);
  const snapshots = told.some((line) => line.includes("the cluster has no volume snapshots"));
  const expected = [
    "warning configuration: colour: unknown key, ignored",
    "problem objects: Secret ca is not there (manager.caCertSecret)",
    "warning objects: Secret builtin-registry-facade-cert is not there (mounted into image builds)",
    `problem objects: Secret pull is not there (${template})`,
    `problem objects: PriorityClass first is not there (${template})`,
    `problem objects: ConfigMap settings is not there (${template})`,
    `warning objects: Secret maybe is not there (${template})`,
    "problem storage: StorageClass fast is not there (class default)",
    snapshots ? "problem storage: the cluster has no volume snapshots (custom resources of snapshot.storage.k8s.io/v1): workspaces with claims can not be backed up" : "problem storage: VolumeSnapshotClass snaps is not there (class default)",
  ];
  assert.deepEqual(told.filter((line) => /(configuration|objects|storage): /.test(line)).toSorted(), expected.toSorted());
  assert.equal(snapshots, onRealCluster);
  await api.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name: "ca" }, stringData: { "ca.crt": "a secret that is nobody's business" } });
  await api.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" } });
  const mended = (await preflight(change)).told;
  assert.ok(!mended.some((line) => line.includes("Secret ca") || line.includes("ConfigMap settings")), mended.join("\n"));
  const elsewhere = await preflight({ manager: { workspaceClass: { default: { templates: { defaultPath: template, regularPath: "/mnt/templates/regular.yaml" } } } } });
  const why = 'the file "/mnt/templates/regular.yaml" can not be read: there is no such file';
  assert.ok(elsewhere.told.includes(`warning configuration: manager.workspaceClass.default.templates.regularPath: ${why}`), elsewhere.told.join("\n"));
  assert.ok(elsewhere.told.includes(`problem objects: Secret pull is not there (${template})`), "what the others name is looked at");
  assert.ok(notes(elsewhere.check("objects")).includes(`${why}: what it names was not looked at`));
  assert.ok((await preflight({ manager: { namespace: "nowhere" } })).told.includes("problem namespace: there is no namespace nowhere (manager.namespace)"));
  assert.ok(stage.place.nodes.port > 0);
});

test("a node whose daemon is not ready, or does not answer, is a problem; --no-nodes asks none", async (t) => {
  const { stage: { place }, preflight } = await setup(t);
  await place.create({ ...podIn("running", "here", { namespace: place.namespace }), metadata: { ...podIn("running", "here", { namespace: place.namespace }).metadata, namespace: place.namespace, creationTimestamp: undefined } });
  const wrong = await preflight({ manager: { wsdaemon: { port: 1 } } });
  const silent = wrong.told.filter((line) => line.includes(" nodes: "));
  assert.ok(silent.some((line) => line.startsWith("warning nodes: no node daemon answers here") && line.includes("ECONNREFUSED")), silent.join("\n"));
  place.kubelet.loseNode("node-1");
  await until("it is known as lost", async () => record((await preflight()).check("nodes")["data"])["ready"] === 1);
  const lost = await preflight();
  assert.ok(lost.told.includes("problem nodes: node node-1 has no node daemon that is ready: workspaces on it can not be started, nor backed up"), lost.told.join("\n"));
  assert.equal(lost.code, 1);
  const without = await preflight({}, ["--no-nodes"]);
  assert.ok(!records(without.report["checks"]).some(({ name }) => name === "nodes"));
});

test("rights are asked for as somebody else: all of those in examples/role.yaml, and what each missing one is for", { skip: !onRealCluster && "the built-in cluster lets everybody do everything" }, async (t) => {
  // Not the account of test daemons, which has these rights.
  const { stage: { place }, api, preflight } = await setup(t);
  const as = ["--no-nodes", "--as", `system:serviceaccount:${place.namespace}:newcomer`];
  const without = await preflight({}, as);
  assert.ok(without.told.includes("problem rights: 6 rights missing on pods: get, list, watch, create, patch, delete, for workspaces"), without.told.join("\n"));
  assert.ok(notes(without.check("rights")).includes("they are not enough for --shadow, either"));
  const role = parseAllDocuments(await readFile("examples/role.yaml", "utf8")).map((document) => record(document.toJS())).find(({ kind }) => kind === "Role");
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${place.namespace}`;
  await api.ok("POST", `${rbac}/roles`, { ...role, metadata: { name: "newcomer" } });
  await api.ok("POST", `${rbac}/rolebindings`, { metadata: { name: "newcomer" }, roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "newcomer" }, subjects: [{ kind: "ServiceAccount", name: "newcomer", namespace: place.namespace }] });
  await until("it has them", async () => !(await preflight({}, as)).told.some((line) => line.includes(" rights: ")));
  const withClaims = await preflight({ manager: { workspaceClass: { default: { pvc: { size: "1Gi" } } } } }, as);
  assert.deepEqual(withClaims.told.filter((line) => line.includes(" rights: ")), [
    "problem rights: 1 right missing on volumesnapshotclasses.snapshot.storage.k8s.io: get, for restoring volume snapshots",
    "problem rights: 2 rights missing on volumesnapshotcontents.snapshot.storage.k8s.io: get, create, for restoring volume snapshots",
  ]);
});

test("recorded pods of the Go daemon are understood, but for those that no status can be told of", { skip: noCases ?? false }, async (t) => {
  const { stage: { place }, preflight } = await setup(t);
  let planted = 0;
  let unreadable = 0;
  for (const [i, file] of recordedCases().entries()) {
    const given = record(JSON.parse(readFileSync(file, "utf8")));
    const pod = renamed(record(record(given["input"])["pod"]), `recorded-${i}`);
    const taken = await place.create(plantable(pod, { namespace: place.namespace, node: `node-${1 + (i % 2)}` })).then(() => true, () => false);
    if (!taken) continue;
    planted++;
    if (given["expectedStatus"] === undefined && file.includes("status_")) unreadable++;
  }
  const { check } = await preflight();
  const { pods, notUnderstood, would } = record(check("workspaces")["data"]);
  assert.deepEqual([pods, record(notUnderstood)["total"]], [planted, unreadable]);
  assert.ok(planted > 10 && Object.keys(record(would)).length > 2, JSON.stringify(would));
});
