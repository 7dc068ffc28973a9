/** The cluster that integration tests run on: the built-in one, or a real control plane where WSMAND_TEST_CLUSTER is "real". */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedCluster } from "../../src/embedded/index.ts";
import { startControlPlane } from "./control-plane.ts";

/** A cluster without kubelet and scheduler: tests play them. */
export interface TestCluster {
  /** Path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

/** Whether tests run on a real API server. */
export const onRealCluster = process.env["WSMAND_TEST_CLUSTER"] === "real";

/** Starts the cluster. Throws if a real one is asked for, and there are no binaries for it. */
export async function startTestCluster(): Promise<TestCluster> {
  return onRealCluster ? startReal() : startBuiltIn();
}

async function startReal(): Promise<TestCluster> {
  const real = await startControlPlane();
  if (!real) throw new Error("there is no kube-apiserver: set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver");
  return real;
}

async function startBuiltIn(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-test-"));
  const cluster = await startEmbeddedCluster();
  const kubeconfig = join(folder, "kubeconfig");
  await cluster.writeKubeconfig(kubeconfig);
  return {
    kubeconfig,
    close: async () => {
      await cluster.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
