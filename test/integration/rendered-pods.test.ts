/** Rendered pods and claims before a Kubernetes API: it takes what validation lets through, field by field. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { wsman } from "../../src/gen/proto.js";
import { renderPod } from "../../src/main/render/pod.ts";
import { renderPvc } from "../../src/main/render/pvc.ts";
import { readStart } from "../../src/main/render/start.ts";
import { startProblems } from "../../src/main/render/validation.ts";
import { onRealCluster, startTestCluster, type TestCluster } from "../support/cluster.ts";
import { kubeApi, refusal, type Answer, type KubeApi } from "../support/kube-api.ts";
import { config, contextFor, request } from "../unit/render/helpers.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

/** Creates what a request renders to; nothing of it stays. */
async function create(api: KubeApi, from: wsman.StartWorkspaceRequest): Promise<readonly Answer[]> {
  const container = { requests: { cpu: "1", memory: "2G", "ephemeral-storage": "0" }, limits: { cpu: "4", memory: "8Gi", storage: "30Gi" } };
  const loaded = await config({ namespace: api.namespace, caCertSecret: "ca", seccompProfile: "localhost/p", schedulerName: "s", debugWorkspacePod: true, workspaceClass: { default: { container, pvc: { size: "30Gi" } } } });
  const context = contextFor(loaded, from, { seccompField: true });
  const start = readStart(from);
  const claim = renderPvc(start, context);
  const dry = (resource: string, object: object): Promise<Answer> => api.send("POST", `${api.path(resource)}?dryRun=All&fieldValidation=Strict`, object);
  return [await dry("pods", renderPod(start, context)), ...(claim ? [await dry("persistentvolumeclaims", claim)] : [])];
}

const everything = {
  featureFlags: ["FIXED_RESOURCES", "PERSISTENT_VOLUME_CLAIM"],
  volumeSnapshot: { volumeSnapshotName: "snap.1" },
  envvars: [{ name: "a.b-C_1", value: "$(X)\n" }, { name: "S", secret: { secretName: "s", key: "k_1.pem" } }, { name: "S", value: "twice" }],
  sshPublicKeys: ["ssh-ed25519 AAAA"],
  timeout: "1h",
};
const metadata = { owner: "0a_b.C", metaId: "meta-1", team: "t", project: "p", annotations: { "a.b_c-D": "any\u0001", ["a".repeat(52)]: "" } };

test("pods and claims of every type and with every flag are taken", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  for (const type of ["REGULAR", "PREBUILD", "PROBE", "IMAGEBUILD"]) {
    for (const from of [request({ type }), request({ type, metadata, id: "a.b-1" }, everything), request({ type }, { featureFlags: ["FULL_WORKSPACE_BACKUP"] })]) {
      assert.deepEqual(startProblems(from), []);
      for (const answer of await create(api, from)) assert.equal(answer.code, 201, answer.text);
    }
  }
});

test("a meta ID, a label or an annotation's key that validation refuses is refused by Kubernetes, too", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  // The built-in cluster takes any hostname.
  const metaIds = onRealCluster ? [{ metaId: "a.b" }, { metaId: "UPPER" }] : [];
  for (const members of [...metaIds, { owner: "a b" }, { owner: "-a" }, { owner: "a".repeat(64) }, { team: "a/b" }, { project: "a_" }, { annotations: { "a/b": "" } }, { annotations: { ["a".repeat(53)]: "" } }]) {
    const from = request({ metadata: { owner: "jane", metaId: "meta-1", ...members } });
    assert.equal(startProblems(from).length, 1, JSON.stringify(members));
    const [answer] = await create(api, from);
    assert.ok(answer);
    assert.match(refusal(answer), /^422 Invalid/, JSON.stringify(members));
  }
});
