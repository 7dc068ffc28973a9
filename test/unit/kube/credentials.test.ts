/** Credentials from every place that they can come from, and their rotation. */
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { TLSSocket } from "node:tls";
import { KubeClient } from "../../../src/main/kube/client.ts";
import { Credentials } from "../../../src/main/kube/credentials.ts";
import { findKubeSource, type KubeSource } from "../../../src/main/kube/source.ts";
import { createAuthority, type Authority } from "../../support/certs.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "./helpers.ts";

const never = new AbortController().signal;

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "kube-credentials-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A kubeconfig with one cluster and one user. */
function config(cluster: object, user: object, namespace?: string): string {
  return JSON.stringify({
    apiVersion: "v1", kind: "Config", "current-context": "here",
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "here", context: { cluster: "c", user: "u", namespace } }],
  });
}

interface Setup {
  readonly directory: string;
  readonly file: string;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly credentials: Credentials;
}

async function setup(t: TestContext, text: string | ((directory: string) => string)): Promise<Setup> {
  const directory = await folder(t);
  const file = join(directory, "config");
  await writeFile(file, typeof text === "string" ? text : text(directory));
  const [clock, log] = [new FakeClock(), new RecordingLog()];
  return { directory, file, clock, log, credentials: new Credentials({ kind: "kubeconfig", files: [file] }, clock, log) };
}

async function failureOf(credentials: Credentials): Promise<string> {
  const error: unknown = await credentials.current().then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof Error);
  return JSON.stringify([error.message, error.stack, error.cause]);
}

describe("where credentials are looked for", () => {
  test("--kubeconfig, then the service account, then KUBECONFIG, then ~/.kube/config", async (t) => {
    const home = await folder(t);
    await mkdir(join(home, ".kube"));
    await writeFile(join(home, ".kube", "config"), "");
    const account = await folder(t);
    await writeFile(join(account, "token"), "t");
    const cluster = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "6443" };
    const env = { ...cluster, KUBECONFIG: ["/a", "/b"].join(delimiter) };
    const found = (options: Partial<Parameters<typeof findKubeSource>[0]>): KubeSource => findKubeSource({ env, home, serviceAccountDirectory: account, ...options });
    assert.deepEqual(found({ kubeconfig: "/mine" }), { kind: "kubeconfig", files: ["/mine"] });
    assert.deepEqual(found({}), { kind: "in-cluster", directory: account, host: "10.0.0.1", port: "6443" });
    assert.deepEqual(found({ serviceAccountDirectory: "/nowhere" }), { kind: "kubeconfig", files: ["/a", "/b"] });
    assert.deepEqual(found({ env: {} }), { kind: "kubeconfig", files: [join(home, ".kube", "config")] });
    assert.throws(() => found({ env: {}, home: account }), /--kubeconfig/);
  });
});

