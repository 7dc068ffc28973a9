/** Values that the chart refuses, with the reason, before anything is installed: what makes no sense, and files that no pod would have. */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import { chartFolder, noHelm, objectOf, objectsIn, rendered, runHelm } from "../support/chart.ts";

const skip = (await noHelm()) ?? false;

const refusedValues: readonly (readonly [what: string, flags: readonly string[], said: RegExp])[] = [
  ["a misspelt name", ["--set", "replicas=3"], /replicas/],
  ["a number of replicas that is none", ["--set", "replicaCount=many"], /replicaCount/],
  ["an address that only the pod itself reaches", ["--set", "config.prometheus.addr=127.0.0.1:9500"], /prometheus/],
  ["a secret in the configuration", ["--set", "config.content.storage.minio.secretKey=k"], /secretKeyFile/],
  ...([["2m", 130], ["1m30s", 100], ["1h", 3610], ["90.5s", 101], ["120000ms", 130], ["50.001s", 61]] as const).map(([drain, least]) =>
    [`an end of ${drain} that is cut off`, ["--set", `config.wsmand.drainTimeout=${drain}`], new RegExp(`terminationGracePeriodSeconds is 60: it must be at least ${least}, which is preStopSleepSeconds, config.wsmand.drainTimeout and 5 s together`)] as const),
  ...["manager.workspaceClass.default.templates", "rpcServer.tls", "manager.wsdaemon.tls", "wsmand.profiling", "wsmand.profiling.tls", "content.storage", "content.storage.gcloud", "content.storage.minio"].map((key) =>
    [`a text for ${key}`, ["--set", `config.${key}=foo`], new RegExp(`at '/config/${key.replaceAll(".", "/")}': got string, want null or object`)] as const),
  ["a mount without a place", ["--set-json", 'extraVolumeMounts=[{"name":"more"}]'], /at '\/extraVolumeMounts\/0': missing property 'mountPath'/],
  ["a place elsewhere that is no whole path", ["--set-json", 'filesElsewhere=["secrets"]'], /at '\/filesElsewhere\/0'/],
  ["two files in place of the configuration", ["--set", "existingConfig.configMap=a,existingConfig.secret=b"], /existingConfig\.configMap and existingConfig\.secret exclude each other/],
  ...(["rpcServer", "prometheus"] as const).flatMap((section) => [":0", ":65536", ":99999", ":99999999999999999999"].map((addr) =>
    [`port ${addr} of ${section}`, ["--set", `config.${section}.addr=${addr}`], new RegExp(`config\\.${section}\\.addr is "${addr}": its port must be from 1 to 65535`)] as const)),
  ["one port for gRPC and metrics", ["--set", "config.rpcServer.addr=0.0.0.0:9500"], /config\.rpcServer\.addr and config\.prometheus\.addr have the same port, 9500/],
  ...([["localhost:8080", "rpcServer", 8080], ["[::1]:9500", "prometheus", 9500]] as const).map(([addr, section, port]) =>
    [`one port for profiles and ${section}`, ["--set", `config.pprof.addr=${addr}`], new RegExp(`config\\.${section}\\.addr and config\\.pprof\\.addr have the same port, ${port}`)] as const),
  ...["tls.rpc.secretName", "tls.wsdaemon.secretName", "existingConfig.secret", "existingConfig.configMap", "imagePullSecrets[0].name"].flatMap((key) => ["A_b", "a..b", "-a"].map((name) =>
    [`${name} as ${key}`, ["--set", `${key}=${name}`], new RegExp(`at '/${key.replace("[0]", "/0").replaceAll(".", "/")}': '${name}' does not match pattern`)] as const)),
  ...([["2", 2], ["3", 2], ["51%", 2], ["100%", 3]] as const).map(([away, replicas]) =>
    [`${away} of ${replicas} replicas that may be away`, ["--set", `podDisruptionBudget.maxUnavailable=${away},replicaCount=${replicas}`], new RegExp(`podDisruptionBudget\\.maxUnavailable is ${away}, and replicaCount ${replicas}: all replicas could be taken away at once`)] as const),
  ["several replicas that all act", ["--set", "config.wsmand.leaderElection.enabled=false"], /replicaCount is 2, and config\.wsmand\.leaderElection\.enabled false: all of them would act/],
  ["a certificate that nobody issues", ["--set", "tls.rpc.certManager.enabled=true"], /issuerRef\.name is required/],
  ["a service account that is not named", ["--set", "serviceAccount.create=false"], /serviceAccount\.name is required/],
];

