/** An image builder for tests: answers as it is told to, and remembers what came. */
import { Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { MethodDefinition, ServerUnaryCall, ServerWritableStream, UntypedHandleCall, handleServerStreamingCall, handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { asIs } from "../../src/domain/as-is.ts";

/** A call that came. */
export interface BuilderCall {
  readonly method: string;
  readonly request: Buffer;
  readonly metadata: Metadata;
  /** Milliseconds that were left when it came; Infinity without a deadline. */
  readonly leftMs: number;
  cancelled: boolean;
}

type Streaming = ServerWritableStream<Buffer, Buffer>;

/** How it answers; the calls hang where nothing is said. */
export interface BuilderAnswers {
  readonly unary?: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void;
  readonly stream?: (call: Streaming) => void;
}

const methods = [["ResolveBaseImage", false], ["ResolveWorkspaceImage", false], ["Build", true], ["Logs", true], ["ListBuilds", false]] as const;

/** Serves builder.ImageBuilder on 127.0.0.1. */
export class TestImageBuilder {
  readonly calls: BuilderCall[] = [];
  answers: BuilderAnswers = {};
  #server: Server | undefined;
  #port = 0;

  get target(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Listens; after a stop on the same port. */
  async start(): Promise<this> {
    const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
    const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
    const implementation: Record<string, UntypedHandleCall> = {};
    const note = (method: string, call: ServerUnaryCall<Buffer, Buffer> | Streaming): void => {
      const came: BuilderCall = { method, request: call.request, metadata: call.metadata, leftMs: Number(call.getDeadline()) - Date.now(), cancelled: false };
      this.calls.push(came);
      call.on("cancelled", () => (came.cancelled = true));
    };
    for (const [name, responseStream] of methods) {
      definition[name] = { path: `/builder.ImageBuilder/${name}`, requestStream: false, responseStream, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
      const unary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
        note(name, call);
        this.answers.unary?.(call, callback);
      };
      const stream: handleServerStreamingCall<Buffer, Buffer> = (call) => {
        note(name, call);
        this.answers.stream?.(call);
      };
      implementation[name] = responseStream ? stream : unary;
    }
    server.addService(definition, implementation);
    this.#port = await new Promise((resolve, reject) => server.bindAsync(this.target, ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))));
    this.#server = server;
    return this;
  }

  /** Goes away at once. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }
}

/** A failure with text and trailers. */
export function failure(code: status, details: string, trailers: Readonly<Record<string, string>> = {}): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return { code, details, metadata };
}
