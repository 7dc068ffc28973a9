/** Tests of the witness of starts: what one interrupted watch could not see is no excuse for those after it. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http2";
import { test } from "node:test";
import { Witness } from "../../../src/bench/load/witness.ts";
import { plainKubeconfig } from "../../support/plain-kubeconfig.ts";
import { startScriptedServer } from "../../support/scripted-http.ts";
import { until } from "../../support/until.ts";

test("a watch that was ended has not seen everything, the next one has", async (t) => {
  const api = await startScriptedServer(t);
  const watches: ServerResponse[] = [];
  api.respond = (request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    if (!(request.url ?? "").includes("watch=1")) {
      response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: [] }));
      return;
    }
    response.flushHeaders();
    watches.push(response);
  };
  const daemon = createServer();
  daemon.on("stream", (stream) => stream.on("error", () => {}).respond({ ":status": 200, "content-type": "application/grpc" }));
  await new Promise<void>((resolve) => void daemon.listen(0, "127.0.0.1", resolve));
  t.after(() => void daemon.close());
  const kubeconfig = await plainKubeconfig(t, api.address);
  const address = daemon.address();
  const port = typeof address === "object" && address ? address.port : 0;

  await using witness = await Witness.open({ kubeconfig, cluster: { namespace: "bench", ownerSelector: "owner=someone" } }, { endpoint: { host: "127.0.0.1", port } });
  watches[0]?.end();
  await until("the watch to begin again", () => watches.length === 2);
  assert.equal(await witness.pause(), false);
  await witness.resume();
  assert.deepEqual([await witness.pause(), witness.interrupted], [true, true]);
});

test("a daemon that never answers is not waited for without end", async (t) => {
  const api = await startScriptedServer(t);
  api.respond = (request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    if ((request.url ?? "").includes("watch=1")) response.flushHeaders();
    else response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: [] }));
  };
  const daemon = createServer();
  daemon.on("stream", (stream) => stream.on("error", () => {}));
  await new Promise<void>((resolve) => void daemon.listen(0, "127.0.0.1", resolve));
  t.after(() => void daemon.close());
  const kubeconfig = await plainKubeconfig(t, api.address);
  const address = daemon.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await assert.rejects(Witness.open({ kubeconfig, cluster: { namespace: "bench", ownerSelector: "owner=someone" } }, { endpoint: { host: "127.0.0.1", port } }, 50), /the daemon did not answer a subscriber within 0\.05 s/);
});
