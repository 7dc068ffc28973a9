/** What subscribers may rely on, whatever happens: checked over all that a stream told. */
import assert from "node:assert/strict";
import type { KubeObject } from "../../src/embedded/contract.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { toPodEvent } from "../../src/domain/events.ts";
import { wsman } from "../../src/gen/proto.js";
import { readPod } from "../../src/workers/pod.ts";
import { deriveStatus } from "../../src/workers/status.ts";
import { versionOf, type ReadStatus, type StatusStream } from "./status-stream.ts";

const { STOPPING, STOPPED } = wsman.WorkspacePhase;

/**
 * Of each workspace: versions rise, STOPPED comes once and last, STOPPING is left for STOPPED only, `failed` is not taken back. Between workspaces there is no order: a subscriber that fell
 * behind gets the newest status of each.
 * @param options.anew workspaces that came again with another pod: of these, only the versions are looked at.
 */
export function assertOrder(stream: StatusStream, { anew = [] }: { readonly anew?: readonly string[] } = {}): void {
  for (const id of stream.lasts().keys()) {
    const statuses = stream.of(id);
    assertRises(statuses);
    if (anew.includes(id)) continue;
    assert.ok(statuses.filter((status) => status.phase === STOPPED).length <= 1, `${id} stopped once`);
    for (const [i, status] of statuses.entries()) {
      const before = statuses[i - 1];
      if (!before) continue;
      assert.notEqual(before.phase, STOPPED, `nothing comes after ${id} stopped`);
      assert.ok(before.phase !== STOPPING || status.phase === STOPPING || status.phase === STOPPED, `${id} goes on from STOPPING to ${status.phase}`);
      assert.ok(!before.conditions?.failed || status.conditions?.failed, `${id} failed and did not`);
    }
  }
}

function assertRises(statuses: readonly ReadStatus[]): void {
  for (const [i, status] of statuses.entries()) {
    const before = statuses[i - 1];
    assert.ok(!before || versionOf(status) > versionOf(before), `${status.id}: version ${versionOf(status)} (phase ${status.phase}) after ${before && versionOf(before)} (phase ${before?.phase})`);
  }
}

/** The status as it derives from the pod and its Events now, in the form of {@link comparable}; what may not be taken back is as it was told. */
export function derived(pod: KubeObject, events: readonly KubeObject[], told: ReadStatus | undefined): object {
  const own = events.filter((event) => record(event["involvedObject"])["uid"] === pod.metadata.uid).map((event) => toPodEvent(event)).filter((event) => event !== undefined);
  const status = deriveStatus(readPod(pod), own, { regularWorkspaceTimeoutMs: 1_800_000 });
  const failed = status.conditions?.failed || told?.conditions?.failed || "";
  return comparable({ ...status, conditions: { ...status.conditions, failed } });
}

/** A status without its version, as plain values that can be compared. */
export function comparable(status: ReadStatus): object {
  const bytes = wsman.WorkspaceStatus.encode({ ...status, statusVersion: null }).finish();
  return wsman.WorkspaceStatus.toObject(wsman.WorkspaceStatus.decode(bytes), { enums: String, longs: String });
}
