/** What metadata and status of a workspace pod look like in each state that a workspace's status is derived from. */
import { annotations } from "../../domain/names.ts";
import { timestamp } from "../kubelet/json.ts";
import { hex } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";

/** The states, in the order of a life, then those that went wrong. */
export type PodState =
  | "unscheduled" | "scheduled" | "creating" | "initializing" | "running" | "stopping" | "stopped"
  | "interrupted" | "killed" | "recovering" | "completed" | "image-pull" | "crashed" | "container-error" | "evicted" | "unknown";

/** Whose state it is. */
export interface StateSubject {
  readonly name: string;
  readonly image: string;
  readonly node: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly headless: boolean;
  readonly random: Random;
}

/** What a state adds to a pod. */
export interface StateParts {
  readonly annotations: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly finalizer: boolean;
  readonly status: object | undefined;
}

const starting = { [annotations.neverReady]: "true", [annotations.attemptingToCreate]: "true" };
const created = { [annotations.neverReady]: "true" };

/** What the state adds to the pod. */
export function stateOf(state: PodState, subject: StateSubject): StateParts {
  const parts = makers[state](subject);
  return { annotations: {}, metadata: {}, finalizer: true, status: undefined, ...parts };
}

const makers: Readonly<Record<PodState, (subject: StateSubject) => Partial<StateParts>>> = {
  unscheduled: () => ({ annotations: starting }),
  scheduled: (subject) => ({ annotations: created, status: podStatus(subject, "Pending") }),
  creating: (subject) => ({ annotations: created, status: podStatus(subject, "Pending", waiting("ContainerCreating")) }),
  initializing: (subject) => ({ annotations: created, status: podStatus(subject, "Running", running(subject, false)) }),
  running: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Running", running(subject, true)) }),
  stopping: (subject) => ({ annotations: ready(subject), metadata: deleted(subject), status: podStatus(subject, "Running", running(subject, true)) }),
  stopped: (subject) => ({
    annotations: { ...ready(subject), [annotations.startedDisposal]: "true", [annotations.disposalStatus]: JSON.stringify({ backupComplete: true, gitStatus: { branch: "main" } }) },
    metadata: deleted(subject),
    finalizer: false,
    status: podStatus(subject, "Succeeded", terminated(subject, { exitCode: 0, reason: "Completed" })),
  }),
  interrupted: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Running", terminated(subject, { exitCode: 255, reason: "Unknown" })) }),
  killed: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Running", terminated(subject, { exitCode: 137, reason: "Error" })) }),
  recovering: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Running", { ...running(subject, false), restartCount: 1, lastState: terminated(subject, { exitCode: 255, reason: "Unknown" }).state }) }),
  completed: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Succeeded", terminated(subject, { exitCode: 0, reason: "Completed" })) }),
  "image-pull": (subject) => ({ annotations: created, status: podStatus(subject, "Pending", waiting("ImagePullBackOff", `Back-off pulling image "${subject.image}"`)) }),
  crashed: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Failed", terminated(subject, { exitCode: 1, reason: "Error" })) }),
  "container-error": (subject) => ({
    annotations: created,
    status: podStatus(subject, "Failed", terminated(subject, { exitCode: 1, reason: "Error", message: `{"level":"error","message":"content initialization failed","error":"repository not found"}\n` })),
  }),
  evicted: (subject) => ({ annotations: ready(subject), status: { ...podStatus(subject, "Failed"), reason: "Evicted", message: "The node was low on resource: memory. " } }),
  unknown: (subject) => ({ annotations: ready(subject), status: podStatus(subject, "Unknown", running(subject, true)) }),
};

interface ContainerParts {
  readonly state: object;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly lastState?: object;
  readonly started?: boolean;
}

function ready({ node, createdAt, headless }: StateSubject): Record<string, string> {
  const active = headless ? {} : { [annotations.firstUserActivity]: `${timestamp(createdAt + 25_000).slice(0, 19)}.123456789Z` };
  return { [annotations.nodeName]: node, ...active };
}

function deleted({ createdAt }: StateSubject): Record<string, unknown> {
  return { deletionTimestamp: timestamp(createdAt + 3_600_000), deletionGracePeriodSeconds: 30 };
}

function waiting(reason: string, message?: string): ContainerParts {
  return { state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } };
}

function running({ createdAt }: StateSubject, isReady: boolean): ContainerParts {
  return { state: { running: { startedAt: timestamp(createdAt + 10_000) } }, ready: isReady, started: true };
}

function terminated({ createdAt }: StateSubject, exit: { readonly exitCode: number; readonly reason: string; readonly message?: string }): ContainerParts {
  return { state: { terminated: { ...exit, startedAt: timestamp(createdAt + 10_000), finishedAt: timestamp(createdAt + 600_000), containerID: "containerd://e3b0c442" } } };
}

function podStatus(subject: StateSubject, phase: string, container?: ContainerParts): object {
  const at = timestamp(subject.createdAt + 1000);
  const condition = (type: string, on: boolean): object => ({ type, status: on ? "True" : "False", lastProbeTime: null, lastTransitionTime: at });
  const isReady = container?.ready === true;
  const digest = hex(subject.random, 64);
  const status = {
    phase,
    conditions: [condition("PodReadyToStartContainers", true), condition("Initialized", true), condition("Ready", isReady), condition("ContainersReady", isReady), condition("PodScheduled", true)],
    hostIP: "10.128.0.2",
    hostIPs: [{ ip: "10.128.0.2" }],
    startTime: at,
    qosClass: "Burstable",
  };
  if (!container) return status;
  const begun = phase !== "Pending";
  const network = begun ? { podIP: "10.64.0.7", podIPs: [{ ip: "10.64.0.7" }] } : {};
  const ids = begun ? { imageID: `${subject.image}@sha256:${digest}`, containerID: `containerd://${digest}` } : { imageID: "" };
  return { ...status, ...network, containerStatuses: [{ name: "workspace", image: subject.image, ...ids, ready: false, started: false, restartCount: 0, lastState: {}, ...container }] };
}
