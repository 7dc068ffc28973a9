/** A kubeconfig for an API server of a test's own: without TLS, and anyone may ask. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** Writes one, which goes with the test. Gives the file. @param address HOST:PORT */
export async function plainKubeconfig(t: Pick<TestContext, "after">, address: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-kubeconfig-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "kubeconfig");
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "Config", "current-context": "c", clusters: [{ name: "c", cluster: { server: `http://${address}` } }], users: [{ name: "c", user: {} }], contexts: [{ name: "c", context: { cluster: "c", user: "c" } }] }));
  return file;
}
