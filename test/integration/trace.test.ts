/** The trace of changes of a daemon that runs: a line for each status, without secrets. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { objectAt, parseObject, textAt } from "../../src/domain/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { assertNoSecrets, secret } from "../support/secrets.ts";
import { inPhase, startWholeCluster } from "../support/whole-cluster.ts";

test("the whole life of a workspace is in the file, each status with the pod that it was derived from, and no secret", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-trace-"));
  t.after(() => rm(folder, { recursive: true }));
  const whole = await startWholeCluster(t);
  const { config } = await embeddedConfig();
  const eventTraceLog = join(folder, "trace");
  const { start, stop, told, phases, close } = await whole.daemon({ manager: { ...config.manager, wsdaemon: { port: whole.nodes.port }, eventTraceLog }, options: { derive: { regularWorkspaceTimeoutMs: 3_600_000, trace: true } } });
  await start("one", {}, { envvars: [{ name: "SECRET", value: secret("variable-of-a-workspace") }] });
  await told("one", "runs", inPhase(wsman.WorkspacePhase.RUNNING));
  await stop("one");
  await told("one", "has stopped", inPhase(wsman.WorkspacePhase.STOPPED));
  const expected = phases("one");
  await close();
  const lines = (await readFile(eventTraceLog, "utf8")).trim().split("\n");
  assertNoSecrets("the trace", lines);
  const traced = lines.map((line) => parseObject(Buffer.from(line)));
  const shown = traced.map((line) => textAt(objectAt(line, "status"), "phase"));
  assert.deepEqual(shown.filter((phase, i) => phase !== shown[i - 1]), expected);
  for (const line of traced.slice(0, -1)) assert.equal(textAt(objectAt(objectAt(objectAt(line, "objects"), "pod"), "metadata"), "name"), "ws-one");
});
