/** The cluster that integration tests run on: the built-in one, or a real control plane where WSMAND_TEST_CLUSTER is "real". */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedCluster, type Faults } from "../../src/embedded/index.ts";
import { closedAtLast } from "./closing.ts";
import { startControlPlane } from "./control-plane.ts";
import { limitDaemons } from "./rights.ts";
import { keepSecret, secret } from "./secrets.ts";

/** A cluster without kubelet and scheduler: tests play them. */
export interface TestCluster {
  /** Path of a kubeconfig with all rights; daemons use that of {@link daemonKubeconfig}. */
  readonly kubeconfig: string;
  /** Only the built-in one fails on demand. */
  readonly faults?: Faults;
  /** Only a real one has a store that can be kept, and set back to what was kept. */
  readonly store?: { backUp(): Promise<void>; restore(): Promise<void> };
  close(): Promise<void>;
}

/** Whether tests run on a real API server. */
export const onRealCluster = process.env["WSMAND_TEST_CLUSTER"] === "real";

/** For tests that want a real API server: why they are skipped; false where there is one. */
export const unlessReal = onRealCluster ? false : "needs a real API server";

/** Starts the cluster. Throws if a real one is asked for, and there are no binaries for it. */
export async function startTestCluster(): Promise<TestCluster> {
  return onRealCluster ? startReal() : startBuiltIn();
}

async function startReal(): Promise<TestCluster> {
  const real = await startControlPlane();
  if (!real) throw new Error("there is no kube-apiserver: set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver");
  keepSecret("the token of the API server", real.token);
  const unlimit = limitDaemons(real.kubeconfig);
  return {
    kubeconfig: real.kubeconfig,
    store: real,
    close: closedAtLast(async () => {
      unlimit();
      await real.close();
    }),
  };
}

async function startBuiltIn(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-test-"));
  const cluster = await startEmbeddedCluster({ token: secret("token-of-the-api-server") });
  const kubeconfig = join(folder, "kubeconfig");
  await cluster.writeKubeconfig(kubeconfig);
  return {
    kubeconfig,
    faults: cluster.faults,
    close: closedAtLast(async () => {
      await cluster.close();
      await rm(folder, { recursive: true, force: true });
    }),
  };
}
