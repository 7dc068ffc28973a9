/** What a daemon has in place of threads, ports and secret random numbers where it is not alone in its process: in a simulation, whose every step follows from a seed. */
import type { Metrics } from "../metrics/registry.ts";
import type { Ask } from "./lifecycle/probe.ts";
import type { ReflectorLimits } from "./kube/limits.ts";
import type { WorkerPool } from "./pipeline/pool.ts";
import type { RandomBytes } from "./render/token.ts";
import type { RpcDependencies } from "./rpc/ports.ts";
import type { RpcServer } from "./rpc/server.ts";
import type { NodeCaller } from "./wsdaemon/client.ts";

/** All that reaches beyond the daemon's own code, beside its clock, `random` and its way to the API server. */
export interface Surroundings {
  /** Closed by the daemon. */
  readonly pool: WorkerPool;
  /** Serves calls and streams. */
  readonly serve: (dependencies: RpcDependencies) => Promise<RpcServer>;
  /** Closed by the daemon. */
  readonly nodeCaller: NodeCaller;
  readonly randomBytes: RandomBytes;
  /** How long watches last and may be silent, where that is not as usual. */
  readonly watches?: Partial<Pick<ReflectorLimits, "watchSeconds" | "watchSecondsSpread" | "silenceMs">> | undefined;
  /** Given the metrics at the beginning, where no port serves them. */
  readonly metrics?: ((metrics: Metrics) => void) | undefined;
  /** Asks a workspace whether it is ready. */
  readonly ask: Ask;
}
