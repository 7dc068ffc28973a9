/** gRPC server reflection (v1 and v1alpha) over the project's .proto files, for grpcurl and its like. */
import { fileURLToPath } from "node:url";
import type { ServerDuplexStream, UntypedHandleCall, UntypedServiceImplementation, Server } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { protoPath as healthProto } from "grpc-health-check";
import { strictDescriptors } from "./descriptors.ts";

/** The .proto files: the package's proto/ is as far from src/main/rpc as from dist/main/rpc. */
const protoFolder = fileURLToPath(new URL("../../../proto", import.meta.url));

/** Adds both versions of the reflection service to the server. They show wsman.WorkspaceManager, registryfacade.SpecProvider and grpc.health.v1.Health. */
export function addReflection(server: Server): void {
  const packages = loadSync(["ws-manager-api/core.proto", "registry-facade-api/provider.proto", healthProto], { includeDirs: [protoFolder], keepCase: true });
  new ReflectionService(strict(packages)).addToServer({
    addService(definition, implementation) {
      server.addService(definition, bounded(implementation));
    },
  });
}

/** The same packages, with descriptors that strict readers accept: every definition refers to all files. */
function strict(packages: PackageDefinition): PackageDefinition {
  let files: Buffer[] | undefined;
  for (const definition of Object.values(packages)) {
    const loose: unknown = Reflect.get(definition, "fileDescriptorProtos");
    if (!Array.isArray(loose)) continue;
    files ??= strictDescriptors(loose.filter((file) => Buffer.isBuffer(file)));
    Reflect.set(definition, "fileDescriptorProtos", files);
  }
  return packages;
}

/** The library answers without looking whether the answers are read: a client that does not read is not read from either. */
function bounded(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(implementation).map(([name, handler]): [string, UntypedHandleCall] => [
      name,
      (call: ServerDuplexStream<unknown, unknown>): void => {
        Reflect.apply(handler, implementation, [call]);
        call.on("data", () => {
          if (call.writableNeedDrain) call.pause();
        });
        call.on("drain", () => call.resume());
      },
    ]),
  );
}
