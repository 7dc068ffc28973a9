/** The load tool waits until a daemon tells of the workspaces that were made for it: what it has yet to work off is not measured. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { constants, createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
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
const getWorkspaces: handleUnaryCall<Buffer, Buffer> = (_call, callback) => callback(null, Buffer.from(wsman.GetWorkspacesResponse.encode({}).finish()));
server.addService({ get: { path: "/wsman.WorkspaceManager/GetWorkspaces", requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs }, describe: { path: "/wsman.WorkspaceManager/DescribeWorkspace", requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } }, { get: getWorkspaces, describe: describeWorkspace });
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

test("a daemon must answer for itself: one that refuses, goes or is none does not", async (t) => {
  await mustAnswer(endpoint, never);
  await assert.rejects(mustAnswer({ host: "127.0.0.1", port: 1 }, never), /the daemon at 127\.0\.0\.1:1 can not be asked: .*ECONNREFUSED/);
  const ways: Record<string, (stream: ServerHttp2Stream) => void> = {
    "reset": (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
    "closed": (stream) => stream.session?.destroy(),
    "refused": (stream) => stream.respond({ ":status": 404 }, { endStream: true }),
  };
  for (const [why, way] of Object.entries(ways)) {
    const other = createServer().on("stream", (stream) => way(stream.on("error", () => {}))).on("sessionError", () => {});
    t.after(() => other.close());
    await once(other.listen(0, "127.0.0.1"), "listening");
    const address = other.address();
    assert.ok(address !== null && typeof address === "object");
    await assert.rejects(mustAnswer({ host: "127.0.0.1", port: address.port }, never), new RegExp(`can not be asked: .*${why}`));
  }
});

test("where no one answers that is told at once", async () => {
  await assert.rejects(notRunning({ host: "127.0.0.1", port: 1 }, ids, 60_000, never), /the daemon at 127\.0\.0\.1:1 can not be asked: .*ECONNREFUSED/);
});
