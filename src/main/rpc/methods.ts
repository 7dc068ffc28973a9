/** Methods with one answer, for grpc-js: behind their limits, told of in the log, counted. */
import type { MethodDefinition, ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { asIs } from "../../domain/as-is.ts";
import { audited } from "./audit.ts";
import { unary, type UnaryHandler } from "./calls.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { RpcDependencies } from "./ports.ts";
import { admissionTo, limited } from "./rate-limits.ts";
import { methodMetrics } from "./recorded-call.ts";

/** A service as grpc-js takes it. */
export interface ServiceParts {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** A method as grpc-js has it. */
export type BytesMethod = MethodDefinition<Buffer, Buffer>;

/** Defines a method that takes one request. Messages stay bytes: handlers decode requests themselves, and responses are encoded when they get here. @param responseStream its answer is a stream. */
export function bytesMethod(service: string, name: string, responseStream: boolean): BytesMethod {
  return { path: `/${service}/${name}`, originalName: name, requestStream: false, responseStream, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
}

/** The methods of a service that have one answer. @param isAudited whether calls of a method leave a line in the log. */
export function unaryMethods(service: string, handlers: Iterable<readonly [name: string, handler: UnaryHandler]>, dependencies: RpcDependencies, pending: PendingCalls, isAudited: (name: string) => boolean): ServiceParts {
  const { clock, log, metrics } = dependencies;
  const definition: Record<string, BytesMethod> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const [name, handler] of handlers) {
    const method = bytesMethod(service, name, false);
    const admit = admissionTo(method.path, dependencies);
    const behind = admit ? limited(admit, handler) : handler;
    definition[name] = method;
    implementation[name] = unary(name, isAudited(name) ? audited(name, behind, clock, log) : behind, { sent: methodMetrics(metrics, method).sent, pending, log });
  }
  return { definition, implementation };
}