for (const [what, flags, said] of refusedValues) {
  test(`refused, with the reason: ${what}`, { skip }, async () => {
    await assert.rejects(rendered("default", "gitpod", ...flags), said);
  });
}

test("parts of the configuration that are null are none", { skip }, async () => {
  for (const key of ["manager.workspaceClass.default.templates", "rpcServer.tls", "manager.wsdaemon.tls", "wsmand.profiling", "content.storage"]) await rendered("default", "gitpod", "--set-json", `config.${key}=null`);
  for (const kind of ["gcloud", "minio"]) await rendered("default", "gitpod", "--set-json", `config.content.storage={"kind":"${kind}","gcloud":null,"minio":null}`);
});

test("a daemon that acts without an election is gone before the next one begins; one that does not act may stand beside others", { skip }, async () => {
  const strategyOf = async (values: string): Promise<unknown> => record(record(objectOf(await rendered("default", "gitpod", "--set", values), "Deployment")["spec"])["strategy"])["type"];
  assert.equal(await strategyOf("config.wsmand.leaderElection.enabled=false,replicaCount=1"), "Recreate");
  assert.equal(await strategyOf("config.wsmand.leaderElection.enabled=false,config.wsmand.lifecycle.enabled=false"), "RollingUpdate");
});

test("an end that has its time is taken", { skip }, async () => {
  for (const drain of ["50s", "50000ms", "0h0m49.5s"]) await rendered("default", "gitpod", "--set", `config.wsmand.drainTimeout=${drain}`);
  await rendered("default", "gitpod", "--set", "config.wsmand.drainTimeout=1h30m,terminationGracePeriodSeconds=5410,preStopSleepSeconds=5");
});

test("ports, names and disruptions that make sense are taken", { skip }, async () => {
  for (const values of [
    "config.rpcServer.addr=:65535,config.prometheus.addr=:1", "config.pprof.addr=127.0.0.1:6060", "existingConfig.secret=mine,config.pprof.addr=127.0.0.1:8080", "tls.rpc.secretName=a-1.b,imagePullSecrets[0].name=c",
    "replicaCount=1", "replicaCount=0", "podDisruptionBudget.maxUnavailable=0", "podDisruptionBudget.maxUnavailable=50%", "podDisruptionBudget.maxUnavailable=99%,replicaCount=100", "podDisruptionBudget.maxUnavailable=2,podDisruptionBudget.enabled=false",
  ]) await rendered("default", "gitpod", "--set", values);
});

test("a port is that number, with zeros before it or not", { skip }, async () => {
  const service = objectOf(await rendered("default", "gitpod", "--set", "config.rpcServer.addr=:09000"), "Service");
  assert.equal(records(record(service["spec"])["ports"])[0]?.["port"], 9000);
});

