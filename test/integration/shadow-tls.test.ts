/** A shadow that compares with a manager over mutual TLS, both as processes, while the certificates of both are exchanged. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { credentials } from "@grpc/grpc-js";
import { record, type Json } from "../../src/embedded/kubelet/json.ts";
import { createAuthority, type Authority } from "../support/certs.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { TestClient } from "../support/grpc-client.ts";
import { kubeApi } from "../support/kube-api.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { linkTlsFiles } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { assertOk, removePods, request, start } from "../support/workspace-calls.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

test("a shadow compares over mutual TLS, and goes on over an exchange of all certificates: those of its files count from the next connection on", async (t) => {
  const closes: (() => unknown)[] = [];
  t.after(async () => {
    for (const close of closes.toReversed()) await close();
  });
  const api = await kubeApi(t, cluster.kubeconfig);
  const folder = await mkdtemp(join(tmpdir(), "wsmand-shadow-tls-"));
  closes.push(() => rm(folder, { recursive: true }));
  const [serverFolder, clientFolder] = [join(folder, "server"), join(folder, "client")];
  for (const each of [serverFolder, clientFolder]) await mkdir(each);
  const kubeconfig = await readFile(await daemonKubeconfig(cluster.kubeconfig, api.namespace), "utf8");
  /** Gives the certificates of both sides, of this authority. */
  const exchange = async (authority: Authority) => ({
    server: await linkTlsFiles(serverFolder, { ca: authority.crt, server: await authority.issue("server", { usage: "server" }) }),
    client: await linkTlsFiles(clientFolder, { ca: authority.crt, server: await authority.issue("shadow", { usage: "client" }) }),
  });
  const first = await createAuthority("first");
  const files = await exchange(first);
  const configure = (rpcServer: object) => (config: Json): Json => ({ ...config, manager: { ...record(config["manager"]), namespace: api.namespace, registryFacadeHost: "registry.example" }, rpcServer: { ...record(config["rpcServer"]), ...rpcServer } });
  const manager = async (port: number): Promise<DaemonProcess> => {
    const daemon = await DaemonProcess.start({ kubeconfig, configure: configure({ addr: `127.0.0.1:${port}`, tls: files.server }) });
    closes.push(() => daemon.close());
    await daemon.synced();
    return daemon;
  };
  const startOne = async (id: string, port: number, authority: Authority): Promise<void> => {
    const own = await authority.issue("dashboard", { usage: "client" });
    const client = new TestClient(port, credentials.createSsl(Buffer.from(authority.crt), Buffer.from(own.key), Buffer.from(own.crt)));
    assertOk(await start(client, request({ id, metadata: { owner: "jane", metaId: `meta-${id}` } })));
    client.close();
  };
  closes.push(() => removePods(api));

  const acting = await manager(0);
  const { rpcPort } = acting;
  const { ca, crt, key } = files.client;
  const runFlags = ["--shadow", "--compare", `127.0.0.1:${rpcPort}`, "--settle", "1s", "--tls-ca", ca, "--tls-cert", crt, "--tls-key", key, "--tls-server-name", "server"];
  const shadow = await DaemonProcess.start({ kubeconfig, configure: configure({}), runFlags });
  closes.push(() => shadow.close());
  const compared = (times: number): Promise<void> => until(`${times} workspaces are compared, without a difference`, async () => {
    const [connected, count, waiting, open] = await Promise.all(["connected", "compared_total", "waiting_workspaces", "open_differences"].map((name) => shadow.metric(`wsmand_shadow_${name}`)));
    return connected === 1 && (count ?? 0) >= times && waiting === 0 && open === 0;
  }, 60_000);
  await startOne("one", rpcPort, first);
  await compared(1);

  const second = await createAuthority("second");
  await acting.close();
  await until("the manager is missed", async () => (await shadow.metric("wsmand_shadow_connected")) === 0, 30_000);
  await exchange(second);
  await manager(rpcPort);
  await startOne("two", rpcPort, second);
  await compared(2);
  assert.equal(await shadow.metric("wsmand_shadow_differences_total"), 0);
  assert.equal(await shadow.close(), 0);
  const [seen] = shadow.logged("what the shadow has seen");
  assert.deepEqual([seen?.["differences"], seen?.["open"]], [{}, 0]);
});
