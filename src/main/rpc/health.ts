/** grpc.health.v1.Health: serving only while the daemon is synchronized, bounded whatever clients watch. The library for it would load a parser of .proto files with every start. */
import { status } from "@grpc/grpc-js";
import type { sendUnaryData, Server, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import protobuf from "protobufjs/minimal.js";
import { http2StreamOf } from "./http2-stream.ts";
import { bytesMethod } from "./methods.ts";
import { serviceName } from "./service.ts";
import { specProviderName } from "./spec-provider.ts";

/** The health service of a server. */
export interface Health {
  /** Watches that are open. */
  readonly watches: number;
  /** Tells everyone who asks and watches. */
  set(serving: boolean): void;
  /** Tells that it serves no more, and ends the watches. */
  close(): void;
}

type WatchCall = ServerWritableStream<Buffer, Buffer>;

const healthName = "grpc.health.v1.Health";
/** "" stands for the server as a whole. */
const services = ["", serviceName, specProviderName];
/** Values of HealthCheckResponse.ServingStatus. */
const serving = 1;
const notServing = 2;
const serviceUnknown = 3;
/** Number of HealthCheckRequest.service, HealthCheckResponse.status and HealthListResponse.statuses. */
const onlyField = 1;
const varint = 0;
const delimited = 2;

/** Adds the service to the server: not serving until told. */
export function addHealth(server: Server): Health {
  let now = notServing;
  let closed = false;
  const watches = new Set<WatchCall>();
  /** Watches of services that there are not. */
  const strangers = new Set<WatchCall>();
  server.addService({ check: bytesMethod(healthName, "Check", false), list: bytesMethod(healthName, "List", false), watch: bytesMethod(healthName, "Watch", true) }, {
    check(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
      const name = serviceIn(call.request);
      if (name === undefined) callback(unreadable);
      else if (services.includes(name)) callback(null, response(now));
      else callback({ code: status.NOT_FOUND, details: "there is no such service" });
    },
    list(_: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
      callback(null, listOf(now));
    },
    watch(call: WatchCall): void {
      const name = serviceIn(call.request);
      if (name === undefined) {
        call.emit("error", unreadable);
        return;
      }
      const stream = http2StreamOf(call);
      // Its client went before its request was read: it would stay for ever.
      if (stream.destroyed) return;
      const known = services.includes(name);
      call.write(response(known ? now : serviceUnknown));
      if (closed) {
        call.emit("error", ending);
        return;
      }
      const set = known ? watches : strangers;
      set.add(call);
      // Comes however the stream ended, while "cancelled" does not come of all.
      stream.once("close", () => set.delete(call));
    },
  });
  const set = (isServing: boolean): void => {
    const next = isServing ? serving : notServing;
    if (next === now) return;
    now = next;
    for (const call of watches) call.write(response(now));
  };
  return {
    get watches() {
      return watches.size + strangers.size;
    },
    set,
    close() {
      closed = true;
      set(false);
      for (const call of [...watches, ...strangers]) call.emit("error", ending);
    },
  };
}

const ending = { name: "Error", message: "", code: status.UNAVAILABLE, details: "the server is shutting down" };
const unreadable = { code: status.INVALID_ARGUMENT, details: "the request can not be decoded" };

/** HealthCheckRequest.service; undefined if the request can not be read. */
function serviceIn(request: Buffer): string | undefined {
  const reader = protobuf.Reader.create(request);
  let name = "";
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === ((onlyField << 3) | delimited)) name = reader.string();
      else reader.skipType(tag & 7);
    }
    return name;
  } catch {
    return undefined;
  }
}

/** A HealthCheckResponse. */
function response(value: number): Buffer {
  return Buffer.from(protobuf.Writer.create().uint32((onlyField << 3) | varint).int32(value).finish());
}

/** A HealthListResponse: a map from names to responses. */
function listOf(value: number): Buffer {
  const writer = protobuf.Writer.create();
  for (const name of services) {
    writer.uint32((onlyField << 3) | delimited).fork();
    writer.uint32((1 << 3) | delimited).string(name).uint32((2 << 3) | delimited).bytes(response(value));
    writer.ldelim();
  }
  return Buffer.from(writer.finish());
}
