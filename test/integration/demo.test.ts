/** The demo on a daemon that acts: people start, use, stop and forget workspaces through the API, beside somebody else's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/domain/log.ts";
import { makeWorkspacePod } from "../../src/embedded/demo/index.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { demo } from "../../src/main/cli/demo.ts";
import { startLocalCluster } from "../../src/main/cli/local-cluster.ts";
import { testIo } from "../unit/cli/helpers.ts";
import { onRealCluster } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { inPhase, startWholeCluster } from "../support/whole-cluster.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;
const speed = 30;

test("workspaces of the demo live whole lives, are replaced when they have ended, and leave those of others alone", { skip: onRealCluster }, async (t) => {
  const whole = await startWholeCluster(t, { speed });
  const { config } = await embeddedConfig();
  const { daemon, stream, start, told } = await whole.daemon({ manager: { timeouts: { ...config.manager.timeouts, regularWorkspace: 4_000 } } });
  const { io, stop } = testIo();
  const faults: string[] = [];
  const people = demo(io, { server: { address: `127.0.0.1:${daemon.rpcPort}` }, workspaces: 4, speed, classes: ["default"], strike: (_, fault) => void faults.push(fault), log: silentLog });
  t.after(async () => {
    stop.abort();
    await people;
  });
  await start("mine", {}, { timeout: "1h" });
  await told("mine", "runs", inPhase(RUNNING));
  const ended = (): readonly string[] => [...stream.lasts()].filter(([, { phase }]) => phase === STOPPED).map(([id]) => id);
  await until("lives of the demo end", () => ended().length >= 4);
  await until("others take their place", () => stream.lasts().size >= 1 + 4 + 4);
  assert.equal(stream.last("mine")?.phase, RUNNING, JSON.stringify(stream.last("mine")));
  const saved = ended().filter((id) => stream.last(id)?.conditions?.finalBackupComplete === wsman.WorkspaceConditionBool.TRUE);
  assert.ok(saved.length > 0, `of ${ended().length}`);
  assert.ok(whole.nodes.storage.urls().some((url) => url.includes("backup")));
});

test("a fault strikes the pod of the workspace that it is for, and none where there is no such workspace", { skip: onRealCluster }, async (t) => {
  const cluster = await startLocalCluster({ slowNodeDaemons: true, nodeDaemons: false });
  t.after(() => cluster.close());
  const pods = `${cluster.url}/api/v1/namespaces/default/pods`;
  const { metadata, spec } = makeWorkspacePod({ id: "one", size: 0 });
  const made = await fetch(pods, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec }) });
  assert.equal(made.status, 201, await made.text());
  cluster.strike("one", "never-ready");
  cluster.strike("other", "oom");
  const found: unknown = await (await fetch(`${pods}/ws-one`)).json();
  assert.equal(record(record(record(found)["metadata"])["annotations"])["embedded.wsmand.dev/fault"], "never-ready");
});
