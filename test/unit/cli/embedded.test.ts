/** The command `embedded` on the built-in cluster itself: files that can not be used, and what its help tells. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { startLocalCluster } from "../../../src/main/cli/local-cluster.ts";
import type { Parts } from "../../../src/main/cli/seams.ts";
import { command, noParts } from "./helpers.ts";

const parts: Parts = { ...noParts, embeddedCluster: () => Promise.resolve(startLocalCluster) };

test("files that can not be read or written are told in words, with the flag that names them", async () => {
  const missing = "there is no such file";
  const tls = (ca: string, cert: string, key: string): readonly string[] => ["--wsdaemon-tls-ca", ca, "--wsdaemon-tls-cert", cert, "--wsdaemon-tls-key", key];
  const there = "package.json";
  for (const [args, told] of [
    [["--kubeconfig-path", "/nope/x"], 'the built-in cluster can not start: --kubeconfig-path: the file "/nope/x" can not be written: its folder is not there'],
    [["--config-path", "/nope/x"], '--config-path: the file "/nope/x" can not be written: its folder is not there'],
    [tls("/nope/x", there, there), `the built-in cluster can not start: --wsdaemon-tls-ca: the file "/nope/x" can not be read: ${missing}`],
    [tls(there, "/nope/x", there), `the built-in cluster can not start: --wsdaemon-tls-cert: the file "/nope/x" can not be read: ${missing}`],
    [tls(there, there, "/"), 'the built-in cluster can not start: --wsdaemon-tls-key: the file "/" can not be read: it is a directory'],
  ] as const) {
    assert.deepEqual(await command(["embedded", ...args], {}, parts), { code: 1, out: "", err: `error: ${told}\n` });
  }
});

test("the help tells what holds where a flag is not given", async () => {
  const { out } = await command(["embedded", "--help"]);
  for (const told of [/--nodes <count> +nodes \(default 2\)/, /--speed <factor> +how much faster than life \(default 1\)/, /--demo <count> +workspaces that come and go \(default 0\)/]) assert.match(out, told);
  assert.match((await command(["run", "--help"])).out, /--speed <factor> +with --embedded: how much faster than life\s+\(default 1\)/);
});

test("the folder of its kubeconfig goes with the process, also where that ends before the cluster is closed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-embedded-"));
  t.after(() => rm(folder, { recursive: true }));
  const module = new URL("../../../src/main/cli/local-cluster.ts", import.meta.url).href;
  const script = `const { kubeconfigPath } = await (await import(${JSON.stringify(module)})).startLocalCluster({}); console.log(kubeconfigPath); process.exit(3);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { env: { ...process.env, TMPDIR: folder }, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  assert.deepEqual(await once(child, "close"), [3, null]);
  assert.ok(out.startsWith(join(folder, "wsmand-")), out);
  assert.deepEqual(await readdir(folder), []);
});

test("a daemon's configuration is a file while its cluster runs, and names the cluster's node daemons; what workspaces name is there", async (t) => {
  const cluster = await startLocalCluster({ namespace: "works", configFor: (port) => ({ port }) });
  t.after(() => cluster.close());
  const { configPath = "", kubeconfigPath, nodeDaemonPort, url } = cluster;
  assert.deepEqual(JSON.parse(await readFile(configPath, "utf8")), { port: nodeDaemonPort });
  for (const named of ["serviceaccounts/workspace", "secrets/builtin-registry-facade-cert"]) assert.equal((await fetch(`${url}/api/v1/namespaces/works/${named}`)).status, 200, named);
  await cluster.close();
  assert.deepEqual([existsSync(configPath), existsSync(kubeconfigPath)], [false, false]);
});

/** Has temporary files made in a folder of the test's, or in one that is not there. */
function keepTemporaryIn(t: TestContext, folder: string): void {
  const { TMPDIR } = process.env;
  process.env["TMPDIR"] = folder;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  });
}

test("a daemon's configuration that can not be written is told in words", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-embedded-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  keepTemporaryIn(t, folder);
  // Whoever cleans up is between the making of the folder and the writing.
  const configFor = (): object => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
    return {};
  };
  await assert.rejects(startLocalCluster({ configFor }), /^Error: configuration: the file "[^"]*\/wsmand-[^"]*\/config\.json" can not be written: its folder is not there$/);
});

test("where the kubeconfig has a place of the user's choice, no temporary folder is needed; else its absence is told", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-embedded-"));
  t.after(() => rm(folder, { recursive: true }));
  keepTemporaryIn(t, "/nope");
  const cluster = await startLocalCluster({ kubeconfigPath: join(folder, "kubeconfig") });
  await cluster.close();
  assert.ok(existsSync(join(folder, "kubeconfig")), "it stays");
  await assert.rejects(startLocalCluster({}), /ENOENT.*\/nope\/wsmand-/);
});
