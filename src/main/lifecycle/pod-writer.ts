/** The lifecycle controller's writes to pods: each names the pod's uid, and what the API server answers takes effect here before anything follows from it. */
import { textAt } from "../../domain/json.ts";
import { workspacePodName } from "../../domain/placeholder.ts";
import { compareVersions } from "../../domain/versions.ts";
import { KubeError } from "../kube/errors.ts";
import { anotherPod, claimPath, isConflict, metadataIn, podPath, uidAt, unlessMissing, type AnnotationChanges, type AnnotationPatch, type KubeObjects, type Wish } from "../kube/objects.ts";
import { unknownVersion, type WorkspaceRecord } from "../state/registry.ts";
import { isMadeFor } from "./claim-maker.ts";

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

/** A pod that has changed is looked at, and decided about anew, so often in a row. */
const maxLooks = 5;

/** Writes pods. All methods reject with KubeErrors only, of status 404 where the pod is gone. */
export class PodWriter {
  readonly #options: PodWriterOptions;

  constructor(options: PodWriterOptions) {
    this.#options = options;
  }

  /** Changes a pod; gives it as it is then. */
  async change({ uid, facts }: WorkspaceRecord, annotations: AnnotationChanges, wish: Wish, change: PodChange = {}): Promise<Uint8Array> {
    const { objects, seen } = this.#options;
    const pod = await objects.annotate({ podName: facts.podName, uid, annotations, ...change }, wish);
    await seen(pod);
    return pod;
  }

  /**
   * Changes a pod's annotations as follows from what is known of it, on that version and no other: about one that has changed meanwhile it is decided anew, after a look. A leader that stood
   * still just when it was about to send this does not undo what its successor has done. Gives the pod as it is then.
   * Rejects with status 409 also where looks do not help, or others change the pod all the time.
   * @param decide the changes; undefined if there is nothing to be changed any more: then it gives undefined.
   */
  async decide(record: WorkspaceRecord, decide: () => AnnotationChanges | undefined, wish: Wish, { finalizers }: Pick<PodChange, "finalizers"> = {}): Promise<Uint8Array | undefined> {
    let resourceVersion = record.resourceVersion === unknownVersion ? await this.#look(record, wish) : record.resourceVersion;
    for (let looks = 0; ; looks++) {
      const changes = decide();
      if (!changes) return undefined;
      try {
        return await this.change(record, changes, wish, { ...(finalizers && { finalizers }), resourceVersion });
      } catch (error) {
        if (!isConflict(error) || looks === maxLooks) throw error;
      }
      resourceVersion = await this.#look(record, wish);
    }
  }

  /** Reads a pod, which takes effect here; gives its version. One that can not be understood takes none: it is as before, as far as is known. */
  async #look(record: WorkspaceRecord, wish: Wish): Promise<string> {
    const { objects, seen } = this.#options;
    const { podName } = record.facts;
    const pod = await objects.get(podPath(podName), wish);
    const metadata = metadataIn(pod);
    if (textAt(metadata, "uid") !== record.uid) throw anotherPod(podName);
    await seen(pod);
    if (record.resourceVersion === unknownVersion) throw notKnownYet(podName);
    const read = textAt(metadata, "resourceVersion");
    return compareVersions(record.resourceVersion, read) > 0 ? record.resourceVersion : read;
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

  /** The uid of a workspace's claim, which has the name of its pod; undefined: there is none. */
  claimUid(record: WorkspaceRecord, wish: Wish): Promise<string | undefined> {
    return uidAt(this.#options.objects, claimOf(record), wish);
  }

  /**
   * Deletes the claim of a workspace that was never used, unless it was there before the workspace: then it stays as it was. Gives whether one stays for that reason.
   * Who made it is read from claim and pod.
   */
  async deleteUnused(record: WorkspaceRecord, wish: Wish): Promise<boolean> {
    const { objects, dryRun } = this.#options;
    if (dryRun) return false;
    const { podName } = record.facts;
    const found = await objects.get(claimOf(record), wish).catch(unlessMissing);
    if (!found) return false;
    const [claim, pod] = [metadataIn(found), metadataIn(await objects.get(podPath(podName), wish))];
    if (textAt(pod, "uid") !== record.uid) throw anotherPod(podName);
    if (!isMadeFor(claim, pod)) return true;
    await objects.remove(claimOf(record), textAt(claim, "uid"), 0, wish);
    return false;
  }

  /** Deletes a workspace's claim, whose content is saved: the one of this uid, or, without one, the one that is there now. A claim that takes its name later is another life's, and stays. */
  async deleteClaim(record: WorkspaceRecord, wish: Wish, uid?: string): Promise<void> {
    const { objects, dryRun } = this.#options;
    if (dryRun) return;
    const meant = uid ?? (await this.claimUid(record, wish));
    if (meant !== undefined) await objects.remove(claimOf(record), meant, 0, wish);
  }
}

/** What a pod is to be changed for may have been of a history that there is no more, since the API server's store was set back: it is decided anew once the pod is known again. */
export function notKnownYet(podName: string): KubeError {
  return new KubeError(`pod ${podName} is not known well enough yet`, { status: 409, reason: "Conflict" });
}

function claimOf({ facts }: WorkspaceRecord): string {
  return claimPath(workspacePodName(facts.podName));
}

/** What it is stands at an object's beginning. */
function isPod(answer: Uint8Array): boolean {
  return Buffer.from(answer.buffer, answer.byteOffset, Math.min(answer.length, 200)).includes('"kind":"Pod"');
}
