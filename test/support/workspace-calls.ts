/** A daemon on a namespace of its own, and the calls that start, stop and steer workspaces there. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { records, text, type Json } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import type { Daemon, DaemonOptions } from "../../src/main/daemon.ts";
import { request as plainRequest } from "../unit/render/helpers.ts";
import type { TestCluster } from "./cluster.ts";
import { startTestDaemon } from "./daemon.ts";
import { TestClient, type UnaryResult } from "./grpc-client.ts";
import { kubeApi, metaOf, type KubeApi } from "./kube-api.ts";
import { secret, secretSshKey } from "./secrets.ts";

/** What tests work with; everything ends with the test. */
export interface Calls {
  readonly api: KubeApi;
  readonly client: TestClient;
  readonly daemon: Daemon;
}

/** Starts a daemon on a namespace of its own. */
export async function startCalls(t: TestContext, cluster: TestCluster, { withClaims = false, ...options }: { readonly withClaims?: boolean } & Partial<DaemonOptions> = {}): Promise<Calls> {
  // Before the API's own end, which closes its connections.
  let close = async (): Promise<void> => {};
  t.after(() => close());
  const api = await kubeApi(t, cluster.kubeconfig);
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace: api.namespace, ...(withClaims && { manager: await managerWithClaims(api.namespace) }), ...options });
  const client = new TestClient(daemon.rpcPort);
  close = async () => {
    client.close();
    await daemon.close();
    await removePods(api);
  };
  await daemon.synced;
  return { api, client, daemon };
}

/** Classes with claims, and with snapshots. */
export async function managerWithClaims(namespace: string): Promise<DaemonOptions["manager"]> {
  const { config } = await embeddedConfig();
  return { ...config.manager, namespace, workspaceClasses: config.manager.workspaceClasses.map((one) => ({ ...one, pvc: { size: "1Gi", snapshotClass: "snaps" } })) };
}

/** Removes pods, all or one: they have a finalizer that nobody takes away here. */
export async function removePods(api: KubeApi, name?: string): Promise<void> {
  for (const found of name === undefined ? (await podsOf(api)).map((pod) => text(metaOf(pod)["name"])) : [name]) {
    const path = api.path("pods", found);
    await api.patch(path, { metadata: { finalizers: null } });
    await api.send("DELETE", path, { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 });
  }
}

/** All pods of the namespace. */
export async function podsOf(api: KubeApi): Promise<readonly Json[]> {
  return records((await api.get(api.path("pods")))["items"]);
}

/** Volume claims of the namespace that nobody deletes. Kubernetes keeps a claim until its finalizer is taken away, which no controller does here. */
export async function claimsOf(api: KubeApi): Promise<readonly Json[]> {
  return records((await api.get(api.path("persistentvolumeclaims")))["items"]).filter((claim) => metaOf(claim)["deletionTimestamp"] === undefined);
}

/** A request that is in order, with a secret wherever one can be; members may be given, and members of its spec. */
export function request(members: object = {}, spec: object = {}): wsman.StartWorkspaceRequest {
  const config = { authentication: "BASIC_AUTH", authUser: "jane", authPassword: secret("git-password"), authOts: secret("git-one-time-secret"), customConfig: { "http.extraHeader": secret("git-header") } };
  return plainRequest(members, {
    envvars: [{ name: "TOKEN", value: secret("variable") }],
    initializer: { git: { remoteUri: `https://jane:${secret("password-in-url")}@git.example/repo`, config } },
    sshPublicKeys: [secretSshKey("start-key")],
    ...spec,
  });
}

/** Starts a workspace, whatever becomes of it. */
export function start(client: TestClient, from = request()): Promise<UnaryResult> {
  return client.wsman("StartWorkspace", wsman.StartWorkspaceRequest.encode(from).finish());
}

/** Starts a workspace; fails unless that is answered OK. */
export async function started(client: TestClient, from = request()): Promise<wsman.StartWorkspaceResponse> {
  const answer = await start(client, from);
  assertOk(answer);
  return wsman.StartWorkspaceResponse.decode(answer.response);
}

/** Describes a workspace; fails unless that is answered OK. */
export async function describe(client: TestClient, id = "instance-1"): Promise<wsman.DescribeWorkspaceResponse> {
  const answer = await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish());
  assertOk(answer);
  return wsman.DescribeWorkspaceResponse.decode(answer.response);
}

/** The calls on one workspace. */
export const calls = {
  stop: (client: TestClient, policy = 0, id = "instance-1"): Promise<UnaryResult> => client.wsman("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id, policy }).finish()),
  active: (client: TestClient, closed = false, id = "instance-1"): Promise<UnaryResult> => client.wsman("MarkActive", wsman.MarkActiveRequest.encode({ id, closed }).finish()),
  timeout: (client: TestClient, duration: string, id = "instance-1"): Promise<UnaryResult> => client.wsman("SetTimeout", wsman.SetTimeoutRequest.encode({ id, duration }).finish()),
  port: (client: TestClient, expose: boolean, spec: wsman.PortSpec.$Properties | undefined, id = "instance-1"): Promise<UnaryResult> =>
    client.wsman("ControlPort", wsman.ControlPortRequest.encode({ id, expose, ...(spec && { spec }) }).finish()),
  admission: (client: TestClient, level: number, id = "instance-1"): Promise<UnaryResult> => client.wsman("ControlAdmission", wsman.ControlAdmissionRequest.encode({ id, level }).finish()),
  keys: (client: TestClient, keys: string[], id = "instance-1"): Promise<UnaryResult> => client.wsman("UpdateSSHKey", wsman.UpdateSSHKeyRequest.encode({ id, keys }).finish()),
};

/** Fails with what the daemon said unless the call was answered OK. */
export function assertOk({ code: got, details }: UnaryResult): void {
  assert.equal(got, code.OK, details);
}
