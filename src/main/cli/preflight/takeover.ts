/** What would become of the workspaces there are if wsmand took them over now: by the same decisions and timeouts as a daemon that begins to lead; pure. */
import type { Action } from "../../../domain/actions.ts";
import { toPodEvents } from "../../../domain/events.ts";
import type { JsonObject } from "../../../domain/json.ts";
import type { DeriveConfig, WorkspaceFacts } from "../../../domain/messages.ts";
import type { Timeouts } from "../../../domain/timeouts.ts";
import { wsman } from "../../../gen/proto.js";
import { decide } from "../../../workers/actions.ts";
import { factsOf } from "../../../workers/facts.ts";
import { InvalidPodError, readPod } from "../../../workers/pod.ts";
import { deriveStatus } from "../../../workers/status.ts";
import { decideAt, isTimed } from "../../lifecycle/decision.ts";
import { isBackedUp } from "../../lifecycle/disposal.ts";
import type { Reckoning } from "../../lifecycle/elapsed.ts";
import { odditiesOf, unknownNames, type Oddity } from "./oddities.ts";

/** What it goes by. */
export interface TakeoverConfig {
  readonly derive: DeriveConfig;
  readonly timeouts: Timeouts;
  /** Of a lead that begins now. */
  readonly reckoning: Reckoning;
  readonly now: number;
  readonly classes: ReadonlySet<string>;
}

/** What would be done at once, in words for people and machines. */
export type Fate = "back up" | "dispose" | "delete" | "let go" | "make anew" | "initialize" | "wait until ready" | "annotate";

/** A pod that is understood. */
export interface Taken {
  readonly kind: "taken";
  readonly id: string;
  readonly podName: string;
  readonly nodeName: string;
  readonly phase: string;
  readonly type: string;
  readonly fates: readonly Fate[];
  /** Why it would time out at once; empty: it would not. */
  readonly timedOut: string;
  /** It was used, and nothing would keep it for a backup until wsmand puts its finalizer there. */
  readonly unprotected: boolean;
  readonly oddities: readonly Oddity[];
  readonly unknown: readonly string[];
}

/** A pod that is not. */
export interface NotUnderstood {
  readonly kind: "not understood";
  readonly podName: string;
  readonly reason: string;
}

/** Looks at a pod. @param rawEvents those of the pod. Never throws. */
export function takeOver(rawPod: JsonObject, rawEvents: readonly JsonObject[], config: TakeoverConfig): Taken | NotUnderstood {
  let podName = "";
  try {
    const pod = readPod(rawPod);
    podName = pod.name;
    const status = deriveStatus(pod, toPodEvents(rawEvents), config.derive);
    const facts = factsOf(pod, status);
    const elapsed = config.reckoning.of({ facts, activeAt: undefined });
    const steps = decideAt({ facts, actions: decide(pod, status), stopped: false, vacant: false }, elapsed, config.timeouts, config.now);
    return {
      kind: "taken", id: facts.id, podName, nodeName: facts.nodeName,
      phase: wsman.WorkspacePhase[facts.phase] ?? "UNKNOWN",
      type: wsman.WorkspaceType[facts.type] ?? "UNKNOWN",
      fates: [...new Set(steps.filter((step) => !isTimed(step)).map((step) => fateOf(step, facts)))],
      timedOut: steps.find(isTimed)?.text ?? "",
      unprotected: steps.some(({ action }) => action === "addFinalizer" || action === "guardPod"),
      oddities: odditiesOf(pod, config.classes),
      unknown: unknownNames(pod),
    };
  } catch (error) {
    return { kind: "not understood", podName, reason: error instanceof InvalidPodError ? error.message : "it can not be worked on" };
  }
}

/** What an action means for a workspace; of finalizations it depends on what there is to be saved. */
const fates: Readonly<Record<Exclude<Action["action"], "finalizeContent">, Fate>> = {
  deletePod: "delete",
  removeFinalizer: "let go",
  deletePvc: "let go",
  recreatePod: "make anew",
  fillPlaceholder: "make anew",
  initializeContent: "initialize",
  waitForReady: "wait until ready",
  addFinalizer: "annotate",
  guardPod: "annotate",
  setAnnotation: "annotate",
  removeAnnotation: "annotate",
};

function fateOf({ action }: Action, facts: WorkspaceFacts): Fate {
  if (action === "finalizeContent") return isBackedUp(facts) ? "back up" : "dispose";
  return fates[action];
}
