/** A pod that is found under the name of one that a start makes: what tells whose it is, and what may be done with it (spec: api, StartWorkspace). */
import { objectAt, parseObject, textAt } from "../../domain/json.ts";
import { annotations, labels } from "../../domain/names.ts";

/** Read once from what the API server answered. */
export interface FoundPod {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Secret. */
  readonly ownerToken: string;
  /** It has the claim of its name. */
  readonly hasClaim: boolean;
  readonly everReady: boolean;
  /** An image build that another start was answered with. */
  readonly isJoined: boolean;
  /** It is being deleted. */
  readonly isGoing: boolean;
  readonly hasNode: boolean;
}

/** Reads a pod; one that can not be read is nobody's. */
export function readFoundPod(bytes: Uint8Array): FoundPod {
  const pod = parseObject(bytes);
  const metadata = objectAt(pod, "metadata");
  const noted = objectAt(metadata, "annotations");
  return {
    uid: textAt(metadata, "uid"),
    resourceVersion: textAt(metadata, "resourceVersion"),
    ownerToken: textAt(noted, annotations.ownerToken),
    hasClaim: objectAt(metadata, "labels")?.[labels.pvcFeature] === "true",
    everReady: noted?.[annotations.neverReady] === undefined,
    isJoined: noted?.[annotations.joined] !== undefined,
    isGoing: textAt(metadata, "deletionTimestamp") !== "",
    hasNode: textAt(objectAt(pod, "spec"), "nodeName") !== "",
  };
}

/** Whether the pod uses the claim of its name: somebody else's that has one, or ours that was ready already, or that another start has joined. @param ownerToken ours. */
export function usesClaim(pod: FoundPod, ownerToken: string): boolean {
  return pod.ownerToken === ownerToken ? pod.everReady || pod.isJoined : pod.hasClaim;
}
