/** Google Cloud Storage, against a server that speaks as much of its API as is asked. */
import assert from "node:assert/strict";
import { createHash, createVerify, generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../src/domain/clock.ts";
import { BoundedStorage } from "../../../src/main/content/bounded.ts";
import { openGcloud } from "../../../src/main/content/gcloud.ts";
import { startScriptedServer, type ScriptedServer } from "../../support/scripted-http.ts";

const never = new AbortController().signal;
const place = { bucket: "gitpod-prod-user-jane", object: "workspaces/meta/full.tar" };
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const email = "tests@example.iam.gserviceaccount.com";

async function setup(t: TestContext, requestMs?: number): Promise<{ server: ScriptedServer; storage: BoundedStorage }> {
  const server = await startScriptedServer(t);
  const folder = await mkdtemp(join(tmpdir(), "gcloud-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const credentialsFile = join(folder, "key.json");
  const key = { type: "service_account", project_id: "p", private_key_id: "1", private_key: keys.privateKey.export({ type: "pkcs8", format: "pem" }), client_email: email, client_id: "1", token_uri: `http://${server.address}/token` };
  await writeFile(credentialsFile, JSON.stringify(key));
  const open = (): ReturnType<typeof openGcloud> => openGcloud({ projectId: "p", credentialsFile, apiEndpoint: `http://${server.address}`, now: () => Date.now() });
  const storage = new BoundedStorage({ open, clock: systemClock, ...(requestMs !== undefined && { requestMs }) });
  t.after(() => storage.close());
  return { server, storage };
}

function json(server: ScriptedServer, status: number, body: unknown): void {
  server.respond = (_request, response) => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

test("an object's type and digest, whatever case its metadata are in", async (t) => {
  const { server, storage } = await setup(t);
  json(server, 200, { kind: "storage#object", contentType: "application/x-tar", size: "12", metadata: { "Gitpod-Digest": "sha256:abc", other: "x" } });
  assert.deepEqual(await storage.info(place, never), { contentType: "application/x-tar", digest: "sha256:abc" });
  assert.match(server.requests[0] ?? "", /^GET \/storage\/v1\/b\/gitpod-prod-user-jane\/o\/workspaces%2Fmeta%2Ffull\.tar/);
  json(server, 200, { kind: "storage#object" });
  assert.deepEqual(await storage.info(place, never), { contentType: "", digest: "" });
});

test("what the storage calls not found is not there; a 404 of somebody else is an error", async (t) => {
  const { server, storage } = await setup(t);
  json(server, 404, { error: { code: 404, message: "No such object", errors: [{ message: "No such object", domain: "global", reason: "notFound" }] } });
  assert.equal(await storage.info(place, never), undefined);
  server.respond = (_request, response) => void response.writeHead(404, { "content-type": "text/html" }).end("<html>no such page</html>");
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: /: it answered 404$/ });
});

test("a storage that refuses, breaks or does not answer is UNAVAILABLE, without what it said", async (t) => {
  const { server, storage } = await setup(t, 3_000);
  json(server, 403, { error: { code: 403, message: "hunter2", errors: [{ reason: "forbidden", message: "hunter2" }] } });
  await assert.rejects(storage.info(place, never), (error: unknown) => error instanceof Error && "code" in error && error.code === "UNAVAILABLE" && error.message.endsWith(": it answered 403 forbidden") && error.cause === undefined);
  json(server, 400, { error: { code: 400, message: "hunter2" } });
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: /: it answered 400$/ });
  const before = server.requests.length;
  json(server, 500, { error: { code: 500, message: "hunter2" } });
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: /: (?:it answered 500|no answer within 3000 ms)$/ });
  assert.ok(server.requests.length - before >= 2, "it is tried again");
});

test("a storage that does not answer is given up in time, and nobody waits for a call that was cancelled", async (t) => {
  const { server, storage } = await setup(t, 300);
  server.respond = () => {};
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: /: no answer within 300 ms$/ });
  const stop = new AbortController();
  server.respond = () => stop.abort();
  await assert.rejects(storage.info(place, stop.signal), { code: "CANCELLED" });
});

test("a link has a V4 signature that fits, is valid for half an hour, and downloads", async (t) => {
  const { server, storage } = await setup(t);
  const odd = { bucket: place.bucket, object: "workspaces/a b/ü+&?#.tar" };
  const url = new URL(await storage.sign(odd, never));
  assert.equal(server.requests.length, 0);
  const query = url.searchParams;
  assert.deepEqual([query.get("X-Goog-Algorithm"), query.get("X-Goog-Expires"), query.get("X-Goog-Credential")?.split("/")[0]], ["GOOG4-RSA-SHA256", "1800", email]);
  const signature = query.get("X-Goog-Signature") ?? "";
  const canonicalQuery = url.search.slice(1).split("&").filter((part) => !part.startsWith("X-Goog-Signature=")).toSorted().join("&");
  const canonical = ["GET", url.pathname, canonicalQuery, `host:${url.hostname}\n`, "host", "UNSIGNED-PAYLOAD"].join("\n");
  const date = query.get("X-Goog-Date") ?? "";
  const signed = ["GOOG4-RSA-SHA256", date, `${date.slice(0, 8)}/auto/storage/goog4_request`, createHash("sha256").update(canonical).digest("hex")].join("\n");
  assert.ok(createVerify("RSA-SHA256").update(signed).verify(keys.publicKey, Buffer.from(signature, "hex")));
  server.respond = (_request, response) => void response.writeHead(200).end("manifest");
  assert.equal((await storage.read(odd, 100, never)).toString(), "manifest");
  assert.ok(server.requests[0]?.startsWith(`GET /gitpod-prod-user-jane/workspaces/a%20b/%C3%BC%2B%26%3F%23.tar?X-Goog-`), server.requests[0]);
});
