/** gRPC server reflection (v1 and v1alpha), for grpcurl and its like; what answers is loaded with the first question. */
import { EventEmitter } from "node:events";
import { status } from "@grpc/grpc-js";
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";
import { asIs } from "../../domain/as-is.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { BytesMethod } from "./methods.ts";
import type { ReflectionMethod } from "./reflection-library.ts";

const versions = ["v1", "v1alpha"];
const methodName = "ServerReflectionInfo";

type Call = ServerDuplexStream<Buffer, Buffer>;
type Library = ReadonlyMap<string, ReflectionMethod>;

/** Adds both versions of the reflection service to the server. They show wsman.WorkspaceManager, registryfacade.SpecProvider and grpc.health.v1.Health. */
export function addReflection(server: Server, log: Log): void {
  let library: Promise<Library> | undefined;
  const load = (): Promise<Library> => (library ??= import("./reflection-library.ts").then(({ loadReflection }) => loadReflection()));
  for (const version of versions) {
    const path = `/grpc.reflection.${version}.ServerReflection/${methodName}`;
    const definition: BytesMethod = { path, originalName: methodName, requestStream: true, responseStream: true, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
    server.addService({ [methodName]: definition }, {
      [methodName]: (call: Call): void => {
        // Nothing is read of the call until somebody listens.
        load().then((methods) => answer(call, methods.get(path))).catch((error: unknown) => {
          // Another call tries again.
          library = undefined;
          log.error({ error: messageOf(error) }, "reflection can not be answered");
          call.emit("error", { code: status.INTERNAL, details: "reflection can not be answered" });
        });
      },
    });
  }
}

/** Passes a call on to the library, which answers without looking whether the answers are read: a client that does not read is not read from either. */
function answer(call: Call, method: ReflectionMethod | undefined): void {
  if (!method) throw new Error("the library does not have this version");
  const { definition, handler } = method;
  const stream = Object.assign(new EventEmitter(), { write: (message: unknown) => call.write(definition.responseSerialize(message)), end: () => call.end() });
  Reflect.apply(handler, undefined, [stream]);
  call.on("data", (bytes: Buffer) => {
    const request = readable(call, () => definition.requestDeserialize(bytes));
    if (request === undefined) return;
    stream.emit("data", request);
    if (call.writableNeedDrain) call.pause();
  });
  call.on("drain", () => call.resume());
  call.on("end", () => stream.emit("end"));
}

/** The request; a call whose request can not be read ends. */
function readable(call: Call, decode: () => unknown): unknown {
  try {
    return decode();
  } catch {
    call.emit("error", { code: status.INVALID_ARGUMENT, details: "the request can not be decoded" });
    return undefined;
  }
}
