/** builder.ImageBuilder: calls are passed on to the image builder as they come, and its answers back (spec: api, wire). Nothing of them is decoded. */
import { Client, credentials, status as codes } from "@grpc/grpc-js";
import type { Metadata, ServerUnaryCall, StatusObject, UntypedHandleCall, handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { asIs } from "../../domain/as-is.ts";
import { connectionOptions, observeCalls, type ClientObservers } from "../grpc/client.ts";
import type { Log } from "../../domain/log.ts";
import { serverStream, statusOf, whenAdmitted, type Admission } from "./calls.ts";
import { bytesMethod, type BytesMethod, type ServiceParts } from "./methods.ts";
import { admissionTo, type LimitDependencies } from "./rate-limits.ts";
import { safeDetails } from "./status.ts";
import type { FrameCall } from "./stream-adapter.ts";

/** Full name of the service. */
export const imageBuilderService = "builder.ImageBuilder";

/** Its methods; true: the answer is a stream. */
const methods: readonly (readonly [name: string, responseStream: boolean])[] = [["ResolveBaseImage", false], ["ResolveWorkspaceImage", false], ["Build", true], ["Logs", true], ["ListBuilds", false]];

/** Headers of one connection, which are made anew for the other. */
const hopByHop = ["content-type", "grpc-encoding", "grpc-accept-encoding", "accept-encoding", "grpc-timeout", "te", "user-agent", "date"];

/** What passing on takes. */
export interface PassThroughOptions extends LimitDependencies {
  /** "host:port" of the image builder, which is spoken to without TLS. */
  readonly target: string;
  readonly observers: ClientObservers;
  readonly log: Log;
}

/** A service that passes its calls on. */
export interface PassThrough extends ServiceParts {
  /** Ends the connection and what goes through it. */
  close(): void;
}

/** Connects with the first call. While the target is away, calls fail with UNAVAILABLE; the connection is tried again on its own. */
export function passOn(options: PassThroughOptions): PassThrough {
  const { target, observers, log } = options;
  const client = new Client(target, credentials.createInsecure(), { ...connectionOptions, interceptors: [observeCalls(observers)] });
  const definition: Record<string, BytesMethod> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const [name, responseStream] of methods) {
    const method = bytesMethod(imageBuilderService, name, responseStream);
    const admit = admissionTo(method.path, options);
    definition[name] = method;
    implementation[name] = responseStream ? serverStream(name, (call) => passStream(client, method.path, call), log, admit) : unaryThrough(client, method.path, log, admit);
  }
  return { definition, implementation, close: () => client.close() };
}

function unaryThrough(client: Client, path: string, log: Log, admit: Admission | undefined): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => whenAdmitted(admit, call, () => passUnary(client, path, call, callback), (error) => callback(statusOf(path, error, log)));
}

/** As a child of the call that came, with its deadline, a call ends when that is cancelled. */
function passUnary(client: Client, path: string, call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
  let answer: Buffer | undefined;
  const out = client.makeUnaryRequest(path, asIs, asIs, call.request, forwarded(call.metadata), { parent: call }, (_error, value) => {
    answer = value;
  });
  out.on("metadata", (metadata) => call.sendMetadata(forwarded(metadata)));
  // The trailers come with it, after the answer.
  out.on("status", (status: StatusObject) => (status.code === codes.OK && answer ? callback(null, answer, forwarded(status.metadata)) : callback(forwardedStatus(status))));
}

/** Bytes of a stream that may wait for its client; the image builder is not read on meanwhile. */
const maxAheadBytes = 4 * 1024 * 1024;

/**
 * Reads ahead of a client that reads slowly, up to a bound, since grpc-js drops what it has not handed over when a stream ends with a failure: the last
 * lines of a build's log tell why it failed. Held are those bytes and what grpc-js has read before it was told to pause: 17 messages at most.
 */
function passStream(client: Client, path: string, call: FrameCall): void {
  const out = client.makeServerStreamRequest(path, asIs, asIs, call.request, forwarded(call.metadata), { parent: call });
  let status: StatusObject | undefined;
  let read = false;
  let ahead = 0;
  const finish = (): void => {
    // The status may come while messages before it wait to be read.
    if (!status || !read) return;
    if (status.code === codes.OK) call.end(forwarded(status.metadata));
    else call.emit("error", { ...forwardedStatus(status), name: "Error", message: "" });
  };
  out.on("metadata", (metadata) => call.sendMetadata(forwarded(metadata)));
  out.on("data", (message: Buffer) => {
    ahead += message.length;
    if (ahead >= maxAheadBytes) out.pause();
    call.write(message, () => {
      ahead -= message.length;
      if (ahead < maxAheadBytes) out.resume();
    });
  });
  out.on("end", () => {
    read = true;
    finish();
  });
  out.on("status", (ended: StatusObject) => {
    status = ended;
    finish();
  });
  // The status says the same.
  out.on("error", () => {});
}

function forwarded(metadata: Metadata): Metadata {
  const copy = metadata.clone();
  for (const name of hopByHop) copy.remove(name);
  return copy;
}

function forwardedStatus({ code, details, metadata }: StatusObject): StatusObject {
  return { code, details: safeDetails(details), metadata: forwarded(metadata) };
}
