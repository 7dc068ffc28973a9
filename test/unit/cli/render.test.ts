/** The command `render`, as people and scripts call it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { asObject } from "../../../src/domain/json.ts";
import { at, containerOf, envValue, metaOf } from "../render/helpers.ts";
import { command } from "./helpers.ts";

const request = { id: "one", servicePrefix: "prefix", metadata: { owner: "jane", metaId: "meta" }, spec: { workspaceImage: "image", workspaceLocation: "repo", initializer: { empty: {} } } };
const fixed = ["--owner-token", "owner", "--cli-api-key", "key"] as const;

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "render-"));
});
after(() => rm(directory, { recursive: true }));

/** A copy of the complete example with members of `manager` and of the class `default`. */
async function configFile(name: string, manager: object, ofClass: object = {}): Promise<string> {
  const document: unknown = JSON.parse(await readFile("examples/config.json", "utf8"));
  const before = asObject(at(document, "manager"));
  const classes = { default: { ...asObject(at(document, "manager/workspaceClass/default")), ...ofClass } };
  const path = join(directory, name);
  await writeFile(path, JSON.stringify({ ...asObject(document), manager: { ...before, workspaceClass: classes, ...manager } }));
  return path;
}

async function render(input: unknown, config = "examples/config.json", flags: readonly string[] = fixed): Promise<{ code: number; err: string; pod: object; pvc: unknown; error: unknown }> {
  const { code, out, err } = await command(["render", "--config", config, ...flags], { stdin: typeof input === "string" ? input : JSON.stringify(input) });
  const printed: unknown = JSON.parse(out);
  return { code, err, pod: asObject(at(printed, "pod")) ?? {}, pvc: at(printed, "pvc"), error: at(printed, "error") };
}

test("prints pod and claim, with the templates of the class merged, as a process", () => {
  const input = JSON.stringify({ ...request, spec: { ...request.spec, featureFlags: ["PERSISTENT_VOLUME_CLAIM"], volumeSnapshot: { volumeSnapshotName: "snap" } } });
  const { status, stdout, stderr } = spawnSync(process.execPath, ["src/main/index.ts", "render", "--config", "examples/config.json", ...fixed], { input, encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  const printed: unknown = JSON.parse(stdout);
  assert.equal(at(printed, "pod/metadata/name"), "ws-one");
  assert.equal(metaOf(asObject(at(printed, "pod")) ?? {}, "labels")["example.com/team"], "platform");
  assert.equal(envValue(asObject(at(printed, "pod")) ?? {}, "EXAMPLE_REGION"), "eu");
  assert.equal(at(printed, "pvc/spec/dataSource/name"), "snap");
});

test("tokens are those that were given, or random ones", async () => {
  const given = await render(request);
  assert.deepEqual([metaOf({ ...given.pod }, "annotations")["gitpod/ownerToken"], envValue({ ...given.pod }, "GITPOD_CLI_APITOKEN")], ["owner", "key"]);
  const tokens: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const { pod } = await render(request, "examples/config.json", []);
    tokens.push(metaOf({ ...pod }, "annotations")["gitpod/ownerToken"], envValue({ ...pod }, "GITPOD_CLI_APITOKEN"));
  }
  assert.equal(new Set(tokens).size, 4);
  for (const token of tokens) assert.match(String(token), /^[0-9A-Za-z_.-]{32}$/);
});

test("only with the feature there is a claim; the pod is shown even if the class has none", async () => {
  assert.equal((await render(request)).pvc, null);
  const config = await configFile("no-pvc.json", {}, { pvc: {} });
  const { code, pvc, pod, err } = await render({ ...request, spec: { ...request.spec, featureFlags: [7] } }, config);
  assert.deepEqual([code, pvc, at(pod, "spec/volumes/0/persistentVolumeClaim/claimName")], [0, null, "ws-one"]);
  assert.match(err, /^warning: StartWorkspace would refuse this: workspace class "default" has no pvc\.size/);
});

test("the seccomp profile is in the security context if the configuration wants it there", async () => {
  const config = await configFile("seccomp.json", {});
  const document: unknown = JSON.parse(await readFile(config, "utf8"));
  const wanted = join(directory, "seccomp-field.json");
  await writeFile(wanted, JSON.stringify({ ...asObject(document), wsmand: { pods: { seccompField: true } } }));
  assert.equal(at((await render(request, config)).pod, "spec/securityContext/seccompProfile"), undefined);
  assert.deepEqual(at((await render(request, wanted)).pod, "spec/securityContext/seccompProfile"), { type: "Localhost", localhostProfile: "workspace-default" });
});

test("a type's template counts for that type alone", async () => {
  const template = join(directory, "prebuild.yaml");
  await writeFile(template, "spec: { priorityClassName: low, containers: [{ name: workspace, tty: true }] }");
  const config = await configFile("templates.json", {}, { templates: { prebuildPath: template } });
  const prebuild = await render({ ...request, type: "PREBUILD" }, config);
  assert.deepEqual([at(prebuild.pod, "spec/priorityClassName"), containerOf({ ...prebuild.pod })["tty"]], ["low", true]);
  assert.equal(at((await render(request, config)).pod, "spec/priorityClassName"), undefined);
});

test("what StartWorkspace would refuse is rendered with a warning, as are members that nobody reads", async () => {
  const { code, pod, err } = await render({ id: "one", speck: 1, spec: { ports: [{ port: 80 }, { port: 80 }] } });
  assert.equal(code, 0);
  assert.equal(at(pod, "metadata/name"), "ws-one");
  assert.match(err, /^warning: no members of a StartWorkspaceRequest, ignored: speck\n/);
  assert.match(err, /warning: StartWorkspace would refuse this: invalid start workspace request: .*ports: port 80 is not unique/);
});

test("what can not be rendered is an error as JSON, and code 1", async () => {
  const bad = await configFile("bad.json", {}, { container: { limits: { cpu: "many" } } });
  const cases: readonly (readonly [unknown, string | undefined, RegExp])[] = [
    ["", undefined, /is not JSON/],
    ['{"spec": hunter2', undefined, /^the input is not JSON: give a StartWorkspaceRequest as proto3 JSON$/],
    [[], undefined, /^the input must be an object$/],
    [{ ...request, id: "../x" }, undefined, /^invalid start workspace request: invalid request: id: "\.\.\/x" can not be a part of a pod's name/],
    [{ ...request, type: 3 }, undefined, /type: value 3 is out of range/],
    [{}, undefined, /^invalid start workspace request: invalid request: id: cannot be blank; metadata: cannot be blank; service_prefix: cannot be blank; spec: cannot be blank\.$/],
    [{ ...request, spec: { featureFlags: ["PRIVILEGED"] } }, undefined, /spec\.featureFlags\[0\] must be one of NOOP/],
    [request, "/does/not/exist", /can not be used/],
    [request, bad, /limits\.cpu: must be a Kubernetes quantity/],
  ];
  for (const [input, config, message] of cases) {
    const { code, error } = await render(input, config);
    assert.equal(code, 1);
    assert.match(String(error), message);
  }
});

test("the configuration must be named", async () => {
  const { code, err } = await command(["render"]);
  assert.equal(code, 2);
  assert.match(err, /--config/);
});
