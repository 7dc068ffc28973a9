/** What a trace shows of a pod, and what it must not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asObject, objectAt, objectsAt, parseObject } from "../../../src/domain/json.ts";
import { processBatch } from "../../../src/workers/batch.ts";
import { traceText } from "../../../src/workers/trace.ts";
import { config, runningPod } from "./pods.ts";

const secrets = ["hunter2", "given by a request", "initializer-bytes", "token-of-jane", "ssh-rsa", "cli-token", "git-secret"];

function podWithSecrets(): object {
  const env = [
    { name: "GITPOD_REPO_ROOT", value: "/workspace/r" }, { name: "GITPOD_MEMORY", value: "1073" },
    ...["THEIA_TOKEN", "THEIA_WORKSPACE_ROOT", "SUPERVISOR_SECRET", "BOB_AUTH", "PATH", "GITPOD_TASKS", "GITPOD_WORKSPACE_CONTEXT", "GITPOD_UNKNOWN"].map((name) => ({ name, value: "given by a request" })),
    { name: "PATHOLOGICAL", value: "hunter2" }, { name: "PASSWORD", value: "hunter2" }, { name: "GITPOD_GIT_USER_NAME", value: "git-secret" }, { name: "GITPOD_CLI_APITOKEN", value: "cli-token" },
    { name: "FROM", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
  ];
  return {
    kind: "Pod",
    metadata: { name: "ws-one", managedFields: [{}], annotations: { "gitpod/id": "one", "gitpod/contentInitializer": "initializer-bytes", "gitpod/ownerToken": "token-of-jane", "gitpod.io/sshPublicKeys": "ssh-rsa", "kubectl.kubernetes.io/last-applied-configuration": "hunter2" } },
    spec: { nodeName: "node-1", containers: [{ name: "workspace", env }, { name: "other" }], initContainers: [{ name: "init", env: [{ name: "X", value: "hunter2" }] }] },
    status: { phase: "Running" },
  };
}

test("a pod is shown as it is, but for its secrets", () => {
  for (const source of ["object", "watch"] as const) {
    const pod = podWithSecrets();
    const text = traceText(source === "watch" ? { type: "ADDED", object: pod } : pod, source, [{ reason: "FailedMount", message: "no such volume", timeMs: 1_700_000_000_000 }]);
    for (const secret of secrets) assert.ok(!text.includes(secret), secret);
    const shown = parseObject(Buffer.from(text));
    const containers = objectsAt(objectAt(objectAt(shown, "pod"), "spec"), "containers");
    assert.deepEqual(objectsAt(containers[0], "env").filter(({ value }) => value !== "[redacted]").map(({ name }) => name), ["GITPOD_REPO_ROOT", "GITPOD_MEMORY", "FROM"]);
    assert.deepEqual(objectAt(objectAt(shown, "pod"), "status"), { phase: "Running" });
    assert.deepEqual(shown?.["events"], [{ reason: "FailedMount", message: "no such volume", lastTimestamp: "2023-11-14T22:13:20Z" }]);
    assert.equal(asObject(objectAt(objectAt(shown, "pod"), "metadata"))?.["managedFields"], undefined);
  }
});

test("results tell what they are from only where that is asked for; of a pod with the rarest shapes too", () => {
  for (const [trace, shape] of [[false, {}], [true, {}], [true, { spec: { containers: [{ name: "workspace", env: "none" }], initContainers: null } }]] as const) {
    const line = Buffer.from(JSON.stringify({ ...runningPod(), ...shape }));
    const buffer = new SharedArrayBuffer(line.length);
    new Uint8Array(buffer).set(line);
    const { results, bytes } = processBatch({ buffer, lines: [{ source: "object", start: 0, length: line.length, events: undefined }] }, { ...config, trace });
    const [result] = results;
    assert.ok(result?.kind === "workspace");
    const text = result.trace && Buffer.from(bytes.subarray(result.trace.start, result.trace.start + result.trace.length));
    assert.equal(text !== undefined, trace);
    if (text) assert.equal(objectAt(objectAt(parseObject(text), "pod"), "metadata")?.["name"], runningPod().metadata["name"]);
  }
});
