/** The load tool waits until a daemon tells of the workspaces that were made for it: what it has yet to work off is not measured. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { mustAnswer, notRunning } from "../../../src/bench/load/probe.ts";
import { asIs } from "../../../src/domain/as-is.ts";
import { wsman } from "../../../src/gen/proto.js";

const { PENDING, RUNNING } = wsman.WorkspacePhase;
const never = new AbortController().signal;

/** How often each workspace was asked for. */
const asked = new Map<string, number>();
/** What is told of a workspace that is asked for the n-th time; undefined: nothing. */
let phaseOf: (id: string, n: number) => wsman.WorkspacePhase | undefined = () => RUNNING;

const describeWorkspace: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
  const { id } = wsman.DescribeWorkspaceRequest.decode(call.request);
  const n = (asked.get(id) ?? 0) + 1;
  asked.set(id, n);
  const phase = phaseOf(id, n);
  if (phase === undefined) callback({ code: status.NOT_FOUND, details: "no" });
  else callback(null, Buffer.from(wsman.DescribeWorkspaceResponse.encode({ status: { id, phase } }).finish()));
};
const server = new Server();
server.addService({ describe: { path: "/wsman.WorkspaceManager/DescribeWorkspace", requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } }, { describe: describeWorkspace });
const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
after(() => server.forceShutdown());
const endpoint = { host: "127.0.0.1", port };
const ids = ["w-1", "w-2", "w-3"];

test("each of the last workspaces is asked for until it runs: it may not be known yet, or not as it is", async () => {
  asked.clear();
  phaseOf = (id, n) => (id === "w-2" ? [undefined, PENDING, RUNNING][n - 1] : RUNNING);
  assert.equal(await notRunning(endpoint, ids, 60_000, never), undefined);
  assert.deepEqual([...asked], [["w-1", 1], ["w-2", 3], ["w-3", 1]]);
});

test("it is waited for up to the deadline, and no longer than the user wants", async () => {
  phaseOf = () => undefined;
  assert.equal(await notRunning(endpoint, ids, 50, never), "w-1");
  assert.equal(await notRunning(endpoint, ids, 60_000, AbortSignal.abort()), "w-1");
});

test("a daemon that says of a workspace that it does not have it answers", async () => {
  phaseOf = () => undefined;
  await mustAnswer(endpoint);
  await assert.rejects(mustAnswer({ host: "127.0.0.1", port: 1 }), /the daemon at 127\.0\.0\.1:1 can not be asked: .*ECONNREFUSED/);
});

test("where no one answers that is told at once", async () => {
  await assert.rejects(notRunning({ host: "127.0.0.1", port: 1 }, ids, 60_000, never), /the daemon at 127\.0\.0\.1:1 can not be asked: .*ECONNREFUSED/);
});
