/** A server that refuses what would change something, and goes on to read and stream. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { frameOf, startHarness } from "./helpers.ts";

test("every call that changes something is refused with the reason, also where it would be answered beneath grpc-js; reads and streams are served", async (t) => {
  const { client, reader, hub } = await startHarness(t, { refusal: "not here" });
  reader.frames.set("one", frameOf("one"));
  for (const method of ["StartWorkspace", "StopWorkspace", "MarkActive", "SetTimeout", "ControlPort", "ControlAdmission", "UpdateSSHKey", "DeleteVolumeSnapshot", "TakeSnapshot", "BackupWorkspace"]) {
    const { code: got, details } = await client.wsman(method);
    assert.deepEqual([got, details], [code.FAILED_PRECONDITION, `${method} is refused: not here`]);
  }
  assert.equal((await client.wsman("GetWorkspaces")).code, code.OK);
  assert.equal((await client.wsman("DescribeCluster")).code, code.OK);
  const stream = client.subscribe();
  await stream.headers;
  assert.equal(hub.subscribers.length, 1);
  stream.call.on("error", () => {});
  stream.call.cancel();
});
