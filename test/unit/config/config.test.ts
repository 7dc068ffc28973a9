/** The configuration file: what is accepted, what is refused, and what people are told. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { stringify } from "yaml";
import { embeddedConfig } from "../../../src/main/config/embedded.ts";
import { ConfigError, load, parseConfig, toDeriveConfig, toTimeouts, type LoadedConfig } from "../../../src/main/config/index.ts";
import { storageFileWarnings } from "../../../src/main/config/storage-files.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "wsmand-config-"));
});
after(() => rm(directory, { recursive: true, force: true }));

type Json = { [key: string]: unknown };

const options = { cores: 4, kubeStage: "staging" };

function minimal(): Json {
  return {
    manager: {
      urlTemplate: "{{ .ID }}-{{ .Prefix }}-{{ .Host }}",
      workspaceHostPath: "/tmp/workspaces",
      registryFacadeHost: "reg.gitpod.io",
      hostURL: "gitpod.io",
      heartbeatInterval: "30s",
      reconnectionInterval: "30s",
      timeouts: { afterClose: "1m", initialization: "30m", startup: "45m", regularWorkspace: "60m", maxLifetime: "36h", headlessWorkspace: "90m", stopping: "60m", contentFinalization: "55m" },
      workspaceClass: { default: {} },
    },
    rpcServer: { addr: ":8080" },
  };
}

/** The document with a member set (a value), or removed (undefined). */
function altered(document: Json, path: string, value: unknown): Json {
  const copy = structuredClone(document);
  const keys = path.split("/");
  const last = keys.pop() ?? "";
  let parent: Json = copy;
  for (const key of keys) {
    const next = parent[key];
    const child: Json = typeof next === "object" && next !== null ? Object.fromEntries(Object.entries(next)) : {};
    parent[key] = child;
    parent = child;
  }
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
  return copy;
}

