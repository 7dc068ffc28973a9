/** The volume claim of a workspace. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderPvc } from "../../../src/main/render/pvc.ts";
import { readStart } from "../../../src/main/render/start.ts";
import { at, config, contextFor, request } from "./helpers.ts";

async function claim(spec: object, manager: object = {}): Promise<unknown> {
  const from = request({}, spec);
  return renderPvc(readStart(from), contextFor(await config(manager), from));
}

const featureFlags = ["PERSISTENT_VOLUME_CLAIM"];

test("only workspaces with the feature have a claim", async () => {
  assert.equal(await claim({ class: "large" }), undefined);
});

test("the claim is named like the pod and as large as the class says", async () => {
  assert.deepEqual(await claim({ class: "large", featureFlags }), {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "ws-instance-1", namespace: "workspaces" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "30Gi" } }, storageClassName: "fast" },
  });
});

test("it comes from the volume snapshot, if the request names one", async () => {
  const made = await claim({ featureFlags, volumeSnapshot: { volumeSnapshotName: "snap" } }, { workspaceClass: { default: { pvc: { size: "1Gi" } } } });
  assert.deepEqual(at(made, "spec"), { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, dataSource: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "snap" } });
});

test("a class without a size can have no claims", async () => {
  await assert.rejects(claim({ featureFlags }), { code: "FAILED_PRECONDITION", message: 'workspace class "default" has no pvc.size, which the feature PERSISTENT_VOLUME_CLAIM needs' });
});
