/** A frame is a valid SubscribeResponse, GetWorkspacesResponse element and DescribeWorkspaceResponse, with its version. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wsman } from "../../../src/gen/proto.js";
import { buildFrame, decodeFrame, encodeStatus, messageIn } from "../../../src/main/state/frame.ts";
import { versionToBigInt } from "../../../src/main/state/version.ts";

test("a frame decodes to the status with its version, as each of the three messages, and is a gRPC message, for any version and size", () => {
  const versions = fc.record({ seconds: fc.integer({ min: 0, max: 2 ** 37 - 1 }), logical: fc.integer({ min: 0, max: 65_535 }) });
  fc.assert(
    fc.property(versions, fc.string({ maxLength: 40_000 }), (version, message) => {
      const encoded = encodeStatus({ id: "ws1", message, phase: wsman.WorkspacePhase.RUNNING });
      const frame = buildFrame(encoded, version);
      assert.deepEqual([frame[0], frame.readUInt32BE(1)], [0, frame.length - 5]);
      const expected = versionToBigInt(version).toString();
      for (const status of [decodeFrame(frame), wsman.DescribeWorkspaceResponse.decode(messageIn(frame)).status, wsman.GetWorkspacesResponse.decode(Buffer.concat([messageIn(frame), messageIn(frame)])).status[1]]) {
        assert.equal(status?.id, "ws1");
        assert.equal(status?.message, wsman.WorkspaceStatus.decode(encoded).message);
        assert.equal(status?.statusVersion?.toString(), expected);
      }
    }),
  );
});

test("a frame owns its memory", () => {
  const frame = buildFrame(encodeStatus({ id: "ws1" }), { seconds: 1_700_000_000, logical: 3 });
  assert.equal(frame.buffer.byteLength, frame.byteLength);
});