async function problemsOf(document: unknown): Promise<string[]> {
  try {
    await parseConfig(document, "test", options);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, `threw ${inspect(error)}`);
    assert.ok(error.problems.length > 0);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

async function example(): Promise<Json> {
  const parsed: unknown = JSON.parse(await readFile("examples/config.json", "utf8"));
  assert.ok(typeof parsed === "object" && parsed !== null);
  return { ...parsed };
}

function accept(document: unknown): Promise<LoadedConfig> {
  return parseConfig(document, "test", options);
}

test("the complete example is accepted without warnings, as JSON and as YAML", async () => {
  const json = await load("examples/config.json", options);
  assert.deepEqual(json.warnings, []);
  const file = join(directory, "example.yaml");
  await writeFile(file, stringify(await example()));
  const yaml = await load(file, options);
  assert.deepEqual(yaml.warnings, []);
  assert.deepEqual(yaml.config, json.config);
  assert.deepEqual(json.config.manager.workspaceClasses.map(({ id }) => id), ["default", "g1-large"]);
  assert.equal(json.config.manager.timeouts.maxLifetime, 36 * 3600e3);
});

test("a small configuration is completed with the documented defaults", async () => {
  const { config, warnings } = await accept(minimal());
  assert.deepEqual(warnings, []);
  assert.equal(config.manager.namespace, "default");
  assert.equal(config.manager.timeouts.interrupted, 300_000);
  assert.deepEqual(config.manager.initProbe, { disabled: false, timeout: 5000 });
  assert.equal(config.manager.wsdaemon.port, 8080);
  assert.equal(config.content.storage.stage, "prodcopy");
  assert.equal(config.prometheus.addr, undefined);
  assert.deepEqual(config.wsmand, {
    workers: 3,
    statusCache: { maxEntries: 50_000, maxBytes: 128 * 1024 * 1024 },
    subscriptions: { stallTimeout: 300_000, maxBacklog: 1_000_000 },
    activity: { persistInterval: 300_000 },
    lifecycle: { enabled: true },
    leaderElection: { enabled: true, leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2000 },
    events: { enabled: true },
    kubernetes: { qps: 100, burst: 200 },
    pods: { seccompField: false },
    profiling: { heapSnapshots: false },
    drainTimeout: 30_000,
    log: { level: "info", format: "json" },
    tracing: {},
  });
  assert.deepEqual(toDeriveConfig(config), { regularWorkspaceTimeoutMs: 3_600_000 });
  assert.equal(toTimeouts(config).contentFinalization, 55 * 60_000);
});

test("workers leave a core to the main thread, are at least one, and at most four on a machine with many", async () => {
  const workers = await Promise.all([1, 2, 4, 5, 6, 64].map(async (cores) => (await parseConfig(minimal(), "test", { cores })).config.wsmand.workers));
  assert.deepEqual(workers, [1, 1, 3, 4, 4, 4]);
  assert.equal((await parseConfig(altered(minimal(), "wsmand/workers", 16), "test", { cores: 2 })).config.wsmand.workers, 16, "who asks for more gets it");
});

test("the zero values of a Go program count as absent where the key is optional", async () => {
  const document = minimal();
  const zeros: Json = {
    "manager/namespace": "", "manager/schedulerName": "", "manager/seccompProfile": null, "manager/initProbe": null, "manager/initProbe/timeout": "", "manager/caCertSecret": "", "manager/portUrlTemplate": "", "manager/eventTraceLog": "",
    "manager/dryRun": null, "manager/timeouts/interrupted": "0s", "manager/wsdaemon/port": 0, "manager/wsdaemon/tls": { ca: "", crt: "", key: "" }, "manager/registryFacadeHost": "",
    "manager/workspaceClass/default": { name: "", container: { requests: { cpu: "", memory: "", "ephemeral-storage": "", storage: "" }, limits: null }, templates: { defaultPath: "", regularPath: "" }, pvc: { size: "", storageClass: "", snapshotClass: "" } },
    "content/storage": { kind: "", stage: "", gcloud: { maximumBackupCount: 0 }, minio: { accessKey: "", parallelUpload: 0, secure: false }, backupTrail: { maxLength: 0 }, blobQuota: 0 },
    "rpcServer/tls": null, "rpcServer/ratelimits": null, "imageBuilderProxy/targetAddr": "", "pprof/addr": "", "prometheus/addr": "", wsmand: null,
  };
  let all = document;
  for (const [path, value] of Object.entries(zeros)) all = altered(all, path, value);
  const { config, warnings } = await accept(all);
  assert.deepEqual(warnings.map((warning) => warning.split(": ", 1)[0]), ["manager.registryFacadeHost"]);
  assert.equal(config.manager.namespace, "default");
  assert.equal(config.rpcServer.tls, undefined);
  assert.equal(config.manager.timeouts.interrupted, 300_000);
});

test("the image builder's address is HOST:PORT or a target of gRPC", async () => {
  for (const target of ["image-builder:8080", "image-builder.gitpod.svc.cluster.local.:65535", "10.0.0.1:80", "[::1]:80", "dns:image-builder:8080", "dns:///image-builder:8080", "dns://10.0.0.2/image-builder:8080", "dns:///[::1]:80", "unix:/run/builder.sock", "unix:///run/builder.sock", "unix:builder.sock"]) {
    assert.equal((await accept(altered(minimal(), "imageBuilderProxy/targetAddr", target))).config.imageBuilderProxy.targetAddr, target);
  }
});

test("everything that is required is asked for at once, by its path", async () => {
  const problems = await problemsOf({});
  const timeouts = ["startup", "initialization", "regularWorkspace", "maxLifetime", "headlessWorkspace", "afterClose", "contentFinalization", "stopping"].map((name) => `manager.timeouts.${name}`);
  const required = [...timeouts, "manager.urlTemplate", "manager.workspaceHostPath", "manager.hostURL", "manager.heartbeatInterval", "manager.reconnectionInterval", "rpcServer.addr", "manager.workspaceClass.default"];
  assert.deepEqual(new Set(problems.map((problem) => problem.split(": ", 1)[0])), new Set(required));
});

const duration = ["abc", "5", "1x", "-5m", true, 30, [], {}, "1h30", "٣s"];
const requiredDuration = [...duration, "0s", ""];
const number = ["x", "5", 1.5, -1, true, {}, [], 1e30];
const flag = ["true", 1, {}, []];
const text = [1, true, {}, []];
const quantity = ["1GB", "x", -1, "-1Gi", true, {}, [], "1 Gi"];
const address = ["8080", "localhost", ":http", ":99999", "a b:1", "http://x:80", 8080, {}, true];
const section = ["x", 1, true, []];

/** Wrong values for every key of the file. Keys within are separated by "/". */
const broken: Readonly<Record<string, readonly unknown[]>> = {
  manager: section, content: section, rpcServer: section, imageBuilderProxy: section, pprof: section, prometheus: section, wsmand: section,
  "manager/namespace": [...text, "Not A Namespace", "x".repeat(64), "-a"], "manager/schedulerName": text, "manager/seccompProfile": text,
  "manager/timeouts": section, "manager/timeouts/startup": requiredDuration, "manager/timeouts/initialization": requiredDuration, "manager/timeouts/regularWorkspace": requiredDuration,
  "manager/timeouts/maxLifetime": requiredDuration, "manager/timeouts/headlessWorkspace": requiredDuration, "manager/timeouts/afterClose": requiredDuration,
  "manager/timeouts/contentFinalization": requiredDuration, "manager/timeouts/stopping": [...requiredDuration, "1s"], "manager/timeouts/interrupted": duration,
  "manager/initProbe": section, "manager/initProbe/disabled": flag, "manager/initProbe/timeout": duration, "manager/caCertSecret": text,
  "manager/urlTemplate": [...text, "", "{{ .Nope }}", "not a url"], "manager/portUrlTemplate": [...text, "{{ .Nope }}", "a b"], "manager/workspaceHostPath": [...text, ""], "manager/hostURL": [...text, "", "a b"],
  "manager/heartbeatInterval": requiredDuration, "manager/reconnectionInterval": requiredDuration, "manager/eventTraceLog": text, "manager/dryRun": flag, "manager/debugWorkspacePod": flag,
  "manager/wsdaemon": section, "manager/wsdaemon/port": [...number, 65536], "manager/wsdaemon/tls": [...section, { ca: "a" }, { crt: "a", key: "b" }], "manager/registryFacadeHost": text, "manager/workspaceClusterHost": text,
  "manager/workspaceClass": [...section, {}, { other: {} }, { default: {}, "-bad": {} }, { default: {}, "a b": {} }, { default: {}, "": {} }, { default: {}, ["x".repeat(64)]: {} }],
  "manager/workspaceClass/default": section, "manager/workspaceClass/default/name": text, "manager/workspaceClass/default/container": section,
  "manager/workspaceClass/default/container/requests": section, "manager/workspaceClass/default/container/limits": section, "manager/workspaceClass/default/container/requests/cpu": quantity,
  "manager/workspaceClass/default/container/limits/memory": quantity, "manager/workspaceClass/default/container/limits/ephemeral-storage": quantity, "manager/workspaceClass/default/container/limits/storage": quantity,
  "manager/workspaceClass/default/templates": section,
  ...Object.fromEntries(["defaultPath", "regularPath", "prebuildPath", "probePath", "imagebuildPath"].map((name) => [`manager/workspaceClass/default/templates/${name}`, [...text, "/does/not/exist", "/", "package-lock.json\0"]])),
  "manager/workspaceClass/default/pvc": section, "manager/workspaceClass/default/pvc/size": quantity, "manager/workspaceClass/default/pvc/storageClass": text, "manager/workspaceClass/default/pvc/snapshotClass": text,
  "content/storage": section, "content/storage/kind": [...text, "s3"], "content/storage/stage": [...text, "production"], "content/storage/gcloud": section, "content/storage/gcloud/region": text, "content/storage/gcloud/projectId": text,
  "content/storage/gcloud/credentialsFile": text, "content/storage/gcloud/maximumBackupCount": number, "content/storage/minio": section, "content/storage/minio/endpoint": text, "content/storage/minio/accessKey": text,
  "content/storage/minio/secretKey": text, "content/storage/minio/accessKeyFile": text, "content/storage/minio/secretKeyFile": text, "content/storage/minio/secure": flag, "content/storage/minio/region": text,
  "content/storage/minio/parallelUpload": number, "content/storage/minio/bucket": text, "content/storage/backupTrail": section, "content/storage/backupTrail/enabled": flag, "content/storage/backupTrail/maxLength": number, "content/storage/blobQuota": number,
  "rpcServer/addr": [...address, ""], "rpcServer/tls": [...section, { ca: "a", crt: "b" }, { ca: 1, crt: "b", key: "c" }], "rpcServer/ratelimits": section, "rpcServer/ratelimits/m": [...section, {}],
  "rpcServer/ratelimits/m/block": flag, "rpcServer/ratelimits/m/bucketSize": number, "rpcServer/ratelimits/m/refillInterval": requiredDuration, "rpcServer/ratelimits/m/keyCacheSize": number, "rpcServer/ratelimits/m/key": text,
  "imageBuilderProxy/targetAddr": [...text, "http://image-builder:8080", "image-builder:8080/", "image-builder", "image-builder:http", "image-builder:0", "image-builder:65536", ":8080", "a b:80", "a:b:80", "dns:///", "dns:///image-builder", "dns:///http://a:80", "unix:", "xds:///a:80"], "pprof/addr": address, "prometheus/addr": address,
  "wsmand/workers": [...number, 1000], "wsmand/statusCache": section, "wsmand/statusCache/maxEntries": number, "wsmand/statusCache/maxBytes": [...quantity, 5, "1Ki", "1E30"], "wsmand/subscriptions": section,
  "wsmand/subscriptions/stallTimeout": duration, "wsmand/subscriptions/maxBacklog": number, "wsmand/activity": section, "wsmand/activity/persistInterval": duration, "wsmand/lifecycle": section, "wsmand/lifecycle/enabled": flag, "wsmand/leaderElection": section, "wsmand/leaderElection/enabled": flag,
  "wsmand/leaderElection/leaseDuration": [...duration, "1s"], "wsmand/leaderElection/renewDeadline": [...duration, "1s"], "wsmand/leaderElection/retryPeriod": duration, "wsmand/events": section, "wsmand/events/enabled": flag, "wsmand/kubernetes": section,
  "wsmand/kubernetes/qps": ["x", -1, true, {}, 1e30], "wsmand/kubernetes/burst": number, "wsmand/pods": section, "wsmand/pods/seccompField": flag, "wsmand/profiling": section, "wsmand/profiling/tls": [...section, { ca: "a", crt: "b" }], "wsmand/profiling/heapSnapshots": flag, "wsmand/drainTimeout": duration, "wsmand/log": section, "wsmand/log/level": [...text, "loud"], "wsmand/log/format": [...text, "xml"],
  "wsmand/tracing": section, "wsmand/tracing/endpoint": [...text, "a b"], "wsmand/tracing/sampleRatio": ["x", -1, 2, true],
};

test("every key with a wrong value is refused, and the problem names the key", async () => {
  const good = altered(minimal(), "rpcServer/ratelimits/m", { refillInterval: "1s" });
  assert.deepEqual(await problemsOf(good), []);
  for (const [path, values] of Object.entries(broken)) {
    for (const value of values) {
      const problems = await problemsOf(altered(good, path, value));
      const dotted = path.replaceAll("/", ".");
      assert.ok(problems.some((problem) => problem.startsWith(dotted)), `${path} = ${inspect(value)}: ${inspect(problems)}`);
    }
  }
});

test("every key of the example is known to break, so no key goes untested", async () => {
  const leaves = (value: unknown, path: string): string[] => (typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value).flatMap(([key, member]) => leaves(member, path === "" ? key : `${path}/${key}`)) : [path]);
  const generic = (path: string): string => path.replace(/ratelimits\/\/[^/]+\/[^/]+/, "ratelimits/m").replace(/\/(?:requests|limits)\//, "/R/").replace("g1-large", "default").replace(/tls\/.*/, "tls");
  const known = new Set(Object.keys(broken).map(generic));
  const missing = leaves(await example(), "").map(generic).filter((path) => !known.has(path));
  assert.deepEqual([...new Set(missing)], []);
});

test("problems of all parts are told together, each with what was found", async () => {
  let document = altered(minimal(), "manager/timeouts/startup", "abc");
  document = altered(document, "manager/timeouts/stopping", "1m");
  document = altered(document, "manager/workspaceClass/default/container/limits/cpu", "many");
  document = altered(document, "manager/workspaceClass/default/templates/defaultPath", "/does/not/exist");
  document = altered(document, "rpcServer/tls", { ca: "x" });
  const problems = await problemsOf(document);
  assert.deepEqual(problems, [
    'manager.timeouts.startup: must be a Go duration such as "30s" or "1h30m", got "abc"',
    "manager.timeouts.stopping: must not be less than contentFinalization",
    'manager.workspaceClass.default.container.limits.cpu: must be a Kubernetes quantity such as "500m" or "1.5Gi", got "many"',
    "rpcServer.tls.crt: is required: TLS needs all of ca, crt and key, or none of them",
    "rpcServer.tls.key: is required: TLS needs all of ca, crt and key, or none of them",
    'manager.workspaceClass.default.templates.defaultPath: the file "/does/not/exist" can not be read: there is no such file',
  ]);
});

test("unknown keys are warned of with their paths, at every depth, and change nothing else", async () => {
  let document = altered(minimal(), "manager/bogus", 1);
  document = altered(document, "manager/timeouts/sTartup", "1m");
  document = altered(document, "manager/workspaceClass/default/container/limits/gpu", "1");
  document = altered(document, "extra", { deep: true });
  document = altered(document, "manager/constructor", 1);
  document = altered(document, "rpcServer/odd.key\u001b[2J", 1);
  const { config, warnings } = await accept(document);
  assert.deepEqual([...warnings].sort(), [
    "extra: unknown key, ignored",
    "manager.bogus: unknown key, ignored",
    "manager.constructor: unknown key, ignored",
    "manager.timeouts.sTartup: unknown key, ignored",
    "manager.workspaceClass.default.container.limits.gpu: unknown key, ignored",
    'rpcServer["odd.key\\u001b[2J"]: unknown key, ignored',
  ]);
  assert.deepEqual(config, (await accept(minimal())).config);
});

test("misspelt keys are told also where something else is wrong: the one may be the reason for the other", async () => {
  const document = altered(altered(minimal(), "manager/timeouts/startup", undefined), "manager/timeouts/startUp", "1h");
  await assert.rejects(parseConfig(document, "test", options), (error: unknown) => error instanceof ConfigError && error.warnings.includes("manager.timeouts.startUp: unknown key, ignored") && error.problems.length === 1);
});

test("a file that is no object is told so, and nothing else", async () => {
  assert.deepEqual(await problemsOf([1]), [": must be an object, got a list"]);
  assert.deepEqual(await problemsOf(7), [": must be an object, got a number"]);
});

test("an address of profiles that others can reach is warned of, unless clients need certificates", async () => {
  const tls = { ca: "ca", crt: "crt", key: "key" };
  for (const addr of [":6060", "0.0.0.0:6060", "10.0.0.1:6060", "[::]:6060", "profiles.example:6060"]) {
    const document = altered(minimal(), "pprof/addr", addr);
    const { warnings } = await accept(document);
    assert.equal(warnings.length, 1, addr);
    assert.match(warnings[0] ?? "", /^pprof\.addr: no profiles are served on ".*:6060", which others can reach: give a loopback address such as "127\.0\.0\.1:6060", or wsmand\.profiling\.tls/);
    assert.deepEqual((await accept(altered(document, "wsmand/profiling/tls", tls))).warnings, []);
  }
  for (const addr of ["127.0.0.1:6060", "127.1.2.3:6060", "localhost:6060", "[::1]:6060"]) assert.deepEqual((await accept(altered(minimal(), "pprof/addr", addr))).warnings, [], addr);
});

test("a relative path of a template that is not there is told with what it is relative to", async () => {
  const [problem] = await problemsOf(altered(minimal(), "manager/workspaceClass/default/templates/defaultPath", "no/such/file"));
  assert.match(problem ?? "", /the file "no\/such\/file" can not be read: there is no such file \(the path is relative to the working directory\)$/);
});

test("names that reach prototypes are harmless", async () => {
  const text = JSON.stringify(minimal()).replace('"default":{}', '"default":{},"constructor":{"name":"C"},"__proto__":{"name":"P"}');
  const problems = await problemsOf(JSON.parse(text));
  assert.deepEqual(problems, ["manager.workspaceClass.__proto__: is not a name that can be used"]);
  const { config } = await accept(altered(minimal(), "manager/workspaceClass/constructor", { name: "C" }));
  assert.deepEqual(config.manager.workspaceClasses.map(({ id, name }) => [id, name]), [["constructor", "C"], ["default", undefined]]);
  assert.equal(Object.hasOwn(Object.prototype, "name"), false);
});

test("a rate limit for what is no method is warned of", async () => {
  const { warnings } = await accept(altered(minimal(), "rpcServer/ratelimits", { MarkActive: { refillInterval: "1s" } }));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /^rpcServer\.ratelimits\.MarkActive: no method's full name/);
});

test("whoever names no registry is told that nothing starts; the examples name one", async () => {
  assert.deepEqual((await accept(altered(minimal(), "manager/registryFacadeHost", undefined))).warnings, ["manager.registryFacadeHost: is not there, so no workspace can start: name the registry that their images are pulled from"]);
  for (const file of ["config.json", "local.json"]) assert.deepEqual((await load(`examples/${file}`, options)).warnings, [], file);
});

test("templates that make no URLs with this hostURL are warned of; the examples' do", async () => {
  let document = altered(altered(minimal(), "manager/hostURL", "https://gitpod.io"), "manager/urlTemplate", "https://{{ .ID }}.{{ .Host }}");
  document = altered(document, "manager/portUrlTemplate", "https://{{ .WorkspacePort }}-{{ .ID }}.{{ .Host }}");
  assert.deepEqual((await accept(document)).warnings.map((warning) => warning.split(": ", 1)[0]), ["manager.urlTemplate", "manager.portUrlTemplate"]);
  assert.deepEqual((await accept(await example())).warnings, []);
});

test("the configuration is frozen to its depths", async () => {
  const { config } = await accept(minimal());
  const frozen = (value: unknown): boolean => typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
  assert.ok(frozen(config));
});

test("secrets are never printed: not from the configuration, not in problems", async () => {
  const secret = "hunter2hunter2";
  const { config } = await accept(altered(minimal(), "content/storage/minio", { accessKey: secret, secretKey: secret }));
  assert.equal(config.content.storage.minio.secretKey?.reveal(), secret);
  for (const shown of [JSON.stringify(config), inspect(config, { depth: 10, showHidden: true }), String(config.content.storage.minio.accessKey)]) assert.ok(!shown.includes(secret));
  for (const wrong of [[secret], { secret }]) {
    const problems = await problemsOf(altered(minimal(), "content/storage/minio", { accessKey: wrong, secretKey: wrong }));
    assert.ok(problems.length === 2 && !problems.join().includes("hunter"), problems.join());
  }
  assert.ok(!(await problemsOf(altered(minimal(), "content/storage/minio", secret))).join().includes(secret));
});

test("a storage of kind minio needs a server and keys, or files with them; gcloud needs nothing; without a kind nothing is asked for", async () => {
  const storage = (members: object): Json => altered(minimal(), "content/storage", members);
  for (const members of [{}, { minio: { endpoint: "http://x/y" } }, { kind: "gcloud" }, { kind: "gcloud", gcloud: { credentialsFile: "/nowhere" } }]) await accept(storage(members));
  assert.deepEqual(await problemsOf(storage({ kind: "minio" })), [
    "content.storage.minio.endpoint: is required with kind minio",
    "content.storage.minio.accessKey: is required with kind minio, or accessKeyFile",
    "content.storage.minio.secretKey: is required with kind minio, or secretKeyFile",
  ]);
  const keys = { accessKey: "a", secretKeyFile: "/run/secret" };
  for (const endpoint of ["minio", "minio:9000", "10.0.0.1:9000", "[::1]:9000", "minio.default.svc.cluster.local:9000"]) await accept(storage({ kind: "minio", minio: { endpoint, ...keys } }));
  for (const endpoint of ["http://minio:9000", "minio/path", "user@minio", "minio:port", "a b", "minio?x", ":9000"]) {
    const problems = await problemsOf(storage({ kind: "minio", minio: { endpoint, ...keys } }));
    assert.deepEqual(problems, ['content.storage.minio.endpoint: must be HOST or HOST:PORT, such as "minio:9000", without a scheme (see secure)'], endpoint);
  }
  // Of the wrong kind is not missing as well.
  assert.deepEqual((await problemsOf(storage({ kind: "minio", minio: { endpoint: 7, ...keys } }))).length, 1);
  assert.deepEqual((await problemsOf(storage({ kind: "minio", minio: [] }))).length, 1);
});

test("credentials that can not be read yet are warned of, for the kind that counts", async () => {
  const of = async (members: object): Promise<readonly string[]> => storageFileWarnings((await accept(altered(minimal(), "content/storage", members))).config.content.storage);
  const files = { gcloud: { credentialsFile: "/nowhere/g" }, minio: { endpoint: "m", accessKeyFile: "/nowhere/a", secretKeyFile: "package.json" } };
  const warning = (key: string, file: string): string => `content.storage.${key}: the file "${file}" can not be read: there is no such file: image specs with content layers can not be given`;
  assert.deepEqual(await of({ kind: "gcloud", ...files }), [warning("gcloud.credentialsFile", "/nowhere/g")]);
  assert.deepEqual(await of({ kind: "minio", ...files }), [warning("minio.accessKeyFile", "/nowhere/a")]);
  assert.deepEqual(await of(files), []);
});

test("a file with a syntax error is refused with the place, and without quoting it", async () => {
  const file = join(directory, "broken.json");
  for (const text of ['{"content": {"secretKey": "hunter2" "x"}}', "a: b: hunter2", "- x\n hunter2: [", '{"a": "hunter2', "%YAML hunter2\n---\n- !!hunter2 *hunter2"]) {
    await writeFile(file, text);
    await assert.rejects(load(file), (error: unknown) => error instanceof ConfigError && !error.message.includes("hunter2") && error.message.startsWith(file));
  }
  await writeFile(file, '{\n  "manager": {]\n}');
  await assert.rejects(load(file), /is neither JSON nor YAML: .* at line 2, column \d+/);
});

test("files that are no configurations are refused in words", async () => {
  const file = join(directory, "odd");
  const odd: readonly (readonly [string | Buffer, RegExp])[] = [
    ["", /must be an object|is required/], ["null", /is required/], ["[]", /must be an object, got a list/], ["42", /must be an object, got a number/], [Buffer.from([0xff, 0xfe, 0x00, 0x80]), /must be an object|neither/],
    ["[".repeat(100_000), /nested too deeply|neither/], [`{"a":${"[".repeat(200)}${"]".repeat(200)}}`, /nested too deeply/], [`{"a":[${"0,".repeat(300_000)}0]}`, /has more than 200000 members/], [Buffer.alloc(5_000_000, " "), /larger than/],
    ["a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]", /neither|more than|required/],
  ];
  for (const [content, expected] of odd) {
    await writeFile(file, content);
    await assert.rejects(load(file), (error: unknown) => error instanceof ConfigError && expected.test(error.message), String(content).slice(0, 40));
  }
  await assert.rejects(load(directory), /it is a directory/);
  await assert.rejects(load(join(directory, "missing")), /there is no such file/);
});

test("a byte order mark does no harm", async () => {
  const file = join(directory, "bom.json");
  await writeFile(file, `\uFEFF${JSON.stringify(minimal())}`);
  assert.equal((await load(file)).config.rpcServer.addr, ":8080");
});

test("the number of problems that are told is bounded", async () => {
  const classes = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`c${i}`, { name: 1 }]));
  const problems = await problemsOf(altered(minimal(), "manager/workspaceClass", { default: {}, ...classes }));
  assert.equal(problems.length, 201);
  assert.equal(problems.at(-1), ": and 800 more problems");
});

