/** What tests of commands need: a process that is none, statuses, and a ws-manager of a few lines. */
import { addAbortSignal, Readable } from "node:stream";
import { Metadata, Server, ServerCredentials, status as codes } from "@grpc/grpc-js";
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { systemClock } from "../../../src/domain/clock.ts";
import { registryfacade, wsman } from "../../../src/gen/proto.js";
import type { Io } from "../../../src/main/cli/io.ts";
import { runCommand } from "../../../src/main/cli/main.ts";
import type { Parts } from "../../../src/main/cli/seams.ts";
import { readEnvironment } from "../../../src/main/config/env.ts";

/** An Io whose output is kept. */
export interface TestIo {
  readonly io: Io;
  readonly stop: AbortController;
  readonly out: () => string;
  readonly err: () => string;
}

/** Makes one. With `terminal`, the standard output is a terminal of that size, with `inputTerminal` the input is one; with `openStdin`, the input ends only with the signal. */
export function testIo(options: { stdin?: string; openStdin?: boolean; inputTerminal?: boolean; terminal?: { columns: number; rows: number }; errorTerminal?: boolean; env?: Record<string, string> } = {}): TestIo {
  const stop = new AbortController();
  let out = "";
  let err = "";
  const stdout: Io["stdout"] = {
    write(text) {
      out += text;
      return true;
    },
    once: () => {},
    on: () => {},
    off: () => {},
    ...(options.terminal ? { isTTY: true, ...options.terminal } : {}),
  };
  const stderr = {
    write(text: string) {
      err += text;
    },
    isTTY: options.errorTerminal ?? false,
  };
  const stdin = options.openStdin === true ? addAbortSignal(stop.signal, new Readable({ read() {} })).on("error", () => {}) : Readable.from([options.stdin ?? ""]);
  const io: Io = { stdin: Object.assign(stdin, { isTTY: options.inputTerminal ?? false }), stdout, stderr, env: readEnvironment(options.env ?? {}), clock: systemClock, random: () => 0, signal: stop.signal, onExit: () => () => {} };
  return { io, stop, out: () => out, err: () => err };
}

/** Parts that must not be asked for. */
export const noParts: Parts = {
  daemon: () => Promise.reject(new Error("the daemon was asked for")),
  embeddedCluster: () => Promise.reject(new Error("the built-in cluster was asked for")),
};

/** Runs a command line; gives the exit code and what was printed. */
export async function command(args: readonly string[], options: Parameters<typeof testIo>[0] = {}, parts: Parts = noParts): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = testIo(options);
  const code = await runCommand(args, io, parts);
  return { code, out: out(), err: err() };
}

/** A status. Versions are those of a test's choice. */
export function status(id: string, version: number, phase: keyof typeof wsman.WorkspacePhase = "RUNNING", members: object = {}): wsman.WorkspaceStatus {
  return wsman.WorkspaceStatus.fromObject({
    id,
    statusVersion: version,
    phase,
    metadata: { owner: "jane", metaId: `meta-${id}`, startedAt: { seconds: 1_700_000_000 + (version % 1000) } },
    spec: { type: "REGULAR", class: "default" },
    runtime: { nodeName: "node-1" },
    auth: { ownerToken: "owner-token-secret" },
    ...members,
  });
}

/** A ws-manager for clients to talk to. */
export interface TestServer {
  readonly address: string;
  /** Statuses that GetWorkspaces gives. */
  listed: wsman.WorkspaceStatus[];
  /** IDs of pods that StartWorkspace finds to be there, whatever is listed. */
  readonly taken: Set<string>;
  /** With what DescribeWorkspace fails, whatever is listed. */
  describeFails: codes | undefined;
  readonly streams: ServerWritableStream<wsman.SubscribeRequest, wsman.WorkspaceStatus>[];
  /** Requests as they came. */
  readonly requests: { method: string; message: object; metadata: Metadata }[];
  close(): void;
}

const encodeRequest = (): Buffer => Buffer.alloc(0);

