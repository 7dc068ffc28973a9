/** What the load tool shows on a terminal: progress is replaced, and what people should know also afterwards stands on lines of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bench } from "../../../src/bench/command.ts";
import { plainKubeconfig } from "../../support/plain-kubeconfig.ts";
import { startScriptedServer } from "../../support/scripted-http.ts";

test("nothing of the progress is left when all is over, and what could not be removed is", async (t) => {
  const api = await startScriptedServer(t);
  api.respond = (request, response) => {
    const removesPods = request.method === "DELETE" && (request.url ?? "").includes("/pods");
    const code = removesPods ? 403 : request.method === "POST" ? 201 : 200;
    response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(removesPods ? { message: "not yours" } : {}));
  };
  let shown = "";
  const stderr = { isTTY: true, write: (text: string) => void (shown += text) };
  const kubeconfig = await plainKubeconfig(t, api.address);
  await assert.rejects(bench(["relist", "--kubeconfig", kubeconfig], { stdout: stderr, stderr, signal: new AbortController().signal }), /relist breaks the watches/);
  const lines = shown.split("\n").map((line) => line.slice(line.lastIndexOf("\r\x1b[K") + 4));
  assert.match(lines[0] ?? "", /^not everything was removed from .* \(label wsmand-bench=[0-9a-f]{8}\): .*403 not yours$/);
  assert.deepEqual(lines.slice(1), [""], shown);
  assert.match(shown, /removing what was made/);
});
