/** Pods and placeholders that meet (domain/placeholder.ts): which of the two tells of the workspace from now on, and what stands behind it. */
import type { Origin, WorkspaceResult } from "../../domain/messages.ts";
import type { Claimants } from "./claimants.ts";
import type { StateHooks } from "./hooks.ts";
import type { Listing } from "./listing.ts";
import { isLaterStart, isPlaceholder, isSameStart, newRecord, placeholderAfter, takesOver } from "./records.ts";
import type { Registry, WorkspaceRecord } from "./registry.ts";

/** What the commit does for them, and what they look at. */
export interface MeetingsOptions {
  readonly registry: Pick<Registry, "bury">;
  readonly hooks: Pick<StateHooks, "changed" | "strayed">;
  readonly claimants: Pick<Claimants, "wait">;
  readonly list: Pick<Listing, "generationOf">;
  /** What is told of now takes the other one's place: the same workspace goes on. */
  readonly succeed: (other: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, origin: Origin) => Buffer;
  /** What is told of now is another workspace. */
  readonly introduce: (result: WorkspaceResult, bytes: Uint8Array, origin: Origin) => Buffer;
  /** The workspace has ended. */
  readonly finish: (record: WorkspaceRecord) => void;
}

/** A part of the commit: nothing else may call it. */
export class Meetings {
  readonly #options: MeetingsOptions;

  constructor(options: MeetingsOptions) {
    this.#options = options;
  }

  /** A pod and its placeholder: the workspace is told of by the pod, and by the placeholder while there is none. Gives the frame, if what is told of now tells of the workspace. */
  meet(other: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    const { registry, hooks, succeed } = this.#options;
    if (result.removed) registry.bury(result.uid);
    else if (!isSameStart(other.facts, result.facts)) return this.#meetStranger(other, result, bytes, origin);
    else if (takesOver(other, result)) return succeed(other, result, bytes, origin);
    const { placeholder } = other;
    other.placeholder = placeholderAfter(other, result);
    if (other.placeholder?.uid !== placeholder?.uid) hooks.changed(other);
    return undefined;
  }

  /** A pod and a placeholder of two starts: neither goes on with the other. Where both are there, the pod's is the later one, for it has the name that the other's had. */
  #meetStranger(other: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    const { registry, hooks, claimants, list, introduce, finish } = this.#options;
    if (isPlaceholder(result) && !isLaterStart(result, other)) {
      registry.bury(result.uid);
      hooks.strayed(newRecord(result, list.generationOf(origin)));
    } else if (isPlaceholder(result) && !other.vacant) claimants.wait(result);
    else {
      finish(other);
      if (isPlaceholder(other)) hooks.strayed(other);
      return introduce(result, bytes, origin);
    }
    return undefined;
  }
}
