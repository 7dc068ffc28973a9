/** The lifecycle controller's writes to pods: each names the pod's uid, and what the API server answers takes effect here before anything follows from it. */
import { textAt } from "../../domain/json.ts";
import { workspacePodName } from "../../domain/placeholder.ts";
import { anotherPod, claimPath, metadataIn, podPath, type AnnotationChanges, type AnnotationPatch, type KubeObjects, type Wish } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";

/** What a pod is changed into beside its annotations, and on what condition. */
export type PodChange = Pick<AnnotationPatch, "finalizers" | "resourceVersion">;

/** What it works with. */
export interface PodWriterOptions {
  readonly objects: Pick<KubeObjects, "get" | "annotate" | "remove">;
  /** Waits, not for long, until a pod that the API server answered with has taken effect here. */
  readonly seen: (pod: Uint8Array) => Promise<void>;
  /** Deletes nothing. */
  readonly dryRun: boolean;
}

/** Writes pods. All methods reject with KubeErrors only, of status 404 where the pod is gone. */
export class PodWriter {
  readonly #options: PodWriterOptions;

  constructor(options: PodWriterOptions) {
    this.#options = options;
  }

  /** Reads a pod, which takes effect here. */
  async look({ uid, facts }: WorkspaceRecord, wish: Wish): Promise<void> {
    const { objects, seen } = this.#options;
    const pod = await objects.get(podPath(facts.podName), wish);
    if (textAt(metadataIn(pod), "uid") !== uid) throw anotherPod(facts.podName);
    await seen(pod);
  }

  /** Changes a pod; gives it as it is then. */
  async change({ uid, facts }: WorkspaceRecord, annotations: AnnotationChanges, wish: Wish, change: PodChange = {}): Promise<Uint8Array> {
    const { objects, seen } = this.#options;
    const pod = await objects.annotate({ podName: facts.podName, uid, annotations, ...change }, wish);
    await seen(pod);
    return pod;
  }

  /** Changes a pod's annotations. */
  async annotate(record: WorkspaceRecord, annotations: AnnotationChanges, wish: Wish): Promise<void> {
    await this.change(record, annotations, wish);
  }

  /** Deletes a pod. */
  async delete({ uid, facts }: WorkspaceRecord, graceSeconds: number, wish: Wish): Promise<void> {
    const { objects, seen, dryRun } = this.#options;
    if (dryRun) return;
    const answer = await objects.remove(podPath(facts.podName), uid, graceSeconds, wish);
    // It may be a Status instead.
    if (answer && isPod(answer)) await seen(answer);
  }

  /** Deletes a workspace's claim, which has the name of its pod. */
  async deleteClaim({ facts }: WorkspaceRecord, wish: Wish): Promise<void> {
    const { objects, dryRun } = this.#options;
    if (!dryRun) await objects.remove(claimPath(workspacePodName(facts.podName)), undefined, 0, wish);
  }
}

/** What it is stands at an object's beginning. */
function isPod(answer: Uint8Array): boolean {
  return Buffer.from(answer.buffer, answer.byteOffset, Math.min(answer.length, 200)).includes('"kind":"Pod"');
}
