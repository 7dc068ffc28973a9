/** Asks the daemon for single statuses, to learn without subscribers when changes have taken effect: a call costs it next to nothing. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { replayedId } from "../../embedded/replay/index.ts";
import { wsman } from "../../gen/proto.js";
import { machineNow } from "./clock.ts";
import { FrameReader, runningPhase } from "./frame.ts";
import { GrpcConnection } from "./grpc-stream.ts";
import type { Endpoint } from "./grpc-stream.ts";
import { callUnary } from "./grpc-unary.ts";
import { pathOf } from "./paths.ts";
import { workspaceOf } from "./plan.ts";
import type { Plan } from "./plan.ts";

const path = pathOf("DescribeWorkspace");
const callTimeoutMs = 10_000;
const silence = `no answer within ${callTimeoutMs / 1000} s`;
/** Between two questions about a workspace. */
const pauseMs = 20;
/** So many of the last changes, or of the last workspaces, are asked for: a cluster's writers may overtake each other, by fewer than that. */
const lastOnes = 64;
/** Field `id` of DescribeWorkspaceRequest. */
const idTag = 0x0a;

/**
 * Waits until the last changes of a plan have taken effect. Gives when the last one was seen to have.
 * @param written per workspace, its newest change; -1 for none.
 * @throws Error if that takes longer than the deadline (ms).
 */
export async function effective(endpoint: Endpoint, plan: Plan, written: Float64Array, deadlineMs: number): Promise<number> {
  const connection = new GrpcConnection(endpoint, Buffer.alloc(64 * 1024));
  const end = machineNow() + deadlineMs;
  const newest = written.filter((change) => change >= 0).toSorted((a, b) => b - a);
  try {
    for (const change of newest.slice(0, lastOnes)) {
      while ((await described(connection, replayedId(workspaceOf(plan, change)))).stamp < plan.base + change) {
        if (machineNow() > end) throw new Error(`the last changes had no effect within ${deadlineMs / 1000} s`);
        await sleep(pauseMs);
      }
    }
    return machineNow();
  } finally {
    connection.close();
  }
}

/**
 * Waits until the daemon tells of workspaces as RUNNING. Gives one that it does not tell of so before the deadline (ms), or before the user wants an end; undefined: it tells of all.
 * @param ids in the order in which they were made; of the last ones it follows for the others.
 * @throws Error if there is no connection to the daemon.
 */
export async function notRunning(endpoint: Endpoint, ids: readonly string[], deadlineMs: number, signal: AbortSignal): Promise<string | undefined> {
  const connection = new GrpcConnection(endpoint, Buffer.alloc(64 * 1024));
  const end = machineNow() + deadlineMs;
  try {
    for (const id of ids.slice(-lastOnes)) {
      for (let status = await described(connection, id); status.phase !== runningPhase; status = await described(connection, id)) {
        if (connection.failed) throw unasked(endpoint, status.why);
        if (signal.aborted || machineNow() > end) return id;
        await sleep(pauseMs);
      }
    }
    return undefined;
  } finally {
    connection.close();
  }
}

/** Asks the daemon for the workspaces of somebody who has none: any manager can answer that, and at once. @throws Error if it does not answer, or the user wants an end. */
export async function mustAnswer(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const connection = new GrpcConnection(endpoint, Buffer.alloc(64 * 1024));
  const deadline = AbortSignal.timeout(callTimeoutMs);
  const limit = AbortSignal.any([signal, deadline]);
  limit.addEventListener("abort", () => connection.close(), { once: true });
  try {
    const { ok, why } = await callUnary(connection, pathOf("GetWorkspaces"), wsman.GetWorkspacesRequest.encode({ mustMatch: { metaId: randomUUID() } }).finish(), () => {});
    signal.throwIfAborted();
    if (!ok) throw unasked(endpoint, deadline.aborted ? silence : why);
  } finally {
    connection.close();
  }
}

function unasked({ host, port }: Endpoint, why: string): Error {
  return new Error(`the daemon at ${host}:${port} can not be asked: ${why}`);
}

/** What a daemon tells of a workspace: the change that its status carries (-1 for none, and while it does not tell), its phase, and why it does not tell. */
interface Described {
  readonly stamp: number;
  readonly phase: number;
  readonly why: string;
}

async function described(connection: GrpcConnection, id: string): Promise<Described> {
  const { promise, resolve } = Promise.withResolvers<Described>();
  const reader = new FrameReader();
  const silent = (why: string): void => resolve({ stamp: -1, phase: 0, why });
  const timer = setTimeout(() => silent(silence), callTimeoutMs);
  connection.call(path, Buffer.from([idTag, id.length, ...Buffer.from(id)]), {}, {
    message: (bytes, start, end) => {
      reader.read(bytes, start, end);
      resolve({ stamp: reader.stamp, phase: reader.phase, why: "" });
    },
    opened: () => {},
    ended: silent,
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
