/** What the image can do that most tests of it would not touch: a program that is run inside its tree, against a server on this machine, and tells what it found in JSON. */

/** Reads the modules beside it, `./dist/...`; its argument is a folder for files. A feature whose module is left out of the tree fails here. */
export const featuresProgram = `
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
const folder = process.argv[2];
const seen = [];
const server = createServer((request, response) => {
  seen.push(request.method + " " + request.url.split("?")[0]);
  request.resume();
  response.setHeader("content-type", request.url.includes("/b/") ? "application/json" : "text/plain");
  response.end(request.url.includes("/b/") ? JSON.stringify({ contentType: "text/gcs", metadata: {} }) : request.method === "HEAD" ? undefined : "body");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const address = "127.0.0.1:" + server.address().port;
const found = {};

const { openS3 } = await import("./dist/main/content/s3.js");
for (const key of ["id", "secret"]) writeFileSync(join(folder, key), "made-up-" + key);
const s3 = await openS3({ endpoint: address, secure: false, accessKeyFile: join(folder, "id"), secretKeyFile: join(folder, "secret") }, Date.now);
const signal = AbortSignal.timeout(20000);
found.s3 = (await s3.info({ bucket: "bucket", object: "object" }, signal)).contentType;
found.s3Link = /X-Amz-Signature=[0-9a-f]{64}/.test(await s3.sign({ bucket: "bucket", object: "object" }));
s3.close();

const { openGcloud } = await import("./dist/main/content/gcloud.js");
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, privateKeyEncoding: { type: "pkcs8", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });
writeFileSync(join(folder, "key.json"), JSON.stringify({ type: "service_account", client_email: "somebody@example.com", private_key: privateKey, project_id: "project", token_uri: "http://" + address + "/token" }));
const gcloud = await openGcloud({ projectId: "project", credentialsFile: join(folder, "key.json"), apiEndpoint: "http://" + address, now: Date.now });
found.gcloud = (await gcloud.info({ bucket: "bucket", object: "object" }, signal)).contentType;
found.gcloudLink = /X-Goog-Signature=[0-9a-f]+/.test(await gcloud.sign({ bucket: "bucket", object: "object" }));

const { loadReflection } = await import("./dist/main/rpc/reflection-library.js");
found.reflection = [...(await loadReflection()).keys()].length;

const { startTracing } = await import("./dist/main/tracing/open-telemetry.js");
const log = { info() {}, warn() {}, error() {}, debug() {} };
const { systemClock } = await import("./dist/domain/clock.js");
const tracing = startTracing({ endpoint: "http://" + address, sampleRatio: 1, version: "1.2.3", clock: systemClock, log });
tracing.served({ service: "service", method: "method" }, () => undefined).end(0);
await tracing.close(5000);

const { Agent, ProxyAgent, request } = await import("undici");
const { body } = await request("http://" + address + "/undici", { method: "POST", body: "text", dispatcher: new Agent() });
found.undici = await body.text();
await new ProxyAgent("http://" + address).close();

const { ExecAuth } = await import("@kubernetes/client-node/dist/exec_auth.js");
const credential = JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: { token: "made-up" } });
const options = { headers: {} };
await new ExecAuth().applyAuthentication({ name: "somebody", exec: { apiVersion: "client.authentication.k8s.io/v1", command: process.execPath, args: ["-e", "console.log(" + JSON.stringify(credential) + ")"] } }, options);
found.plugin = JSON.stringify(options.headers);

server.closeAllConnections();
server.close();
console.log(JSON.stringify({ ...found, seen }));
process.exit();
`;
