/** The load tool's scenarios of streams and lists at a small size: each measures, finds a daemon that loses nothing, and leaves nothing behind. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { records, record, text } from "../../src/embedded/kubelet/json.ts";
import { bench, benchAsProcesses, benchBesideNodes, command, common, openSite, reportIn, shareBench, small, start } from "../support/bench.ts";
import { onRealCluster } from "../support/cluster.ts";
import { Player } from "../support/player.ts";
import { until } from "../support/until.ts";

shareBench();

// What comes first takes longest. Several go on at once: most of a run is waiting.
describe("the load tool", { concurrency: 3 }, () => {
  test("on a daemon that is there already", { skip: onRealCluster }, async (t) => {
    await using site = await openSite(t);
    await t.test("connect: everyone gets all of the initial state, in as many runs as are asked for", async () => {
      const { figures, runs } = await site.bench("connect", ...small, "--runs", "2");
      assert.ok((figures["connect_p99_ms"] ?? 0) > 0);
      assert.equal(figures["incomplete"], 0);
      assert.equal(runs.length, 2);
    });

    await t.test("fanout gives its figures", async () => {
      // The more there are, the fewer changes it takes.
      const { figures } = await site.bench("fanout", ...small, "--subscribers", "100");
      for (const name of ["ratio_to_bare", "ratio_to_http2", "messages_per_s"]) assert.ok((figures[name] ?? 0) > 0, name);
    });

    await t.test("list: the daemon's answers and the bare server's are the same to the byte, and every call is answered", async () => {
      const { figures } = await site.bench("list", "--workspaces", "60", "--seconds", "1", "--warmup", "0", "--size", "0", "--concurrency", "1");
      assert.deepEqual({ failed: figures["failed"], different: figures["different"] }, { failed: 0, different: 0 });
      for (const name of ["get_ratio_to_bare", "get_p50_ms", "get_p99_ms", "get_per_s", "bare_get_per_s", "describe_ratio_to_bare", "describe_p50_ms", "describe_p99_ms", "describe_per_s", "answer_mb", "rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
      assert.ok((figures["loop_delay_max_ms"] ?? -1) >= 0);
    });
  });

  test("soak: all of it together loses nothing, and tells the end of each workspace once; a scheduler, kubelets and node daemons leave its workspaces alone", { skip: onRealCluster }, async () => {
    const { figures, runs } = await benchBesideNodes("soak", ...small, "--clients", "2", "--connections", "2", "--seconds", "3", "--stalled", "1");
    const notes = runs[0]?.notes.join("\n");
    const wrong = [
      "lost", "reordered", "repeated", "streams_ended", "connect_failures", "incomplete", "get_failures", "scrape_failures", "churn_failures",
      "stopped_missing", "stopped_again", "stopped_early", "told_after_stopped", "untold", "skipped_pods", "worker_restarts",
    ];
    assert.deepEqual(Object.fromEntries(wrong.map((name) => [name, figures[name]])), Object.fromEntries(wrong.map((name) => [name, 0])), notes);
    const { delivered = 0, coalesced = 0, deleted = 0, stopped, compactions = 0, relists } = figures;
    assert.equal(delivered + coalesced, 4 * 150);
    assert.ok(deleted > 0);
    assert.equal(stopped, deleted);
    assert.ok(compactions > 0);
    assert.equal(relists, compactions);
    for (const name of ["connects", "gets", "describes", "scrapes", "latency_p99_ms", "connect_p99_ms", "rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
    // On a busy machine the memory of so short a run may have been read too seldom for a trend: then the report says so.
    assert.ok(("rss_slope_mb_per_h" in figures && "rss_slope_noise_mb_per_h" in figures) || /no growth is told/.test(notes ?? ""), notes);
  });

  test("scale: no change is lost with any number of workspaces", { skip: onRealCluster }, async () => {
    const { figures } = await bench("scale", ...small, "--workspaces", "101");
    const { repeated, reordered, lost } = figures;
    assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
    for (const name of ["rss_mb_100", "rss_mb_101", "latency_p99_ms_100", "latency_p99_ms_101"]) assert.ok((figures[name] ?? 0) > 0, name);
    for (const name of ["rss_mb_per_1000", "cpu_us_per_change_100", "cpu_us_per_change_101"]) assert.ok(figures[name] !== undefined, name);
  });

  test("relist: nothing is lost when the watches break and all workspaces are listed anew", { skip: onRealCluster }, async () => {
    const { figures, runs } = await bench("relist", ...small, "--workspaces", "100", "--seconds", "2");
    const { lost, reordered, repeated, delivered = 0, coalesced = 0, relists = 0 } = figures;
    assert.deepEqual({ lost, reordered, repeated }, { lost: 0, reordered: 0, repeated: 0 }, runs[0]?.notes.join("\n"));
    assert.equal(delivered + coalesced, 4 * 100);
    assert.ok(relists > 0);
    for (const name of ["ready_s", "loop_delay_max_ms", "longest_gap_ms", "longest_gap_quiet_ms", "source_gap_ms"]) assert.ok((figures[name] ?? 0) > 0, name);
  });

  test("streams of a daemon that is there already", { skip: onRealCluster }, async (t) => {
    await using site = await openSite(t);
    await t.test("stall: who does not read is no one else's loss", async () => {
      const { lost, reordered, repeated, p99_ratio = 0 } = (await site.bench("stall", ...small)).figures;
      assert.deepEqual({ lost, reordered, repeated }, { lost: 0, reordered: 0, repeated: 0 });
      assert.ok(p99_ratio > 0);
    });

    await t.test("scrape: metrics and health are answered while every change reaches every subscriber", async () => {
      const { figures } = await site.bench("scrape", ...small);
      const { repeated, reordered, lost, failed, delivered = 0, coalesced = 0 } = figures;
      assert.deepEqual({ repeated, reordered, lost, failed }, { repeated: 0, reordered: 0, lost: 0, failed: 0 });
      assert.equal(delivered + coalesced, 4 * 50);
      for (const name of ["scrape_p50_ms", "scrape_p99_ms", "scrapes_per_s", "scrape_kb", "health_p99_ms", "latency_p99_ms"]) assert.ok((figures[name] ?? 0) > 0, name);
      assert.ok((figures["loop_delay_max_ms"] ?? -1) >= 0);
    });

    await t.test("Ctrl-C in the warm-up gives no figures: nothing lost, of nothing, would read as good", async () => {
      const file = join(common().folder, "warming.json");
      const wish = new AbortController();
      const { output, code } = command(wish.signal, "stream", ...small, "--warmup", "600", "--json", file, ...site.flags);
      await until("the warm-up", () => output().includes("measuring"), 60_000);
      wish.abort("SIGINT");
      assert.equal(await code, 130, output());
      assert.match(output(), /^ended early: nothing was measured yet$/m);
      assert.doesNotMatch(output(), /^lost|CPU of one core/m);
      assert.ok(!existsSync(file));
    });
  });

  test("burst: every subscriber gets every final status, and the figures of the daemon's threads are there", { skip: onRealCluster }, async () => {
    const { figures } = await bench("burst", ...small, "--changes", "300", "--workers", "1");
    const { delivered = 0, coalesced = 0, repeated, reordered, lost } = figures;
    assert.equal(delivered + coalesced, 4 * 300);
    assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
    for (const name of ["changes_per_s", "ratio_to_parse_limit", "parse_limit_per_s", "worker_us_per_change", "batch_lines"]) assert.ok((figures[name] ?? 0) > 0, name);
    // So little may be less than a tick.
    assert.ok((figures["main_us_per_change"] ?? -1) >= 0);
  });

  test("Ctrl-C ends it with what was measured until then", { skip: onRealCluster }, async () => {
    const file = join(common().folder, "interrupted.json");
    const { child, output, code } = start("stream", ...small, "--seconds", "600", "--json", file);
    // From then on a first change is due, and goes out.
    await until("the measurement", () => output().includes("measuring"), 60_000);
    // npm passes on what the terminal has sent already: that is no second wish.
    child.kill("SIGINT");
    child.kill("SIGINT");
    assert.equal(await code, 0, output());
    const { figures, runs } = await reportIn(file);
    assert.ok((figures["delivered"] ?? 0) > 0);
    assert.equal(figures["lost"], 0);
    assert.match(runs[0]?.notes.join() ?? "", /ended early/);
  });

  test("stream: every change reaches every subscriber once, in order, and costs no API request", { skip: onRealCluster }, async () => {
    // The one that comes to its end as it does for people: with a process for each part of the load. Its output closes once all of them have ended.
    const { figures } = await benchAsProcesses("stream", ...small);
    const { delivered = 0, coalesced = 0, repeated, reordered, lost, api_requests } = figures;
    assert.equal(delivered + coalesced, 4 * 50);
    assert.deepEqual({ repeated, reordered, lost, api_requests }, { repeated: 0, reordered: 0, lost: 0, api_requests: 0 });
    for (const name of ["latency_p50_ms", "latency_p99_ms", "latency_max_ms", "added_p50_ms", "added_p99_ms", "changes_per_s", "daemon_cpu_us_per_change", "daemon_rss_mb"]) assert.ok((figures[name] ?? 0) > 0, name);
  });

  test("ready gives its figures; on a cluster that is there already it measures in a namespace of its own, and takes away what it made", { skip: onRealCluster }, async () => {
    const { figures } = await bench("ready", ...small, "--kubeconfig", common().cluster.kubeconfig, "--events", "20");
    for (const name of ["ready_s", "serving_s", "list_s"]) assert.ok((figures[name] ?? 0) > 0, name);
    const player = await Player.fromKubeconfig(common().cluster.kubeconfig);
    const namespaces = await player.request("GET", "/api/v1/namespaces");
    await player.close();
    assert.doesNotMatch(JSON.stringify(namespaces["items"]), /wsmand-bench/);
  });

  test("measures in a namespace of its own, and takes away what it made", { skip: !onRealCluster }, async () => {
    const { figures } = await bench("stream", ...small, "--kubeconfig", common().cluster.kubeconfig, "--events", "20");
    const { delivered = 0, coalesced = 0, repeated, reordered, lost } = figures;
    assert.equal(delivered + coalesced, 4 * 50);
    assert.deepEqual({ repeated, reordered, lost }, { repeated: 0, reordered: 0, lost: 0 });
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
    for (const [args, message] of [[["nonsense"], /no scenario "nonsense"/], [["stream", "--target", "127.0.0.1:1"], /--target needs --kubeconfig/], [["stream", "--pid", "1"], /--pid needs --target/], [["stream", "--rate", "x"], /whole number/]] as const) {
      const { output, code } = command(new AbortController().signal, ...args);
      assert.equal(await code, 2);
      assert.match(output(), message);
    }
  });
});
