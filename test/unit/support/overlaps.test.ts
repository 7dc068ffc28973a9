/** What the fault tests take for overlapping backups. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeDaemonCall } from "../../../src/embedded/wsdaemon/service.ts";
import { overlaps } from "../../support/chaos/overlaps.ts";

function call(id: string, began: number, ended?: number, method: NodeDaemonCall["method"] = "DisposeWorkspace"): NodeDaemonCall {
  return { method, id, began, ended };
}

test("backups of one workspace one after the other, those of several at once, and other calls beside are as promised", () => {
  assert.deepEqual(overlaps([call("a", 0, 10), call("a", 10, 20), call("b", 5, 15), call("a", 12, 13, "WaitForInit"), call("b", 15)], []), []);
});

test("a backup that is asked for while another one of the workspace is under way is told, whichever came first in the list", () => {
  assert.deepEqual(overlaps([call("a", 5, 8, "BackupWorkspace"), call("a", 0, 10)], []), ["a: BackupWorkspace was asked for while DisposeWorkspace had been under way for 5 ms"]);
  assert.equal(overlaps([call("a", 0), call("a", 1_000, 1_001)], []).length, 1);
  assert.equal(overlaps([call("a", 0, 100), call("a", 1, 2), call("a", 50, 60)], []).length, 2, "a short one in between hides nothing");
});

test("what a daemon that stands still had asked for is another matter, until it has gone on", () => {
  const still = { from: 100, to: 5_000 };
  assert.deepEqual(overlaps([call("a", 50, 5_010), call("a", 4_000, 4_100)], [still]), []);
  assert.equal(overlaps([call("a", 50, 9_000), call("a", 8_000, 8_100)], [still]).length, 1);
  assert.equal(overlaps([call("a", 200, 5_010), call("a", 4_000, 4_100)], [still]).length, 1, "it was asked for by somebody who did not stand still");
});
