/** The demo on a daemon that acts: people start, use, stop and forget workspaces through the API, beside somebody else's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/domain/log.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { demo } from "../../src/main/cli/demo.ts";
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
  await start("mine");
  await told("mine", "runs", inPhase(RUNNING));
  const ended = (): readonly string[] => [...stream.lasts()].filter(([, { phase }]) => phase === STOPPED).map(([id]) => id);
  await until("lives of the demo end", () => ended().length >= 4, 30_000);
  await until("others take their place", () => stream.lasts().size >= 1 + 4 + 4, 30_000);
  assert.equal(stream.last("mine")?.phase, RUNNING);
  const saved = ended().filter((id) => stream.last(id)?.conditions?.finalBackupComplete === wsman.WorkspaceConditionBool.TRUE);
  assert.ok(saved.length > 0, `of ${ended().length}`);
  assert.ok(whole.nodes.storage.urls().some((url) => url.includes("backup")));
});
