/** Tests of the pool of requests: whatever can not be sent has no answer, and no one else is hurt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiPool } from "../../../src/bench/load/api-pool.ts";
import { plainKubeconfig } from "../../support/plain-kubeconfig.ts";
import { startScriptedServer } from "../../support/scripted-http.ts";

const request = { method: "PATCH", path: "/a", contentType: "text/plain", body: "x" } as const;

test("a request gives the answer's status, and 0 if it can not be sent or is not answered", async (t) => {
  const api = await startScriptedServer(t);
  api.respond = (asked, response) => {
    asked.resume();
    if (asked.url === "/lost") asked.socket.destroy();
    else response.writeHead(201).end();
  };
  const pool = await ApiPool.open(await plainKubeconfig(t, api.address), 1);
  assert.equal(await pool.send(request), 201);
  assert.equal(await pool.send({ ...request, path: "/lost" }), 0);
  for (const broken of [{ path: "/a b\n" }, { path: "" }, { contentType: "a\nb" }]) assert.equal(await pool.send({ ...request, ...broken }), 0, JSON.stringify(broken));
  const held = pool.send(request);
  await pool.close();
  assert.equal(await held, 0);
  assert.equal(await pool.send(request), 0);
});
