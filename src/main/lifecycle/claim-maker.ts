/** Makes the volume claim of a start, which is known by a mark where an answer was lost (spec: api, StartWorkspace; kubernetes, PVC). */
import { hash } from "node:crypto";
import { WsmanError } from "../../domain/errors.ts";
import { objectAt, textAt, type JsonObject } from "../../domain/json.ts";
import { annotations, claimMark } from "../../domain/names.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { mayHaveHappened } from "../kube/errors.ts";
import { claimPath, isAlreadyThere, metadataIn, type KubeObjects, type Wish } from "../kube/objects.ts";

/** What is known of the claim that a start made, and may have to take away. */
export interface MadeClaim {
  claim?: { readonly name: string; readonly uid: string };
  /** The claim may be there, or still come, although no answer said so. */
  claimUnclear?: boolean;
}

/** Who makes a claim makes its pod next; claims that have no mark, as those of Go daemons, may be older than their pod by this much, milliseconds. */
const unmarkedMs = 60_000;

/** Makes claims. */
export class ClaimMaker {
  readonly #objects: Pick<KubeObjects, "get" | "create">;

  constructor(objects: Pick<KubeObjects, "get" | "create">) {
    this.#objects = objects;
  }

  /**
   * Makes a claim, and notes it. One that is there already is used: it holds what the workspace's last pod left behind. One whose making was not answered is ours if it has our mark.
   * @throws WsmanError UNAVAILABLE where one of an earlier start is about to go; KubeError.
   */
  async make(name: string, pvc: JsonObject, ownerToken: string, made: MadeClaim, wish: Wish): Promise<void> {
    if (await this.#create(name, JSON.stringify(marked(pvc, ownerToken)), made, wish)) return;
    const metadata = metadataIn(await this.#objects.get(claimPath(name), wish));
    if (metadata?.["deletionTimestamp"] !== undefined) throw new WsmanError("UNAVAILABLE", `the volume claim ${name} of an earlier start is being deleted: try again in a moment`);
    if (made.claimUnclear === true) takeClaim(made, name, metadata, ownerToken);
  }

  /** Asked for once more if there was no answer. False: there is one already. */
  async #create(name: string, pvc: string, made: MadeClaim, wish: Wish): Promise<boolean> {
    let unanswered = false;
    for (;;) {
      try {
        const created = await this.#objects.create("persistentvolumeclaims", pvc, wish, { unanswered: () => void (made.claimUnclear = true) });
        made.claim = { name, uid: textAt(metadataIn(created), "uid") };
        made.claimUnclear = false;
        return true;
      } catch (error) {
        if (isAlreadyThere(error)) return false;
        if (unanswered || !mayHaveHappened(error) || wish.signal.aborted) throw error;
        unanswered = true;
      }
    }
  }
}

/** A claim was found where an unanswered request may have made one: it is ours, or ours can not come any more. */
export function takeClaim(made: MadeClaim, name: string, metadata: JsonObject | undefined, ownerToken: string): void {
  made.claimUnclear = false;
  if (textAt(objectAt(metadata, "annotations"), claimMark) === claimMarkOf(ownerToken)) made.claim = { name, uid: textAt(metadata, "uid") };
}

/** Names the claims of a start, and does not tell its token. */
export function claimMarkOf(ownerToken: string): string {
  return hash("sha256", ownerToken, "base64url");
}

/**
 * Whether a claim was made by the start of a pod: then nothing is in it that was not there before. Where not, it may hold what an earlier life of the ID left behind, and perhaps the only copy of it.
 * @param claim its metadata, and @param pod the pod's.
 */
export function isMadeFor(claim: JsonObject | undefined, pod: JsonObject | undefined): boolean {
  const noted = objectAt(pod, "annotations");
  const [mark, ownerToken] = [textAt(objectAt(claim, "annotations"), claimMark), textAt(noted, annotations.ownerToken)];
  if (mark !== "") return ownerToken !== "" && mark === claimMarkOf(ownerToken);
  const madeAt = parseTimeMs(textAt(claim, "creationTimestamp"));
  const startedAt = parseTimeMs(textAt(noted, annotations.firstCreated) || textAt(pod, "creationTimestamp"));
  return madeAt !== undefined && startedAt !== undefined && madeAt >= startedAt - unmarkedMs;
}

/** The claim as it is to be made by a start. */
function marked(pvc: JsonObject, ownerToken: string): JsonObject {
  const metadata = objectAt(pvc, "metadata");
  return { ...pvc, metadata: { ...metadata, annotations: { ...objectAt(metadata, "annotations"), [claimMark]: claimMarkOf(ownerToken) } } };
}
