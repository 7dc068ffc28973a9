/** A real control plane for tests: etcd and kube-apiserver on the loopback interface, in a folder of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { cp, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endProcess } from "./end-process.ts";
import { canUnpack, unpacked } from "./unpack.ts";

/** A control plane that runs. */
export interface ControlPlane {
  /** Path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  readonly server: string;
  /** Bearer token with all rights. */
  readonly token: string;
  /** Keeps the store as it is now. Both processes are away meanwhile. */
  backUp(): Promise<void>;
  /** Sets the store back to how it was kept, without raising its versions. Both processes are away meanwhile. */
  restore(): Promise<void>;
  /** Ends both processes and removes their folder. Idempotent. */
  close(): Promise<void>;
}

/** How long each of the two may take to start. */
const startMs = 150_000;

/**
 * Starts etcd and kube-apiserver from the folder in KUBEBUILDER_ASSETS, or from what a folder beside the checkout unpacks; undefined if there is neither.
 * RBAC is on; the ServiceAccount admission plugin is off, since nothing makes service accounts.
 * @throws Error with the end of the log if one of them does not start.
 */
export async function startControlPlane(): Promise<ControlPlane | undefined> {
  const binaries = await findBinaries();
  if (binaries === undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), "control-plane-"));
  const processes: ChildProcess[] = [];
  const killAll = (): void => {
    for (const child of processes) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", killAll);
  const close = async (): Promise<void> => {
    process.off("exit", killAll);
    for (const child of processes.toReversed()) await endProcess(child);
    await rm(directory, { recursive: true, force: true });
  };
  const [data, kept] = [join(directory, "etcd-data"), join(directory, "etcd-kept")];
  try {
    const etcd = await startEtcd(binaries, directory, processes, [await freePort(), await freePort()]);
    const access = await prepareAccess(directory);
    await startApiServer(binaries, directory, etcd.url, processes, access);
    const interrupted = async (change: () => Promise<void>): Promise<void> => {
      for (const child of processes.splice(0).toReversed()) await endProcess(child);
      await change();
      await startEtcd(binaries, directory, processes, etcd.ports);
      await startApiServer(binaries, directory, etcd.url, processes, access);
    };
    return {
      kubeconfig: await writeKubeconfig(directory, access), server: access.server, token: access.token, close,
      backUp: () => interrupted(() => cp(data, kept, { recursive: true })),
      restore: () => interrupted(async () => {
        await rm(data, { recursive: true });
        await cp(kept, data, { recursive: true });
      }),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function findBinaries(): Promise<string | undefined> {
  const assets = process.env["KUBEBUILDER_ASSETS"];
  if (assets) return assets;
  return canUnpack ? unpacked() : undefined;
}

async function startEtcd(binaries: string, directory: string, processes: ChildProcess[], ports: readonly [number, number]): Promise<{ readonly url: string; readonly ports: readonly [number, number] }> {
  const [clients, peers] = ports;
  const url = `http://127.0.0.1:${clients}`;
  const peerUrl = `http://127.0.0.1:${peers}`;
  const child = await launch(join(binaries, "etcd"), directory, processes, [
    "--name=default", `--data-dir=${join(directory, "etcd-data")}`, "--unsafe-no-fsync", "--log-level=warn",
    `--listen-client-urls=${url}`, `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`, `--initial-cluster=default=${peerUrl}`,
    "--heartbeat-interval=50", "--election-timeout=250",
  ]);
  await ready(child, directory, async () => (await (await fetch(`${url}/health`)).text()).includes('"true"'));
  return { url, ports };
}

/** How the API server is reached. */
interface ServerAccess {
  readonly port: number;
  readonly server: string;
  readonly token: string;
  /** Files for its command line. */
  readonly key: string;
  readonly tokens: string;
}

async function prepareAccess(directory: string): Promise<ServerAccess> {
  const port = await freePort();
  const server = `https://127.0.0.1:${port}`;
  const token = randomBytes(24).toString("hex");
  const key = join(directory, "service-account.pem");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  await writeFile(key, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
  const tokens = join(directory, "tokens.csv");
  await writeFile(tokens, `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  return { port, server, token, key, tokens };
}

async function startApiServer(binaries: string, directory: string, etcd: string, processes: ChildProcess[], { port, server, token, key, tokens }: ServerAccess): Promise<void> {
  const child = await launch(join(binaries, "kube-apiserver"), directory, processes, [
    `--etcd-servers=${etcd}`, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", `--secure-port=${port}`,
    "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16", `--cert-dir=${join(directory, "certs")}`,
    `--token-auth-file=${tokens}`, "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc", `--service-account-key-file=${key}`, `--service-account-signing-key-file=${key}`,
    "--disable-admission-plugins=ServiceAccount", "--shutdown-watch-termination-grace-period=1s", "--allow-privileged=true",
  ]);
  await ready(child, directory, async () => (await get(`${server}/readyz`, token)) === 200 && (await get(`${server}/api/v1/namespaces/default`, token)) === 200);
}

async function writeKubeconfig(directory: string, { server, token }: ServerAccess): Promise<string> {
  // The server made itself a certificate and appended its CA.
  const ca = await readFile(join(directory, "certs", "apiserver.crt"));
  const kubeconfig = join(directory, "kubeconfig");
  await writeFile(kubeconfig, JSON.stringify({
    apiVersion: "v1", kind: "Config", "current-context": "test",
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": ca.toString("base64") } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin", namespace: "default" } }],
  }), { mode: 0o600 });
  return kubeconfig;
}

async function launch(binary: string, directory: string, processes: ChildProcess[], args: readonly string[]): Promise<ChildProcess> {
  const log = await open(logOf(directory, binary), "w");
  const child = spawn(binary, args, { stdio: ["ignore", log.fd, log.fd] });
  processes.push(child);
  const failed = new Promise<never>((_resolve, reject) => child.once("error", reject));
  await Promise.race([failed, new Promise((resolve) => child.once("spawn", resolve))]);
  await log.close();
  return child;
}

function logOf(directory: string, binary: string): string {
  return join(directory, `${binary.split("/").at(-1) ?? binary}.log`);
}

async function ready(child: ChildProcess, directory: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await check().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const log = await readFile(logOf(directory, child.spawnfile), "utf8").catch(() => "");
  throw new Error(`${child.spawnfile} did not start:\n${log.slice(-2000)}`);
}

/** HTTP status of a GET. The certificate is not checked: it is not known yet. */
function get(url: string, token: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(url, { rejectUnauthorized: false, headers: { authorization: `Bearer ${token}` }, timeout: 5000 }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode));
    });
    sent.once("timeout", () => sent.destroy(new Error("no answer")));
    sent.once("error", reject);
    sent.end();
  });
}

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
