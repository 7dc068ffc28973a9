/** The containers of a pod as the kubelet knows them, and how they stand in the pod's status. */
import { isRecord, number, record, records, text } from "./json.ts";
import type { Json } from "./json.ts";
import { hex, seedOf, seededRandom } from "./random.ts";
import type { Random } from "./random.ts";

/** How a container ended. */
export interface Exit {
  readonly exitCode: number;
  readonly reason: string;
  readonly message?: string;
  /** Of one that was never located there are no times. */
  readonly startedAt?: string | undefined;
  readonly finishedAt?: string | undefined;
  readonly containerID?: string | undefined;
}

/** What a container is doing. */
export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string; readonly message?: string }
  | { readonly kind: "running"; readonly startedAt: string }
  | { readonly kind: "terminated"; readonly exit: Exit };

/** One container of a pod. */
export interface Container {
  readonly name: string;
  readonly image: string;
  /** Whether its image is never pulled, as it is on every node. */
  readonly present: boolean;
  /** Milliseconds from its start to its first probe; undefined without a readiness probe. */
  readonly probeDelayMs: number | undefined;
  state: ContainerState;
  last: Exit | undefined;
  restartCount: number;
  ready: boolean;
  id: string;
  /** Whether it has ended and will be started again. */
  restarting: boolean;
}

/** The containers in a pod's spec, as they stand in its status if it has one already. */
export function containersOf(pod: Json): Container[] {
  const statuses = records(record(pod["status"])["containerStatuses"]);
  return records(record(pod["spec"])["containers"]).map((spec) => {
    const name = text(spec["name"]);
    const status = record(statuses.find((candidate) => candidate["name"] === name));
    const probe = spec["readinessProbe"];
    return {
      name,
      image: text(spec["image"]),
      present: spec["imagePullPolicy"] === "Never",
      probeDelayMs: isRecord(probe) ? number(probe["initialDelaySeconds"], 0) * 1000 : undefined,
      state: stateOf(record(status["state"])),
      last: exitOf(record(status["lastState"])["terminated"]),
      restartCount: number(status["restartCount"], 0),
      ready: status["ready"] === true,
      id: text(status["containerID"]),
      restarting: false,
    };
  });
}

function stateOf(state: Json): ContainerState {
  const exit = exitOf(state["terminated"]);
  if (exit) return { kind: "terminated", exit };
  if (isRecord(state["running"])) return { kind: "running", startedAt: text(state["running"]["startedAt"]) };
  return { kind: "waiting", reason: "ContainerCreating" };
}

function exitOf(value: unknown): Exit | undefined {
  if (!isRecord(value)) return undefined;
  const message = text(value["message"]);
  return {
    exitCode: number(value["exitCode"], 0), reason: text(value["reason"]), startedAt: text(value["startedAt"]) || undefined, finishedAt: text(value["finishedAt"]) || undefined, containerID: text(value["containerID"]) || undefined,
    ...(message === "" ? {} : { message }),
  };
}

/** Starts a container, for the first time or again. */
export function startContainer(container: Container, at: string, random: Random): void {
  if (container.state.kind === "terminated") container.last = container.state.exit;
  if (container.last) container.restartCount++;
  container.id = `containerd://${hex(random, 64)}`;
  container.state = { kind: "running", startedAt: at };
  container.ready = false;
  container.restarting = false;
}

/** Ends a container that runs or waits. */
export function endContainer(container: Container, exit: Pick<Exit, "exitCode" | "reason" | "message">, at: string): void {
  const startedAt = container.state.kind === "running" ? container.state.startedAt : undefined;
  const located = startedAt === undefined ? {} : { startedAt, finishedAt: at, containerID: container.id };
  container.state = { kind: "terminated", exit: { ...exit, ...located } };
  container.ready = false;
}

/** Where the containers have brought the pod. */
export function phaseOf(containers: readonly Container[]): "Pending" | "Running" | "Succeeded" | "Failed" {
  if (containers.every((container) => container.state.kind === "waiting" && !container.last)) return "Pending";
  const exits = containers.map((container) => (container.state.kind === "terminated" && !container.restarting ? container.state.exit.exitCode : undefined));
  if (exits.includes(undefined)) return "Running";
  return exits.every((code) => code === 0) ? "Succeeded" : "Failed";
}

/** A container's entry in the pod's status. */
export function containerStatus(container: Container): object {
  const { state } = container;
  const startedOnce = container.id !== "";
  return {
    name: container.name,
    state: renderState(state),
    lastState: container.last ? { terminated: renderExit(container.last) } : {},
    ready: container.ready,
    started: state.kind === "running",
    restartCount: container.restartCount,
    image: container.image,
    imageID: startedOnce ? `${container.image.replace(/[:@].*$/, "")}@sha256:${hex(seededRandom(seedOf(container.image)), 64)}` : "",
    ...(startedOnce ? { containerID: container.id } : {}),
  };
}

function renderState(state: ContainerState): object {
  if (state.kind === "terminated") return { terminated: renderExit(state.exit) };
  if (state.kind === "running") return { running: { startedAt: state.startedAt || null } };
  return { waiting: { reason: state.reason, ...(state.message === undefined ? {} : { message: state.message }) } };
}

function renderExit(exit: Exit): object {
  return {
    exitCode: exit.exitCode, reason: exit.reason, ...(exit.message === undefined ? {} : { message: exit.message }),
    startedAt: exit.startedAt ?? null, finishedAt: exit.finishedAt ?? null, ...(exit.containerID === undefined ? {} : { containerID: exit.containerID }),
  };
}
