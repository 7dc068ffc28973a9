/** Image builds that one more start shares: a note on the pod keeps whoever made it, and may think that its own start has failed, from taking it away (spec: api, StartWorkspace). */
import { annotations } from "../../domain/names.ts";
import { isMissing, type KubeObjects } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import { toClientError } from "./errors.ts";
import { readFoundPod } from "./found-pod.ts";

/** Notes that a start has joined the build of this pod. False: the pod is gone, or about to go. Rejects with a WsmanError if that can not be known. */
export async function joinBuild(objects: Pick<KubeObjects, "annotate">, { uid, facts }: WorkspaceRecord, signal: AbortSignal): Promise<boolean> {
  try {
    const pod = await objects.annotate({ podName: facts.podName, uid, annotations: { [annotations.joined]: "true" } }, { priority: "user", signal });
    return !readFoundPod(pod).isGoing;
  } catch (error) {
    if (isMissing(error)) return false;
    throw toClientError(error, `join the image build ${facts.id}`);
  }
}
