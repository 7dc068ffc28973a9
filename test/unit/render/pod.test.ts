/** The pod of a workspace: what Kubernetes, the installation's other parts and our own derivation of statuses find in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { objectsAt } from "../../../src/domain/json.ts";
import { ownVariables } from "../../../src/domain/names.ts";
import { contentservice, wsman } from "../../../src/gen/proto.js";
import { encodeInitializer } from "../../../src/main/render/initializer.ts";
import { renderPod } from "../../../src/main/render/pod.ts";
import { readStart } from "../../../src/main/render/start.ts";
import { startProblems } from "../../../src/main/render/validation.ts";
import { readPod } from "../../../src/workers/pod.ts";
import { deriveStatus } from "../../../src/workers/status.ts";
import { at, config, containerOf, contextFor, envOf, envValue, metaOf, podOf, request } from "./helpers.ts";

const flags = (...featureFlags: readonly string[]): wsman.StartWorkspaceRequest => request({}, { featureFlags });

test("each type has its prefix, labels and nodes", async () => {
  for (const [type, name, workload] of [["REGULAR", "ws-instance-1", "regular"], ["PREBUILD", "prebuild-instance-1", "headless"], ["PROBE", "probe-instance-1", "headless"], ["IMAGEBUILD", "imagebuild-instance-1", "headless"]] as const) {
    const pod = await podOf(request({ type }));
    assert.equal(at(pod, "metadata/name"), name);
    assert.equal(at(pod, "metadata/namespace"), "workspaces");
    const { workspaceType, headless } = metaOf(pod, "labels");
    assert.deepEqual([workspaceType, headless], [type.toLowerCase(), String(type !== "REGULAR")]);
    assert.deepEqual(
      objectsAt({ list: at(pod, "spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions") }, "list").map(({ key }) => key),
      [`gitpod.io/workload_workspace_${workload}`, "gitpod.io/ws-daemon_ready_ns_workspaces", "gitpod.io/registry-facade_ready_ns_workspaces"],
    );
    assert.equal(envValue(pod, "GITPOD_HEADLESS"), type === "REGULAR" ? undefined : "true");
  }
});

test("without a service prefix the ID stands in, in annotation and URL", async () => {
  const pod = await podOf(request({ servicePrefix: "", type: "PROBE" }));
  assert.equal(metaOf(pod, "annotations")["gitpod/servicePrefix"], "instance-1");
  assert.equal(metaOf(pod, "annotations")["gitpod/url"], "https://instance-1-instance-1.ws.gitpod.example");
  assert.equal(envValue(pod, "GITPOD_WORKSPACE_URL"), "https://instance-1-instance-1.ws.gitpod.example");
});

test("resources are those of the class; zero, missing and storage are left out", async () => {
  assert.deepEqual(containerOf(await podOf(request()))["resources"], { limits: { cpu: "4", memory: "8Gi" }, requests: { cpu: "1", memory: "2G" } });
  assert.deepEqual(containerOf(await podOf(request({}, { class: "large" })))["resources"], {});
});

test("GITPOD_MEMORY is the request in millions of bytes, rounded down", async () => {
  for (const [memory, text] of [["999999999", "999"], ["1Gi", "1073"], ["4.35G", "4350"], ["0", "0"], ["", "0"]]) {
    const pod = await podOf(request(), { workspaceClass: { default: { container: { requests: { memory } } } } });
    assert.equal(envValue(pod, "GITPOD_MEMORY"), text, memory);
  }
});

test("the class's ID is the label, the requested one the variable", async () => {
  const pod = await podOf(request({}, { class: "gone" }));
  assert.equal(metaOf(pod, "labels")["gitpod.io/workspaceClass"], "default");
  assert.equal(envValue(pod, "GITPOD_WORKSPACE_CLASS"), "gone");
});

test("variables keep their order, and those without a value are left out", async () => {
  const names = envOf(await podOf(request({}, { envvars: [{ name: "B", value: "1" }, { name: "EMPTY" }, { name: "A", value: "2" }], git: { username: "jane" } }), { caCertSecret: "ca" })).map(([name]) => name);
  assert.deepEqual(names, [
    "GITPOD_REPO_ROOT", "GITPOD_REPO_ROOTS", "GITPOD_CLI_APITOKEN", "GITPOD_OWNER_ID", "GITPOD_WORKSPACE_ID", "GITPOD_INSTANCE_ID", "GITPOD_THEIA_PORT", "THEIA_WORKSPACE_ROOT", "GITPOD_HOST", "GITPOD_WORKSPACE_URL",
    "THEIA_SUPERVISOR_ENDPOINT", "THEIA_WEBVIEW_EXTERNAL_ENDPOINT", "THEIA_MINI_BROWSER_HOST_PATTERN", "GITPOD_GIT_USER_NAME", "B", "A", "GITPOD_INTERVAL", "GITPOD_MEMORY", "NODE_EXTRA_CA_CERTS",
  ]);
});

test("no request can give a value to a variable that counts as the installation's own, and all others of a pod are requests', tokens, or about Git", async () => {
  const others = ["GITPOD_CLI_APITOKEN", "GITPOD_GIT_USER_NAME", "GITPOD_GIT_USER_EMAIL"];
  const envvars = [...ownVariables].map((name) => ({ name, value: "given by a request" }));
  const pod = envOf(await podOf(request({ type: "PREBUILD" }, { class: "large", envvars, git: { username: "jane", email: "jane@example.com" } }), { workspaceClusterHost: "ws.example" }));
  assert.ok(!JSON.stringify(pod).includes("given by a request"));
  assert.deepEqual(new Set(pod.map(([name]) => String(name)).filter((name) => name.startsWith("GITPOD_"))), new Set([...ownVariables, ...others]));
});

test("a variable's value goes before its secret", async () => {
  const secret = { secretName: "s", key: "k" };
  const pod = await podOf(request({}, { envvars: [{ name: "A", value: "1", secret }, { name: "B", secret }] }));
  assert.deepEqual([envValue(pod, "A"), envValue(pod, "B")], ["1", { secretKeyRef: { name: "s", key: "k" } }]);
});

test("repository roots come from the initializer, in order, joined under /workspace", async () => {
  const git = (checkoutLocation: string): object => ({ checkoutLocation });
  const cases: readonly (readonly [object, string])[] = [
    [{ empty: {} }, "/workspace"],
    [{ git: git("repo") }, "/workspace/repo"],
    [{ git: git("/workspace/repo/") }, "/workspace/repo"],
    [{ git: git("/workspaces") }, "/workspace/workspaces"],
    [{ git: git("workspace/x") }, "/workspace/workspace/x"],
    [{ prebuild: { git: [git("a"), git("b")] } }, "/workspace/a,/workspace/b"],
    [{ prebuild: {} }, "/workspace"],
    [{ backup: { checkoutLocation: "c" } }, "/workspace/c"],
    [{ composite: { initializer: [{ git: git("a") }, { snapshot: {} }, { composite: { initializer: [{ backup: git("b") }] } }, { git: git("") }] } }, "/workspace/a,/workspace/b,/workspace"],
    [{ git: git("../../etc") }, "/workspace/etc"],
    [{ git: git("/workspace/../../etc/passwd") }, "/workspace/etc/passwd"],
  ];
  for (const [initializer, roots] of cases) {
    const pod = await podOf(request({}, { initializer }));
    assert.equal(envValue(pod, "GITPOD_REPO_ROOTS"), roots);
    assert.equal(envValue(pod, "GITPOD_REPO_ROOT"), roots.split(",")[0]);
  }
});

test("FULL_WORKSPACE_BACKUP has no volume for the content", async () => {
  const pod = await podOf(flags("FULL_WORKSPACE_BACKUP", "FULL_WORKSPACE_BACKUP"));
  assert.deepEqual(objectsAt({ v: at(pod, "spec/volumes") }, "v").map(({ name }) => name), ["daemon-mount"]);
  assert.deepEqual(objectsAt(containerOf(pod), "volumeMounts").map(({ name }) => name), ["daemon-mount"]);
  assert.equal(metaOf(pod, "labels")["gitpod/fullWorkspaceBackup"], "true");
  assert.equal(metaOf(pod, "annotations")["gitpod/fullWorkspaceBackup"], "true");
});

test("PERSISTENT_VOLUME_CLAIM mounts the claim that is named like the pod", async () => {
  const pod = await podOf(flags("PERSISTENT_VOLUME_CLAIM"));
  assert.deepEqual(at(pod, "spec/volumes/0"), { name: "vol-this-workspace", persistentVolumeClaim: { claimName: "ws-instance-1" } });
  assert.deepEqual(at(containerOf(pod), "volumeMounts/0"), { name: "vol-this-workspace", mountPath: "/workspace", subPath: "workspace" });
  assert.deepEqual(at(pod, "spec/securityContext"), { fsGroup: 133332 });
  assert.equal(metaOf(pod, "labels")["gitpod.io/pvcFeature"], "true");
});

test("with both flags the node daemon's mount stays what it is", async () => {
  const volumes = at(await podOf(flags("PERSISTENT_VOLUME_CLAIM", "FULL_WORKSPACE_BACKUP")), "spec/volumes");
  assert.deepEqual(volumes, [{ name: "daemon-mount", hostPath: { path: "/var/workspaces/instance-1-daemon", type: "DirectoryOrCreate" } }]);
});

test("FIXED_RESOURCES tells the container's CPU limit, a template's included", async () => {
  const template = { spec: { containers: [{ name: "workspace", resources: { limits: { cpu: 6 } } }] } };
  const limit = async (...args: Parameters<typeof podOf>): Promise<unknown> => metaOf(await podOf(...args), "annotations")["gitpod.io/cpuLimit"];
  assert.equal(await limit(flags("FIXED_RESOURCES")), "4");
  assert.equal(await limit(flags("FIXED_RESOURCES"), {}, { template }), "6");
  assert.equal(await limit(request({}, { featureFlags: ["FIXED_RESOURCES"], class: "large" })), "0");
  assert.equal(await limit(flags("NOOP")), undefined);
});

test("what the configuration adds is there only if it is configured", async () => {
  const plain = await podOf(request());
  assert.equal(at(plain, "spec/schedulerName"), undefined);
  assert.equal(metaOf(plain, "annotations")["seccomp.security.alpha.kubernetes.io/pod"], undefined);
  assert.deepEqual(at(plain, "metadata/finalizers"), ["gitpod.io/finalizer"]);
  assert.deepEqual(at(plain, "spec/securityContext"), {});
  const full = await podOf(request({ type: "IMAGEBUILD" }), { schedulerName: "s", seccompProfile: "localhost/p", debugWorkspacePod: true, caCertSecret: "authorities", workspaceClusterHost: "ws.example" }, { seccompField: true });
  assert.equal(at(full, "spec/schedulerName"), "s");
  assert.equal(metaOf(full, "annotations")["seccomp.security.alpha.kubernetes.io/pod"], "localhost/p");
  assert.deepEqual(at(full, "metadata/finalizers"), ["gitpod.io/finalizer", "gitpod.io/debugfinalizer"]);
  assert.deepEqual(at(full, "spec/securityContext/seccompProfile"), { type: "Localhost", localhostProfile: "p" });
  assert.deepEqual(at(full, "spec/volumes/2"), { name: "custom-ca-certs", secret: { secretName: "authorities", items: [{ key: "ca.crt", path: "ca.crt" }] } });
  assert.deepEqual(at(containerOf(full), "volumeMounts/2"), { name: "custom-ca-certs", mountPath: "/etc/ssl/certs/gitpod-ca.crt", subPath: "ca.crt", readOnly: true });
  assert.equal(envValue(full, "NODE_EXTRA_CA_CERTS"), "/etc/ssl/certs/gitpod-ca.crt");
  assert.equal(envValue(full, "GITPOD_WORKSPACE_CLUSTER_HOST"), "ws.example");
  assert.equal(at(full, "spec/volumes/3/secret/secretName"), "builtin-registry-facade-cert");
});

test("seccomp profiles of the runtime have types of their own", async () => {
  for (const [seccompProfile, expected] of [["runtime/default", { type: "RuntimeDefault" }], ["unconfined", { type: "Unconfined" }]] as const) {
    assert.deepEqual(at(await podOf(request(), { seccompProfile }, { seccompField: true }), "spec/securityContext/seccompProfile"), expected);
  }
});

test("no registry, no pod", async () => {
  await assert.rejects(podOf(request(), { registryFacadeHost: "" }), { code: "FAILED_PRECONDITION", message: /manager\.registryFacadeHost/ });
});

test("what is unknown is refused, and an ID that would leave its directory", () => {
  for (const members of [{ type: 3 }, { id: "" }, { id: "../../etc" }, { id: ".." }, { spec: { admission: 7 } }, { spec: { featureFlags: [1] } }]) assert.throws(() => readStart(request(members)), { code: "INVALID_ARGUMENT" });
});

test("the old member for the IDE counts where the new one is empty", async () => {
  const spec = async (members: object): Promise<unknown> => statusOf(await podOf(request({}, members))).spec?.ideImage?.webRef;
  assert.deepEqual([await spec({ deprecatedIdeImage: "old" }), await spec({ deprecatedIdeImage: "old", ideImage: { webRef: "new" } })], ["old", "new"]);
});

test("the same request gives the same pod, in whatever order its maps come", async () => {
  const with_ = (keys: readonly string[]): wsman.StartWorkspaceRequest => {
    const config = { customConfig: Object.fromEntries(keys.map((key) => [key, "1"])) };
    const git = { checkoutLocation: "a", config };
    return request({}, { initializer: { composite: { initializer: [{ git }, { prebuild: { git: [git] } }] } } });
  };
  assert.deepEqual(await podOf(with_(["a", "b", "c"])), await podOf(with_(["c", "a", "b"])));
});

test("10,000 variables are no trouble", async () => {
  const envvars = Array.from({ length: 10_000 }, (_, i) => ({ name: `V${i}`, value: String(i) }));
  const from = request({}, { envvars });
  assert.deepEqual(startProblems(from), []);
  assert.equal(envOf(await podOf(from)).length, 10_000 + 15);
});

function statusOf(pod: object): ReturnType<typeof deriveStatus> {
  return deriveStatus(readPod(pod), [], { regularWorkspaceTimeoutMs: 0 });
}

const word = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}[a-z0-9]$/);
const text = fc.string({ unit: "binary", maxLength: 20 });
const hostile = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "toString", "../../../etc", "/workspace/../..", "a\u0000b", "${X}", "{{ .ID }}", "\n", "true"));
const location = fc.oneof(hostile, fc.array(fc.constantFrom("..", ".", "", "workspace", "x"), { maxLength: 6 }).map((parts) => parts.join("/")));

const anyRequest = fc.record({
  id: word, servicePrefix: word, type: fc.constantFrom("REGULAR", "PREBUILD", "PROBE", "IMAGEBUILD"),
  metadata: fc.record({ owner: word, metaId: word, team: word, annotations: fc.dictionary(fc.oneof(word, fc.constantFrom("constructor", "toString", "a__proto__")), hostile, { maxKeys: 4 }) }),
  spec: fc.record({
    workspaceImage: hostile, workspaceLocation: location, class: hostile, ideImage: fc.record({ webRef: hostile, desktopRef: hostile, supervisorRef: hostile }), admission: fc.constantFrom(0, 1),
    featureFlags: fc.uniqueArray(fc.constantFrom(0, 4, 5, 7)), sshPublicKeys: fc.array(hostile, { maxLength: 2 }), git: fc.record({ username: hostile, email: hostile }),
    envvars: fc.array(fc.record({ name: hostile, value: hostile }), { maxLength: 4 }),
    initializer: fc.record({ git: fc.record({ checkoutLocation: location, config: fc.record({ customConfig: fc.dictionary(hostile, hostile, { maxKeys: 3 }) }) }) }),
  }),
});

/** What anyRequest gives, as it comes over the wire. */
function sent(members: object): wsman.StartWorkspaceRequest {
  return wsman.StartWorkspaceRequest.decode(wsman.StartWorkspaceRequest.encode(wsman.StartWorkspaceRequest.fromObject(members)).finish());
}

