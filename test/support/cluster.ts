/** The cluster that integration tests run on: a real control plane. */
import { startControlPlane } from "./control-plane.ts";

/** A cluster without kubelet and scheduler: tests play them. */
export interface TestCluster {
  /** Path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

/** Starts the cluster. Throws if there are no binaries for it. */
export async function startTestCluster(): Promise<TestCluster> {
  const real = await startControlPlane();
  if (!real) throw new Error("there is no kube-apiserver: set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver");
  return real;
}