describe("kubeconfig", () => {
  test("one that is not there is told in words", async () => {
    const credentials = new Credentials({ kind: "kubeconfig", files: ["/nope/config"] }, new FakeClock(), new RecordingLog());
    await assert.rejects(credentials.current(), /^Error: kubeconfig \/nope\/config can not be read: there is no such file$/);
  });

  test("gives server, namespace, TLS settings and proxy", async (t) => {
    const { credentials } = await setup(t, config({
      server: "https://api.example:6443/prefix/", "insecure-skip-tls-verify": true, "tls-server-name": "inner", "certificate-authority-data": Buffer.from("CA").toString("base64"), "proxy-url": "http://proxy:3128",
    }, { token: "tok", as: "someone" }, "ws"));
    const access = await credentials.current();
    assert.deepEqual([access.origin, access.basePath, access.namespace, access.proxyUrl], ["https://api.example:6443", "/prefix", "ws", "http://proxy:3128"]);
    assert.deepEqual(access.tls, { ca: "CA", servername: "inner", rejectUnauthorized: false });
    assert.deepEqual(access.headers, { authorization: "Bearer tok", "impersonate-user": "someone" });
  });

  test("files are relative to the kubeconfig", async (t) => {
    const { directory, credentials } = await setup(t, config({ "certificate-authority": "ca" }, { "client-certificate": "crt", "client-key": "key", tokenFile: "token" }));
    for (const name of ["ca", "crt", "key", "token"]) await writeFile(join(directory, name), `${name} text\n`);
    const access = await credentials.current();
    assert.deepEqual(access.tls, { ca: "ca text\n", cert: "crt text\n", key: "key text\n" });
    assert.deepEqual(access.headers, { authorization: "Bearer token text" });
  });

  test("files that are named there and can not be read are told by what names them", async (t) => {
    const named = [["certificate-authority", config({ "certificate-authority": "nope" }, {})], ["client-certificate", config({}, { "client-certificate": "nope" })], ["client-key", config({}, { "client-key": "nope" })], ["tokenFile", config({}, { tokenFile: "nope" })]] as const;
    for (const [key, text] of named) {
      const { directory, credentials } = await setup(t, text);
      await assert.rejects(credentials.current(), { message: `${key}: the file "${join(directory, "nope")}" can not be read: there is no such file` });
    }
  });

  test("of several files the first to name something wins", async (t) => {
    const directory = await folder(t);
    const [one, two] = [join(directory, "one"), join(directory, "two")];
    await writeFile(one, JSON.stringify({ "current-context": "here", users: [{ name: "u", user: { token: "first" } }] }));
    await writeFile(two, config({ server: "https://second:1" }, { token: "second" }));
    const access = await new Credentials({ kind: "kubeconfig", files: [one, two] }, new FakeClock(), new RecordingLog()).current();
    assert.deepEqual([access.origin, access.headers["authorization"]], ["https://second:1", "Bearer first"]);
  });

  test("that is broken is told by its file, without its content", async (t) => {
    const broken = [
      "{ token: s3cret", "s3cret", "- s3cret", "null", '{"current-context":"x","users":[{"name":"u","user":{"token":"s3cret"}}]}', '{"clusters":[{"name":"s3cret"}]}', '{"clusters":7,"users":"s3cret","current-context":[]}',
      config({ server: "s3cret" }, {}), config({ server: "ftp://x" }, { token: "s3cret" }), config({}, { token: "s3cret" }).replace('"cluster":"c"', '"cluster":"gone"'),
    ];
    for (const text of broken) {
      const { credentials } = await setup(t, text);
      const told = await failureOf(credentials);
      assert.match(told, /kubeconfig/, text);
      assert.ok(!told.includes("s3cret"), told);
    }
  });
});

describe("rotation", () => {
  test("a service account's token is read again, and so is its certificate authority", async (t) => {
    const directory = await folder(t);
    await writeFile(join(directory, "token"), "one\n");
    await writeFile(join(directory, "ca.crt"), "CA one");
    await writeFile(join(directory, "namespace"), "ws\n");
    const clock = new FakeClock();
    const credentials = new Credentials({ kind: "in-cluster", directory, host: "fd00::1", port: "443" }, clock, new RecordingLog());
    const first = await credentials.current();
    assert.deepEqual([first.origin, first.namespace, first.headers["authorization"]], ["https://[fd00::1]", "ws", "Bearer one"]);
    await writeFile(join(directory, "token"), "two");
    clock.advance(9_000);
    assert.equal((await credentials.current()).headers["authorization"], "Bearer one");
    clock.advance(2_000);
    const second = await credentials.current();
    assert.equal(second.headers["authorization"], "Bearer two");
    assert.equal(second.connectionDigest, first.connectionDigest);
    await writeFile(join(directory, "ca.crt"), "CA two");
    clock.advance(11_000);
    const third = await credentials.current();
    assert.deepEqual(third.tls.ca, "CA two");
    assert.notEqual(third.connectionDigest, first.connectionDigest);
  });

  test("a refused token is read again at once; without a new one the same access comes back", async (t) => {
    const { directory, credentials, clock } = await setup(t, config({}, { tokenFile: "token" }));
    await assert.rejects(credentials.current(), /token/);
    await writeFile(join(directory, "token"), "one");
    const first = await credentials.current();
    assert.equal(await credentials.renew(first), first);
    await writeFile(join(directory, "token"), "two");
    clock.advance(1_000);
    const second = await credentials.renew(first);
    assert.equal(second.headers["authorization"], "Bearer two");
    // Another request that was refused with the old one needs no reading.
    assert.equal(await credentials.renew(first), second);
  });

  test("files that can not be read for a while leave the last credentials in use, with one warning", async (t) => {
    const { file, credentials, clock, log } = await setup(t, config({}, { token: "tok" }));
    const first = await credentials.current();
    await rename(file, `${file}.away`);
    for (let i = 0; i < 5; i++) {
      clock.advance(11_000);
      assert.equal(await credentials.current(), first);
    }
    await rename(`${file}.away`, file);
    clock.advance(11_000);
    assert.equal(await credentials.current(), first);
    assert.deepEqual(log.entries.map(({ level }) => level), ["warn", "info"]);
  });
});

