/** Tells of pods that are odd: each counts, but is logged once, since it comes again with every change and every list. */
import { LRUCache } from "lru-cache";
import type { Log } from "../domain/log.ts";
import type { SkippedResult } from "../domain/messages.ts";
import type { PipelineMetrics } from "../metrics/pipeline.ts";

/** Pods remembered as told of; at the bound the oldest may be told of again. */
const maxTold = 10_000;

/** Names may come from bytes that no API server would send. */
const maxKey = 512;

/** Counts and logs. */
export class Oddities {
  readonly #metrics: Pick<PipelineMetrics, "skippedPod">;
  readonly #log: Log;
  readonly #told = new LRUCache<string, true>({ max: maxTold });

  constructor(metrics: Pick<PipelineMetrics, "skippedPod">, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** No status can be derived from a pod. */
  skipped({ podName, uid, reason, message }: SkippedResult): void {
    this.#metrics.skippedPod(reason);
    // What can not even be told apart is told of by what is wrong with it.
    if (!this.#isNews(`${uid || podName || message}/${reason}`)) return;
    const fields = { pod: podName, uid, reason, error: message };
    if (reason === "poisoned") this.#log.error(fields, "a pod makes workers fail and is set aside");
    else this.#log.warn(fields, "a pod is skipped");
  }

  /** A pod claims the ID of another one that is alive. */
  conflict(id: string, podName: string): void {
    if (this.#isNews(`${podName}/conflict`)) this.#log.warn({ id, pod: podName }, "another pod has this workspace ID already: this one is left aside until that one is gone");
  }

  #isNews(name: string): boolean {
    const key = name.slice(0, maxKey);
    if (this.#told.has(key)) return false;
    this.#told.set(key, true);
    return true;
  }
}
