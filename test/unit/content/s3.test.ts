/** S3: against a real server where there is one, and against one that says what real ones say rarely. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../src/domain/clock.ts";
import type { StorageConfig } from "../../../src/main/config/types.ts";
import { Secret } from "../../../src/main/config/secret.ts";
import { BoundedStorage } from "../../../src/main/content/bounded.ts";
import { openS3 } from "../../../src/main/content/s3.ts";
import { noObjectStorage, startObjectServer, storageKeys } from "../../support/object-storage.ts";
import { assertNoSecrets } from "../../support/secrets.ts";
import { startScriptedServer, type ScriptedServer } from "../../support/scripted-http.ts";
import { until } from "../../support/until.ts";

const never = new AbortController().signal;

function storageAt(t: TestContext, minio: Partial<StorageConfig["minio"]>, requestMs?: number): BoundedStorage {
  const { accessKey, secretKey } = storageKeys;
  const config = { secure: false, accessKey: new Secret(accessKey), secretKey: new Secret(secretKey), ...minio };
  const storage = new BoundedStorage({ open: () => openS3(config, () => Date.now()), clock: systemClock, ...(requestMs !== undefined && { requestMs }) });
  t.after(() => storage.close());
  return storage;
}

test("a real server: metadata, bytes, links that download, and what is not there", { skip: noObjectStorage }, async (t) => {
  const server = await startObjectServer(t);
  await server.createBucket("gitpod-user-jane");
  // Names that have to be escaped in a URL, in both its path and its signature.
  const names = ["workspaces/meta/full.tar", "workspaces/a b+c/ü&=?#%25'(x)!*~$,;:.tar"];
  const storage = storageAt(t, { endpoint: server.endpoint });
  for (const object of names) {
    const place = { bucket: "gitpod-user-jane", object };
    await server.put(place.bucket, object, `content of ${object}`, { contentType: "application/x-tar", digest: "sha256:abc" });
    assert.deepEqual(await storage.info(place, never), { contentType: "application/x-tar", digest: "sha256:abc" });
    assert.equal((await storage.read(place, 1000, never)).toString(), `content of ${object}`);
    await assert.rejects(storage.read(place, 10, never), { code: "FAILED_PRECONDITION", message: "the object is larger than 10 bytes" });
    const url = await storage.sign(place, never);
    const response = await fetch(url);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), `content of ${object}`);
    const query = new URL(url).searchParams;
    assert.deepEqual([query.get("X-Amz-Expires"), new URL(url).host], ["1800", server.endpoint]);
    assert.equal((await fetch(url.replace("Signature=", "Signature=0"))).status, 403);
    assert.equal((await fetch(`http://${server.endpoint}${new URL(url).pathname}`)).status, 403);
  }
  for (const place of [{ bucket: "gitpod-user-jane", object: "workspaces/meta/nope" }, { bucket: "gitpod-user-nobody", object: names[0] ?? "" }]) {
    assert.equal(await storage.info(place, never), undefined);
    await assert.rejects(storage.read(place, 10, never), { code: "UNAVAILABLE", message: /: it answered 404$/ });
  }
  await server.put("gitpod-user-jane", "empty", "");
  assert.deepEqual(await storage.info({ bucket: "gitpod-user-jane", object: "empty" }, never), { contentType: "application/octet-stream", digest: "" });
  assert.equal((await storage.read({ bucket: "gitpod-user-jane", object: "empty" }, 10, never)).length, 0);
});

test("a real server: wrong keys are told, keys come from files, and a server that is gone is no missing object", { skip: noObjectStorage }, async (t) => {
  const server = await startObjectServer(t);
  await server.createBucket("bucket");
  const place = { bucket: "bucket", object: "o" };
  const wrong = storageAt(t, { endpoint: server.endpoint, secretKey: new Secret("wrong") });
  await assert.rejects(wrong.info(place, never), { code: "UNAVAILABLE", message: /^the content storage can not be asked for bucket\/o: it answered 403/ });
  const folder = await mkdtemp(join(tmpdir(), "keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = { accessKeyFile: join(folder, "access"), secretKeyFile: join(folder, "secret") };
  const byFiles = storageAt(t, { endpoint: server.endpoint, accessKey: undefined, secretKey: undefined, ...files });
  await assert.rejects(byFiles.info(place, never), { code: "UNAVAILABLE", message: /: a file with its credentials does not exist$/ });
  await writeFile(files.accessKeyFile, `${storageKeys.accessKey}\n`);
  await writeFile(files.secretKeyFile, `${storageKeys.secretKey}\n`);
  assert.equal(await byFiles.info(place, never), undefined);
  await server.stop();
  await assert.rejects(byFiles.info(place, never), { code: "UNAVAILABLE", message: /: ECONNREFUSED$/ });
});

const place = { bucket: "bucket", object: "workspaces/meta/full.tar" };

/** A server that answers each request with this status, and a body if it is no HEAD. */
function answer(server: ScriptedServer, status: number, body = ""): void {
  server.respond = (request, response) => void response.writeHead(status, { "content-type": "application/xml" }).end(request.method === "HEAD" ? undefined : body);
}