describe("credential plugins", () => {
  /** A plugin that counts its runs in a file and prints what the counter says. */
  async function plugin(t: TestContext, script: string, exec: object = {}): Promise<Setup> {
    const made = await setup(t, config({}, { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "./plugin", ...exec } }));
    await writeFile(join(made.directory, "plugin"), `#!/bin/sh\ncd "$(dirname "$0")"\n${script}\n`);
    await chmod(join(made.directory, "plugin"), 0o755);
    return made;
  }
  const counting = 'echo x >> runs; n=$(wc -l < runs | tr -d " "); ';
  const credential = (status: string): string => `printf '{"kind":"ExecCredential","status":%s}' "${status.replaceAll('"', '\\"')}"`;

  test("give a token, which is kept until it is refused", async (t) => {
    const { credentials, clock } = await plugin(t, counting + credential('{"token":"run$n"}'));
    const first = await credentials.current();
    assert.equal(first.headers["authorization"], "Bearer run1");
    clock.advance(60_000);
    assert.equal(await credentials.current(), first);
    const renewed = await credentials.renew(first);
    assert.equal(renewed.headers["authorization"], "Bearer run2");
  });

  test("run again once the credential has expired", async (t) => {
    const { credentials, clock } = await plugin(t, counting + credential('{"token":"run$n","expirationTimestamp":"2001-01-01T00:00:00Z"}'));
    assert.equal((await credentials.current()).headers["authorization"], "Bearer run1");
    clock.advance(11_000);
    assert.equal((await credentials.current()).headers["authorization"], "Bearer run2");
  });

  test("many refused requests run it once, and all of them get what it gave", async (t) => {
    const { credentials } = await plugin(t, counting + credential('{"token":"run$n"}'));
    const first = await credentials.current();
    const all = await Promise.all(Array.from({ length: 20 }, async () => credentials.renew(first)));
    assert.deepEqual(new Set(all.map(({ headers }) => headers["authorization"])), new Set(["Bearer run2"]));
  });

  test("that take long hold nobody up who has a credential already", async (t) => {
    const { credentials, clock, directory } = await plugin(t, `[ -e slow ] && exec sleep 2; ${credential('{"token":"one","expirationTimestamp":"2001-01-01T00:00:00Z"}')}`);
    const first = await credentials.current();
    await writeFile(join(directory, "slow"), "");
    clock.advance(11_000);
    const next = credentials.current();
    clock.advance(1_000);
    assert.equal(await next, first);
  });

  test("give client certificates, and are told the API version and the cluster", async (t) => {
    const script = `case "$KUBERNETES_EXEC_INFO" in *'"server":"https://127.0.0.1:1"'*) ;; *) exit 1;; esac; [ "$MINE" = yes ] || exit 1; [ "$1" = arg ] || exit 1; ${credential('{"clientCertificateData":"CRT","clientKeyData":"KEY"}')}`;
    const { credentials } = await plugin(t, script, { args: ["arg"], env: [{ name: "MINE", value: "yes" }], provideClusterInfo: true });
    const access = await credentials.current();
    assert.deepEqual(access.tls, { cert: "CRT", key: "KEY" });
  });

  test("that fail or print nonsense are named, without what they printed", async (t) => {
    for (const script of ["echo s3cret >&2; exit 3", "echo s3cret", "echo '{\"token\":\"s3cret\"}'", "echo '{\"status\":null,\"x\":\"s3cret\"}'"]) {
      const { credentials } = await plugin(t, script);
      const told = await failureOf(credentials);
      assert.match(told, /credential plugin .*plugin/);
      assert.ok(!told.includes("s3cret"), told);
    }
    const { credentials } = await setup(t, config({}, { exec: { command: "no-such-command-anywhere" } }));
    assert.match(await failureOf(credentials), /was not found/);
  });

  test("that hang are given up after a minute", async (t) => {
    const { credentials, clock } = await plugin(t, "exec sleep 2");
    const failed = failureOf(credentials);
    const timer = setInterval(() => clock.advance(10_000), 5);
    assert.match(await failed, /failed/);
    clearInterval(timer);
  });
});

