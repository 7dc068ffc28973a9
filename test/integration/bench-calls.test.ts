/** The load tool's scenarios of calls and of whole lives at a small size: every call is answered, every workspace ends as it should. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { assert0, assertAbove0, assertThere, bench, benchBesideNodes, brief, common, notesIn, openSite, severalMs, shareBench, small } from "../support/bench.ts";
import { onRealCluster } from "../support/cluster.ts";

shareBench();

describe("the load tool's calls and lives", { concurrency: 3 }, () => {
  test("lifecycle: every workspace runs, is backed up once, told as STOPPED once, and gone", { skip: onRealCluster }, async () => {
    const report = await bench("lifecycle", "--workspaces", "5", "--rate", "8", "--seconds", "1", "--warmup", "0", "--size", "0");
    const notes = notesIn(report);
    assert0(report, "lost", "failures", "failed", "pods_twice", "stopped_missing", "stopped_again", "told_after_stopped", "stopped_early", "left_behind", "backups_missing", "backups_twice");
    assert.equal(report.figures["lives"], 8, notes);
    // How many they are is another matter (eight): a write whose version was overtaken, or that took longer than is waited for, is made again.
    assertAbove0(report, "api_requests_per_life");
    assert.match(notes, /requests per life: .*\bpatch pods /);
    assertAbove0(report, "start_to_running_p50_ms", "start_to_running_p99_ms", "start_to_running_overhead_p99_ms", "stop_to_stopped_p50_ms", "stop_to_stopped_p99_ms", "stop_to_stopped_overhead_p99_ms", "rss_mb");
    // Events are written when there is time for them.
    assertThere(report, "daemon_cpu_percent", "rest_cpu_percent", "events_per_life");
  });

  test("calls: snapshots and backups are taken where nodes have node daemons, and nothing of that is left", { skip: onRealCluster }, async () => {
    const report = await benchBesideNodes("calls", "--workspaces", "3", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "1", "--image", "registry.example.com/real:1");
    assert0(report, "failed");
    assertAbove0(report, "take_snapshot_p99_ms", "take_snapshot_per_s", "backup_workspace_p99_ms", "backup_workspace_per_s", "control_port_p99_ms");
    assert.doesNotMatch(notesIn(report), /(TakeSnapshot|BackupWorkspace) is left out/);
  });

  test("calls: so they are on the built-in cluster", { skip: onRealCluster }, async () => {
    const report = await bench("calls", "--workspaces", "2", "--seconds", "0.5", "--warmup", "0", "--size", "0", "--concurrency", "1");
    assert0(report, "failed");
    assertAbove0(report, "take_snapshot_p99_ms", "backup_workspace_p99_ms", "update_ssh_key_p99_ms");
  });

  test("calls of a daemon that is there already, and changes as a cluster takes them", { timeout: severalMs }, async (t) => {
    await using site = await openSite(t);
    await t.test("start: every workspace is started once, told of and stopped, for an API request each", async () => {
      const report = await site.bench("start", "--workspaces", "1", "--rate", "100", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "4", "--storm", "30");
      assert0(report, "start_lost", "start_twice", "start_failed", "stop_failed", "stopped_again", "told_after_stopped", "stopped_early");
      const { storm_succeeded, storm_stops_succeeded, bare_storm_succeeded, api_requests_per_start = 0 } = report.figures;
      assert.deepEqual({ storm_succeeded, storm_stops_succeeded, bare_storm_succeeded }, { storm_succeeded: 30, storm_stops_succeeded: 30, bare_storm_succeeded: 30 });
      // One; a request that was not answered in time is made again.
      assert.ok(api_requests_per_start >= 1 && api_requests_per_start < 2, `${api_requests_per_start}`);
      assertAbove0(report, "start_p50_ms", "start_p99_ms", "bare_create_p50_ms", "bare_create_p99_ms", "stop_p99_ms", "bare_patch_p99_ms", "starts_per_s", "paced_start_p99_ms", "paced_stop_p99_ms", "storm_ms", "storm_stop_ms", "pod_bytes");
      for (const name of ["start_overhead_p50_ms", "start_overhead_p99_ms", "stop_overhead_p99_ms", "paced_start_overhead_p50_ms"]) assert.ok(name in report.figures, name);
    });

    await t.test("markactive: every call is answered as the bare server answers it, and not each is written", async () => {
      const workspaces = 6;
      const report = await site.bench("markactive", ...brief, "--workspaces", String(workspaces), "--warmup", "0", "--size", "0", "--concurrency", "2");
      assert0(report, "failed", "different", "steady_failed");
      assertAbove0(report, "ratio_to_bare", "calls_per_s", "bare_calls_per_s", "p99_ms", "steady_calls_per_s", "steady_p99_ms");
      assertThere(report, "api_requests");
      // Once for each workspace, and a write that failed once more.
      assert.ok((report.figures["api_requests"] ?? 0) <= 2 * workspaces, notesIn(report));
    });

    await t.test("calls: every call is answered, and those that can not be made here are named", async () => {
      // One after the other: of two that overtake each other the second may find that there is nothing to change.
      const report = await site.bench("calls", "--workspaces", "4", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "1");
      assert0(report, "failed", "unchanged");
      for (const name of ["describe_cluster", "describe_workspace", "get_workspaces", "mark_active", "set_timeout", "control_admission", "control_port", "update_ssh_key"]) assertAbove0(report, `${name}_p50_ms`, `${name}_p99_ms`);
      for (const name of ["set_timeout", "control_admission", "control_port", "update_ssh_key"]) {
        assertAbove0(report, `bare_${name}_p99_ms`);
        assert.ok(`${name}_overhead_p99_ms` in report.figures, name);
      }
      const notes = notesIn(report);
      for (const method of ["TakeSnapshot", "BackupWorkspace"]) assert.match(notes, new RegExp(`^${method} is left out: it needs a workspace that runs on a node with a node daemon, and the cluster has no nodes$`, "m"));
    });

    await t.test("bursts there, too, as fast as it takes the changes", async () => {
      const report = await site.bench("burst", ...small, ...brief, "--changes", "100");
      const { delivered = 0, coalesced = 0 } = report.figures;
      assert.equal(delivered + coalesced, 4 * 100);
      assert0(report, "lost", "reordered", "repeated");
    });
  });

  test("lets no workspaces live where no node runs them", async () => {
    await assert.rejects(bench("lifecycle", "--workspaces", "1", "--kubeconfig", common().cluster.kubeconfig), /lifecycle needs nodes that run its workspaces/);
  });
});
