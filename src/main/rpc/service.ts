/** The wsman.WorkspaceManager service: its methods, and which handler serves each. */
import type { ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { AnswerGate } from "./answer-gate.ts";
import { audited } from "./audit.ts";
import { ChunkPool } from "./frames-answer.ts";
import { serverStream, unary, unimplemented } from "./calls.ts";
import type { UnaryHandler } from "./calls.ts";
import { bytesMethod } from "./definitions.ts";
import type { BytesMethod } from "./definitions.ts";
import { controlAdmission } from "./handlers/control-admission.ts";
import { controlPort } from "./handlers/control-port.ts";
import { deleteVolumeSnapshot } from "./handlers/delete-volume-snapshot.ts";
import { describeCluster } from "./handlers/describe-cluster.ts";
import { describeWorkspace } from "./handlers/describe-workspace.ts";
import { getWorkspaces } from "./handlers/get-workspaces.ts";
import { markActive } from "./handlers/mark-active.ts";
import { setTimeoutOf } from "./handlers/set-timeout.ts";
import { startWorkspace } from "./handlers/start-workspace.ts";
import { stopWorkspace } from "./handlers/stop-workspace.ts";
import { subscribe } from "./handlers/subscribe.ts";
import type { OpenStreams } from "./handlers/subscribe.ts";
import { backupWorkspace, takeSnapshot } from "./handlers/take-snapshot.ts";
import { updateSshKey } from "./handlers/update-ssh-key.ts";
import type { CallDependencies, RpcDependencies } from "./ports.ts";
import { admissionTo, limited } from "./rate-limits.ts";
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

/** MarkActive comes every half minute from every workspace, and changes next to nothing. */
function isAudited(name: string): boolean {
  return steering.has(name) && name !== "MarkActive";
}

function steeringHandler({ reader, steering: parts }: RpcDependencies, name: string, make: (dependencies: CallDependencies) => UnaryHandler): UnaryHandler {
  if (!parts) return unimplemented(name);
  return make({ reader, ...parts });
}

/** The handler, behind the limit that the configuration has for its method, if any. */
function behindLimit(dependencies: RpcDependencies, name: string, handler: UnaryHandler): UnaryHandler {
  const admit = admissionTo(`/${serviceName}/${name}`, dependencies);
  const behind = admit ? limited(admit, handler) : handler;
  return isAudited(name) ? audited(name, behind, dependencies.clock, dependencies.log) : behind;
}

/** The service for grpc-js, all methods of the contract. */
export function workspaceManager(dependencies: RpcDependencies, open: OpenStreams): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
  const { reader, log } = dependencies;
  const unaries: [string, UnaryHandler][] = [
    ["GetWorkspaces", getWorkspaces(reader, new AnswerGate(), new ChunkPool(), dependencies.clock)],
    ["DescribeWorkspace", describeWorkspace(reader)],
    ["DescribeCluster", describeCluster(dependencies.classes)],
    ...Array.from(steering, ([name, handler]): [string, UnaryHandler] => [name, steeringHandler(dependencies, name, handler)]),
  ];
  const streaming = bytesMethod(serviceName, "Subscribe", true);
  const { sent } = methodMetrics(dependencies.metrics, streaming);
  const definition: Record<string, BytesMethod> = { Subscribe: streaming };
  const implementation: Record<string, UntypedHandleCall> = { Subscribe: serverStream("Subscribe", subscribe(dependencies, sent, open), log, admissionTo(streaming.path, dependencies)) };
  for (const [name, handler] of unaries) {
    definition[name] = bytesMethod(serviceName, name, false);
    implementation[name] = unary(name, behindLimit(dependencies, name, handler), methodMetrics(dependencies.metrics, definition[name]).sent, log);
  }
  return { definition, implementation };
}
