/** Pods as they are made anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { objectAt } from "../../../src/domain/json.ts";
import { anew } from "../../../src/main/lifecycle/recreation.ts";

test("a pod is made anew from its own spec, without what the cluster gave it, and keeps when its first one was made", () => {
  const container = { name: "workspace", image: "i", volumeMounts: [{ name: "vol-this-workspace", mountPath: "/workspace" }, { name: "kube-api-access-x1", mountPath: "/var/run/secrets" }] };
  const pod = {
    kind: "Pod", apiVersion: "v1",
    metadata: {
      name: "ws-one", namespace: "default", uid: "u", resourceVersion: "7", generation: 3, creationTimestamp: "2026-03-01T10:00:00Z", deletionTimestamp: "2026-03-01T10:00:02Z", deletionGracePeriodSeconds: 0,
      managedFields: [{}], labels: { a: "b" }, annotations: { "gitpod/id": "one" }, finalizers: ["other.io/f"],
    },
    spec: { nodeName: "node-1", priority: 7, preemptionPolicy: "Never", schedulerName: "s", hostname: "h", volumes: [{ name: "vol-this-workspace" }, { name: "kube-api-access-x1" }], containers: [container] },
    status: { phase: "Failed" },
  };
  const fresh = anew(pod);
  assert.deepEqual(fresh, {
    apiVersion: "v1", kind: "Pod",
    metadata: { name: "ws-one", namespace: "default", labels: { a: "b" }, annotations: { "gitpod/id": "one", "gitpod.io/firstCreated": "2026-03-01T10:00:00Z" }, finalizers: ["gitpod.io/finalizer", "other.io/f"] },
    spec: { schedulerName: "s", hostname: "h", volumes: [{ name: "vol-this-workspace" }], containers: [{ ...container, volumeMounts: [container.volumeMounts[0]] }] },
  });
  const metadata = { ...pod.metadata, creationTimestamp: "2026-03-01T10:05:00Z", annotations: { "gitpod.io/firstCreated": "2026-03-01T10:00:00Z" } };
  assert.deepEqual(objectAt(objectAt(anew({ ...pod, metadata }), "metadata"), "annotations"), { "gitpod.io/firstCreated": "2026-03-01T10:00:00Z" });
});
