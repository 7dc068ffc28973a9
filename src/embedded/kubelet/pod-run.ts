/** One pod on its node: admitted, mounted, pulled, started, ready, ended, deleted; each step a status write and the kubelet's Events. */
import type { KubeObject } from "../contract.ts";
import type { NodeAgent, RunDeps } from "./agent.ts";
import { containersOf, endContainer, phaseOf, startContainer } from "./containers.ts";
import type { Container, Exit } from "./containers.ts";
import { countOf, durationOf, strikingFaults } from "./faults.ts";
import type { Fault, FaultName } from "./faults.ts";
import { number, record, text, timestamp } from "./json.ts";
import { draw } from "./random.ts";
import { pull } from "./image-pull.ts";
import { strike } from "./strikes.ts";
import { withStatus } from "./status.ts";
import type { Outcome } from "./status.ts";
import { Timeline } from "./timeline.ts";

/** Where a run stands. */
type Stage = "accepted" | "starting" | "running" | "over";

/** The kubelet's work on one pod. Made when the pod is bound; closed when the object is gone. */
export class PodRun {
  readonly deps: RunDeps;
  readonly node: NodeAgent;
  readonly containers: Container[];
  /** What is to come. */
  readonly timeline: Timeline;
  readonly #namespace: string;
  readonly #name: string;
  readonly #uid: string;
  readonly #key: string;
  #stage: Stage = "accepted";
  #faults: readonly Fault[] = [];
  #address: { readonly ip: string; readonly release: () => void } | undefined;
  #startTime: string | undefined;
  #outcome: Outcome | undefined;
  /** When the pod's grace period ends, monotonic milliseconds; undefined while it is not being deleted. */
  #deadline: number | undefined;
  /** Set once the pod was deleted with grace period 0: what is left of it is up to its finalizers. */
  #done = false;

  constructor(deps: RunDeps, node: NodeAgent, pod: KubeObject, key: string) {
    this.deps = deps;
    this.node = node;
    this.containers = containersOf(pod);
    this.timeline = new Timeline(deps, node);
    this.#namespace = pod.metadata.namespace ?? "";
    this.#name = pod.metadata.name;
    this.#uid = pod.metadata.uid;
    this.#key = key;
    const status = record(pod["status"]);
    this.#startTime = text(status["startTime"]) || undefined;
    if (status["phase"] === "Running") this.#stage = "running";
    if (status["phase"] === "Succeeded" || status["phase"] === "Failed") this.#stage = "over";
  }

