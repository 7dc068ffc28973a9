/** What each fault does to a pod whose container runs. */
import { countOf, durationOf } from "./faults.ts";
import type { Fault, FaultName } from "./faults.ts";
import type { PodRun } from "./pod-run.ts";
import { endContainer } from "./containers.ts";
import type { Container } from "./containers.ts";
import { timestamp } from "./json.ts";
import { draw } from "./random.ts";

type Strike = (run: PodRun, target: Container, fault: Fault) => void;

const strikes: ReadonlyMap<FaultName, Strike> = new Map<FaultName, Strike>([
  ["crash", (run, target, fault) => {
    const exitCode = countOf(fault, 1);
    run.exit(target, { exitCode, reason: exitCode === 0 ? "Completed" : "Error" });
  }],
  ["oom", (run, target) => run.exit(target, { exitCode: 137, reason: "OOMKilled" })],
  ["container-error", (run, target, fault) => run.exit(target, { exitCode: 1, reason: "Error", message: fault.argument })],
  ["evict", evict],
  ["interrupt", interrupt],
  ["network-not-ready", interrupt],
  ["lost", (run, _target, fault) => run.timeline.silence(fault.argument === "" ? undefined : durationOf(fault, 60_000))],
]);

/** Lets a fault strike. Faults of the pod's start do nothing here. */
export function strike(run: PodRun, fault: Fault): void {
  if (run.target) strikes.get(fault.name)?.(run, run.target, fault);
}

function interrupt(run: PodRun, target: Container, fault: Fault): void {
  if (fault.name === "network-not-ready") {
    run.note("Warning", "NetworkNotReady", "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized");
  }
  const recoverMs = fault.argument === "" ? draw(run.deps.random, run.deps.timings.recover) : durationOf(fault, 5000);
  run.exit(target, { exitCode: 255, reason: "Unknown" }, recoverMs);
}

function evict(run: PodRun): void {
  const message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi. Container workspace was using 8Gi, request is 4Gi, has larger consumption of memory. ";
  run.note("Warning", "Evicted", message);
  const at = timestamp(run.deps.clock.now());
  for (const container of run.containers) {
    if (container.state.kind !== "terminated") endContainer(container, { exitCode: 137, reason: "Error" }, at);
    container.restarting = false;
  }
  run.end({ phase: "Failed", reason: "Evicted", message, disrupted: true });
}
