/** When the onlooker of fault tests takes a workspace for over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { labels, markerLabel } from "../../../src/domain/names.ts";
import { placeholderName } from "../../../src/domain/placeholder.ts";
import type { ChangeType, KubeObject } from "../../../src/embedded/contract.ts";
import { Witness } from "../../support/chaos/witness.ts";

function podOf(name: string, uid: string, metadata: Partial<KubeObject["metadata"]> = {}): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", uid, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels: { [markerLabel]: "true", [labels.workspaceId]: "a" }, ...metadata } };
}

test("a workspace is not over while a placeholder stands for the pod that a node refused", () => {
  let tell: (type: ChangeType, pod: KubeObject) => void = () => {};
  const witness = new Witness({ list: () => [], subscribe: (_resource, listener) => {
    tell = listener;
    return () => {};
  } });
  const over = (): readonly unknown[] => [witness.of("a")?.deleted, witness.of("a")?.gone];
  tell("ADDED", podOf("ws-a", "1"));
  tell("ADDED", podOf(placeholderName("ws-a"), "2"));
  tell("MODIFIED", podOf("ws-a", "1", { deletionTimestamp: "2026-01-01T00:00:01Z" }));
  tell("DELETED", podOf("ws-a", "1"));
  assert.deepEqual(over(), [false, false]);
  tell("ADDED", podOf("ws-a", "3"));
  tell("DELETED", podOf(placeholderName("ws-a"), "2"));
  assert.deepEqual(over(), [false, false]);
  tell("MODIFIED", podOf("ws-a", "3", { deletionTimestamp: "2026-01-01T00:00:02Z" }));
  assert.deepEqual(over(), [true, false]);
  tell("DELETED", podOf("ws-a", "3"));
  assert.deepEqual(over(), [true, true]);
});
