/** The load tool as it is used: as processes, on clusters and daemons that are there already, ended early, and asked for what makes no sense. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../src/domain/errors.ts";
import { records, record, text } from "../../src/embedded/kubelet/json.ts";
import { assert0, assertAbove0, assertThere, bench, benchAsProcesses, benchBesideNodes, brief, changes, command, common, longMs, losses, notesIn, openSite, reportIn, restless, severalMs, shareBench, small, start } from "../support/bench.ts";
import { onRealCluster, unlessReal } from "../support/cluster.ts";
import { kubeApi } from "../support/kube-api.ts";
import { Player } from "../support/player.ts";
import { until } from "../support/until.ts";

shareBench();

// What comes first takes longest. Several go on at once: most of a run is waiting.
describe("the load tool in use", { concurrency: 4 }, () => {
  test("scale: Ctrl-C in one of the turns gives what was measured until then, memory included", { skip: onRealCluster }, async () => {
    const file = join(common().folder, "scale.json");
    const wish = new AbortController();
    const { output, code } = command(wish.signal, "scale", ...small, ...restless, "--workspaces", "101", "--seconds", "2", "--json", file);
    await until("the second turn", () => output().includes("101 workspaces, turn"), longMs);
    await until("its changes", () => (output().match(/^measuring/gm) ?? []).length > 1, longMs);
    wish.abort("SIGINT");
    assert.equal(await code, 0, output());
    const report = await reportIn(file);
    assert.match(notesIn(report), /ended early/);
    assertAbove0(report, "rss_mb_100", "rss_mb_101", "latency_p99_ms_100");
    assert0(report, "reordered", "repeated");
  });

  test("of a daemon that is there already", { skip: onRealCluster, timeout: severalMs }, async (t) => {
    await using site = await openSite(t);
    await t.test("scale: workspaces are added to those that are there", async () => {
      const report = await site.bench("scale", ...small, ...restless, ...brief, "--workspaces", "101");
      assert0(report, ...losses);
      assertAbove0(report, "rss_mb_100", "rss_mb_101", "latency_p99_ms_100", "latency_p99_ms_101");
    });

    await t.test("of a daemon of which no more than its address is known, it says which figures are left out, and why", async () => {
      const address = site.flags.slice(0, site.flags.indexOf("--metrics"));
      const report = await bench("stream", ...small, ...brief, ...address);
      assert0(report, ...losses);
      assert.match(notesIn(report), /^left out: daemon_cpu_us_per_change: give --pid; daemon_rss_mb: give --pid or --metrics; api_requests: give --metrics$/m);
    });

    await t.test("Ctrl-C in the warm-up gives no figures: nothing lost, of nothing, would read as good", async () => {
      const file = join(common().folder, "warming.json");
      const wish = new AbortController();
      const { output, code } = command(wish.signal, "stream", ...small, "--warmup", "600", "--json", file, ...site.flags);
      await until("the warm-up", () => output().includes("warming up"), longMs);
      wish.abort("SIGINT");
      assert.equal(await code, 130, output());
      assert.match(output(), /^ended early: nothing was measured yet$/m);
      assert.doesNotMatch(output(), /^lost|CPU of one core/m);
      assert.ok(!existsSync(file));
    });
  });

  test("stream with a process for each part of the load, as people run it, and a profile of each: no change costs an API request", { skip: onRealCluster }, async () => {
    // Its output closes once all of them have ended.
    const profiles = join(common().folder, "profiles");
    const report = await benchAsProcesses("stream", ...small, "--cpu-prof", profiles);
    // One of each thread of the daemon, which has one worker at least.
    assert.ok((await readdir(join(profiles, "daemon"))).length >= 2);
    assert.equal((await readdir(join(profiles, "api-server"))).length, 1);
    assert.match(notesIn(report), /CPU profiles were taken: the figures hold what that costs/);
    assert.doesNotMatch(JSON.stringify(report), new RegExp(profiles));
    const { delivered = 0, coalesced = 0, api_requests = changes } = report.figures;
    assert.equal(delivered + coalesced, 4 * changes);
    assert0(report, ...losses);
    // None for a change: what the daemon has yet to do when it has begun, and may have to do again, is another matter.
    assert.ok(api_requests < changes / 5, `${api_requests}`);
    assertAbove0(report, "latency_p50_ms", "latency_p99_ms", "latency_max_ms", "added_p50_ms", "added_p99_ms", "changes_per_s", "daemon_rss_mb");
    // So little may be less than a tick.
    assertThere(report, "daemon_cpu_us_per_change");
  });

  test("Ctrl-C ends it with what was measured until then", { skip: onRealCluster }, async () => {
    const file = join(common().folder, "interrupted.json");
    const { child, output, code } = start("stream", ...small, "--seconds", "600", "--json", file);
    // From then on a first change is due, and goes out.
    await until("the measurement", () => output().includes("measuring"), longMs);
    // npm passes on what the terminal has sent already: that is no second wish.
    child.kill("SIGINT");
    child.kill("SIGINT");
    assert.equal(await code, 0, output());
    // Somewhere: which of two pipes is read first is chance.
    assert.match(output(), /^--json: written to .*interrupted\.json$/m);
    const report = await reportIn(file);
    const notes = notesIn(report);
    assert.match(notes, /ended early/);
    // Who wants an end is not kept waiting for what a machine that is busy with starting all this has yet to deliver; then the report says so.
    const isLate = /count as lost: they may be late/.test(notes);
    assert.equal((report.figures["lost"] ?? 0) > 0, isLate, notes);
    assert.ok(isLate || (report.figures["delivered"] ?? 0) > 0, notes);
    assert0(report, "reordered", "repeated");
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

  test("burst on a cluster that takes changes as it can, not as prepared lines", async (t) => {
    await using site = await openSite(t);
    const report = await site.bench("burst", ...small, ...brief, "--changes", "100");
    const { delivered = 0, coalesced = 0 } = report.figures;
    assert.equal(delivered + coalesced, 4 * 100);
    assert0(report, ...losses);
  });

  test("measures in a namespace of its own, and takes away what it made", { skip: unlessReal }, async () => {
    const report = await bench("stream", ...small, "--kubeconfig", common().cluster.kubeconfig, "--events", "20");
    const { delivered = 0, coalesced = 0 } = report.figures;
    assert.equal(delivered + coalesced, 4 * changes);
    assert0(report, ...losses);
    const player = await Player.fromKubeconfig(common().cluster.kubeconfig);
    const pods = await player.request("GET", "/api/v1/pods");
    await player.close();
    // Others are at work in theirs.
    assert.deepEqual(records(pods["items"]).map(({ metadata }) => text(record(metadata)["namespace"])).filter((namespace) => namespace.startsWith("wsmand-bench")), []);
  });

  test("a daemon that can not be reached is told before anything is made for it", async (t) => {
    const api = await kubeApi(t, common().cluster.kubeconfig);
    // The message holds all that was told until then.
    await assert.rejects(bench("stream", ...small, "--kubeconfig", common().cluster.kubeconfig, "--namespace", api.namespace, "--target", "127.0.0.1:1"), (error) => {
      assert.match(messageOf(error), /the daemon at 127\.0\.0\.1:1 can not be asked: .*ECONNREFUSED/);
      assert.doesNotMatch(messageOf(error), /making|removing/);
      return true;
    });
    assert.deepEqual((await api.get(api.path("pods")))["items"], []);
  });

  test("a command line that makes no sense is told, and nothing is started", async () => {
    for (const [args, message] of [[["nonsense"], /no scenario "nonsense"/], [["stream", "--target", "127.0.0.1:1"], /--target needs --kubeconfig/], [["stream", "--pid", "1"], /--pid needs --target/], [["stream", "--target", "127.0.0.1:1", "--kubeconfig", "x", "--cpu-prof", "y"], /--cpu-prof does nothing with --target/], [["stream", "--rate", "x"], /whole number/], [["relist", "--kubeconfig", "x"], /relist breaks the watches/]] as const) {
      const { output, code } = command(new AbortController().signal, ...args);
      assert.equal(await code, 2);
      assert.match(output(), message);
    }
  });
});
