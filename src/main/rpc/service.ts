/** The wsman.WorkspaceManager service: its methods, and which handler serves each. */
import { AnswerGate } from "./answer-gate.ts";
import type { AtOnceMethod } from "./at-once.ts";
import { auditedWhereItWaits } from "./audit.ts";
import { ChunkPool } from "./frames-answer.ts";
import { refused, serverStream } from "./calls.ts";
import type { UnaryHandler } from "./calls.ts";
import { controlAdmission } from "./handlers/control-admission.ts";
import { controlPort } from "./handlers/control-port.ts";
import { deleteVolumeSnapshot } from "./handlers/delete-volume-snapshot.ts";
import { describeCluster } from "./handlers/describe-cluster.ts";
import { describeWorkspace } from "./handlers/describe-workspace.ts";
import { getWorkspaces } from "./handlers/get-workspaces.ts";
import { markActive, markActiveAtOnce } from "./handlers/mark-active.ts";
import { setTimeoutOf } from "./handlers/set-timeout.ts";
import { startWorkspace } from "./handlers/start-workspace.ts";
import { stopWorkspace } from "./handlers/stop-workspace.ts";
import { subscribe } from "./handlers/subscribe.ts";
import type { OpenStreams } from "./handlers/subscribe.ts";
import { backupWorkspace, takeSnapshot } from "./handlers/take-snapshot.ts";
import { updateSshKey } from "./handlers/update-ssh-key.ts";
import { bytesMethod, unaryMethods, type ServiceParts } from "./methods.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { CallDependencies, RpcDependencies } from "./ports.ts";
import { admissionTo } from "./rate-limits.ts";
import { methodMetrics } from "./recorded-call.ts";

/** Full name of the service. */
export const serviceName = "wsman.WorkspaceManager";

/** The methods that change something. */
const steering: ReadonlyMap<string, (dependencies: CallDependencies) => UnaryHandler> = new Map([
  ["StartWorkspace", startWorkspace],
  ["StopWorkspace", stopWorkspace],
  ["MarkActive", markActive],
  ["SetTimeout", setTimeoutOf],
  ["ControlPort", controlPort],
  ["ControlAdmission", controlAdmission],
  ["UpdateSSHKey", updateSshKey],
  ["DeleteVolumeSnapshot", deleteVolumeSnapshot],
  ["TakeSnapshot", takeSnapshot],
  ["BackupWorkspace", backupWorkspace],
]);

/** It comes every half minute from every workspace: told of is what changes the status, the first one and `closed`. */
const rarelyChanging = "MarkActive";

function isAudited(name: string): boolean {
  return steering.has(name) && name !== rarelyChanging;
}

function steeringHandler({ reader, steering: parts, refusal, clock, log }: RpcDependencies, name: string, make: (dependencies: CallDependencies) => UnaryHandler): UnaryHandler {
  if (refusal !== undefined) return refused(name, refusal);
  const handler = make({ reader, ...parts });
  return name === rarelyChanging ? auditedWhereItWaits(name, handler, clock, log) : handler;
}

/** The service for grpc-js, all methods of the contract. */
export function workspaceManager(dependencies: RpcDependencies, open: OpenStreams, pending: PendingCalls): ServiceParts {
  const { reader, log } = dependencies;
  const unaries: [string, UnaryHandler][] = [
    ["GetWorkspaces", getWorkspaces(reader, new AnswerGate(), new ChunkPool(), dependencies.clock)],
    ["DescribeWorkspace", describeWorkspace(reader)],
    ["DescribeCluster", describeCluster(dependencies.classes)],
    ...Array.from(steering, ([name, handler]): [string, UnaryHandler] => [name, steeringHandler(dependencies, name, handler)]),
  ];
  const streaming = bytesMethod(serviceName, "Subscribe", true);
  const { sent } = methodMetrics(dependencies.metrics, streaming);
  const { definition, implementation } = unaryMethods(serviceName, unaries, dependencies, pending, isAudited);
  return {
    definition: { Subscribe: streaming, ...definition },
    implementation: { Subscribe: serverStream("Subscribe", subscribe(dependencies, sent, open), log, admissionTo(streaming.path, dependencies)), ...implementation },
  };
}

/** Methods whose calls are answered beneath grpc-js where that can be: not if they are limited or traced. */
export function answeredAtOnce(dependencies: RpcDependencies): readonly AtOnceMethod[] {
  const { steering: parts, refusal, reader, metrics, tracing } = dependencies;
  const method = bytesMethod(serviceName, "MarkActive", false);
  if (refusal !== undefined || tracing || admissionTo(method.path, dependencies)) return [];
  return [{ path: method.path, answer: markActiveAtOnce({ reader, ...parts }), metrics: methodMetrics(metrics, method) }];
}