test("pod templates must parse as a Pod", async () => {
  const template = join(directory, "template");
  const withTemplate = altered(minimal(), "manager/workspaceClass/default/templates/defaultPath", template);
  for (const good of ["apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: workspace\n", '{"spec":{"dnsPolicy":"None","containers":[]}}', "{}", "# nothing\n"]) {
    await writeFile(template, good);
    assert.deepEqual(await problemsOf(withTemplate), [], good);
  }
  for (const bad of ["kind: Deployment", "spec: 3", "spec: {containers: {name: x}}", "metadata: {labels: {a: [b]}}", "[]", "{", "spec:\n  containers:\n  - env: x", "spec: {nodeSelector: [a]}"]) {
    await writeFile(template, bad);
    const problems = await problemsOf(withTemplate);
    assert.equal(problems.length, 1, bad);
    assert.match(problems[0] ?? "", /^manager\.workspaceClass\.default\.templates\.defaultPath: the file ".*" (does not parse as a Pod|is neither)/);
  }
});

test("YAML may hold numbers where quantities are", async () => {
  const { config } = await accept(altered(minimal(), "manager/workspaceClass/default/container/limits", { cpu: 2, memory: 1e9 }));
  assert.deepEqual(config.manager.workspaceClasses[0]?.container.limits, { cpu: "2", memory: "1000000000" });
});