test("whatever a request holds, it stays in its place", async () => {
  const loaded = await config();
  fc.assert(
    fc.property(anyRequest, (members) => {
      const from = sent(members);
      const before = JSON.stringify(from);
      const pod = renderPod(readStart(from), contextFor(loaded, from));
      assert.equal(JSON.stringify(from), before);
      assert.deepEqual(JSON.parse(JSON.stringify(pod)), pod);

      const plain = renderPod(readStart(request({ type: members.type })), contextFor(loaded, request()));
      assert.deepEqual(Object.keys(containerOf(pod)), Object.keys(containerOf(plain)));
      assert.deepEqual(containerOf(pod)["securityContext"], containerOf(plain)["securityContext"]);
      assert.equal(containerOf(pod)["image"], `reg.example:3000/remote/${members.id}`);
      const paths = objectsAt({ v: at(pod, "spec/volumes") }, "v").map((volume) => at(volume, "hostPath/path")).filter((path) => path !== undefined);
      assert.ok(paths.every((path) => path === `/var/workspaces/${members.id}` || path === `/var/workspaces/${members.id}-daemon`), JSON.stringify(paths));
      for (const name of ["GITPOD_REPO_ROOT", "THEIA_WORKSPACE_ROOT"]) assert.match(String(envValue(pod, name)), /^\/workspace(?:\/(?!\.\.(?:\/|$))[^/]+)*$/);
      assert.deepEqual(envOf(pod).filter(([name]) => name === "GITPOD_OWNER_ID"), [["GITPOD_OWNER_ID", members.metadata.owner]]);
    }),
    { numRuns: 200 },
  );
});

