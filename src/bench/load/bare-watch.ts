/** A bare watch of pods, from now on: what any watcher could know at best. */
import { sleep, systemClock } from "../../domain/clock.ts";
import type { Clock } from "../../domain/clock.ts";
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

/** A watch that lasted for so long is begun again at once, milliseconds. */
const steadyMs = 1000;
/** Before the others, and before those that could not be begun: a pause, twice as long each time. */
const firstPauseMs = 100;
const longestPauseMs = 5000;

/**
 * A watch that runs. If the API server ends it, it is begun again at the newest version, until it is closed: what was written in between it does not see.
 * At once, unless it had hardly begun or can not be begun: then after a pause of 100 ms, and at most 5 s.
 */
export class BareWatch {
  readonly #client: KubeClient;
  readonly #pods: WatchedPods;
  readonly #line: (content: Buffer) => void;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The API server ended it, at least once. */
  ended = false;

  private constructor(client: KubeClient, clock: Clock, pods: WatchedPods, line: (content: Buffer) => void) {
    this.#client = client;
    this.#clock = clock;
    this.#pods = pods;
    this.#line = line;
  }

  /** Resolves once the watch is there. @param line takes each line; its bytes are valid during the call only. */
  static async open(pods: WatchedPods, line: (content: Buffer) => void, clock: Clock = systemClock): Promise<BareWatch> {
    const watch = new BareWatch(new KubeClient({ credentials: (await openAccess(pods.kubeconfig)).source, clock: systemClock }), clock, pods, line);
    try {
      watch.#running = watch.#run(await watch.#watch());
      return watch;
    } catch (error) {
      await watch.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#client.close();
    await this.#running;
  }

  /** Reads watches, one after the other, until it is closed. Never rejects. */
  async #run(first: KubeResponse): Promise<void> {
    let pauseMs = 0;
    for (let response: KubeResponse | undefined = first; ; ) {
      const from = this.#clock.monotonic();
      await this.#read(response);
      if (this.#stopping.signal.aborted) return;
      this.ended = true;
      pauseMs = this.#clock.monotonic() - from >= steadyMs ? 0 : longer(pauseMs);
      await sleep(this.#clock, pauseMs, this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      // One that can not be begun has ended at once.
      response = await this.#watch().catch(() => undefined);
    }
  }

  async #read(response: KubeResponse | undefined): Promise<void> {
    const splitter = new LineSplitter((bytes) => this.#line(asBuffer(bytes)), maxLineBytes);
    await response?.body.pump((chunk) => splitter.push(chunk), forEver).catch(() => {});
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

function longer(pauseMs: number): number {
  return pauseMs === 0 ? firstPauseMs : Math.min(2 * pauseMs, longestPauseMs);
}

/** The same bytes, with Buffer's methods. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
