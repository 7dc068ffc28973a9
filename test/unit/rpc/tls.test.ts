/** mTLS: who gets in, and certificates that change while streams are open. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { credentials, status } from "@grpc/grpc-js";
import { pollIntervalMs } from "../../../src/main/rpc/tls.ts";
import { createAuthority } from "../../support/certs.ts";
import type { Authority, CertificatePair } from "../../support/certs.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { TestClient } from "../../support/grpc-client.ts";
import { greet, linkTlsFiles, type TlsMaterial } from "../../support/tls.ts";
import { until } from "../../support/until.ts";
import { frameOf, startHarness } from "./helpers.ts";
import type { Harness, MemoryLog } from "./helpers.ts";

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-tls-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

interface TlsHarness extends Harness {
  readonly authority: Authority;
  readonly folder: string;
  readonly clock: FakeClock;
}

async function startTls(t: TestContext): Promise<TlsHarness> {
  const authority = await createAuthority("first");
  const folder = await tempFolder(t);
  const files = await linkTlsFiles(folder, { ca: authority.crt, server: await authority.issue("server", { usage: "server" }) });
  const clock = new FakeClock(Date.now());
  return { ...(await startHarness(t, { tls: files, clock })), authority, folder, clock };
}

function clientWith(t: TestContext, harness: Harness, authority: Authority, own?: CertificatePair): TestClient {
  const channel = own ? credentials.createSsl(Buffer.from(authority.crt), Buffer.from(own.key), Buffer.from(own.crt)) : credentials.createSsl(Buffer.from(authority.crt));
  const client = new TestClient(harness.server.port, channel);
  t.after(() => client.close());
  return client;
}

test("a client with a certificate of the authority gets in", async (t) => {
  const harness = await startTls(t);
  const client = clientWith(t, harness, harness.authority, await harness.authority.issue("client", { usage: "client" }));
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
});

test("clients without certificate, of another authority, expired, or with a server's certificate stay outside", async (t) => {
  const harness = await startTls(t);
  const { authority } = harness;
  const stranger = await createAuthority("first");
  const outside: [string, CertificatePair | undefined][] = [
    ["no certificate", undefined],
    ["another authority of the same name", await stranger.issue("client", { usage: "client" })],
    ["expired", await authority.issue("client", { usage: "client", expired: true })],
    ["a server's certificate", await authority.issue("client", { usage: "server" })],
  ];
  for (const [what, pair] of outside) {
    const { code } = await clientWith(t, harness, authority, pair).wsman("DescribeCluster");
    assert.equal(code, status.UNAVAILABLE, what);
  }
  assert.equal((await harness.client.wsman("DescribeCluster")).code, status.UNAVAILABLE, "plaintext");
});

test("TLS 1.2 and 1.3 are spoken, 1.1 is not", async (t) => {
  const harness = await startTls(t);
  const own = await harness.authority.issue("client", { usage: "client" });
  const options: ConnectionOptions = { ca: harness.authority.crt, cert: own.crt, key: own.key };
  const tls = async (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3"): Promise<string> =>
    (await greet(harness.server.port, { ...options, minVersion: version, maxVersion: version, ...(version === "TLSv1.1" ? { ciphers: "DEFAULT@SECLEVEL=0" } : {}) })).protocol;
  assert.equal(await tls("TLSv1.3"), "TLSv1.3");
  assert.equal(await tls("TLSv1.2"), "TLSv1.2");
  assert.equal(await tls("TLSv1.1"), "refused");
});

function warnings(log: MemoryLog): string[] {
  return log.lines.filter(({ level }) => level === "warn").map(({ fields, message }) => `${message} ${JSON.stringify(fields)}`);
}

test("changed certificates take effect for new connections, and open streams go on", async (t) => {
  const harness = await startTls(t);
  const old = clientWith(t, harness, harness.authority, await harness.authority.issue("client", { usage: "client" }));
  const stream = old.subscribe().read();
  await stream.headers;

  const second = await createAuthority("second");
  await linkTlsFiles(harness.folder, { ca: second.crt, server: await second.issue("server", { usage: "server" }) });
  harness.clock.advance(pollIntervalMs);
  await until("the files to be read again", () => harness.log.lines.some(({ message }) => message === "TLS certificates were read again"));

  const client = clientWith(t, harness, second, await second.issue("client", { usage: "client" }));
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
  const late = clientWith(t, harness, second, await harness.authority.issue("client", { usage: "client" }));
  assert.equal((await late.wsman("DescribeCluster")).code, status.UNAVAILABLE, "the former authority counts no more");
  harness.hub.subscribers[0]?.stream.write(frameOf("still"));
  await until("the open stream to go on", () => stream.messages.length === 1);
  stream.call.cancel();
});

test("files that can not be used are told once, and the former stay until better ones come", async (t) => {
  const harness = await startTls(t);
  const { authority, clock, folder, log } = harness;
  const good = await authority.issue("server", { usage: "server" });
  const other = await authority.issue("server", { usage: "server" });
  const bad: [RegExp, TlsMaterial][] = [
    [/does not belong to the certificate/, { ca: authority.crt, server: { crt: good.crt, key: other.key } }],
    [/holds no certificate/, { ca: "", server: good }],
    [/certificate 1 in .*tls\.crt does not parse/, { ca: authority.crt, server: { crt: good.crt.replace(/\n.{30}/, "\nAAAA"), key: good.key } }],
    [/holds no usable private key/, { ca: authority.crt, server: { crt: good.crt, key: "SECRET" } }],
    [/expired at/, { ca: authority.crt, server: await authority.issue("server", { usage: "server", expired: true }) }],
    [/too many for a PEM file/, { ca: authority.crt + "\n".repeat(2 * 1024 * 1024), server: good }],
  ];
  const own = await authority.issue("client", { usage: "client" });
  for (const [i, [problem, material]] of bad.entries()) {
    await linkTlsFiles(folder, material);
    clock.advance(pollIntervalMs);
    await until(`a warning like ${problem.source}`, () => warnings(log).length === i + 1);
    assert.match(warnings(log)[i] ?? "", problem);
    assert.equal((await clientWith(t, harness, authority, own).wsman("DescribeCluster")).code, status.OK);
    clock.advance(pollIntervalMs);
  }
  assert.doesNotMatch(JSON.stringify(log.lines), /SECRET|PRIVATE KEY-----/);
  await rm(join(folder, "data"));
  clock.advance(pollIntervalMs);
  await until("a warning that files are missing", () => /ENOENT/.test(warnings(log).at(-1) ?? ""));
  assert.equal(warnings(log).length, bad.length + 1, "no problem was told twice");

  await linkTlsFiles(folder, { ca: authority.crt, server: other });
  await until("the files to be read again", () => {
    clock.advance(pollIntervalMs);
    return log.lines.some(({ level }) => level === "info");
  });
  assert.equal((await clientWith(t, harness, authority, own).wsman("DescribeCluster")).code, status.OK);
});

test("a server does not start on files that can not be used", async (t) => {
  const folder = await tempFolder(t);
  const authority = await createAuthority("first");
  const files = await linkTlsFiles(folder, { ca: authority.crt, server: await authority.issue("server", { usage: "server" }) });
  await writeFile(files.key, (await authority.issue("other", { usage: "server" })).key);
  await assert.rejects(startHarness(t, { tls: files }), /the key in .*tls\.key does not belong to the certificate in .*tls\.crt/);
  await assert.rejects(startHarness(t, { tls: { ...files, ca: join(folder, "nope") } }), /ENOENT.*nope/);
  assert.match(await readFile(files.crt, "utf8"), /BEGIN CERTIFICATE/);
});
