/** Puts together a pod's status from what the kubelet knows. What others wrote there (conditions of their own) stays. */
import type { Draft } from "../contract.ts";
import { setConditions } from "./conditions.ts";
import type { Condition } from "./conditions.ts";
import { containerStatus, phaseOf } from "./containers.ts";
import type { Container } from "./containers.ts";
import { record, records, text } from "./json.ts";
import { qosClass } from "./quantity.ts";

/** How a pod ended as a whole. */
export interface Outcome {
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly reason?: string;
  readonly message?: string;
  /** Whether it was the kubelet that ended it, to the pod's harm. */
  readonly disrupted?: boolean;
}

/** What the kubelet knows of a pod. */
export interface StatusFacts {
  readonly hostIP: string;
  /** Undefined before the pod's network is there. */
  readonly podIP: string | undefined;
  /** Undefined before the kubelet accepted the pod. */
  readonly startTime: string | undefined;
  readonly containers: readonly Container[];
  readonly outcome: Outcome | undefined;
}

/** Sets the draft's status. */
export function withStatus(draft: Draft, facts: StatusFacts, at: string): void {
  const status = record(draft["status"]);
  const podIP = facts.podIP ?? text(status["podIP"]);
  const { outcome } = facts;
  draft["status"] = {
    ...status,
    phase: outcome?.phase ?? phaseOf(facts.containers),
    ...(outcome?.reason === undefined ? {} : { reason: outcome.reason, message: outcome.message ?? "" }),
    conditions: setConditions(status["conditions"], conditions(facts), at),
    ...(facts.startTime === undefined ? {} : { hostIP: facts.hostIP, hostIPs: [{ ip: facts.hostIP }], startTime: facts.startTime }),
    ...(podIP === "" ? {} : { podIP, podIPs: [{ ip: podIP }] }),
    ...(facts.containers.length === 0 ? {} : { containerStatuses: facts.containers.map(containerStatus) }),
    ...initStatuses(draft, facts, at),
    qosClass: qosClass(draft),
  };
}

function conditions({ containers, outcome }: StatusFacts): readonly Condition[] {
  if (containers.length === 0) return [];
  const running = containers.some((container) => container.state.kind === "running" || container.id !== "");
  return [
    ...(outcome?.disrupted ? [{ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet", message: outcome.message ?? "" } as const] : []),
    { type: "PodReadyToStartContainers", status: running ? "True" : "False" },
    { type: "Initialized", status: "True" },
    ...readiness(containers, outcome?.phase ?? phaseOf(containers)),
    { type: "PodScheduled", status: "True" },
  ];
}

function readiness(containers: readonly Container[], phase: Outcome["phase"]): readonly Condition[] {
  const unready = containers.filter((container) => !container.ready).map((container) => container.name);
  const reason = phase === "Succeeded" ? "PodCompleted" : phase === "Failed" ? "PodFailed" : "ContainersNotReady";
  const detail = reason === "ContainersNotReady" ? { message: `containers with unready status: [${unready.join(" ")}]` } : {};
  const condition = unready.length === 0 ? ({ status: "True" } as const) : ({ status: "False", reason, ...detail } as const);
  return [{ type: "Ready", ...condition }, { type: "ContainersReady", ...condition }];
}

/** Init containers are taken as done from the beginning: workspaces have none, and what they would wait for does not exist here. */
function initStatuses(draft: Draft, facts: StatusFacts, at: string): object {
  const specs = records(record(draft["spec"])["initContainers"]);
  if (specs.length === 0 || facts.startTime === undefined) return {};
  const startedAt = facts.startTime;
  return {
    initContainerStatuses: specs.map((spec) => ({
      name: text(spec["name"]), image: text(spec["image"]), imageID: "", ready: true, started: false, restartCount: 0, lastState: {},
      state: { terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt: startedAt === "" ? at : startedAt } },
    })),
  };
}
