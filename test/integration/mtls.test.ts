/** Mutual TLS of the running daemon: who gets in, and certificates that are exchanged under traffic. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { credentials, status as code } from "@grpc/grpc-js";
import { record } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import type { TlsFiles } from "../../src/main/rpc/tls.ts";
import { createAuthority, type Authority, type CertificatePair } from "../support/certs.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { TestClient } from "../support/grpc-client.ts";
import { kubeApi } from "../support/kube-api.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { StatusStream } from "../support/status-stream.ts";
import { greet, linkTlsFiles, overwriteTlsFiles, type TlsMaterial } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { assertOk, calls, podsOf, removePods, started } from "../support/workspace-calls.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

interface Setup {
  readonly authority: Authority;
  readonly daemon: DaemonProcess;
  readonly material: TlsMaterial;
  readonly files: TlsFiles;
  readonly folder: string;
  /** A client on a connection of its own; without a certificate if none is given. */
  readonly client: (ca: Authority, own?: CertificatePair) => TestClient;
}

/** A daemon as a process, with mutual TLS. */
async function setup(t: TestContext): Promise<Setup> {
  let close = async (): Promise<void> => {};
  t.after(() => close());
  const api = await kubeApi(t, cluster.kubeconfig);
  const folder = await mkdtemp(join(tmpdir(), "wsmand-mtls-"));
  const authority = await createAuthority("first");
  const material = { ca: authority.crt, server: await authority.issue("server", { usage: "server" }) };
  const files = await linkTlsFiles(folder, material);
  const daemon = await DaemonProcess.start({
    kubeconfig: await readFile(await daemonKubeconfig(cluster.kubeconfig, api.namespace), "utf8"),
    configure: (config) => ({ ...config, manager: { ...record(config["manager"]), namespace: api.namespace, registryFacadeHost: "registry.example" }, rpcServer: { ...record(config["rpcServer"]), tls: files } }),
  });
  const clients: TestClient[] = [];
  close = async () => {
    clients.forEach((client) => client.close());
    await daemon.close();
    await removePods(api);
    assert.deepEqual(await podsOf(api), []);
    await rm(folder, { recursive: true });
  };
  await daemon.synced();
  const client = (ca: Authority, own?: CertificatePair): TestClient => {
    const made = new TestClient(daemon.rpcPort, credentials.createSsl(Buffer.from(ca.crt), own ? Buffer.from(own.key) : null, own ? Buffer.from(own.crt) : null));
    clients.push(made);
    return made;
  };
  return { authority, daemon, material, files, folder, client };
}

const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const paths = ["/wsman.WorkspaceManager/DescribeCluster", "/wsman.WorkspaceManager/StartWorkspace", "/grpc.health.v1.Health/Check"];

/** Codes of a call of each service. */
async function codesOf(client: TestClient): Promise<readonly code[]> {
  const unaries = await Promise.all(paths.map(async (path) => (await client.unary(path, new Uint8Array())).code));
  const listServices = Buffer.from([0x3a, 0x01, 0x2a]);
  return [...unaries, (await client.stream(reflection, listServices).read().status).code, await firstOf(client)];
}

/** How a subscription begins: OK if its headers came. */
async function firstOf(client: TestClient): Promise<code> {
  const stream = client.subscribe().read();
  const begun = await stream.headers.then(() => code.OK, () => undefined);
  stream.call.cancel();
  return begun ?? (await stream.status).code;
}

test("who has no certificate of the authority for clients, valid now, is served nothing: no call, no health, no reflection", async (t) => {
  const { authority, daemon, client } = await setup(t);
  const namesake = await createAuthority("first");
  const right = await authority.issue("dashboard", { usage: "client" });
  const outside: readonly (readonly [what: string, pair: CertificatePair | undefined])[] = [
    ["no certificate", undefined],
    ["of another authority of the same name", await namesake.issue("dashboard", { usage: "client" })],
    ["expired", await authority.issue("dashboard", { usage: "client", expired: true })],
    ["not valid yet", await authority.issue("dashboard", { usage: "client", early: true })],
    ["a server's certificate", await authority.issue("dashboard", { usage: "server" })],
  ];
  const tls = (pair: CertificatePair | undefined, version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3"): ConnectionOptions =>
    ({ ca: authority.crt, ...(pair && { cert: pair.crt, key: pair.key }), minVersion: version, maxVersion: version, ...(version === "TLSv1.1" && { ciphers: "DEFAULT@SECLEVEL=0" }) });
  for (const [what, pair] of outside) {
    assert.deepEqual(new Set(await codesOf(client(authority, pair))), new Set([code.UNAVAILABLE]), what);
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) assert.equal((await greet(daemon.rpcPort, tls(pair, version))).protocol, "refused", `${what}, ${version}`);
  }
  assert.equal((await greet(daemon.rpcPort, tls(right, "TLSv1.1"))).protocol, "refused");
  const plain = new TestClient(daemon.rpcPort);
  t.after(() => plain.close());
  assert.deepEqual(new Set(await codesOf(plain)), new Set([code.UNAVAILABLE]), "plaintext");
  assert.equal(await daemon.metric("grpc_server_started_total"), 0);
  assert.deepEqual(daemon.logged("call"), []);
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) assert.equal((await greet(daemon.rpcPort, tls(right, version))).protocol, version);
  assert.deepEqual(await codesOf(client(authority, right)), [code.OK, code.INVALID_ARGUMENT, code.OK, code.OK, code.OK]);
  assert.deepEqual(daemon.log().filter((entry) => entry["level"] !== "info"), []);
});

