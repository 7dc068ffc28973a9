/** Worker threads that crash, hang and run out of memory within the running daemon: each is replaced, nothing is lost or told twice, and a pod that is always at fault is set aside. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { annotations } from "../../src/domain/names.ts";
import { seededRandom } from "../../src/embedded/kubelet/random.ts";
import { failing, failingWorkers, type Failure } from "../support/failing-workers.ts";
import { podIn, served } from "../support/pods.ts";
import { rawSetup } from "../support/raw-setup.ts";
import { getWorkspaces } from "../support/status-stream.ts";
import { assertOrder } from "../support/story.ts";
import { until } from "../support/until.ts";

test("workers that fail are replaced: every change takes effect once and in order, and a pod that is always at fault is set aside", async (t) => {
  const marks = await mkdtemp(join(tmpdir(), "wsmand-marks-"));
  t.after(() => rm(marks, { recursive: true }));
  const { cluster, daemon, client, stream, change } = await rawSetup(t, { nodeFlags: failingWorkers(marks) });
  const random = seededRandom(11);
  const counts = new Map<string, number>();
  const play = (id: string, how?: Failure): void => {
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    const asked = { [annotations.customTimeout]: `${count}m`, ...(how && failing(how)) };
    cluster.put(`ws-${id}`, JSON.stringify(served(podIn("running", id, { annotations: asked }), cluster.next())));
  };
  const failures = new Map<number, Failure>([[150, "crash-once"], [300, "grow-once"], [450, "crash-always"], [600, "hang-once"], [700, "crash-always"]]);
  for (let i = 0; i < 1000; i++) {
    const how = failures.get(i);
    if (how === undefined) play(`w${Math.floor(random() * 20)}`);
    else play(how, how);
    if (i % 50 === 0) await until("the lines are on their way", () => cluster.pending === 0);
  }
  await change();
  counts.delete("crash-always");
  for (const [id, count] of counts) {
    const told = stream.of(id).map((status) => Number.parseInt(status.spec?.timeout ?? "0", 10));
    assert.equal(told.at(-1), count, id);
    assert.ok(told.every((value, i) => i === 0 || value > (told[i - 1] ?? 0)), `${id}: ${told.join()}`);
  }
  const published = await daemon.metric("wsmand_updates_published_total");
  assert.equal(published, 1001 - 2);
  assert.equal(stream.all.length + (await daemon.metric("wsmand_updates_coalesced_total")), published);
  assertOrder(stream);
  assert.equal(await daemon.metric("wsmand_skipped_pods_total", { reason: "poisoned" }), 2);
  assert.equal(await daemon.metric("wsmand_skipped_pods_total"), 2);
  assert.ok((await daemon.metric("wsmand_worker_restarts_total")) >= 5);
  assert.deepEqual(daemon.logged("a pod makes workers fail and is set aside").map((entry) => entry["uid"]), ["uid-ws-crash-always"], "told once");
  assert.equal((await getWorkspaces(client)).length, counts.size + 1);
  assert.equal(cluster.lists, 1);
  assert.equal(daemon.ended, false);
});
