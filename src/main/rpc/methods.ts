/** Methods with one answer, for grpc-js: behind their limits, told of in the log, counted. */
import type { MethodDefinition, ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { audited } from "./audit.ts";
import { unary, type UnaryHandler } from "./calls.ts";
import type { RpcDependencies } from "./ports.ts";
import { limited, RateLimiter } from "./rate-limits.ts";
import { methodMetrics } from "./recorded-call.ts";

/** A service as grpc-js takes it. */
export interface ServiceParts {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** Bytes are passed through: handlers decode requests themselves, and responses are encoded when they get here. */
function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** A method of a service, by its name there. */
export function definitionOf(service: string, name: string, responseStream = false): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${service}/${name}`,
    originalName: name,
    requestStream: false,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

/** The methods of a service that have one answer. @param isAudited whether calls of a method leave a line in the log. */
export function unaryMethods(service: string, handlers: Iterable<readonly [name: string, handler: UnaryHandler]>, dependencies: RpcDependencies, isAudited: (name: string) => boolean): ServiceParts {
  const { clock, log, metrics } = dependencies;
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const [name, handler] of handlers) {
    const method = definitionOf(service, name);
    const behind = behindLimit(dependencies, method, handler);
    definition[name] = method;
    implementation[name] = unary(name, isAudited(name) ? audited(name, behind, clock, log) : behind, methodMetrics(metrics, method).sent, log);
  }
  return { definition, implementation };
}

/** The handler, behind the limit that the configuration has for its method, if any. */
function behindLimit({ rateLimits = [], clock, metrics }: RpcDependencies, { path, originalName = "" }: MethodDefinition<Buffer, Buffer>, handler: UnaryHandler): UnaryHandler {
  const limit = rateLimits.find(({ method }) => method === path);
  return limit ? limited(new RateLimiter(originalName, limit, clock, (refused) => metrics.rateLimited(limit.method, refused)), handler) : handler;
}
