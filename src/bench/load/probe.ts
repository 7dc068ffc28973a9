/** Asks the daemon for single statuses, to learn without subscribers when changes have taken effect: a call costs it next to nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import { replayedId } from "../../embedded/replay/index.ts";
import { machineNow } from "./clock.ts";
import { FrameReader } from "./frame.ts";
import { GrpcConnection } from "./grpc-stream.ts";
import type { Endpoint } from "./grpc-stream.ts";
import type { Plan } from "./plan.ts";

const path = "/wsman.WorkspaceManager/DescribeWorkspace";
const callTimeoutMs = 10_000;
/** Between two questions about a workspace. */
const pauseMs = 20;
/** So many of the last changes are asked for: a cluster's writers may overtake each other, by fewer than that. */
const lastChanges = 64;
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
  const newest = Array.from(written, (change, workspace) => ({ change, workspace })).filter(({ change }) => change >= 0).toSorted((a, b) => b.change - a.change);
  try {
    for (const { change, workspace } of newest.slice(0, lastChanges)) {
      while ((await stampOf(connection, replayedId(workspace))) < plan.base + change) {
        if (machineNow() > end) throw new Error(`the last changes had no effect within ${deadlineMs / 1000} s`);
        await sleep(pauseMs);
      }
    }
    return machineNow();
  } finally {
    connection.close();
  }
}

/** The change that a workspace's status carries; -1 for none, and while the daemon does not tell. */
async function stampOf(connection: GrpcConnection, id: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const reader = new FrameReader();
  const timer = setTimeout(() => reject(new Error(`no answer to DescribeWorkspace within ${callTimeoutMs / 1000} s`)), callTimeoutMs);
  connection.call(path, Buffer.from([idTag, id.length, ...Buffer.from(id)]), {}, {
    message: (bytes, start, end) => {
      reader.read(bytes, start, end);
      resolve(reader.stamp);
    },
    opened: () => {},
    ended: () => resolve(-1),
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
