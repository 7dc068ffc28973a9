/** A bare watch of pods, from now on: what any watcher could know at best. */
import { systemClock } from "../../domain/clock.ts";
import { KubeClient } from "../../main/kube/client.ts";
import type { KubeResponse } from "../../main/kube/client.ts";
import { LineSplitter } from "../../main/kube/lines.ts";
import { z } from "zod";
import { openAccess } from "./access.ts";

/** What is watched. */
export interface WatchedPods {
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Label selector. */
  readonly selector: string;
}

const listSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const maxLineBytes = 16 << 20;
/** A watch may be silent for as long as it likes. */
const forEver = 2 ** 31 - 1;

/** A watch that runs. If the API server ends it, it is begun again at once at the newest version: what was written in between it does not see. */
export class BareWatch {
  readonly #client: KubeClient;
  readonly #pods: WatchedPods;
  readonly #line: (content: Buffer) => void;
  readonly #stopping = new AbortController();
  /** The API server ended it, at least once. */
  ended = false;

  private constructor(client: KubeClient, pods: WatchedPods, line: (content: Buffer) => void) {
    this.#client = client;
    this.#pods = pods;
    this.#line = line;
  }

  /** Resolves once the watch is there. @param line takes each line; its bytes are valid during the call only. */
  static async open(pods: WatchedPods, line: (content: Buffer) => void): Promise<BareWatch> {
    const watch = new BareWatch(new KubeClient({ credentials: (await openAccess(pods.kubeconfig)).source, clock: systemClock }), pods, line);
    try {
      await watch.#begin();
      return watch;
    } catch (error) {
      await watch.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#client.close();
  }

  async #begin(): Promise<void> {
    const { body } = await this.#watch();
    const splitter = new LineSplitter((bytes) => this.#line(asBuffer(bytes)), maxLineBytes);
    const over = (): void => {
      if (this.#stopping.signal.aborted) return;
      this.ended = true;
      this.#begin().catch(() => {});
    };
    body.pump((chunk) => splitter.push(chunk), forEver).then(over, over);
  }

  /** The pods that are there already would only take time. */
  async #watch(): Promise<KubeResponse> {
    const { namespace, selector } = this.#pods;
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const { signal } = this.#stopping;
    const first = await this.#client.getRaw(path, { query: { labelSelector: selector, limit: "1" }, signal });
    const { resourceVersion } = listSchema.parse(JSON.parse(new TextDecoder().decode(first))).metadata;
    const response = await this.#client.request({ method: "GET", watch: true, path, query: { labelSelector: selector, watch: "1", resourceVersion, timeoutSeconds: "86400" }, signal });
    if (response.status === 200) return response;
    response.body.discard();
    throw new Error(`the bare watch was answered with ${response.status}`);
  }
}

/** The same bytes, with Buffer's methods. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
