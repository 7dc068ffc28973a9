/** The library behind gRPC server reflection, over the project's .proto files: half a second of a core to load, so only when somebody asks. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { MethodDefinition, UntypedHandleCall } from "@grpc/grpc-js";
import type { PackageDefinition } from "@grpc/proto-loader";

/** The .proto files: the package's proto/ is as far from src/main/rpc as from dist/main/rpc. */
const protoFolder = fileURLToPath(new URL("../../../proto", import.meta.url));

/** A method of the library's: how it reads and writes messages, and what answers a call. */
export interface ReflectionMethod {
  readonly definition: Pick<MethodDefinition<unknown, unknown>, "requestDeserialize" | "responseSerialize">;
  readonly handler: UntypedHandleCall;
}

/** Loads it; its methods by their paths. The event loop has a turn between the steps: the longest takes some 100 ms. */
export async function loadReflection(): Promise<ReadonlyMap<string, ReflectionMethod>> {
  const { loadSync } = await import("@grpc/proto-loader");
  await nextTurn();
  const { ReflectionService } = await import("@grpc/reflection");
  await nextTurn();
  const { strictDescriptors } = await import("./descriptors.ts");
  await nextTurn();
  const { protoPath: healthProto } = await import("grpc-health-check");
  await nextTurn();
  const packages = loadSync(["ws-manager-api/core.proto", "registry-facade-api/provider.proto", healthProto], { includeDirs: [protoFolder], keepCase: true });
  await nextTurn();
  const service = new ReflectionService(strict(packages, strictDescriptors));
  const methods = new Map<string, ReflectionMethod>();
  service.addToServer({
    addService(definitions, implementation) {
      for (const [name, definition] of Object.entries(definitions)) {
        const handler = implementation[name];
        if (handler) methods.set(definition.path, { definition, handler });
      }
    },
  });
  return methods;
}

/** The same packages, with descriptors that strict readers accept: every definition refers to all files. */
function strict(packages: PackageDefinition, strictDescriptors: (files: readonly Uint8Array[]) => Buffer[]): PackageDefinition {
  let files: Buffer[] | undefined;
  for (const definition of Object.values(packages)) {
    const loose: unknown = Reflect.get(definition, "fileDescriptorProtos");
    if (!Array.isArray(loose)) continue;
    files ??= strictDescriptors(loose.filter((file) => Buffer.isBuffer(file)));
    Reflect.set(definition, "fileDescriptorProtos", files);
  }
  return packages;
}
