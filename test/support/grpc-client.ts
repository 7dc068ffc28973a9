/** A gRPC client for tests: raw bytes in and out, one connection of its own each. */
import { Client, Metadata, credentials as channelCredentials, status } from "@grpc/grpc-js";
import type { CallOptions, ChannelCredentials, ChannelOptions, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { asIs } from "../../src/domain/as-is.ts";
import { wsman } from "../../src/gen/proto.js";
import { assertNoSecrets, keepSecret } from "./secrets.ts";

/** What became of a unary call. */
export interface UnaryResult {
  readonly code: status;
  readonly details: string;
  readonly response: Buffer;
}

/** What a daemon tells of a failure shows no secret; the tokens that it hands out may be shown by nothing else. */
function searched(path: string, result: UnaryResult): UnaryResult {
  assertNoSecrets(`the status of ${path}`, [result.details]);
  if (result.code === status.OK && path.endsWith("/StartWorkspace")) keepSecret("an owner token", wsman.StartWorkspaceResponse.decode(result.response).ownerToken);
  return result;
}

/** A client of a server: host:port, or the port alone on 127.0.0.1. */
export class TestClient {
  readonly #client: Client;

  constructor(address: number | string, credentials: ChannelCredentials = channelCredentials.createInsecure(), options: ChannelOptions = {}) {
    this.#client = new Client(typeof address === "number" ? `127.0.0.1:${address}` : address, credentials, {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.enable_retries": 0,
      ...options,
    });
  }

  /** Calls a method; rejects only if a secret is told, for else the code tells. `started` gets the way to cancel. */
  unary(path: string, request: Uint8Array, options: CallOptions = {}, started?: (cancel: () => void) => void): Promise<UnaryResult> {
    const called = new Promise<UnaryResult>((resolve) => {
      const done = (error: ServiceError | null, response?: Buffer): void =>
        resolve(error ? { code: error.code, details: error.details, response: Buffer.alloc(0) } : { code: status.OK, details: "", response: response ?? Buffer.alloc(0) });
      const call = this.#client.makeUnaryRequest(path, asIs, asIs, Buffer.from(request), new Metadata(), { deadline: Date.now() + 60_000, ...options }, done);
      started?.(() => call.cancel());
    });
    return called.then((result) => searched(path, result));
  }

  /** Calls a method of wsman.WorkspaceManager. */
  wsman(method: string, request: Uint8Array = new Uint8Array(), options: CallOptions = {}): Promise<UnaryResult> {
    return this.unary(`/wsman.WorkspaceManager/${method}`, request, options);
  }

  /** Opens a server stream. Reading it, or not, is the caller's. */
  stream(path: string, request: Uint8Array, metadata: Readonly<Record<string, string>> = {}, options: CallOptions = {}): TestStream {
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    return new TestStream(this.#client.makeServerStreamRequest(path, asIs, asIs, Buffer.from(request), sent, options));
  }

  /** Subscribes. */
  subscribe(request: Uint8Array = new Uint8Array(), metadata: Readonly<Record<string, string>> = {}): TestStream {
    return this.stream("/wsman.WorkspaceManager/Subscribe", request, metadata);
  }

  close(): void {
    this.#client.close();
  }
}

/** A server stream, from the client's side. */
export class TestStream {
  readonly call: ClientReadableStream<Buffer>;
  /** Resolves when the response headers are there; rejects if the stream ends before. */
  readonly headers: Promise<void>;
  /** Resolves with the status; rejects only if that tells a secret. */
  readonly status: Promise<{ code: status; details: string }>;
  readonly messages: Buffer[] = [];

  constructor(call: ClientReadableStream<Buffer>) {
    this.call = call;
    const ended = new Promise<{ code: status; details: string }>((resolve) => call.on("status", ({ code, details }) => resolve({ code, details })));
    this.status = ended.then((told) => {
      assertNoSecrets("the status of a stream", [told.details]);
      return told;
    });
    this.headers = new Promise((resolve, reject) => {
      call.on("metadata", () => resolve());
      call.on("error", reject);
    });
    this.headers.catch(() => {});
  }

  /** Reads from now on. */
  read(): this {
    if (this.call.listenerCount("data") === 0) this.call.on("data", (message: Buffer) => void this.messages.push(message));
    this.call.resume();
    return this;
  }

  /** Takes 16 messages ahead (grpc-js's limit) and no more until `read`. A stream that was never told either takes all there is. */
  stall(): this {
    this.read();
    this.call.pause();
    return this;
  }
}