  /** Begins, for a pod that has not been started yet. */
  start(): void {
    if (this.#stage === "accepted") this.timeline.later(draw(this.deps.random, this.deps.timings.admit), () => this.#admit());
  }

  /** Whether this is the run of that very pod, not of a namesake. */
  isFor(pod: KubeObject): boolean {
    return pod.metadata.uid === this.#uid;
  }

  /** The container that faults strike. */
  get target(): Container | undefined {
    return this.containers.find((container) => container.name === "workspace") ?? this.containers[0];
  }

  /** The pod as it is now; undefined once it is gone. */
  pod(): KubeObject | undefined {
    const pod = this.deps.store.get("pods", this.#namespace, this.#name);
    return pod && this.isFor(pod) ? pod : undefined;
  }

  /** Takes the faults asked for: those of a start count from now on, the others strike when the container runs. */
  setFaults(faults: readonly Fault[]): void {
    this.#faults = faults;
    if (this.#stage === "running") this.#armStrikes(0);
  }

  /** Adds a fault; one that strikes a running container does so at once if it runs. */
  addFault(fault: Fault): void {
    if (this.#stage === "running" && strikingFaults.has(fault.name)) this.#armStrike(fault, 0);
    else this.#faults = [...this.#faults, fault];
  }

  /** The pod is being deleted: ends the containers within the grace period (which may get shorter, never longer). */
  terminate(pod: KubeObject): void {
    const grace = number(pod.metadata.deletionGracePeriodSeconds, 30) * 1000;
    const now = this.deps.clock.monotonic();
    if (this.#done || (this.#deadline !== undefined && now + grace >= this.#deadline)) return;
    const first = this.#deadline === undefined;
    this.#deadline = now + grace;
    this.timeline.drop();
    this.timeline.later(0, () => this.#stop(grace, first));
  }

  /** Ends the run without another word. */
  close(): void {
    this.timeline.close();
    this.#address?.release();
  }

  /** Writes an Event of the kubelet on the pod, or on one of its containers. */
  note(type: "Normal" | "Warning", reason: string, message: string, container?: Container): void {
    const pod = this.pod();
    if (!pod) return;
    const field = container ? { fieldPath: `spec.containers{${container.name}}` } : {};
    this.deps.events.record(pod, { type, reason, message, component: "kubelet", host: this.node.name, ...field });
  }

  /** Writes the pod's status as it is now known. */
  write(): void {
    if (!this.pod()) return;
    const { clock, store } = this.deps;
    const facts = { hostIP: this.node.hostIP, podIP: this.#address?.ip, startTime: this.#startTime, containers: this.containers, outcome: this.#outcome };
    store.update("pods", this.#namespace, this.#name, (draft) => withStatus(draft, facts, timestamp(clock.now())));
  }

  /** Ends the pod as a whole: refused, evicted. Nothing is started again. */
  end(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#over();
    this.write();
  }

  /** Ends one container; restarts it as the pod's policy says, or anyway if `recoverMs` is given. */
  exit(container: Container, exit: Pick<Exit, "exitCode" | "reason" | "message">, recoverMs?: number): void {
    if (container.state.kind !== "running") return;
    endContainer(container, exit, this.#now());
    container.restarting = recoverMs !== undefined || this.#restarts(exit.exitCode);
    if (!container.restarting && this.containers.every((other) => other.state.kind === "terminated")) this.#over();
    this.write();
    if (recoverMs !== undefined) this.timeline.later(recoverMs, () => this.#restart(container));
    else if (container.restarting) this.#backOff(container);
  }

  #now(): string {
    return timestamp(this.deps.clock.now());
  }

  #fault(name: FaultName): Fault | undefined {
    return this.#faults.find((fault) => fault.name === name);
  }

  #admit(): void {
    const refusal = this.#refusal();
    if (refusal) {
      this.containers.length = 0;
      this.note("Warning", refusal.reason, refusal.message);
      this.end({ phase: "Failed", ...refusal });
      return;
    }
    this.#stage = "starting";
    this.#startTime ??= this.#now();
    this.write();
    const lost = this.#fault("lost");
    if (lost && lost.delayMs === undefined) strike(this, lost);
    this.#mount(0);
  }

  #refusal(): { reason: string; message: string } | undefined {
    const shortage = this.deps.ledger.shortage(this.#key);
    const fault = this.#fault("admission-reject");
    if (!shortage && !fault) return undefined;
    const { resource, requested, used, capacity } = shortage ?? { resource: "cpu", requested: 1000, used: 16000, capacity: 16000 };
    const reason = (shortage ? "" : fault?.argument) || `OutOf${resource}`;
    const detail = reason.startsWith("OutOf") ? `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}` : `Predicate ${reason} failed`;
    return { reason, message: `Pod was rejected: ${detail}` };
  }

  #mount(elapsed: number): void {
    const fault = this.#fault("failed-mount");
    if (!fault || elapsed >= durationOf(fault, Number.POSITIVE_INFINITY)) {
      pull(this, this.#fault("image-pull"), this.#fault("slow-start"), (said) => this.#toStart(said));
      return;
    }
    this.note("Warning", "FailedMount", `MountVolume.SetUp failed for volume "vol-this-workspace" : hostPath type check failed: /mnt/workspaces/${this.#name} is not a directory`);
    const wait = Math.min(Math.max(500, elapsed), 122_000);
    this.timeline.later(wait, () => this.#mount(elapsed + wait));
  }

  #toStart(pulled: string): void {
    this.note("Normal", "Pulled", pulled, this.target);
    this.timeline.later(draw(this.deps.random, this.deps.timings.start), () => this.#started());
  }

  #started(): void {
    this.#address ??= this.node.takeAddress(this.pod());
    this.#stage = "running";
    for (const container of this.containers) this.#launch(container);
    this.write();
    this.#armStrikes(undefined);
  }

  #launch(container: Container): void {
    startContainer(container, this.#now(), this.deps.random);
    this.note("Normal", "Created", `Created container: ${container.name}`, container);
    this.note("Normal", "Started", `Started container ${container.name}`, container);
    if (container.probeDelayMs === undefined) container.ready = true;
    else this.timeline.later(container.probeDelayMs + draw(this.deps.random, this.deps.timings.ready), () => this.#probe(container));
  }

  #probe(container: Container): void {
    if (container.state.kind !== "running") return;
    if (this.#fault("never-ready") && container === this.target) {
      this.note("Warning", "Unhealthy", `Readiness probe failed: Get "http://${this.#address?.ip ?? ""}:22999/_supervisor/v1/status/content/wait/true": context deadline exceeded`, container);
      return;
    }
    container.ready = true;
    this.write();
  }

  #restart(container: Container): void {
    this.#stage = "running";
    this.#launch(container);
    this.write();
  }

  #backOff(container: Container): void {
    const { timings, random } = this.deps;
    const exponent = container.restartCount - 1;
    if (exponent < 0) {
      this.timeline.later(draw(random, timings.start), () => this.#restart(container));
      return;
    }
    const wait = Math.min(timings.backoff * 2 ** exponent, timings.backoffLimit);
    if (container.state.kind === "terminated") container.last = container.state.exit;
    const where = `${this.#name}_${this.#namespace}(${this.#uid})`;
    this.note("Warning", "BackOff", `Back-off restarting failed container ${container.name} in pod ${where}`, container);
    container.state = { kind: "waiting", reason: "CrashLoopBackOff", message: `back-off ${wait / 1000}s restarting failed container=${container.name} pod=${where}` };
    this.write();
    this.timeline.later(wait, () => this.#restart(container));
  }

  #restarts(exitCode: number): boolean {
    const policy = text(record(this.pod()?.["spec"])["restartPolicy"], "Always");
    return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
  }

  #over(): void {
    this.#stage = "over";
    this.timeline.drop();
    // A deletion that is under way goes on.
    if (this.#deadline !== undefined) this.timeline.later(0, () => this.#stopped(false));
  }

  #armStrikes(delayMs: number | undefined): void {
    for (const fault of this.#faults) if (strikingFaults.has(fault.name)) this.#armStrike(fault, delayMs);
    this.#faults = this.#faults.filter((fault) => !strikingFaults.has(fault.name));
  }

  #armStrike(fault: Fault, delayMs: number | undefined): void {
    this.timeline.later(fault.delayMs ?? delayMs ?? draw(this.deps.random, this.deps.timings.strike), () => strike(this, fault));
  }

  #stop(grace: number, first: boolean): void {
    const running = this.containers.filter((container) => container.state.kind === "running");
    if (first) for (const container of running) this.note("Normal", "Killing", `Stopping container ${container.name}`, container);
    const stubborn = this.#fault("ignore-term") !== undefined;
    const needs = running.length === 0 ? 0 : draw(this.deps.random, this.deps.timings.stop);
    const killed = stubborn || needs > grace;
    this.timeline.later(killed ? grace : needs, () => this.#stopped(killed));
  }

  #stopped(killed: boolean): void {
    const term = this.#fault("term");
    const exitCode = killed ? 137 : term ? countOf(term, 143) : 0;
    const at = this.#now();
    for (const container of this.containers) {
      if (container.state.kind === "running") endContainer(container, { exitCode, reason: exitCode === 0 ? "Completed" : "Error" }, at);
      else if (container.state.kind === "waiting") endContainer(container, { exitCode: 137, reason: "ContainerStatusUnknown", message: "The container could not be located when the pod was terminated" }, at);
      container.restarting = false;
    }
    this.#stage = "over";
    this.#outcome ??= { phase: phaseOf(this.containers) };
    this.write();
    this.#done = true;
    if (this.pod()) this.deps.store.delete("pods", this.#namespace, this.#name, { gracePeriodSeconds: 0, uid: this.#uid });
  }
}
