/** Tests of the requests that the load tool sends: valid, and bare ones like what a workspace manager asks the API server for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { idPlaceholder } from "../../../src/bench/load/called.ts";
import { podTemplate, startRequest, startTemplate, stopPatch, stopTemplate } from "../../../src/bench/load/start-requests.ts";
import { steeringCalls } from "../../../src/bench/load/steering.ts";
import { asObject, objectAt, parseObject } from "../../../src/domain/json.ts";
import { isAuthorizedKey } from "../../../src/domain/ssh-keys.ts";
import { wsman } from "../../../src/gen/proto.js";
import { startProblems } from "../../../src/main/render/validation.ts";
import { podOf } from "../render/helpers.ts";

const id = "12345678-1234-4123-a123-123456789abc";

/** A template with an ID in the placeholder's place. */
function filled(template: Uint8Array, as = id): Buffer {
  return Buffer.from(Buffer.from(template).toString("latin1").replaceAll(idPlaceholder, as), "latin1");
}

test("a start request is valid, and a template with an ID is the request of that ID", () => {
  const request = startRequest(id, "someone", 10_000, {});
  assert.deepEqual(startProblems(wsman.StartWorkspaceRequest.decode(request)), []);
  assert.deepEqual(filled(startTemplate("someone", 10_000, {})), Buffer.from(request));
  assert.equal(wsman.StopWorkspaceRequest.decode(filled(stopTemplate())).id, id);
});

test("images that are told are those that nodes pull, and nothing is cloned that there is not", () => {
  const request = wsman.StartWorkspaceRequest.decode(startRequest(id, "someone", 10_000, { image: "i", ideImage: "j", supervisorImage: "k" }));
  assert.deepEqual(startProblems(request), []);
  const { workspaceImage, ideImage, initializer } = request.spec ?? {};
  assert.deepEqual([workspaceImage, ideImage?.webRef, ideImage?.supervisorRef], ["i", "j", "k"]);
  assert.ok(initializer?.empty && !initializer.git);
});

test("the pod that a request makes is about as large as was asked for", async () => {
  for (const size of [10_000, 20_000]) {
    const pod = JSON.stringify(await podOf(wsman.StartWorkspaceRequest.decode(startRequest(id, "someone", size, {}))));
    assert.ok(Math.abs(pod.length - size) < 0.15 * size, `${pod.length} for ${size}`);
  }
});

test("a bare pod is the pod of a workspace, to the byte but for what the server adds and the marker's value", async () => {
  const rendered = await podOf(wsman.StartWorkspaceRequest.decode(startRequest(id, "someone", 0, {})));
  const metadata = objectAt(rendered, "metadata");
  const asServed = { ...rendered, metadata: { ...metadata, uid: "u", resourceVersion: "1", creationTimestamp: "2024-01-01T00:00:00Z", managedFields: [{}] }, status: { phase: "Pending" } };
  const text = filled(podTemplate(asServed, id)).toString();
  assert.equal(text.length, JSON.stringify(rendered).length);
  assert.deepEqual(JSON.parse(text), { ...rendered, metadata: { ...metadata, labels: { ...objectAt(metadata, "labels"), gpwsman: "bare" } } });
  assert.ok(!Buffer.from(podTemplate(asServed, id)).toString().includes(id));
});

test("a pod that is no workspace's is refused as a template", () => {
  assert.throws(() => podTemplate({ metadata: { labels: { workspaceID: id } } }, id), /not the labels/);
  assert.throws(() => podTemplate({ metadata: { labels: { workspaceID: "other", gpwsman: "true" } } }, id), /not the labels/);
});

test("the patch of a stop marks the pod as stopped by request", () => {
  assert.equal(objectAt(objectAt(parseObject(stopPatch()), "metadata"), "annotations")?.["gitpod.io/stoppedByRequest"], "1s");
});

test("calls that write ask for another value in each round, and so do their patches", () => {
  const workspace = { id, metaId: "meta" };
  for (const [name, { request, annotations }] of Object.entries(steeringCalls)) {
    if (!annotations) continue;
    assert.notDeepEqual(request(workspace, 0), request(workspace, 1), name);
    assert.deepEqual(Object.keys(annotations(workspace, 0)), Object.keys(annotations(workspace, 1)), name);
    assert.notDeepEqual(annotations(workspace, 0), annotations(workspace, 1), name);
  }
});

test("the SSH key of the calls is one, and the patch has what the daemon packs", () => {
  const call = steeringCalls["update_ssh_key"];
  const { keys } = wsman.UpdateSSHKeyRequest.decode(call?.request({ id, metaId: "" }, 1) ?? new Uint8Array());
  assert.ok(keys.length === 1 && keys.every(isAuthorizedKey));
  assert.equal(asObject(call?.annotations?.({ id, metaId: "" }, 1))?.["gitpod.io/sshPublicKeys"], Buffer.from(wsman.SSHPublicKeys.encode({ keys }).finish()).toString("base64"));
});
