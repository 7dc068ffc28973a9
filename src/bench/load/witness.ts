/** Sees what becomes of workspaces that are started: a bare watch of their pods, and a subscriber. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { labels, workspaceSelector } from "../../domain/names.ts";
import type { Daemon } from "../parts/daemon.ts";
import { BareWatch } from "./bare-watch.ts";
import type { WatchedPods } from "./bare-watch.ts";
import { machineNow } from "./clock.ts";
import { FrameReader } from "./frame.ts";
import { GrpcConnection } from "./grpc-stream.ts";
import type { Cluster } from "./kube.ts";
import { pathOf } from "./paths.ts";
import { StartBook } from "./start-book.ts";

const lineSchema = z.object({ type: z.string(), object: z.object({ metadata: z.object({ uid: z.string(), labels: z.record(z.string(), z.string()).optional() }) }) });
const added = Buffer.from('{"type":"ADDED"');
const pollMs = 20;
/** How long the daemon may take until the subscriber is there, unless it is said otherwise, milliseconds. */
const openMs = 30_000;

/** A witness. Close it with `await using`. */
export class Witness implements AsyncDisposable {
  readonly book = new StartBook();
  /** Why the subscriber's stream was ended; empty: it was not. */
  why = "";
  /** The watch was interrupted, at least once: not every pod was seen. */
  interrupted = false;
  readonly #pods: WatchedPods;
  #watch: BareWatch | undefined;
  #connection: GrpcConnection | undefined;

  private constructor(pods: WatchedPods) {
    this.#pods = pods;
  }

  /** Resolves once it sees everything that happens from then on. Rejects if the daemon does not answer before the deadline. */
  static async open(lab: { readonly kubeconfig: string; readonly cluster: Pick<Cluster, "namespace" | "ownerSelector"> }, daemon: Pick<Daemon, "endpoint">, deadlineMs = openMs): Promise<Witness> {
    // Without those that no workspace manager looks at.
    const witness = new Witness({ kubeconfig: lab.kubeconfig, namespace: lab.cluster.namespace, selector: `${lab.cluster.ownerSelector},${workspaceSelector}` });
    try {
      await witness.resume();
      await witness.#subscribe(daemon, deadlineMs);
      return witness;
    } catch (error) {
      await witness[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection?.close();
    await this.#watch?.close();
  }

  /** Ends the watch, while pods are removed by the thousand: no one needs to see that. Tells whether it has seen every pod since it began or was resumed. */
  async pause(): Promise<boolean> {
    const seen = this.#watch?.ended === false;
    this.interrupted ||= !seen;
    await this.#watch?.close();
    this.#watch = undefined;
    return seen;
  }

  /** Watches again, from now on. */
  async resume(): Promise<void> {
    this.#watch = await BareWatch.open(this.#pods, (line) => this.#line(line));
  }

  /** Waits until a condition holds; tells whether it does before the deadline, milliseconds. */
  async until(condition: () => boolean, deadlineMs: number): Promise<boolean> {
    for (const end = machineNow() + deadlineMs; !condition(); await sleep(pollMs)) if (machineNow() > end) return false;
    return true;
  }

  /** Only a pod's first line is read: a second pod has one, too. */
  #line(line: Buffer): void {
    if (line.compare(added, 0, added.length, 0, added.length) !== 0) return;
    const { metadata } = lineSchema.parse(JSON.parse(line.toString())).object;
    this.book.pod(metadata.labels?.[labels.workspaceId] ?? "", metadata.uid);
  }

  #subscribe({ endpoint }: Pick<Daemon, "endpoint">, deadlineMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const reader = new FrameReader();
    const connection = new GrpcConnection(endpoint, Buffer.alloc(256 * 1024));
    this.#connection = connection;
    const timer = setTimeout(() => reject(new Error(`the daemon did not answer a subscriber within ${deadlineMs / 1000} s`)), deadlineMs);
    connection.call(pathOf("Subscribe"), new Uint8Array(), {}, {
      message: (bytes, from, to) => {
        reader.read(bytes, from, to);
        this.book.status(bytes.toString("latin1", reader.idFrom, reader.idTo), reader.phase);
      },
      opened: resolve,
      ended: (why) => {
        if (why !== "closed") this.why ||= why;
        reject(new Error(`the subscriber was ended: ${why}`));
      },
    });
    return promise.finally(() => clearTimeout(timer));
  }
}
