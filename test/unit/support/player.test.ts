/** The test player: reads kubeconfig files, sends what the API server expects, and never waits for ever. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { record } from "../../../src/embedded/kubelet/json.ts";
import { readKubeconfig } from "../../support/kubeconfig.ts";
import { ApiFailure, Player } from "../../support/player.ts";
import { podIn } from "../../support/pods.ts";

async function listening(context: TestContext, handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

test("a kubeconfig's current context is read: server, token, certificates inline and in files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "player-"));
  try {
    await writeFile(join(folder, "ca.pem"), "CA");
    const path = join(folder, "config");
    await writeFile(path, JSON.stringify({
      "current-context": "here",
      contexts: [{ name: "other", context: {} }, { name: "here", context: { cluster: "c", user: "u", namespace: "ns" } }],
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1/", "certificate-authority": "ca.pem", "insecure-skip-tls-verify": false } }],
      users: [{ name: "u", user: { token: "t", "client-certificate-data": Buffer.from("CERT").toString("base64") } }],
    }));
    assert.deepEqual(await readKubeconfig(path), { url: "https://127.0.0.1:1", insecure: false, namespace: "ns", token: "t", ca: "CA", cert: "CERT" });
    await writeFile(path, "current-context: nowhere\n");
    await assert.rejects(readKubeconfig(path), /no context "nowhere"/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a pod is created without what the server sets, bound, and given its status", async (context) => {
  const seen: { call: string; type: string | undefined; body: string }[] = [];
  const url = await listening(context, (request, response) => {
    let body = "";
    request.on("data", (part) => { body += String(part); });
    request.on("end", () => {
      seen.push({ call: `${request.method ?? ""} ${request.url ?? ""}`, type: request.headers["content-type"], body });
      response.end("{}");
    });
  });
  const player = new Player({ url, token: "t", insecure: false, namespace: "ns" });
  context.after(async () => player.close());
  await player.play(podIn("running"));
  assert.deepEqual(seen.map(({ call }) => call), ["POST /api/v1/namespaces/ns/pods", "POST /api/v1/namespaces/ns/pods/ws-w1/binding", "PATCH /api/v1/namespaces/ns/pods/ws-w1/status"]);
  const sent = record(JSON.parse(seen[0]?.body ?? "{}"));
  assert.deepEqual(["status" in sent, "creationTimestamp" in record(sent["metadata"]), "nodeName" in record(sent["spec"])], [false, false, false]);
  assert.equal(seen[2]?.type, "application/strategic-merge-patch+json");
});

test("a server that does not answer ends in an error at the deadline; a refusal tells code and reason", async (context) => {
  const url = await listening(context, (request, response) => {
    if (request.url?.endsWith("/silent") === true) return;
    response.writeHead(403).end(JSON.stringify({ kind: "Status", reason: "Forbidden", message: "not for you" }));
  });
  const player = new Player({ url, insecure: false, namespace: "ns" }, { timeoutMs: 100 });
  context.after(async () => player.close());
  await assert.rejects(player.request("GET", "/silent"), { name: "TimeoutError" });
  await assert.rejects(player.request("GET", "/x"), (error) => error instanceof ApiFailure && error.code === 403 && error.reason === "Forbidden" && error.message.includes("not for you"));
});
