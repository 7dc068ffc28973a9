/** The registryfacade.SpecProvider service, which the registry facade asks for image specs. */
import { getImageSpec } from "./handlers/get-image-spec.ts";
import { unaryMethods, type ServiceParts } from "./methods.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { RpcDependencies } from "./ports.ts";

/** Full name of the service. */
export const specProviderName = "registryfacade.SpecProvider";

/** The service for grpc-js. */
export function specProvider(dependencies: RpcDependencies, pending: PendingCalls): ServiceParts {
  const { reader, steering } = dependencies;
  return unaryMethods(specProviderName, [["GetImageSpec", getImageSpec({ reader, ...steering })]], dependencies, pending, () => false);
}