test("the audit names the certificate of who called", async (t) => {
  const { authority, daemon, client } = await setup(t);
  const [dashboard, bridge] = [client(authority, await authority.issue("dashboard", { usage: "client" })), client(authority, await authority.issue("bridge", { usage: "client" }))];
  await started(dashboard);
  assertOk(await calls.timeout(bridge, "1h"));
  // The first call for a workspace and those that change its status are told of, the others are not.
  for (const closed of [false, false, true, true]) assertOk(await calls.active(dashboard, closed));
  assert.equal((await calls.stop(bridge, 0, "nobody")).code, code.NOT_FOUND);
  await until("the audit is written", () => daemon.logged("call").some((entry) => entry["id"] === "nobody"));
  assert.deepEqual(daemon.logged("call").map((entry) => [entry["audit"], entry["id"], entry["subject"], entry["code"]]), [
    ["StartWorkspace", "instance-1", "CN=dashboard", "OK"], ["SetTimeout", "instance-1", "CN=bridge", "OK"],
    ["MarkActive", "instance-1", "CN=dashboard", "OK"], ["MarkActive", "instance-1", "CN=dashboard", "OK"], ["StopWorkspace", "nobody", "CN=bridge", "NOT_FOUND"],
  ]);
});

test("certificates are exchanged under traffic: nothing that is open notices, and who comes after gets the new ones", async (t) => {
  const { authority, daemon, material, files, folder, client } = await setup(t);
  const own = await authority.issue("dashboard", { usage: "client" });
  const old = client(authority, own);
  const stream = new StatusStream(old.subscribe());
  await stream.stream.headers;
  await started(old);
  const ending = new AbortController();
  let rounds = 0;
  const traffic = (async (): Promise<void> => {
    while (!ending.signal.aborted) {
      assertOk(await calls.timeout(old, `${++rounds}m`));
      assertOk(await old.wsman("GetWorkspaces"));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const shown = async (ca: Authority, pair: CertificatePair, session?: Buffer): Promise<string | undefined> =>
    (await greet(daemon.rpcPort, { ca: ca.crt, cert: pair.crt, key: pair.key, ...(session && { session }) })).certificate?.raw.toString("base64");
  const der = ({ crt }: CertificatePair): string => crt.replace(/-----[^-]+-----|\s/g, "");
  const readAgain = (times: number): Promise<void> => until(`the files are read again ${times} times`, () => daemon.logged("TLS certificates were read again").length === times, 30_000);
  const { session } = await greet(daemon.rpcPort, { ca: authority.crt, cert: own.crt, key: own.key });
  assert.equal(await shown(authority, own), der(material.server));

  const renewed = await authority.issue("server", { usage: "server" });
  await linkTlsFiles(folder, { ca: authority.crt, server: renewed });
  await readAgain(1);
  assert.equal(await shown(authority, own), der(renewed));
  const between = client(authority, own);
  assertOk(await between.wsman("GetWorkspaces"));

  const second = await createAuthority("second");
  const server = await second.issue("server", { usage: "server" });
  await overwriteTlsFiles(files, { ca: second.crt, server });
  await readAgain(2);
  const next = await second.issue("dashboard", { usage: "client" });
  assert.equal(await shown(second, next), der(server));
  assertOk(await client(second, next).wsman("GetWorkspaces"));
  assert.equal((await client(second, own).wsman("GetWorkspaces")).code, code.UNAVAILABLE, "the former authority counts no more");
  assert.ok(session);
  for (const resumed of [undefined, session]) assert.equal(await shown(second, own, resumed), undefined, "nor with a session of before");

  ending.abort();
  await traffic;
  assertOk(await between.wsman("GetWorkspaces"));
  await until("the stream has told the last change", () => stream.last("instance-1")?.spec?.timeout === `${rounds}m`);
  assert.equal(stream.last("instance-1")?.phase, wsman.WorkspacePhase.PENDING);
  assert.ok(rounds > 100);
  stream.stream.call.cancel();
  assert.equal((await stream.stream.status).code, code.CANCELLED);
});
