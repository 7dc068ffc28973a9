/** Addresses of node daemons: all listen on one port, each on a loopback address of its own where the system has more than one. */
import { createServer } from "node:net";
import { startNodeDaemon } from "./index.ts";
import type { EmbeddedNodeDaemon, NodeDaemonOptions } from "./index.ts";

/** What all of them have. */
export interface ListenOptions extends Omit<NodeDaemonOptions, "host" | "nodes"> {
  readonly nodes: readonly string[];
  /** One daemon for all nodes on 127.0.0.1. Default: only where the system has no other loopback addresses. */
  readonly shared?: boolean | undefined;
}

/** Ports of the system's choice that are tried: one that is free on the first address may be taken on another. */
const attempts = 20;

/** Loopback address of the n-th node; 127.0.0.1 itself is left to others. */
export function loopbackAddress(index: number): string {
  return `127.0.${Math.floor(index / 250) % 256}.${2 + (index % 250)}`;
}

/** Starts a daemon for each node, or one for all. Rejects if they can not listen: nothing is left running then. */
export async function listen({ nodes, shared, ...options }: ListenOptions): Promise<readonly EmbeddedNodeDaemon[]> {
  const together = shared ?? !(await canListen(loopbackAddress(nodes.length - 1)));
  const places = together ? [{ host: "127.0.0.1", nodes }] : nodes.map((node, index) => ({ host: loopbackAddress(index), nodes: [node] }));
  const tries = options.port ? 1 : attempts;
  for (let left = tries; ; left--) {
    try {
      return await listenAt(places, options);
    } catch (error) {
      if (left <= 1 || !isTaken(error)) throw error;
    }
  }
}

/** All on the port that the first one has. */
async function listenAt(places: readonly Pick<NodeDaemonOptions, "host" | "nodes">[], options: NodeDaemonOptions): Promise<readonly EmbeddedNodeDaemon[]> {
  const started: EmbeddedNodeDaemon[] = [];
  try {
    for (const place of places) started.push(await startNodeDaemon({ ...options, ...place, port: started[0]?.port ?? options.port }));
    return started;
  } catch (error) {
    for (const daemon of started) daemon.close();
    throw error;
  }
}

/** grpc-js tells it in its text only. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && error.message.includes("EADDRINUSE");
}

/** Whether the system has the address. */
function canListen(host: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(0, host, () => server.close(() => resolve(true)));
  });
}
