/** Values that the chart refuses, with the reason, before anything is installed: what makes no sense, and files that no pod would have. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { noHelm, rendered } from "../support/chart.ts";

const skip = (await noHelm()) ?? false;

const refusedValues: readonly (readonly [what: string, flags: readonly string[], said: RegExp])[] = [
  ["a misspelt name", ["--set", "replicas=3"], /replicas/],
  ["a number of replicas that is none", ["--set", "replicaCount=many"], /replicaCount/],
  ["an address that only the pod itself reaches", ["--set", "config.prometheus.addr=127.0.0.1:9500"], /prometheus/],
  ["a secret in the configuration", ["--set", "config.content.storage.minio.secretKey=k"], /secretKeyFile/],
  ...([["2m", 130], ["1m30s", 100], ["1h", 3610], ["90.5s", 101], ["120000ms", 130], ["50.001s", 61]] as const).map(([drain, least]) =>
    [`an end of ${drain} that is cut off`, ["--set", `config.wsmand.drainTimeout=${drain}`], new RegExp(`terminationGracePeriodSeconds is 60: it must be at least ${least}, which is preStopSleepSeconds, config.wsmand.drainTimeout and 5 s together`)] as const),
  ["two files in place of the configuration", ["--set", "existingConfig.configMap=a,existingConfig.secret=b"], /existingConfig/],
  ["a certificate that nobody issues", ["--set", "tls.rpc.certManager.enabled=true"], /issuerRef\.name is required/],
  ["a service account that is not named", ["--set", "serviceAccount.create=false"], /serviceAccount\.name is required/],
];

for (const [what, flags, said] of refusedValues) {
  test(`refused, with the reason: ${what}`, { skip }, async () => {
    await assert.rejects(rendered("default", "gitpod", ...flags), said);
  });
}

test("an end that has its time is taken", { skip }, async () => {
  for (const drain of ["50s", "50000ms", "0h0m49.5s"]) await rendered("default", "gitpod", "--set", `config.wsmand.drainTimeout=${drain}`);
  await rendered("default", "gitpod", "--set", "config.wsmand.drainTimeout=1h30m,terminationGracePeriodSeconds=5410,preStopSleepSeconds=5");
});

const profiling = ["ca", "crt", "key"].map((name) => `config.wsmand.profiling.tls.${name}=/mnt/profiling/${name}`).join(",");
const mountOf = (mountPath: string): readonly string[] => ["--set-json", `extraVolumeMounts=[{"name":"more","mountPath":"${mountPath}","readOnly":true}]`];
const templateAt = (path: string): string => `config.manager.workspaceClass.default.templates.defaultPath=${path}`;

/** Flags with which nothing holds a file of the configuration, the keys that are told, and flags that mend it. */
const namedFiles: readonly (readonly [what: string, flags: readonly string[], keys: readonly string[], mended: readonly string[]])[] = [
  ["certificates of profiles", ["--set", `config.pprof.addr=:6060,${profiling}`], ["wsmand.profiling.tls.ca", "wsmand.profiling.tls.crt", "wsmand.profiling.tls.key"], mountOf("/mnt/profiling/")],
  ["a pod template", ["--set", templateAt("/mnt/default.yaml")], ["manager.workspaceClass.default.templates.defaultPath"], mountOf("/mnt")],
  ["a pod template in a folder whose name begins alike", ["--set", templateAt("/mnt-two/default.yaml"), ...mountOf("/mnt")], ["manager.workspaceClass.default.templates.defaultPath"], mountOf("/mnt-two/default.yaml")],
  ["a pod template that is not among those of the values", ["--set", templateAt("/etc/wsmand/templates/one.yaml"), "--set-json", 'podTemplates={"two.yaml":{}}'], ["manager.workspaceClass.default.templates.defaultPath"], ["--set-json", 'podTemplates={"one.yaml":{}}']],
  ["certificates of gRPC", ["--set", "config.rpcServer.tls.ca=/certs/ca.crt"], ["rpcServer.tls.ca"], ["--set", "tls.rpc.secretName=certificates"]],
  ["certificates for node daemons", ["--set", "config.manager.wsdaemon.tls.ca=/certs/ca.crt"], ["manager.wsdaemon.tls.ca"], ["--set", "tls.wsdaemon.secretName=certificates"]],
  ["keys of the storage", ["--set", "config.content.storage.kind=minio,config.content.storage.minio.accessKeyFile=/minio/a,config.content.storage.minio.secretKeyFile=/minio/s"], ["content.storage.minio.accessKeyFile", "content.storage.minio.secretKeyFile"], mountOf("/minio")],
  ["a service account's key", ["--set", "config.content.storage.kind=gcloud,config.content.storage.gcloud.credentialsFile=/mnt/key.json"], ["content.storage.gcloud.credentialsFile"], mountOf("/mnt")],
  ["a trace's file", ["--set", "config.manager.eventTraceLog=/trace/log"], ["manager.eventTraceLog"], mountOf("/trace")],
];

for (const [what, flags, keys, mended] of namedFiles) {
  test(`refused unless something is mounted there: ${what}`, { skip }, async () => {
    await assert.rejects(rendered("default", "gitpod", ...flags), (error: Error) => {
      assert.deepEqual(Array.from(error.message.matchAll(/config\.([\w.]+) is "/g), ([, key = ""]) => key), keys);
      assert.match(error.message, /: nothing is mounted there\. Mount /);
      return true;
    });
    await rendered("default", "gitpod", ...flags, ...mended);
  });
}

test("files that nobody reads, that every pod has, or that another configuration names need no mount", { skip }, async () => {
  for (const flags of [
    ["--set", profiling],
    ["--set", "config.content.storage.kind=gcloud,config.content.storage.minio.accessKeyFile=/minio/a"],
    ["--set", "config.manager.eventTraceLog=-"],
    ["--set", "config.rpcServer.tls.ca=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"],
    ["--set", "existingConfig.secret=mine", "--set", templateAt("/mnt/default.yaml")],
  ]) await rendered("default", "gitpod", ...flags);
});