const profiling = ["ca", "crt", "key"].map((name) => `config.wsmand.profiling.tls.${name}=/mnt/profiling/${name}`).join(",");
const mountsOf = (...mounts: readonly { readonly mountPath: string; readonly readOnly?: boolean }[]): readonly string[] => ["--set-json", `extraVolumeMounts=${JSON.stringify(mounts.map((mount) => ({ name: "more", ...mount })))}`];
const mountOf = (mountPath: string, readOnly = true): readonly string[] => mountsOf({ mountPath, readOnly });
const elsewhere = (...places: readonly string[]): readonly string[] => ["--set-json", `filesElsewhere=${JSON.stringify(places)}`];
const template = "manager.workspaceClass.default.templates.defaultPath";
const templateAt = (path: string): string => `config.${template}=${path}`;
const traceAt = (path: string): readonly string[] => ["--set", `config.manager.eventTraceLog=${path}`];
const writableRoot = ["--set", "securityContext.readOnlyRootFilesystem=false"];
/** Pod templates of that name, and no others. */
const templatesOf = (name: string): readonly string[] => ["--set-json", `podTemplates={"${name}":{}}`];
const minioKeys = "config.content.storage.kind=minio,config.content.storage.minio.endpoint=minio:9000,config.content.storage.minio.accessKeyFile=/minio/a,config.content.storage.minio.secretKeyFile=/minio/s";

/** Flags with which nothing holds a file of the configuration, the keys that are told, and flags that mend it. */
const namedFiles: readonly (readonly [what: string, flags: readonly string[], keys: readonly string[], ...mended: readonly (readonly string[])[]])[] = [
  ["certificates of profiles", ["--set", `config.pprof.addr=:6060,${profiling}`], ["wsmand.profiling.tls.ca", "wsmand.profiling.tls.crt", "wsmand.profiling.tls.key"], mountOf("/mnt/profiling/")],
  ["a pod template", ["--set", templateAt("/mnt/default.yaml")], [template], mountOf("/mnt"), mountOf("/mnt//"), mountOf("//mnt/./x/.."), elsewhere("/mnt/"), elsewhere("/mnt/default.yaml"), elsewhere("/")],
  ["a pod template by a path with too much", ["--set", templateAt("//mnt//a.yaml")], [template], mountOf("/mnt/a.yaml"), mountOf("/mnt")],
  ["a pod template in a folder whose name begins alike", ["--set", templateAt("/mnt-two/default.yaml"), ...mountOf("/mnt")], [template], mountOf("/mnt-two/default.yaml")],
  ["a pod template by a path out of what is mounted", ["--set", templateAt("/mnt/../etc/none.yaml"), ...mountOf("/mnt")], [template], mountOf("/etc/none.yaml")],
  ["a pod template that is not among those of the values", ["--set", templateAt("/etc/wsmand/templates/../templates/one.yaml"), ...templatesOf("two.yaml")], [template], templatesOf("one.yaml")],
  ["a pod template in one of those of the values", ["--set", templateAt("/etc/wsmand/templates/x/y.yaml"), ...templatesOf("x")], [template], mountOf("/etc/wsmand/templates/x")],
  ["a pod template that has the name of one of those of the values in another folder", ["--set", templateAt("/etc/wsmand/templates/sub/one.yaml"), ...templatesOf("one.yaml")], [template], ["--set", templateAt("/etc/wsmand/templates/one.yaml")]],
  ["a pod template behind those of the values", ["--set", templateAt("/etc/wsmand/templates/one.yaml"), ...templatesOf("two.yaml"), ...elsewhere("/etc/wsmand")], [template], elsewhere("/etc/wsmand/templates")],
  ["certificates of gRPC", ["--set", "config.rpcServer.tls.ca=/certs/ca.crt"], ["rpcServer.tls.ca"], ["--set", "tls.rpc.secretName=certificates"], elsewhere("/certs")],
  ["certificates for node daemons", ["--set", "config.manager.wsdaemon.tls.ca=/certs/ca.crt"], ["manager.wsdaemon.tls.ca"], ["--set", "tls.wsdaemon.secretName=certificates"]],
  ["a trace's file", traceAt("/trace/log"), ["manager.eventTraceLog"], mountOf("/trace", false), mountsOf({ mountPath: "/trace" }), elsewhere("/trace"), writableRoot],
  ["a trace's file that can not be written", [...traceAt("/trace/log"), ...writableRoot, ...mountOf("/trace")], ["manager.eventTraceLog"], mountOf("/trace", false), mountsOf({ mountPath: "/trace", readOnly: true }, { mountPath: "/trace/log" })],
  ["a trace's file in a mount that can not be written in one that can", [...traceAt("/trace/in/log"), ...mountsOf({ mountPath: "/trace/in", readOnly: true }, { mountPath: "/trace" })], ["manager.eventTraceLog"], mountsOf({ mountPath: "/trace/in" })],
  ["a trace's file among pod templates", [...traceAt("/etc/wsmand/templates/log"), ...writableRoot, ...templatesOf("log.yaml")], ["manager.eventTraceLog"], traceAt("/log")],
  ["a pod template that a writable root file system does not have", ["--set", templateAt("/mnt/default.yaml"), ...writableRoot], [template], mountOf("/mnt")],
  ["a pod template and a trace's file", ["--set", templateAt("/mnt/default.yaml"), ...traceAt("/trace/log")], [template, "manager.eventTraceLog"], elsewhere("/mnt", "/trace")],
];

