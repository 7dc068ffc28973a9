/**
 * Part: a bare grpc-js server that answers calls with prepared bytes, and does nothing else: the measure of what the library can do.
 * As good as its public API allows: bytes as they are (identity serializers), no interceptors, no channelz.
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { z } from "zod";
import { asIs } from "../../domain/as-is.ts";
import { serve } from "./serve.ts";

const bytes = z.instanceof(Uint8Array);
const prepareSchema = z.object({ path: z.string(), tasks: z.array(z.object({ request: bytes, answer: bytes })) });

const server = new Server({ "grpc.max_concurrent_streams": 10_000, "grpc.enable_channelz": 0 });

serve({
  /** Adds a method, before `listen`. */
  prepare: (params) => {
    const { path, tasks } = prepareSchema.parse(params);
    server.addService(
      { method: { path, requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } },
      { method: answering(tasks.map(({ request, answer }) => ({ request: Buffer.from(request), answer: Buffer.from(answer) }))) },
    );
  },
  /** Gives the port. */
  listen: () => new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  }),
});

/** With the answer that belongs to a request. */
function answering(tasks: readonly { readonly request: Buffer; readonly answer: Buffer }[]): handleUnaryCall<Buffer, Buffer> {
  const answers = new Map(tasks.map(({ request, answer }) => [request.toString("latin1"), answer]));
  return (call, callback) => callback(null, answers.get(call.request.toString("latin1")) ?? null);
}