/** Starts one. It behaves as the Go ws-manager does: no current statuses on Subscribe, no headers before the first message. */
export async function testServer(port = 0): Promise<TestServer> {
  const server = new Server();
  const streams: TestServer["streams"] = [];
  const requests: TestServer["requests"] = [];
  const unary = <Q extends object, A>(method: string, decode: (bytes: Buffer) => Q, encode: (answer: A) => Uint8Array, answer: (request: Q) => A | undefined, { of = "wsman.WorkspaceManager", missing = "workspace nope\u001b[2J does not exist", code = (): codes => codes.NOT_FOUND } = {}) => ({
    definition: { path: `/${of}/${method}`, requestStream: false, responseStream: false, requestSerialize: encodeRequest, requestDeserialize: decode, responseSerialize: (message: A) => Buffer.from(encode(message)), responseDeserialize: (bytes: Buffer) => bytes },
    handler: (call: ServerUnaryCall<Q, A>, callback: sendUnaryData<A>): void => {
      requests.push({ method, message: call.request, metadata: call.metadata });
      const found = answer(call.request);
      if (found === undefined) callback({ code: code(), details: missing });
      else callback(null, found);
    },
  });
  const list = unary("GetWorkspaces", (bytes) => wsman.GetWorkspacesRequest.decode(bytes), (message: object) => wsman.GetWorkspacesResponse.encode(message).finish(), () => ({ status: state.listed }));
  const describe = unary("DescribeWorkspace", (bytes) => wsman.DescribeWorkspaceRequest.decode(bytes), (message: object) => wsman.DescribeWorkspaceResponse.encode(message).finish(), ({ id }) => {
    const found = state.describeFails === undefined ? state.listed.find((status) => status.id === id) : undefined;
    return found && { status: found, lastActivity: "2026-01-02T03:04:05.000000006Z" };
  }, { code: () => state.describeFails ?? codes.NOT_FOUND });
  const cluster = unary("DescribeCluster", (bytes) => wsman.DescribeClusterRequest.decode(bytes), (message: object) => wsman.DescribeClusterResponse.encode(message).finish(), () => ({ WorkspaceClasses: [{ Id: "default", DisplayName: "Stan\u001bdard" }, { Id: "large" }] }));
  const isLive = (id: string): boolean => state.listed.some((status) => status.id === id && status.phase !== wsman.WorkspacePhase.STOPPED);
  const begin = unary("StartWorkspace", (bytes) => wsman.StartWorkspaceRequest.decode(bytes), (message: object) => wsman.StartWorkspaceResponse.encode(message).finish(), ({ id }) => (state.taken.has(id) ? undefined : { url: `https://${id}`, ownerToken: "owner-token-secret" }), { missing: "workspace instance already exists", code: () => codes.ALREADY_EXISTS });
  const stop = unary("StopWorkspace", (bytes) => wsman.StopWorkspaceRequest.decode(bytes), (message: object) => wsman.StopWorkspaceResponse.encode(message).finish(), ({ id }) => (isLive(id) ? {} : undefined));
  const keys = unary("UpdateSSHKey", (bytes) => wsman.UpdateSSHKeyRequest.decode(bytes), (message: object) => wsman.UpdateSSHKeyResponse.encode(message).finish(), ({ id }) => (isLive(id) ? {} : undefined));
  const spec = unary("GetImageSpec", (bytes) => registryfacade.GetImageSpecRequest.decode(bytes), (message: object) => registryfacade.GetImageSpecResponse.encode(message).finish(), ({ id }) => (isLive(id) ? { spec: { baseRef: "base" } } : undefined), { of: "registryfacade.SpecProvider", missing: "not found" });
  server.addService(
    {
      GetImageSpec: spec.definition,
      StartWorkspace: begin.definition,
      StopWorkspace: stop.definition,
      UpdateSSHKey: keys.definition,
      GetWorkspaces: list.definition,
      DescribeWorkspace: describe.definition,
      DescribeCluster: cluster.definition,
      Subscribe: {
        path: "/wsman.WorkspaceManager/Subscribe", requestStream: false, responseStream: true, requestSerialize: encodeRequest, requestDeserialize: (bytes: Buffer) => wsman.SubscribeRequest.decode(bytes),
        responseSerialize: (message: wsman.WorkspaceStatus) => Buffer.from(wsman.SubscribeResponse.encode({ status: message }).finish()), responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      GetImageSpec: spec.handler,
      StartWorkspace: begin.handler,
      StopWorkspace: stop.handler,
      UpdateSSHKey: keys.handler,
      GetWorkspaces: list.handler,
      DescribeWorkspace: describe.handler,
      DescribeCluster: cluster.handler,
      Subscribe(call: ServerWritableStream<wsman.SubscribeRequest, wsman.WorkspaceStatus>) {
        requests.push({ method: "Subscribe", message: call.request, metadata: call.metadata });
        streams.push(call);
      },
    },
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) => (error ? reject(error) : resolve(found)));
  });
  const state: TestServer = { address: `127.0.0.1:${bound}`, listed: [], taken: new Set(), describeFails: undefined, streams, requests, close: () => server.forceShutdown() };
  return state;
}
