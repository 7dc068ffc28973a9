/** A built-in cluster for one test, and an API client for it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { startEmbeddedCluster } from "../../../../src/embedded/index.ts";
import type { EmbeddedCluster, EmbeddedClusterOptions } from "../../../../src/embedded/index.ts";
import { KubeApi } from "../../../support/kube-api.ts";
import { readKubeconfig } from "../../../support/kubeconfig.ts";

/** Starts the cluster; it ends with the test. */
export async function started(t: TestContext, options: EmbeddedClusterOptions = {}): Promise<{ readonly cluster: EmbeddedCluster; readonly api: KubeApi }> {
  const cluster = await startEmbeddedCluster(options);
  const folder = await mkdtemp(join(tmpdir(), "wsmand-test-"));
  const path = join(folder, "kubeconfig");
  await cluster.writeKubeconfig(path);
  const api = new KubeApi(await readKubeconfig(path), "default");
  t.after(async () => {
    await api.close();
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { cluster, api };
}

/** Creates a ConfigMap. */
export async function add(api: KubeApi, name: string, data: object = {}): Promise<void> {
  await api.create("configmaps", { metadata: { name }, data });
}
