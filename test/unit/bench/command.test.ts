/** What the load tool shows on a terminal: progress is replaced, and what people should know also afterwards stands on lines of its own. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { CommanderError } from "commander";
import { bench } from "../../../src/bench/command.ts";
import { parseOptions } from "../../../src/bench/options.ts";
import { scenarios } from "../../../src/bench/scenarios/index.ts";
import { plainKubeconfig } from "../../support/plain-kubeconfig.ts";
import { startScriptedServer } from "../../support/scripted-http.ts";

test("nothing of the progress is left when all is over, and what could not be removed is", async (t) => {
  const api = await startScriptedServer(t);
  api.respond = (request, response) => {
    const removesPods = request.method === "DELETE" && (request.url ?? "").includes("/pods");
    const writesEvent = request.method === "POST" && (request.url ?? "").includes("/events");
    const code = removesPods ? 403 : writesEvent ? 422 : request.method === "POST" ? 201 : 200;
    response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(removesPods ? { message: "not yours" } : {}));
  };
  let shown = "";
  const stderr = { isTTY: true, write: (text: string) => void (shown += text) };
  const kubeconfig = await plainKubeconfig(t, api.address);
  await assert.rejects(bench(["stream", "--events", "1", "--kubeconfig", kubeconfig], { stdout: stderr, stderr, signal: new AbortController().signal }), /422/);
  const lines = shown.split("\n").map((line) => line.slice(line.lastIndexOf("\r\x1b[K") + 4));
  assert.match(lines[0] ?? "", /^not everything was removed from .* \(label wsmand-bench=[0-9a-f]{8}\): .*403 not yours$/);
  assert.deepEqual(lines.slice(1), [""], shown);
  assert.match(shown, /removing what was made/);
});

test("what a scenario can not do is told before anything is started", async (t) => {
  const api = await startScriptedServer(t);
  let requests = 0;
  api.respond = (_request, response) => {
    requests++;
    response.writeHead(500).end();
  };
  const kubeconfig = await plainKubeconfig(t, api.address);
  const target = ["--target", "127.0.0.1:1"];
  for (const [args, message] of [
    [["relist"], /relist breaks the watches of the built-in API server: it can not be used with --target or --kubeconfig/],
    [["lifecycle"], /lifecycle needs nodes that run its workspaces/],
    [["scale", "--runs", "2"], /scale runs once/],
    [["ready", ...target], /ready starts the daemon itself/],
    [["scrape", ...target], /give --metrics URL/],
    [["start", "--size", "200000"], /start sends requests of at most --size/],
  ] as const) {
    let shown = "";
    const out = { write: (text: string) => void (shown += text) };
    await assert.rejects(bench([...args, "--kubeconfig", kubeconfig], { stdout: out, stderr: out, signal: new AbortController().signal }), CommanderError);
    assert.match(shown, message);
  }
  assert.equal(requests, 0);
});

test("what scenarios can do on a cluster that is there already is not refused", () => {
  const out = { write: () => {} };
  const there = ["--kubeconfig", "x", "--target", "127.0.0.1:1"];
  for (const args of [["lifecycle", ...there], ["scrape", ...there, "--metrics", "http://h:1/metrics"], ["scale", "--kubeconfig", "x", "--runs", "1"], ["scale", "--runs", "2"], ["ready", "--kubeconfig", "x"], ["start", "--size", "10000"], ["relist"]]) {
    assert.equal(parseOptions(args, scenarios, { stdout: out, stderr: out }).name, args[0]);
  }
});

test("who wants an end while a target does not answer has it at once", async (t) => {
  const api = await startScriptedServer(t);
  const silent = createServer();
  t.after(() => silent.close());
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const address = silent.address();
  assert.ok(address !== null && typeof address === "object");
  const wish = new AbortController();
  silent.once("connection", (socket) => {
    t.after(() => socket.destroy());
    wish.abort("SIGINT");
  });
  let shown = "";
  const out = { write: (text: string) => void (shown += text) };
  const begun = Date.now();
  assert.equal(await bench(["stream", "--kubeconfig", await plainKubeconfig(t, api.address), "--target", `127.0.0.1:${address.port}`], { stdout: out, stderr: out, signal: wish.signal }), false);
  assert.ok(Date.now() - begun < 9000, "it waited for an answer");
  assert.match(shown, /^asking the daemon at 127\.0\.0\.1:\d+\nended early: nothing was measured yet\n$/);
});
