/** Tests of the bare watch: it goes on for as long as it is open, and does not hurry an API server that ends it again and again. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { BareWatch } from "../../../src/bench/load/bare-watch.ts";
import { systemClock } from "../../../src/domain/clock.ts";
import type { Clock } from "../../../src/domain/clock.ts";
import { plainKubeconfig } from "../../support/plain-kubeconfig.ts";
import { startScriptedServer } from "../../support/scripted-http.ts";
import { until } from "../../support/until.ts";

test("a watch that is ended at once or can not be begun is begun again after growing pauses, one that lasted at once", async (t) => {
  const api = await startScriptedServer(t);
  let listsToFail = 6;
  const watches: ServerResponse[] = [];
  api.respond = (request, response) => {
    const isWatch = (request.url ?? "").includes("watch=1");
    if (!isWatch && watches.length === 2 && listsToFail-- > 0) return void response.writeHead(500).end();
    response.writeHead(200, { "content-type": "application/json" });
    if (!isWatch) return void response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: [] }));
    response.flushHeaders();
    if (watches.push(response) <= 2) response.end();
  };
  const kubeconfig = await plainKubeconfig(t, api.address);
  const pauses: number[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    timer: (ms, callback) => {
      pauses.push(ms);
      return systemClock.timer(0, callback);
    },
  };
  const lines: string[] = [];

  const watch = await BareWatch.open({ kubeconfig, namespace: "bench", selector: "a=b" }, (line) => void lines.push(line.toString()), clock);
  try {
    await until("a watch that lasts", () => watches.length === 3);
    assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    watches[2]?.write("one\n");
    await until("its line", () => lines.length === 1);
    now += 1000;
    watches[2]?.end();
    await until("the next one", () => watches.length === 4);
    watches[3]?.write("two\n");
    await until("its line", () => lines.length === 2);
    assert.deepEqual([pauses.at(-1), watch.ended, lines], [0, true, ["one", "two"]]);
  } finally {
    await watch.close();
  }
  assert.equal(watches.length, 4);
});
