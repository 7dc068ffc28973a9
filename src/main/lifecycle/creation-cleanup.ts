/** Takes away what a failed start left, and nothing that anybody may use (spec: api, StartWorkspace; kubernetes, PVC). */
import { deadline, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { KubeError } from "../kube/errors.ts";
import { claimPath, isMissing, metadataIn, podPath, unlessMissing, type KubeObjects, type Wish } from "../kube/objects.ts";
import { takeClaim, type MadeClaim } from "./claim-maker.ts";
import { mayPass } from "./errors.ts";
import { readFoundPod, usesClaim, type FoundPod } from "./found-pod.ts";

/** What an attempt made, and may have to take away. */
export interface Made extends MadeClaim {
  /** The pod may be there, or still come, although no answer said so. */
  podUnclear?: boolean;
  /** A pod uses the claim: ours, which has been in use before it was found, or one that another replica has made meanwhile. What is in it ends as that of any workspace does. */
  claimStays?: boolean;
  /** Uid of our pod, which has a node: it is deleted, and ends as that of any workspace. */
  endingPod?: string;
}

/** What cleaning up takes. */
export interface CleanUpOptions {
  readonly objects: Pick<KubeObjects, "get" | "remove" | "release">;
  readonly clock: Clock;
  readonly log: Log;
}

/** A request that was not answered may take effect for so long; and so long it is tried to take something away. */
const lingerMs = 60_000;
const lookEveryMs = 5_000;
/** A claim's removal is sent no later than this after the look that found no pod with it: another replica may make one at any time. */
const freshMs = 2_000;

/** What an attempt at something failed with. */
interface Failure {
  readonly error: unknown;
}

/** Cleans up after failed starts. */
export class CleanUp {
  readonly #options: CleanUpOptions;

  constructor(options: CleanUpOptions) {
    this.#options = options;
  }

  /**
   * Takes away what was made of a workspace; within two minutes. Never rejects; what can not be removed is logged. Gives whether it is over; if not, what may be there is noted in `made` still.
   * @param name of pod and claim.
   * @param again aborts when the same start is tried again: a pod that may still come is not waited for then, for it would be that one's.
   */
  async run(name: string, ownerToken: string, made: Made, again: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#options;
    const ending = new AbortController();
    const limit = deadline(clock, lingerMs, ending.signal);
    const wish: Wish = { priority: "finalization", signal: limit.signal };
    try {
      const isClear = await this.#awaitUnclear(name, ownerToken, made, wish, again);
      return isClear && (await this.#removeClaim(name, ownerToken, made, again));
    } catch (error) {
      log.error({ name, error: messageOf(error) }, notRemoved);
      return true;
    } finally {
      // One of the two looks may have failed while the other one goes on.
      ending.abort();
      limit.cancel();
    }
  }

  /** Gives whether nothing can come any more: what is ours of it is gone, or is known as the claim. */
  async #awaitUnclear(name: string, ownerToken: string, made: Made, wish: Wish, again: AbortSignal): Promise<boolean> {
    const looks = await Promise.all([
      made.podUnclear !== true || this.#lookFor(podPath(name), wish, again, (found) => this.#dealWith(found, name, ownerToken, made, wish)),
      made.claimUnclear !== true || this.#lookFor(claimPath(name), wish, again, (found) => takeClaim(made, name, metadataIn(found), ownerToken)),
    ]);
    return !looks.includes(false);
  }

  /** Of a pod that has the name: ours goes, unless it was in use. Gives whether the claim stays. */
  async #dealWith(found: Uint8Array, name: string, ownerToken: string, made: Made, wish: Wish): Promise<boolean> {
    const pod = readFoundPod(found);
    made.claimStays = made.claimStays === true || usesClaim(pod, ownerToken);
    if (pod.ownerToken !== ownerToken || made.claimStays) return made.claimStays;
    made.claimStays = !(await this.#endPod(pod, name, wish));
    if (made.claimStays) made.endingPod = pod.uid;
    return made.claimStays;
  }

  /**
   * Deletes a pod that was never ready, in the version that was looked at: it may be in use by now. Its finalizer is taken only after that, for a pod that is being deleted gets no node any more.
   * One that has a node may have content there: it ends, with its claim, as that of any workspace does. Gives whether it does not.
   * @throws KubeError, of status 409 if it is of another version.
   */
  async #endPod(pod: FoundPod, name: string, wish: Wish): Promise<boolean> {
    const { uid, resourceVersion } = pod;
    const { objects } = this.#options;
    const going = pod.isGoing ? pod : await objects.remove(podPath(name), uid, 0, wish, { resourceVersion }).then((answer) => answer && readFoundPod(answer));
    if (going?.hasNode === true) return false;
    await objects.release(name, uid, wish);
    return true;
  }

  /**
   * Looks for an object for as long as an unanswered request may take effect. Gives whether there is nothing to be waited for any more. A look that fails, where it may just be that the API server is ill, has found nothing yet.
   * @param then what to do with it, whosever it is.
   */
  async #lookFor(path: string, wish: Wish, again: AbortSignal, then: (found: Uint8Array) => unknown): Promise<boolean> {
    const { clock, log } = this.#options;
    const waiting = AbortSignal.any([wish.signal, again]);
    let failure: Failure | undefined;
    while (!waiting.aborted) {
      const look = await this.#look(path, wish, again, then);
      if (look === "done") return true;
      if (look !== "cut off") failure = look;
      await sleep(clock, lookEveryMs, waiting);
    }
    if (again.aborted) return false;
    if (failure) log.error({ path, error: messageOf(failure.error) }, notRemoved);
    return true;
  }

  /** One look. Undefined: there is nothing yet; "cut off": its time was over before that was known. @throws what can not pass. */
  async #look(path: string, wish: Wish, again: AbortSignal, then: (found: Uint8Array) => unknown): Promise<"done" | "cut off" | Failure | undefined> {
    let found: Uint8Array | undefined;
    try {
      found = await this.#options.objects.get(path, wish);
      // It is that one's now.
      if (again.aborted) return "cut off";
      await then(found);
      return "done";
    } catch (error) {
      if (isMissing(error)) return undefined;
      if (wish.signal.aborted && !found) return "cut off";
      if (!wish.signal.aborted && !mayGoWell(error)) throw error;
      return { error };
    }
  }

  /** The claim goes, unless a pod uses it. Tried for a minute: begun it is not given up for the next attempt, for it might take effect when that one uses the claim. Gives whether it is done with. */
  async #removeClaim(name: string, ownerToken: string, made: Made, again: AbortSignal): Promise<boolean> {
    // What is made of it from now on is the next attempt's, and so is the claim.
    if (again.aborted) return false;
    const { clock } = this.#options;
    // The time to look for what may still come may be over.
    const limit = deadline(clock, lingerMs, new AbortController().signal);
    try {
      for (;;) {
        try {
          await this.#tryRemoveClaim(name, ownerToken, made, { priority: "finalization", signal: limit.signal });
          return true;
        } catch (error) {
          if (!mayGoWell(error)) throw error;
          await sleep(clock, lookEveryMs, limit.signal);
          if (limit.signal.aborted) throw error;
        }
      }
    } finally {
      limit.cancel();
    }
  }

  /** Another replica may have made its pod with this claim while ours was refused: it is looked at right before. */
  async #tryRemoveClaim(name: string, ownerToken: string, made: Made, wish: Wish): Promise<void> {
    const { objects, clock } = this.#options;
    if (!made.claim || made.claimStays === true) return;
    const found = await objects.get(podPath(name), wish).catch(unlessMissing);
    const lookedAt = clock.monotonic();
    if (found && (await this.#dealWith(found, name, ownerToken, made, wish))) return;
    await objects.remove(claimPath(made.claim.name), made.claim.uid, 0, { ...wish, may: () => clock.monotonic() - lookedAt <= freshMs });
  }
}

const notRemoved = "what a failed start made could not be removed";

/** Whether it may go well the next time: that of any request, or the look before it was too long ago. */
function mayGoWell(error: unknown): boolean {
  return mayPass(error) || (error instanceof KubeError && error.reason === "Aborted");
}
