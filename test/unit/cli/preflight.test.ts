/** What a check before a change-over makes of pods, rights, files and its own results; without a cluster. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { parseAllDocuments } from "yaml";
import { record, records, text } from "../../../src/embedded/kubelet/json.ts";
import { odditiesOf, unknownNames } from "../../../src/main/cli/preflight/oddities.ts";
import { renderReport, reportJson, type Result } from "../../../src/main/cli/preflight/report.ts";
import { rightsNeeded } from "../../../src/main/cli/preflight/rights.ts";
import { takeOver, type Taken, type TakeoverConfig } from "../../../src/main/cli/preflight/takeover.ts";
import { changesNothing } from "../../../src/main/kube/read-only.ts";
import { Reckoning } from "../../../src/main/lifecycle/elapsed.ts";
import { readPod } from "../../../src/workers/pod.ts";
import { createAuthority } from "../../support/certs.ts";
import { secret } from "../../support/secrets.ts";
import { config as derive, deletedPod, pendingPod, runningPod, withState, type RawPod } from "../workers/pods.ts";
import { command } from "./helpers.ts";

const minute = 60_000;
const now = Date.parse("2026-03-01T12:00:00Z");

function takeover(): TakeoverConfig {
  const reckoning = new Reckoning({ unwrittenMs: 5 * minute, holdMs: 2 * minute, finalizationMs: 60 * minute, clock: { now: () => now } });
  reckoning.begin(now);
  const timeouts = { startup: 60 * minute, initialization: 30 * minute, regularWorkspace: 30 * minute, maxLifetime: 36 * 60 * minute, headlessWorkspace: 60 * minute, afterClose: 2 * minute, contentFinalization: 60 * minute, stopping: 60 * minute, interrupted: 5 * minute };
  return { derive, timeouts, reckoning, now, classes: new Set(["small"]) };
}

function taken(pod: RawPod): Taken {
  const result = takeOver({ ...pod }, [], takeover());
  if (result.kind !== "taken") assert.fail(result.reason);
  return result;
}

test("a workspace that runs is taken over as it is, though nothing is known of its activity", () => {
  const pod = runningPod((raw) => (raw.metadata.annotations["gitpod/firstUserActivity"] = "2026-03-01T10:01:00Z"));
  const { phase, type, fates, timedOut, oddities, unknown } = taken(pod);
  assert.deepEqual([phase, type, fates, timedOut, oddities, unknown], ["RUNNING", "REGULAR", ["annotate"], "", [], []]);
});

test("what would be done at once is told: ends, backups, beginnings", () => {
  const ended = deletedPod((pod) => withState(pod, { terminated: { exitCode: 0, reason: "Completed" } }));
  assert.deepEqual(taken(ended).fates, ["back up"]);
  assert.deepEqual(taken(deletedPod((pod) => {
    withState(pod, { terminated: { exitCode: 0, reason: "Completed" } });
    pod.metadata.labels["headless"] = "true";
    pod.metadata.labels["workspaceType"] = "imagebuild";
  })).fates, ["dispose"]);
  assert.deepEqual(taken(runningPod((pod) => (pod.metadata.annotations["gitpod.io/stoppedByRequest"] = "1s"))).fates, ["delete", "annotate"]);
  assert.deepEqual(taken(pendingPod()).fates, ["initialize"]);
  assert.equal(taken(runningPod((pod) => (pod.metadata["finalizers"] = []))).unprotected, true);
});

test("only what is over for whoever begins to lead now times out at once", () => {
  assert.match(taken(pendingPod((pod) => (pod.metadata["creationTimestamp"] = "2026-03-01T10:59:00Z"))).timedOut, /^workspace timed out after pulling images \(01h01m\)/);
  assert.match(taken(runningPod((pod) => (pod.metadata["creationTimestamp"] = "2026-02-27T12:00:00Z"))).timedOut, /^workspace timed out after maximum lifetime/);
  assert.equal(taken(runningPod((pod) => (pod.metadata["creationTimestamp"] = "2026-03-01T01:00:00Z"))).timedOut, "");
  assert.equal(taken(pendingPod((pod) => {
    pod.metadata["creationTimestamp"] = "2026-03-01T10:59:00Z";
    pod.metadata.annotations["gitpod/timedout"] = "by the other manager";
  })).timedOut, "");
});

test("a pod that is none is not understood, with the reason", () => {
  const reasonOf = (pod: object): string => {
    const result = takeOver({ ...pod }, [], takeover());
    return result.kind === "taken" ? assert.fail("it was understood") : result.reason;
  };
  assert.equal(reasonOf(runningPod((pod) => delete pod.metadata.annotations["gitpod/id"])), "cannot get gitpod/id annotation from ws-one");
  assert.equal(reasonOf(runningPod((pod) => (pod.metadata.labels["workspaceType"] = "strange"))), "pod has invalid type label: strange");
  assert.equal(reasonOf({}), "not a Pod: no metadata");
});

test("annotations and labels that can not be read are named with what counts instead, and never with their value", () => {
  const odd = runningPod((pod) => {
    Object.assign(pod.metadata.annotations, {
      "gitpod/exposedPorts": secret("ports"), "gitpod.io/sshPublicKeys": "AAAA", "gitpod/contentInitializer": secret("initializer"), "gitpod/customTimeout": "soon", "gitpod/admission": "all", "gitpod.io/lastActivity": "now",
      "gitpod/strange": "1", "gitpod.io/annotation.mine": "2", "example.com/other": "3",
    });
    pod.metadata.labels["gitpod.io/workspaceClass"] = "huge";
    pod.metadata.labels["gitpod.io/odd"] = "4";
    delete pod.metadata.labels["owner"];
  });
  const pod = readPod(odd);
  const found = odditiesOf(pod, new Set(["small"]));
  assert.deepEqual(found.map(({ name }) => name), ["gitpod/exposedPorts", "gitpod.io/sshPublicKeys", "gitpod/contentInitializer", "gitpod/customTimeout", "gitpod/admission", "gitpod.io/lastActivity", "owner", "gitpod.io/workspaceClass"]);
  assert.ok(!JSON.stringify(found).includes("hush"));
  assert.deepEqual(unknownNames(pod), ["gitpod/strange", "gitpod.io/odd"]);
});

test("the rights that are asked for are those of examples/role.yaml, no more and no less", async () => {
  const roles = parseAllDocuments(await readFile("examples/role.yaml", "utf8")).map((document) => record(document.toJS()));
  const words = (group: unknown, resource: unknown, verb: unknown, namespaced: boolean, name: unknown): string => `${text(verb)} ${text(resource)}.${text(group)} ${namespaced} ${text(name)}`;
  const listed = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  const given = roles.flatMap(({ kind, rules }) => records(rules).flatMap((rule) => listed(rule["apiGroups"]).flatMap((group) => listed(rule["resources"]).flatMap((resource) => listed(rule["verbs"]).map((verb) => words(group, resource, verb, kind === "Role", listed(rule["resourceNames"])[0]))))));
  const asked = rightsNeeded.flatMap(({ group, resource, verbs, namespaced, name }) => verbs.map((verb) => words(group, resource, verb, namespaced, name)));
  assert.deepEqual(asked.toSorted(), given.toSorted());
});

test("only reads, and questions about the own rights, leave a cluster as it is", () => {
  assert.ok(changesNothing({ method: "GET", path: "/api/v1/namespaces/default/pods" }));
  assert.ok(changesNothing({ method: "POST", path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" }));
  for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) assert.ok(!changesNothing({ method, path: "/api/v1/namespaces/default/pods" }));
  assert.ok(!changesNothing({ method: "POST", path: "/api/v1/namespaces/selfsubjectreviews/pods" }));
  assert.ok(!changesNothing({ method: "DELETE", path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" }));
});

const results: readonly Result[] = [
  { name: "one", title: "the first", summary: "well", findings: [] },
  { name: "two", title: "second", summary: "so\u001b[2J so", findings: [{ verdict: "warning", text: "look" }, { verdict: "problem", text: "mend" }], data: { number: 2 } },
  { name: "three", title: "third", summary: "not looked at", findings: [], skipped: true },
];

test("people get a line for each check and each finding, the worst of them first in sight; terminals are not steered", () => {
  const lines = renderReport(results, (_style, words) => words);
  assert.deepEqual(lines, [
    "the first  ok       well",
    "second     problem  so\ufffd[2J so",
    "           warning  look",
    "           problem  mend",
    "third      skipped  not looked at",
    "",
    "1 problem, 1 warning; some checks were skipped",
  ]);
});

test("machines get the same", () => {
  const report = record(JSON.parse(reportJson(results)));
  assert.deepEqual([report["ok"], report["problems"], report["warnings"]], [false, 1, 1]);
  assert.deepEqual(records(report["checks"]).map(({ name, verdict }) => [name, verdict]), [["one", "ok"], ["two", "problem"], ["three", "skipped"]]);
});

async function inFolder(t: TestContext, document: object): Promise<{ readonly folder: string; readonly config: string }> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-preflight-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, "config.json");
  await writeFile(config, JSON.stringify(document));
  return { folder, config };
}

async function example(): Promise<Record<string, unknown>> {
  return { ...record(JSON.parse(await readFile("examples/local.json", "utf8"))) };
}

test("a configuration that can not be used is told problem by problem, everything else is skipped, and the exit code is 1", async (t) => {
  const { config } = await inFolder(t, { manager: { timeouts: {} }, colour: "red" });
  const { code, out } = await command(["preflight", "--config", config, "--json"]);
  const report = record(JSON.parse(out));
  const [first, ...others] = records(report["checks"]);
  assert.equal(code, 1);
  assert.ok(records(first?.["findings"]).some((finding) => text(finding["text"]).startsWith("manager.timeouts.startup")));
  assert.ok(records(first?.["findings"]).some((finding) => text(finding["text"]) === "colour: unknown key, ignored"));
  assert.ok(others.length > 5 && others.every(({ verdict }) => verdict === "skipped"));
});

test("without a cluster the exit code is 1, and what needs none is looked at all the same", async (t) => {
  const document = await example();
  const { folder, config } = await inFolder(t, {});
  const authority = await createAuthority("one");
  const pair = await authority.issue("server", { usage: "server", expired: true });
  const other = await authority.issue("other", { usage: "server" });
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const tls = { ca: await file("ca", authority.crt), crt: await file("crt", pair.crt), key: await file("key", other.key) };
  await writeFile(config, JSON.stringify({ ...document, rpcServer: { ...record(document["rpcServer"]), tls }, manager: { ...record(document["manager"]), wsdaemon: { port: 1, tls: { ca: join(folder, "no"), crt: join(folder, "no"), key: join(folder, "no") } } } }));
  const { code, out, err } = await command(["preflight", "--config", config, "--kubeconfig", join(folder, "none"), "--timeout", "2s"]);
  assert.equal(code, 1, out);
  assert.match(out, /problem +rpcServer\.tls\.crt: has run out at /);
  assert.match(out, /problem +rpcServer\.tls\.key: does not belong to the certificate/);
  assert.match(out, /warning +manager\.wsdaemon\.tls\.ca: the file .* can not be read: there is no such file/);
  assert.match(out, /^API server +problem/m);
  assert.match(out, /^workspaces +skipped +the API server does not answer/m);
  assert.equal(err, "");
});

test("pod templates that are not on this machine are warned of, and everything else is looked at; one that is no pod is a problem", async (t) => {
  const document = await example();
  const { folder, config } = await inFolder(t, {});
  const withTemplate = async (defaultPath: string): Promise<string> => {
    await writeFile(config, JSON.stringify({ ...document, manager: { ...record(document["manager"]), workspaceClass: { default: { templates: { defaultPath } } } } }));
    return (await command(["preflight", "--config", config, "--kubeconfig", join(folder, "none"), "--timeout", "2s"])).out;
  };
  const missing = await withTemplate("/mnt/workspace-template/default.yaml");
  assert.match(missing, /^configuration +warning +\S+: namespace /m);
  assert.match(missing, /^ +warning +manager\.workspaceClass\.default\.templates\.defaultPath: the file "\/mnt\/workspace-template\/default\.yaml" can not be read: there is no such file/m);
  assert.match(missing, /^files +(?:note|warning) /m);
  assert.match(missing, /^API server +problem/m);
  const broken = join(folder, "template.yaml");
  await writeFile(broken, "kind: Deployment");
  assert.match(await withTemplate(broken), /^ +problem +manager\.workspaceClass\.default\.templates\.defaultPath: .* does not parse as a Pod/m);
});

test("certificates of profiles are looked at where profiles are served, and not told of where they are not", async (t) => {
  const document = await example();
  const { folder, config } = await inFolder(t, {});
  const file = join(folder, "none");
  const told = async (pprof: object): Promise<string> => {
    await writeFile(config, JSON.stringify({ ...document, pprof, wsmand: { ...record(document["wsmand"]), profiling: { tls: { ca: file, crt: file, key: file } } } }));
    return (await command(["preflight", "--config", config, "--kubeconfig", join(folder, "none"), "--timeout", "2s"])).out;
  };
  assert.match(await told({ addr: "127.0.0.1:6060" }), /warning +wsmand\.profiling\.tls\.ca: the file .* can not be read: there is no such file/);
  assert.doesNotMatch(await told({}), /wsmand\.profiling/);
});

test("a command line that makes no sense is exit code 2", async () => {
  assert.equal((await command(["preflight"])).code, 2);
  assert.equal((await command(["preflight", "--config", "x", "--timeout", "soon"])).code, 2);
});