test("the built-in cluster's configuration is complete", async () => {
  const { config, warnings } = await embeddedConfig();
  assert.deepEqual(warnings, []);
  assert.equal(config.rpcServer.addr, "127.0.0.1:8080");
  assert.equal(config.prometheus.addr, "127.0.0.1:9500");
  await assert.rejects(embeddedConfig({ rpcAddr: "nonsense" }), ConfigError);
});

test("whatever is changed in a configuration, it is accepted or refused with problems, and nothing else happens", async () => {
  const base = await example();
  const paths: string[][] = [];
  const collect = (value: unknown, path: string[]): void => {
    if (path.length > 0) paths.push(path);
    if (typeof value === "object" && value !== null) for (const [key, member] of Object.entries(value)) collect(member, [...path, key]);
  };
  collect(base, []);
  const set = (value: unknown, path: readonly string[], replacement: unknown): unknown => {
    const [key, ...rest] = path;
    if (key === undefined) return replacement;
    if (typeof value !== "object" || value === null) return value;
    const copy = new Map(Object.entries(value));
    copy.set(key, set(copy.get(key), rest, replacement));
    return Object.fromEntries(copy);
  };
  const junk = fc.oneof(fc.jsonValue(), fc.anything({ maxDepth: 2 }), fc.constantFrom("", "0", 0, null, undefined, "__proto__", "1s", "\ud800", "x".repeat(100_000), [[[]]], { __proto__: null }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(...paths), fc.option(fc.string()), junk), { minLength: 1, maxLength: 4 }), async (changes) => {
      let document: unknown = base;
      for (const [path, extra, value] of changes) document = set(document, extra === null ? path : [...path, extra], value);
      await problemsOf(document);
    }),
    { numRuns: 300 },
  );
  await fc.assert(fc.asyncProperty(fc.anything(), async (document) => void (await problemsOf(document))), { numRuns: 300 });
});
