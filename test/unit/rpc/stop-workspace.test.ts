/** StopWorkspace against a start that is under way: it stops what that makes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { workspaceNotFound, WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { recordOf } from "../../support/results.ts";
import { noSteering, startHarness } from "./helpers.ts";

test("a workspace that is being started is stopped once it is there; one whose start fails is not there", async (t) => {
  const [known, stopped] = [new Set<string>(), new Array<string>()];
  const { client } = await startHarness(t, { steering: {
    ...noSteering,
    starter: {
      ...noSteering.starter,
      arrival: async (id, signal) => {
        assert.equal(signal.aborted, false);
        if (id === "starts") known.add(id);
        if (id === "slow") throw new WsmanError("UNAVAILABLE", "workspace slow is being started");
      },
    },
    writer: {
      ...noSteering.writer,
      find(id) {
        if (!known.has(id)) throw workspaceNotFound(id);
        return recordOf(id, { id });
      },
      annotate: async ({ facts }, annotations) => void stopped.push(`${facts.id} ${annotations["gitpod.io/stoppedByRequest"]}`),
    },
  } });
  const stop = async (id: string): Promise<status> => (await client.wsman("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id }).finish())).code;
  assert.deepEqual([await stop("starts"), await stop("fails"), await stop("slow")], [status.OK, status.NOT_FOUND, status.UNAVAILABLE]);
  assert.deepEqual(stopped, ["starts 30s"]);
});
