/** What tests read from the daemon's gRPC side: statuses of a stream and of GetWorkspaces, in short. */
import assert from "node:assert/strict";
import { status as code } from "@grpc/grpc-js";
import { wsman } from "../../src/gen/proto.js";
import type { TestClient, TestStream } from "./grpc-client.ts";

/** A status as decoded. */
export type ReadStatus = wsman.WorkspaceStatus.$Properties;

/** Reads a stream and keeps what came, decoded once; the bytes are let go. */
export class StatusStream {
  readonly all: ReadStatus[] = [];
  readonly stream: TestStream;
  readonly #last = new Map<string, ReadStatus>();

  constructor(stream: TestStream) {
    this.stream = stream;
    stream.call.on("data", (message: Buffer) => {
      const status = wsman.SubscribeResponse.decode(message).status;
      if (!status) return;
      this.all.push(status);
      this.#last.set(status.id ?? "", status);
    });
  }

  /** The newest status of a workspace. */
  last(id: string): ReadStatus | undefined {
    return this.#last.get(id);
  }

  /** The newest status of every workspace that was told of. */
  lasts(): ReadonlyMap<string, ReadStatus> {
    return this.#last;
  }

  /** Lets all go that came so far. */
  clear(): void {
    this.all.length = 0;
    this.#last.clear();
  }

  /** All statuses of a workspace, in order. */
  of(id: string): ReadStatus[] {
    return this.all.filter((status) => status.id === id);
  }
}

/** The version as a number that can be compared. */
export function versionOf(status: ReadStatus): bigint {
  return BigInt(status.statusVersion?.toString() ?? "0");
}

/** What GetWorkspaces says of all workspaces. */
export async function getWorkspaces(client: TestClient): Promise<ReadStatus[]> {
  const { response, code: got, details } = await client.wsman("GetWorkspaces");
  assert.equal(got, code.OK, details);
  return wsman.GetWorkspacesResponse.decode(response).status;
}
