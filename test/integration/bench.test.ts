/** The load tool's scenarios of streams and lists at a small size: each measures, finds a daemon that loses nothing, and leaves nothing behind. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { records, record, text } from "../../src/embedded/kubelet/json.ts";
import { assert0, assertAbove0, assertThere, bench, benchAsProcesses, benchBesideNodes, brief, command, common, longMs, notesIn, openSite, reportIn, restless, severalMs, shareBench, small, start } from "../support/bench.ts";
import { onRealCluster, unlessReal } from "../support/cluster.ts";
import { Player } from "../support/player.ts";
import { until } from "../support/until.ts";

shareBench();

// What comes first takes longest. Several go on at once: most of a run is waiting.
/** Changes of the small load. */
const changes = 50;
const losses = ["lost", "reordered", "repeated"] as const;

// What comes first takes longest. Several go on at once: most of a run is waiting.
describe("the load tool", { concurrency: 3 }, () => {
  test("on a daemon that is there already", { skip: onRealCluster, timeout: severalMs }, async (t) => {
    await using site = await openSite(t);
    await t.test("connect: everyone gets all of the initial state, in as many runs as are asked for", async () => {
      const report = await site.bench("connect", ...small, ...restless, "--runs", "2");
      assertAbove0(report, "connect_p99_ms");
      assert0(report, "incomplete");
      assert.equal(report.runs.length, 2);
    });

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

  test("scale: no change is lost with any number of workspaces", { skip: onRealCluster }, async () => {
    const report = await bench("scale", ...small, ...restless, ...brief, "--workspaces", "101");
    assert0(report, ...losses);
    assertAbove0(report, "rss_mb_100", "rss_mb_101", "latency_p99_ms_100", "latency_p99_ms_101");
    assertThere(report, "cpu_us_per_change_100", "cpu_us_per_change_101");
    assert.ok("rss_mb_per_1000" in report.figures);
  });

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

  test("streams of a daemon that is there already", { skip: onRealCluster, timeout: severalMs }, async (t) => {
    await using site = await openSite(t);
    await t.test("stall: who does not read is no one else's loss", async () => {
      const report = await site.bench("stall", ...small, ...brief);
      assert0(report, ...losses);
      assertAbove0(report, "p99_ratio");
    });

    await t.test("scale: workspaces are added to those that are there", async () => {
      const report = await site.bench("scale", ...small, ...restless, ...brief, "--workspaces", "101");
      assert0(report, ...losses);
      assertAbove0(report, "rss_mb_100", "rss_mb_101", "latency_p99_ms_100", "latency_p99_ms_101");
    });

    await t.test("scrape: metrics and health are answered while every change reaches every subscriber", async () => {
      const report = await site.bench("scrape", ...small);
      assert0(report, ...losses, "failed");
      const { delivered = 0, coalesced = 0 } = report.figures;
      assert.equal(delivered + coalesced, 4 * 50);
      assertAbove0(report, "latency_p99_ms");
      const notes = notesIn(report);
      if (!/^[01] scrapes were answered in the measured time/m.test(notes)) assertAbove0(report, "scrape_p50_ms", "scrape_p99_ms", "scrapes_per_s", "scrape_kb");
      if (!/^[01] scrapes were answered in the measured time/m.test(notes)) assertThere(report, "loop_delay_max_ms");
      if (!/^[01] health probes were answered in the measured time/m.test(notes)) assertAbove0(report, "health_p99_ms");
    });

    await t.test("stream: what the cluster does not tell of is taken from the daemon's own metrics, which are of others, too", async () => {
      const report = await site.bench("stream", ...small, ...brief);
      assert0(report, ...losses);
      assertThere(report, "api_requests");
      assert.match(notesIn(report), /api_requests hold what was asked for others/);
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

  test("burst: every subscriber gets every final status, and the figures of the daemon's threads are there", { skip: onRealCluster }, async () => {
    const report = await bench("burst", ...small, ...brief, "--changes", "300", "--workers", "1");
    const { delivered = 0, coalesced = 0 } = report.figures;
    assert.equal(delivered + coalesced, 4 * 300);
    assert0(report, ...losses);
    assertAbove0(report, "changes_per_s", "ratio_to_parse_limit", "parse_limit_per_s", "worker_us_per_change", "batch_lines");
    // So little may be less than a tick.
    assertThere(report, "main_us_per_change");
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

  test("stream: every change reaches every subscriber once, in order, and costs no API request", { skip: onRealCluster }, async () => {
    // The one that comes to its end as it does for people: with a process for each part of the load. Its output closes once all of them have ended.
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

  test("ready gives its figures; on a cluster that is there already it measures in a namespace of its own, and takes away what it made", { skip: onRealCluster }, async () => {
    const report = await bench("ready", ...small, ...restless, "--kubeconfig", common().cluster.kubeconfig, "--events", "20");
    assertAbove0(report, "ready_s", "serving_s");
    assertThere(report, "list_s");
    const player = await Player.fromKubeconfig(common().cluster.kubeconfig);
    const namespaces = await player.request("GET", "/api/v1/namespaces");
    await player.close();
    assert.doesNotMatch(JSON.stringify(namespaces["items"]), /wsmand-bench/);
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

  test("can not have its watches broken", async () => {
    await assert.rejects(bench("relist", "--kubeconfig", common().cluster.kubeconfig, "--namespace", "default", "--target", "127.0.0.1:1"), /relist breaks the watches of the built-in API server: it can not be used with --target/);
  });

  test("a command line that makes no sense is told, and nothing is started", async () => {
    for (const [args, message] of [[["nonsense"], /no scenario "nonsense"/], [["stream", "--target", "127.0.0.1:1"], /--target needs --kubeconfig/], [["stream", "--pid", "1"], /--pid needs --target/], [["stream", "--target", "127.0.0.1:1", "--kubeconfig", "x", "--cpu-prof", "y"], /--cpu-prof does nothing with --target/], [["stream", "--rate", "x"], /whole number/]] as const) {
      const { output, code } = command(new AbortController().signal, ...args);
      assert.equal(await code, 2);
      assert.match(output(), message);
    }
  });
});