for (const [what, flags, keys, ...mended] of namedFiles) {
  test(`refused unless something is mounted there: ${what}`, { skip }, async () => {
    await assert.rejects(rendered("default", "gitpod", ...flags), (error: Error) => {
      assert.deepEqual(Array.from(error.message.matchAll(/config\.([\w.]+) is "/g), ([, key = ""]) => key), keys);
      assert.match(error.message, /: nothing (?:that can be written to )?is mounted there\. Mount .* is named in filesElsewhere/);
      return true;
    });
    for (const more of mended) await rendered("default", "gitpod", ...flags, ...more);
  });
}

test("files that nobody reads, that every pod has, or that another configuration names need no mount", { skip }, async () => {
  for (const flags of [
    ["--set", profiling],
    ["--set", minioKeys],
    ["--set", "config.content.storage.kind=gcloud,config.content.storage.gcloud.credentialsFile=/mnt/key.json"],
    ["--set", "config.rpcServer.tls.comment=none,config.manager.workspaceClass.default.templates.comment=none"],
    ...["-", "/dev/stdout", "/proc/self/fd/1"].map(traceAt),
    ["--set", "config.rpcServer.tls.ca=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"],
    ["--set", "existingConfig.secret=mine", "--set", templateAt("/mnt/default.yaml")],
  ]) await rendered("default", "gitpod", ...flags);
});

test("credentials of the storage that nothing mounts are warned of, as they may come later", { skip }, async (t) => {
  // Helm shows the notes of what it installs in a cluster, and no others: a copy of the chart has them in an object.
  const chart = await mkdtemp(join(tmpdir(), "wsmand-chart-"));
  t.after(() => rm(chart, { recursive: true }));
  await cp(chartFolder, chart, { recursive: true });
  await writeFile(join(chart, "templates/notes.yaml"), 'kind: Notes\ntext: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}\n');
  const warned = async (...flags: readonly string[]): Promise<readonly string[]> => {
    const notes = text(objectOf(objectsIn(await runHelm("template", "wsmand", chart, "--kube-version", "1.34.3", ...flags)), "Notes")["text"]);
    return Array.from(notes.matchAll(/^WARNING: (config\.content\..*?): nothing is mounted there/gm), ([, warning = ""]) => warning);
  };
  assert.deepEqual(await warned("--set", minioKeys), ['config.content.storage.minio.accessKeyFile is "/minio/a"; config.content.storage.minio.secretKeyFile is "/minio/s"']);
  assert.deepEqual(await warned("--set", minioKeys, ...mountOf("/minio/s")), ['config.content.storage.minio.accessKeyFile is "/minio/a"']);
  assert.deepEqual(await warned("--set", "config.content.storage.kind=gcloud,config.content.storage.gcloud.credentialsFile=/mnt/key.json"), ['config.content.storage.gcloud.credentialsFile is "/mnt/key.json"']);
  assert.deepEqual(await warned(), []);
  for (const flags of [mountOf("/minio"), elsewhere("/minio"), ["--set", "existingConfig.secret=mine"], ["--set", "config.content.storage.kind="]]) assert.deepEqual(await warned("--set", minioKeys, ...flags), []);
});
