/** The actions that are done with one request to the API server each (spec: lifecycle, "Per status change"). */
import type { Action } from "../../domain/actions.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { annotations, finalizer } from "../../domain/names.ts";
import { wsman } from "../../gen/proto.js";
import type { Priority } from "../kube/budget.ts";
import { isMissing, type AnnotationChanges } from "../kube/objects.ts";
import { unknownVersion, type Placeholder, type WorkspaceRecord } from "../state/registry.ts";
import { isOvertaken, type Permit } from "./acting.ts";
import { claimStays } from "./claim-ends.ts";
import { mayPass } from "./errors.ts";
import { notKnownYet, type PodWriter } from "./pod-writer.ts";
import type { Recreation } from "./recreation.ts";

/** What it works with. */
export interface QuickActionsOptions {
  readonly writer: Pick<PodWriter, "change" | "decide" | "delete" | "deleteUnused">;
  readonly placeholders: Pick<Recreation, "drop">;
  /** Tells a workspace's end, if it was not told yet. */
  readonly declareStopped: (uid: string) => void;
  /** The end of a content was written down without a backup, for which there was no more time; `status` is what was written. */
  readonly gaveUp: (record: WorkspaceRecord, status: string) => void;
  readonly log: Log;
}

/** Actions that are done in one go. */
type Patch = Extract<Action, { readonly action: "setAnnotation" | "removeAnnotation" | "addFinalizer" | "guardPod" }>;
/** Takes the placeholder away that stands behind the pod. */
export interface DropPlaceholder {
  readonly action: "dropPlaceholder";
  readonly placeholder: Placeholder;
}
/** One of those that take a request each. */
export type QuickAction = Patch | DropPlaceholder | Extract<Action, { readonly action: "deletePod" | "removeFinalizer" | "deletePvc" }>;

const { STOPPING, STOPPED } = wsman.WorkspacePhase;

/** Where the API server is ill, a claim is tried to be deleted so often before its workspace ends without that: for some minutes, with 25 s each and the pauses between them. */
const maxClaimTries = 10;

/** Whether an action is one of these. */
export function isQuick(action: Action | DropPlaceholder): action is QuickAction {
  return isPatch(action) || action.action === "dropPlaceholder" || action.action === "deletePod" || action.action === "removeFinalizer" || action.action === "deletePvc";
}

function isPatch(action: Action | DropPlaceholder): action is Patch {
  return isAnnotation(action) || action.action === "addFinalizer" || action.action === "guardPod";
}

function isAnnotation(action: Action | DropPlaceholder): action is Extract<Patch, { readonly key: string }> {
  return action.action === "setAnnotation" || action.action === "removeAnnotation";
}

/** Does them. Rejects with KubeErrors; that the pod is gone is none. */
export class QuickActions {
  readonly #options: QuickActionsOptions;
  /** How often the claim of a workspace could not be deleted. */
  readonly #claimTries = new WeakMap<WorkspaceRecord, number>();

  constructor(options: QuickActionsOptions) {
    this.#options = options;
  }

  /** Does the first of these actions, and those right behind it that one request can do as well. Gives how many. */
  async first(record: WorkspaceRecord, actions: readonly QuickAction[], permit: Permit): Promise<number> {
    const [action] = actions;
    if (!action) return 0;
    const ends = actions.findIndex((other) => !isPatch(other));
    const patches = actions.slice(0, ends < 0 ? actions.length : ends).filter(isPatch);
    try {
      if (patches.length > 0) await this.#patch(record, patches, permit);
      else if (!isPatch(action)) await this.#one(record, action, permit);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return Math.max(1, patches.length);
  }

  async #patch(record: WorkspaceRecord, patches: readonly Patch[], permit: Permit): Promise<void> {
    const changes = changesOf(patches);
    const add = patches.some((patch) => !isAnnotation(patch));
    const finalizers = add ? { finalizers: { add: finalizer } } : {};
    const { writer, gaveUp } = this.#options;
    const wish = permit.wish(priorityOf(record));
    if (!isLasting(changes)) {
      await writer.change(record, changes, wish, finalizers);
      return;
    }
    const given = record.actions;
    const written = await writer.decide(record, () => (record.actions === given ? changes : undefined), wish, finalizers);
    const status = changes[annotations.disposalStatus];
    if (written && typeof status === "string") gaveUp(record, status);
  }

  async #one(record: WorkspaceRecord, action: Exclude<QuickAction, Patch>, permit: Permit): Promise<void> {
    const { writer, placeholders, declareStopped } = this.#options;
    // After the API server's store was set back the pod may be as it was before all that, and in use.
    if (record.resourceVersion === unknownVersion) throw notKnownYet(record.facts.podName);
    const wish = permit.wish("finalization");
    switch (action.action) {
      case "deletePod":
        return writer.delete(record, action.gracePeriodSeconds, wish);
      case "dropPlaceholder":
        return placeholders.drop(record, action.placeholder, wish);
      case "deletePvc":
        return this.#endClaim(record, permit);
      case "removeFinalizer":
        // From now on the pod may go at any time, perhaps while nobody watches.
        declareStopped(record.uid);
        await writer.change(record, {}, wish, { finalizers: { remove: finalizer } });
        return undefined;
      default:
        return action satisfies never;
    }
  }

  /** A claim that stays takes room; it does not keep its workspace from ending. */
  async #endClaim(record: WorkspaceRecord, permit: Permit): Promise<void> {
    const { writer, log } = this.#options;
    const claim = { id: record.facts.id, claim: record.facts.podName };
    try {
      if (await writer.deleteUnused(record, permit.wish("finalization"))) log.warn(claim, claimStays.foreign);
    } catch (error) {
      if (isMissing(error) || isOvertaken(error, permit)) throw error;
      const tries = (this.#claimTries.get(record) ?? 0) + 1;
      this.#claimTries.set(record, tries);
      if (mayPass(error) && tries < maxClaimTries) throw error;
      log.warn({ ...claim, error: messageOf(error) }, claimStays.failed);
    }
  }
}

/**
 * What became of a workspace's content, and that it has failed, is written once and never taken back: not over what somebody else wrote at this moment, and not on a pod that has recovered. All
 * else is as true of a later version of the pod.
 */
function isLasting(changes: AnnotationChanges): boolean {
  return [annotations.disposalStatus, annotations.failedBeforeStopping, annotations.explicitFail].some((key) => key in changes);
}

function changesOf(patches: readonly Patch[]): AnnotationChanges {
  const changes: Record<string, string | null> = {};
  for (const patch of patches.filter(isAnnotation)) {
    changes[patch.key] = patch.action === "setAnnotation" ? patch.value : null;
  }
  return changes;
}

/** What ends workspaces goes first. */
function priorityOf({ facts }: WorkspaceRecord): Priority {
  return facts.phase === STOPPING || facts.phase === STOPPED ? "finalization" : "housekeeping";
}