describe("TLS", () => {
  /** A server that wants certificates of this authority and answers with the client's name. */
  async function tlsServer(t: TestContext, authority: Authority): Promise<string> {
    const { key, crt } = await authority.issue("server", { usage: "server" });
    const server = createTlsServer({ key, cert: crt, ca: authority.crt, requestCert: true, rejectUnauthorized: true }, (request, response) => {
      response.end(request.socket instanceof TLSSocket ? String(request.socket.getPeerCertificate().subject.CN) : "no TLS");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    return `https://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;
  }

  test("a client certificate is shown, and a replaced one is used for the next request", async (t) => {
    const authority = await createAuthority("ca");
    const server = await tlsServer(t, authority);
    const { directory, credentials, clock } = await setup(t, config({ server, "certificate-authority-data": Buffer.from(authority.crt).toString("base64") }, { "client-certificate": "crt", "client-key": "key" }));
    const client = new KubeClient({ credentials, clock });
    t.after(() => client.close());
    for (const name of ["first", "second"]) {
      const pair = await authority.issue(name, { usage: "client" });
      await writeFile(join(directory, "crt"), pair.crt);
      await writeFile(join(directory, "key"), pair.key);
      clock.advance(11_000);
      assert.equal(Buffer.from(await client.getRaw("/", { signal: never })).toString(), name);
    }
  });

  test("a server of another authority is refused, unless told not to look; the server name can be given", async (t) => {
    const [authority, other] = [await createAuthority("ca"), await createAuthority("other")];
    const server = await tlsServer(t, authority);
    const pair = await authority.issue("me", { usage: "client" });
    const user = { "client-certificate-data": Buffer.from(pair.crt).toString("base64"), "client-key-data": Buffer.from(pair.key).toString("base64") };
    const ca = (of: Authority): object => ({ "certificate-authority-data": Buffer.from(of.crt).toString("base64") });
    const get = async (cluster: object): Promise<string> => {
      const { credentials, clock } = await setup(t, config({ server, ...cluster }, user));
      const client = new KubeClient({ credentials, clock });
      t.after(() => client.close());
      return Buffer.from(await client.getRaw("/", { signal: never })).toString();
    };
    await assert.rejects(get(ca(other)));
    assert.equal(await get({ ...ca(other), "insecure-skip-tls-verify": true }), "me");
    assert.equal(await get({ ...ca(authority), "tls-server-name": "localhost" }), "me");
    await assert.rejects(get({ ...ca(authority), "tls-server-name": "elsewhere" }));
  });
});
