/** Daemons as processes of their own: nothing of one that could not start, or was given up, stays behind. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { kubeconfigOf } from "../../../src/embedded/apiserver/kubeconfig.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { childrenOf } from "../../support/processes.ts";
import { until } from "../../support/until.ts";

const kubeconfig = kubeconfigOf({ url: "http://127.0.0.1:1", namespace: "default" });

/** Temporary files are there from now on. */
function useFolder(t: TestContext, folder: string): void {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  t.after(() => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  });
}

test("one that has no place for its files leaves no listener behind", async (t) => {
  useFolder(t, "/nope");
  const before = process.listenerCount("exit");
  for (let i = 0; i < 3; i++) await assert.rejects(DaemonProcess.start({ kubeconfig }), { code: "ENOENT" });
  assert.equal(process.listenerCount("exit"), before);
});

test("one that is given up while it starts is gone, with its files", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-test-"));
  t.after(() => rm(folder, { recursive: true }));
  useFolder(t, folder);
  const before = process.listenerCount("exit");
  const stop = new AbortController();
  const starting = DaemonProcess.start({ kubeconfig, signal: stop.signal });
  const rejected = assert.rejects(starting, /the daemon ended/);
  await until("the process is there", async () => (await childrenOf(process.pid)).length > 0);
  stop.abort();
  await rejected;
  assert.deepEqual([await readdir(folder), await childrenOf(process.pid), process.listenerCount("exit")], [[], [], before]);
  await assert.rejects(DaemonProcess.start({ kubeconfig, signal: stop.signal }), { name: "AbortError" });
});
