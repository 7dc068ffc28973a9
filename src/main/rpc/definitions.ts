/** Definitions of methods whose messages stay bytes: handlers decode requests themselves, and responses are encoded when they get here. */
import type { MethodDefinition } from "@grpc/grpc-js";
import { asIs } from "../grpc/client.ts";

/** A method as grpc-js has it. */
export type BytesMethod = MethodDefinition<Buffer, Buffer>;

/** Defines a method that takes one request. @param responseStream its answer is a stream. */
export function bytesMethod(service: string, name: string, responseStream: boolean): BytesMethod {
  return { path: `/${service}/${name}`, originalName: name, requestStream: false, responseStream, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
}