test("a 404 counts only if it says that the object or the bucket is not there", async (t) => {
  const server = await startScriptedServer(t);
  const storage = storageAt(t, { endpoint: server.address });
  answer(server, 404, "<html>no such page</html>");
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: /: it answered 404/ });
  for (const code of ["NoSuchKey", "NoSuchBucket"]) {
    answer(server, 404, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`);
    assert.equal(await storage.info(place, never), undefined);
  }
  answer(server, 404, '<?xml version="1.0"?><Error><Code>NoSuchUpload</Code></Error>');
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE" });
});

test("an object that can not be read is an error, whatever a 404 says: it was seen before", async (t) => {
  const server = await startScriptedServer(t);
  const storage = storageAt(t, { endpoint: server.address });
  for (const body of ["<html>no such page</html>", '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', ""]) {
    answer(server, 404, body);
    await assert.rejects(storage.read(place, 10, never), { code: "UNAVAILABLE", message: "the content storage can not be asked for bucket/workspaces/meta/full.tar: it answered 404" });
  }
});

test("its end ends what is under way, and no connection stays", async (t) => {
  const server = await startScriptedServer(t);
  const storage = storageAt(t, { endpoint: server.address });
  const open = new Set<object>();
  let asked = 0;
  server.respond = ({ socket }, response) => {
    if (!open.has(socket)) {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
    }
    // The first is answered, and leaves a connection that nothing uses.
    if (++asked === 1) response.writeHead(200).end("bytes");
  };
  assert.equal((await storage.read(place, 10, never)).toString(), "bytes");
  assert.equal(open.size, 1);
  const pending = [storage.read(place, 10, never), storage.read(place, 10, never), storage.info(place, never)].map((call) => assert.rejects(call, { code: "UNAVAILABLE", message: "the daemon is ending" }));
  await until("all came", () => asked === 4);
  await storage.close();
  await Promise.all(pending);
  await until("all connections are closed", () => open.size === 0);
  assert.equal(asked, 4);
});

test("whatever else it answers is told by its status and its name, and holds no signature", async (t) => {
  const server = await startScriptedServer(t);
  const storage = storageAt(t, { endpoint: server.address });
  for (const status of [301, 400, 401, 403, 409, 500, 503]) {
    answer(server, status, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${storageKeys.accessKey} ${storageKeys.secretKey}</Message></Error>`);
    for (const ask of [(): Promise<unknown> => storage.info(place, never), (): Promise<unknown> => storage.read(place, 10, never)]) {
      await assert.rejects(ask(), (error: unknown) => {
        assert.ok(error instanceof Error && "code" in error && error.code === "UNAVAILABLE" && error.cause === undefined);
        assert.match(error.message, new RegExp(`^the content storage can not be asked for bucket/workspaces/meta/full.tar: it answered ${status}`));
        const said = `${error.message} ${error.stack ?? ""}`;
        assert.doesNotMatch(said, /AKIA|ignature/);
        assertNoSecrets("the error", [said]);
        return true;
      });
    }
  }
});

test("a server that does not answer, breaks off or sends too much is given up", async (t) => {
  const server = await startScriptedServer(t);
  const storage = storageAt(t, { endpoint: server.address }, 500);
  server.respond = () => {};
  const since = performance.now();
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: /: no answer within 500 ms$/ });
  await assert.rejects(storage.read(place, 10, never), { code: "UNAVAILABLE", message: /: no answer within 500 ms$/ });
  assert.ok(performance.now() - since < 30_000);
  server.respond = (request) => request.socket.destroy();
  await assert.rejects(storage.read(place, 10, never), { code: "UNAVAILABLE" });
  for (const headers of [{ "content-length": 100_000 }, { "transfer-encoding": "chunked" }]) {
    server.respond = (_request, response) => void response.writeHead(200, headers).end("x".repeat(100_000));
    await assert.rejects(storage.read(place, 10, never), { code: "FAILED_PRECONDITION", message: "the object is larger than 10 bytes" });
  }
  const stop = new AbortController();
  server.respond = () => stop.abort();
  await assert.rejects(storage.info(place, stop.signal), { code: "CANCELLED" });
});
