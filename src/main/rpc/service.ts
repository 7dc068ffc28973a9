/** The wsman.WorkspaceManager service: its methods, and which handler serves each. */
import type { MethodDefinition, ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { AnswerGate } from "./answer-gate.ts";
import { ChunkPool } from "./frames-answer.ts";
import { serverStream, unary, unimplemented } from "./calls.ts";
import type { UnaryHandler } from "./calls.ts";
import { describeCluster } from "./handlers/describe-cluster.ts";
import { describeWorkspace } from "./handlers/describe-workspace.ts";
import { getWorkspaces } from "./handlers/get-workspaces.ts";
import { subscribe } from "./handlers/subscribe.ts";
import type { OpenStreams } from "./handlers/subscribe.ts";
import type { RpcDependencies } from "./ports.ts";
import { methodMetrics } from "./recorded-call.ts";

/** Full name of the service. */
export const serviceName = "wsman.WorkspaceManager";

/** Methods of the contract that have no handler yet. All are unary. */
const notYet = ["StartWorkspace", "StopWorkspace", "BackupWorkspace", "MarkActive", "SetTimeout", "ControlPort", "TakeSnapshot", "ControlAdmission", "DeleteVolumeSnapshot", "UpdateSSHKey"];

/** Bytes are passed through: handlers decode requests themselves, and responses are encoded when they get here. */
function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function definitionOf(name: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${serviceName}/${name}`,
    originalName: name,
    requestStream: false,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

/** The service for grpc-js, all methods of the contract. */
export function workspaceManager(dependencies: RpcDependencies, open: OpenStreams): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
  const { reader, log } = dependencies;
  const unaries: [string, UnaryHandler][] = [
    ["GetWorkspaces", getWorkspaces(reader, new AnswerGate(), new ChunkPool(), dependencies.clock)],
    ["DescribeWorkspace", describeWorkspace(reader)],
    ["DescribeCluster", describeCluster(dependencies.classes)],
    ...notYet.map((name): [string, UnaryHandler] => [name, unimplemented(name)]),
  ];
  const streaming = definitionOf("Subscribe", true);
  const { sent } = methodMetrics(dependencies.metrics, streaming);
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = { Subscribe: streaming };
  const implementation: Record<string, UntypedHandleCall> = { Subscribe: serverStream("Subscribe", subscribe(dependencies, sent, open), log) };
  for (const [name, handler] of unaries) {
    definition[name] = definitionOf(name, false);
    implementation[name] = unary(name, handler, methodMetrics(dependencies.metrics, definition[name]).sent, log);
  }
  return { definition, implementation };
}
