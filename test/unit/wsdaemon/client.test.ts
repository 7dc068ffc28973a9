/** Calls to node daemons over real connections: what is told of one that did not come there, and which connection a failure closes. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Server, ServerCredentials, status as code, type handleUnaryCall } from "@grpc/grpc-js";
import { systemClock } from "../../../src/domain/clock.ts";
import { RemoteError, WsmanError } from "../../../src/domain/errors.ts";
import { NodeDaemonClient } from "../../../src/main/wsdaemon/client.ts";
import { GrpcCaller } from "../../../src/main/wsdaemon/grpc-caller.ts";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { until } from "../../support/until.ts";

const never = new AbortController().signal;
const asIs = (bytes: Buffer): Buffer => bytes;

interface Held {
  /** The connection that it came over. */
  readonly peer: string;
  readonly fail: (code: number) => void;
}

/** A daemon that answers when the test says so, and a client for it. */
async function setup(t: TestContext) {
  const held: Held[] = [];
  const backup: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    held.push({ peer: call.getPeer(), fail: (failure) => callback({ code: failure, details: "no" }) });
  };
  const server = new Server();
  const method = { path: "/wsdaemon.WorkspaceContentService/BackupWorkspace", requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } as const;
  server.addService({ backup: method }, { backup });
  const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
  const client = new NodeDaemonClient({ port, ipOn: (node) => (node === "there" ? "127.0.0.1" : undefined), caller: new GrpcCaller({ tls: undefined, observers: { metrics: createMetrics().rpcClient, clock: systemClock } }) });
  t.after(() => {
    client.close();
    server.forceShutdown();
  });
  const call = async (): Promise<Promise<unknown>[]> => {
    const count = held.length;
    const failure = client.backup("there", "one", never).then(() => "no failure", (error: unknown) => error);
    await until("the call has come", () => held.length > count);
    return [failure];
  };
  return { held, server, client, call };
}

test("a call that came to no daemon is told otherwise than one that broke off there", async (t) => {
  const { held, server, client, call } = await setup(t);
  await assert.rejects(client.backup("elsewhere", "one", never), (error) => error instanceof WsmanError && error.code === "UNAVAILABLE");
  const [refused] = await call();
  held[0]?.fail(code.UNAVAILABLE);
  const said = await refused;
  assert.ok(said instanceof RemoteError);
  assert.deepEqual([said.code, said.message], [code.UNAVAILABLE, "cannot connect to workspace daemon: no"]);
  const [broken] = await call();
  server.forceShutdown();
  assert.ok((await broken) instanceof RemoteError);
  await assert.rejects(client.backup("there", "one", never), (error) => error instanceof WsmanError && error.code === "UNAVAILABLE" && error.message.startsWith("cannot connect to workspace daemon: "));
});

test("a call that fails late closes the connection that it used, not the one that was made since", async (t) => {
  const { held, call } = await setup(t);
  const [first] = await call();
  const [second] = await call();
  assert.equal(held[1]?.peer, held[0]?.peer);
  held[1]?.fail(code.UNAVAILABLE);
  await second;
  void (await call());
  assert.notEqual(held[2]?.peer, held[0]?.peer);
  held[0]?.fail(code.UNAVAILABLE);
  await first;
  void (await call());
  assert.equal(held[3]?.peer, held[2]?.peer);
});