test("the status of a new pod says what was asked for", async () => {
  const loaded = await config();
  fc.assert(
    fc.property(anyRequest, (members) => {
      const { metadata, spec, type } = sent(members);
      const pod = renderPod(readStart(sent(members)), contextFor(loaded, sent(members)));
      const status = statusOf(pod);
      assert.deepEqual(status.spec, {
        workspaceImage: spec?.workspaceImage ?? "",
        headless: members.type !== "REGULAR",
        url: `https://${members.id}-${members.servicePrefix}.ws.gitpod.example`,
        exposedPorts: [],
        type,
        timeout: "",
        ideImage: { ...members.spec.ideImage },
        deprecatedIdeImage: members.spec.ideImage.webRef,
        class: "default",
      });
      assert.deepEqual([status.id, status.phase, status.auth], [members.id, wsman.WorkspacePhase.PENDING, { admission: spec?.admission, ownerToken: "owner-token" }]);
      assert.deepEqual({ ...status.metadata, annotations: { ...status.metadata?.annotations } }, { owner: metadata?.owner, metaId: metadata?.metaId, team: metadata?.team, annotations: { ...metadata?.annotations } });
    }),
    { numRuns: 200 },
  );
});

test("the initializer comes through as it was sent", () => {
  const toObject = (initializer: contentservice.WorkspaceInitializer): object => contentservice.WorkspaceInitializer.toObject(initializer);
  fc.assert(
    fc.property(anyRequest, (members) => {
      const initializer = contentservice.WorkspaceInitializer.fromObject(sent(members).spec?.initializer ?? {});
      assert.deepEqual(toObject(contentservice.WorkspaceInitializer.decode(encodeInitializer(initializer))), toObject(initializer));
    }),
  );
});
