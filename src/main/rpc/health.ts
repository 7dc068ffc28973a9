/** grpc.health.v1.Health: serving only while the daemon is synchronized, bounded whatever clients watch. */
import type { ServerWritableStream, UntypedHandleCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { HealthImplementation, service as healthService } from "grpc-health-check";
import { status } from "@grpc/grpc-js";
import type { Server } from "@grpc/grpc-js";
import { serviceName } from "./service.ts";
import { specProviderName } from "./spec-provider.ts";

/** The health service of a server. */
export interface Health {
  /** Tells everyone who asks and watches. */
  set(serving: boolean): void;
  /** Tells that it serves no more, and ends the watches. */
  close(): void;
}

type WatchCall = ServerWritableStream<unknown, unknown>;

/** "" stands for the server as a whole. */
const services = ["", serviceName, specProviderName];

/** Adds the service to the server: not serving until told. */
export function addHealth(server: Server): Health {
  const health = new HealthImplementation(Object.fromEntries(services.map((name) => [name, "NOT_SERVING" as const])));
  const watches = new Set<WatchCall>();
  health.addToServer({
    addService(_, implementation) {
      server.addService(healthService, { ...implementation, watch: watchOf(implementation["watch"], watches) } satisfies UntypedServiceImplementation);
    },
  });
  const set = (serving: boolean): void => services.forEach((name) => health.setStatus(name, serving ? "SERVING" : "NOT_SERVING"));
  return {
    set,
    close() {
      set(false);
      for (const call of watches) call.emit("error", { name: "Error", message: "", code: status.UNAVAILABLE, details: "the server is shutting down" });
    },
  };
}

/** The library remembers every service name that was ever watched: only those that exist get there. */
function watchOf(watch: unknown, watches: Set<WatchCall>): UntypedHandleCall {
  return (call: WatchCall): void => {
    watches.add(call);
    call.once("cancelled", () => watches.delete(call));
    if (typeof watch === "function" && services.includes(requestedService(call.request))) Reflect.apply(watch, undefined, [call]);
    else call.write({ status: "SERVICE_UNKNOWN" });
  };
}

function requestedService(request: unknown): string {
  const name: unknown = typeof request === "object" && request !== null ? Reflect.get(request, "service") : undefined;
  return typeof name === "string" ? name : "";
}
