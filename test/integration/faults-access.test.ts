/** The daemon and an API server that is away, refuses its token, or has forgotten: it goes on by itself, and its log gives no secret away. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { annotations } from "../../src/domain/names.ts";
import { wsman } from "../../src/gen/proto.js";
import { podIn, served } from "../support/pods.ts";
import { rawSetup, type RawSetup } from "../support/raw-setup.ts";
import { secret } from "../support/secrets.ts";
import { getWorkspaces } from "../support/status-stream.ts";
import { assertOrder } from "../support/story.ts";
import { until } from "../support/until.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;
const tokens = [secret("first-token-of-the-daemon"), secret("second-token-of-the-daemon")];

function pod(id: string, { cluster }: RawSetup): string {
  return JSON.stringify(served(podIn("running", id, { annotations: { [annotations.ownerToken]: secret("owner-token") } }), cluster.next()));
}

test("a token that is refused is replaced by the new one, and the watch goes on where it was", async (t) => {
  const setup = await rawSetup(t, { prepare: (cluster) => (cluster.token = tokens[0]) });
  const { cluster, daemon, stream, change } = setup;
  await change();
  cluster.token = tokens[1];
  cluster.cut("reset");
  cluster.put("ws-unseen", pod("unseen", setup));
  await until("the daemon is refused", async () => (await daemon.metric("wsmand_api_requests_total", { verb: "watch", resource: "pods", code: "401" })) > 1);
  await writeFile(daemon.kubeconfigPath, cluster.kubeconfig());
  await until("what came meanwhile was streamed", () => stream.last("unseen")?.phase === RUNNING);
  await change();
  assert.equal(cluster.lists, 1);
  setup.assertSound();
});

test("while the API server is away the daemon answers from memory; who was deleted meanwhile has stopped, once", async (t) => {
  const setup = await rawSetup(t);
  const { cluster, daemon, client, stream, change } = setup;
  for (const id of ["stays", "goes", "comes-anew"]) cluster.put(`ws-${id}`, pod(id, setup));
  await change();
  await cluster.stop();
  cluster.forget();
  cluster.remove("ws-goes", pod("goes", setup));
  cluster.put("ws-comes-anew", pod("comes-anew", setup).replace("uid-ws-comes-anew", "another-uid"));
  await until("the daemon has noticed", () => daemon.logged("watch failed, trying again until it works").length > 0);
  assert.equal((await getWorkspaces(client)).length, 4);
  assert.equal((await daemon.get("/readyz")).status, 200);
  await cluster.start();
  await until("the end was streamed", () => stream.last("goes")?.phase === STOPPED && stream.of("comes-anew").length === 3);
  await until("it watches again", () => cluster.watches === 1);
  await change();
  assert.deepEqual(stream.of("comes-anew").map((status) => status.phase), [RUNNING, STOPPED, RUNNING]);
  assert.equal(stream.of("stays").length, 1);
  assertOrder(stream, { anew: ["comes-anew"] });
  assert.deepEqual(new Set((await getWorkspaces(client)).map((status) => status.id)), new Set(["comes-anew", "good", "stays"]));
  setup.assertSound();
});
