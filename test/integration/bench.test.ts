/** Every scenario of the load tool at a small size: each measures, finds a daemon that loses nothing, and leaves nothing behind. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { scenarios } from "../../src/bench/scenarios/index.ts";
import { assert0, assertAbove0, assertThere, bench, benchBesideNodes, brief, changes, common, losses, notesIn, openSite, restless, severalMs, shareBench, small } from "../support/bench.ts";
import { onRealCluster } from "../support/cluster.ts";
import { Player } from "../support/player.ts";

shareBench();

// What comes first takes longest. Several go on at once: most of a run is waiting.
describe("the load tool's scenarios", { concurrency: 4 }, () => {
  test("of lists and streams, on a daemon that is there already", { skip: onRealCluster, timeout: severalMs }, async (t) => {
    await using site = await openSite(t);
    await t.test("fanout gives its figures", async () => {
      // The more there are, the fewer changes it takes.
      const report = await site.bench("fanout", ...small, ...brief, "--subscribers", "100");
      assertThere(report, "ratio_to_bare", "ratio_to_http2", "messages_per_s");
    });

    await t.test("list: the daemon's answers and the bare server's are the same to the byte, and every call is answered", async () => {
      const report = await site.bench("list", ...brief, "--workspaces", "60", "--warmup", "0", "--size", "0", "--concurrency", "1");
      assert0(report, "failed", "different");
      assertAbove0(report, "get_ratio_to_bare", "get_p50_ms", "get_p99_ms", "get_per_s", "bare_get_per_s", "describe_ratio_to_bare", "describe_p50_ms", "describe_p99_ms", "describe_per_s", "answer_mb", "rss_mb");
      assertThere(report, "loop_delay_max_ms");
    });

    await t.test("connect: everyone gets all of the initial state, in as many runs as are asked for", async () => {
      const report = await site.bench("connect", ...small, ...restless, "--runs", "2");
      assertAbove0(report, "connect_p99_ms");
      assert0(report, "incomplete");
      assert.equal(report.runs.length, 2);
    });

    await t.test("stall: who does not read is no one else's loss", async () => {
      const report = await site.bench("stall", ...small, ...brief);
      assert0(report, ...losses);
      assertAbove0(report, "p99_ratio");
    });

    await t.test("stream: every change reaches every subscriber once and in order; what the cluster does not tell of is taken from the daemon's own metrics, which are of others, too", async () => {
      const report = await site.bench("stream", ...small);
      const { delivered = 0, coalesced = 0 } = report.figures;
      assert.equal(delivered + coalesced, 4 * changes);
      assert0(report, ...losses);
      assertAbove0(report, "latency_p50_ms", "latency_p99_ms", "latency_max_ms", "added_p50_ms", "added_p99_ms", "changes_per_s", "daemon_rss_mb");
      assertThere(report, "api_requests");
      assert.match(notesIn(report), /api_requests hold what was asked for others/);
    });

    await t.test("scrape: metrics and health are answered while every change reaches every subscriber", async () => {
      const report = await site.bench("scrape", ...small);
      assert0(report, ...losses, "failed");
      const { delivered = 0, coalesced = 0 } = report.figures;
      assert.equal(delivered + coalesced, 4 * changes);
      assertAbove0(report, "latency_p99_ms");
      const notes = notesIn(report);
      if (!/^[01] scrapes were answered in the measured time/m.test(notes)) {
        assertAbove0(report, "scrape_p50_ms", "scrape_p99_ms", "scrapes_per_s", "scrape_kb");
        assertThere(report, "loop_delay_max_ms");
      }
      if (!/^[01] health probes were answered in the measured time/m.test(notes)) assertAbove0(report, "health_p99_ms");
    });
  });

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

  test("scale: no change is lost with any number of workspaces", { skip: onRealCluster }, async () => {
    const report = await bench("scale", ...small, ...restless, ...brief, "--workspaces", "101");
    assert0(report, ...losses);
    assertAbove0(report, "rss_mb_100", "rss_mb_101", "latency_p99_ms_100", "latency_p99_ms_101");
    assertThere(report, "cpu_us_per_change_100", "cpu_us_per_change_101");
    assert.ok("rss_mb_per_1000" in report.figures);
  });

  test("relist: nothing is lost when the watches break and all workspaces are listed anew", { skip: onRealCluster }, async () => {
    const report = await bench("relist", ...small, "--workspaces", "100", "--seconds", "2");
    assert0(report, ...losses);
    const { delivered = 0, coalesced = 0 } = report.figures;
    assert.equal(delivered + coalesced, 4 * 100);
    assertAbove0(report, "relists", "ready_s");
    assertThere(report, "loop_delay_max_ms");
    // In so few seconds nothing may have come where a gap could end: then none is told, rather than one of 0 ms.
    for (const name of ["longest_gap_ms", "longest_gap_quiet_ms", "source_gap_ms"]) assert.notEqual(report.figures[name], 0, name);
  });

  test("burst: every subscriber gets every final status, and the figures of the daemon's threads are there", { skip: onRealCluster }, async () => {
    const report = await bench("burst", ...small, ...brief, "--changes", "300", "--workers", "1");
    const { delivered = 0, coalesced = 0 } = report.figures;
    assert.equal(delivered + coalesced, 4 * 300);
    assert0(report, ...losses);
    assertAbove0(report, "changes_per_s", "ratio_to_parse_limit", "parse_limit_per_s", "worker_us_per_change", "batch_lines");
    // So little may be less than a tick.
    assertThere(report, "main_us_per_change");
  });

  test("soak: all of it together loses nothing, and tells the end of each workspace once; a scheduler, kubelets and node daemons leave its workspaces alone, a daemon that acts has to let them go", { skip: onRealCluster }, async () => {
    const report = await benchBesideNodes("soak", ...small, "--clients", "2", "--connections", "2", "--seconds", "3", "--stalled", "1");
    const { figures } = report;
    const notes = notesIn(report);
    assert0(report, ...losses, "streams_ended", "connect_failures", "incomplete", "get_failures", "scrape_failures", "churn_failures", "stopped_missing", "stopped_again", "stopped_early", "told_after_stopped", "untold", "skipped_pods");
    const { delivered = 0, coalesced = 0, stopped, deleted } = figures;
    assert.equal(delivered + coalesced, 4 * 150, notes);
    assert.equal(stopped, deleted, notes);
    // Each workspace that is deleted at the end is told as STOPPED over a watch that goes on behind a list.
    assertAbove0(report, "deleted", "compactions", "relists", "connects", "gets", "describes", "scrapes", "latency_p99_ms", "connect_p99_ms");
    // A worker that has no turn for a while is taken for one that hangs; nothing is lost by that.
    assertThere(report, "worker_restarts");
    // On a busy machine the memory of so short a run may have been read too seldom, for a trend or at all: then the report says so.
    const known = "rss_mb" in figures && "rss_slope_mb_per_h" in figures && "rss_slope_noise_mb_per_h" in figures;
    assert.ok(known || /no growth is told|of resident memory there are too few readings/.test(notes), notes);
  });

  test("of calls, on a daemon that is there already", { timeout: severalMs }, async (t) => {
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
  });

  test("ready gives its figures; on a cluster that is there already it measures in a namespace of its own, and takes away what it made", { skip: onRealCluster }, async () => {
    const report = await bench("ready", ...small, ...restless, "--kubeconfig", common().cluster.kubeconfig, "--events", "20");
    assertAbove0(report, "ready_s", "serving_s");
    assertThere(report, "list_s");
    const player = await Player.fromKubeconfig(common().cluster.kubeconfig);
    const namespaces = await player.request("GET", "/api/v1/namespaces");
    await player.close();
    assert.doesNotMatch(JSON.stringify(namespaces["items"]), /wsmand-bench/);
  });
});

test("these are all scenarios that it has", { skip: onRealCluster }, () => {
  assert.deepEqual([...scenarios.keys()].filter((name) => !common().measured.has(name)), [], "not run to their end");
});
