/** Pods that nobody should have made: the running daemon skips and counts them, and streams the good one beside them as if they were not there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { annotations as names } from "../../src/domain/names.ts";
import { mutationsOf, spoilers } from "../support/mutations.ts";
import { podIn, type PodState } from "../support/pods.ts";
import { rawSetup, type RawSetup } from "../support/raw-setup.ts";
import { secret } from "../support/secrets.ts";
import { until } from "../support/until.ts";

const mebibyte = 1024 * 1024;

/** A pod with all annotations that are looked into, its names still to be given. */
function template(state: PodState): object {
  const pod = podIn(state, "x", {
    annotations: {
      [names.ownerToken]: secret("owner-token"),
      [names.disposalStatus]: JSON.stringify({ backupComplete: true, gitStatus: { branch: "b", uncommited_files: ["a"], total_uncommited_files: 1 } }),
      [names.volumeSnapshot]: JSON.stringify({ volumeSnapshotName: "a", volumeSnapshotHandle: "b" }),
      [names.customTimeout]: "1h", [names.firstUserActivity]: "2024-01-01T00:00:00.5Z", [names.lastActivity]: "2024-01-01T00:00:00Z", "gitpod.io/annotation.a": "b",
    },
  });
  return { ...pod, metadata: { ...pod.metadata, name: "NAME", uid: "UID", resourceVersion: "VERSION" } };
}

/** Sends each spoiled pod under names of its own; gives how many there were. */
async function sendAll({ cluster }: RawSetup, base: object, by: ReadonlyMap<string, string>, where = /^/): Promise<number> {
  let sent = 0;
  for (const { name, json } of mutationsOf(base, by)) {
    if (!where.test(name)) continue;
    const version = cluster.next();
    const pod = json.replaceAll('"NAME"', `"ws-${version}"`).replaceAll('"UID"', `"uid-${version}"`).replaceAll('"VERSION"', `"${version}"`).replaceAll('"gitpod/id":"x"', `"gitpod/id":"w${version}"`);
    cluster.inject(`{"type":"ADDED","object":${pod}}\n`);
    if (++sent % 100 === 0) await until("the daemon reads on", () => cluster.pending < mebibyte);
  }
  return sent;
}

test("each part of a pod left out or replaced: what is not understood is skipped and counted, the rest goes on", async (t) => {
  const setup = await rawSetup(t);
  const { daemon, change, stream } = setup;
  let lines = 0;
  for (const state of ["running", "crashed", "stopping"] as const) {
    lines += await sendAll(setup, template(state), spoilers);
    await change();
    lines++;
  }
  const [measured, skipped, invalid] = [await daemon.metric("wsmand_event_to_publish_seconds_count"), await daemon.metric("wsmand_skipped_pods_total"), await daemon.metric("wsmand_skipped_pods_total", { reason: "invalid" })];
  const [published, suppressed] = [await daemon.metric("wsmand_updates_published_total"), await daemon.metric("wsmand_updates_suppressed_total")];
  const conflicts = daemon.log().filter((entry) => String(entry["msg"]).startsWith("another pod has this workspace ID")).length;
  assert.equal(measured, published);
  assert.equal(skipped + published + suppressed + conflicts, lines);
  assert.equal(stream.all.length, published);
  assert.ok(invalid > 0 && skipped > invalid);
  const told = daemon.logged("a pod is skipped").map(({ uid, pod, reason, error }) => JSON.stringify([uid, pod, reason, uid || pod ? "" : error]));
  assert.equal(new Set(told).size, told.length);
  assert.ok(told.length > skipped / 2 && told.length <= skipped);
  assert.equal(await daemon.metric("wsmand_worker_restarts_total"), 0);
  setup.assertSound();
});

test("labels and annotations of a mebibyte each are streamed or skipped like any other", async (t) => {
  const setup = await rawSetup(t);
  const { daemon, change, client, stream } = setup;
  const sent = await sendAll(setup, template("running"), new Map([["a mebibyte", `"${"x".repeat(mebibyte)}"`]]), /^\/metadata\/(labels|annotations)\/.*mebibyte/);
  await change();
  assert.equal(stream.all.length - 1 + (await daemon.metric("wsmand_skipped_pods_total")), sent);
  assert.ok(stream.all.some((status) => status.spec?.timeout?.length === mebibyte));
  assert.equal((await client.wsman("DescribeCluster")).code, 0);
  assert.ok(daemon.lines.every((line) => line.length < 4096), "no log line is as long");
  setup.assertSound();
});
