/** Starts and stops workspaces through the daemon, or makes and patches like pods without it, and finds out what became of them. */
import { randomInt } from "node:crypto";
import { z } from "zod";
import { annotations } from "../../domain/names.ts";
import { workspaceId } from "../../embedded/demo/pods.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import type { Lab } from "../lab.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { idPlaceholder } from "./called.ts";
import type { Called, Target, Work } from "./called.ts";
import type { Pace } from "./pace.ts";
import { idOfPod } from "./found-pods.ts";
import { pathOf } from "./paths.ts";
import { podTemplate, startRequest, startTemplate, stopPatch, stopTemplate } from "./start-requests.ts";
import { makeCalls } from "./turns.ts";
import type { Side } from "./turns.ts";
import type { Witness } from "./witness.ts";

/** How long pods and statuses may take to come, and to go, milliseconds; and when the user wants an end. */
const comeMs = 30_000;
const goMs = 60_000;
const hurryMs = 2000;
const nothing = z.undefined();
const podPrefix = "ws-";
const startsName = "starts";

/** What both sides are asked for. */
interface Order {
  readonly target: Target;
  readonly work: Omit<Extract<Work, { kind: "each" }>, "ids">;
}

/** What both sides are asked for, to start and to stop. */
type Orders = Readonly<Record<"start" | "stop", Readonly<Record<Side, Order>>>>;

/** What was wrong with workspaces whose calls were answered. */
export interface Faults {
  /** No pod was seen; no status came; the pod does not know that it is to stop; not told as STOPPED once the pod was gone. */
  podless: number;
  untold: number;
  unmarked: number;
  left: number;
  /** Workspaces of which any of that is true. */
  lost: number;
}

/** Starts and stops of a run. */
export class Starts {
  readonly faults: Faults = { podless: 0, untold: 0, unmarked: 0, left: 0, lost: 0 };
  /** Bytes of the pod that a start makes, as the API server takes it. */
  readonly podBytes: number;
  readonly #lab: Lab;
  readonly #callers: Part;
  readonly #witness: Witness;
  readonly #orders: Orders;
  /** Seeds that no other run has, as far as chance goes. */
  #seed = randomInt(2 ** 30, 2 ** 31);

  private constructor(lab: Lab, callers: Part, witness: Witness, orders: Orders) {
    this.#lab = lab;
    this.#callers = callers;
    this.#witness = witness;
    this.#orders = orders;
    this.podBytes = orders.start.bare.work.request.length;
  }

  /** Starts one workspace, to learn what pods look like. Rejects if that can not be done. */
  static async open(lab: Lab, daemon: Daemon, callers: Part, witness: Witness): Promise<Starts> {
    const { cluster, options, kubeconfig } = lab;
    await cluster.prepareStarts();
    await callers.call("openApi", { kubeconfig, connections: options.concurrency }, nothing);
    const id = workspaceId(seededRandom(randomInt(2 ** 30, 2 ** 31)));
    await callers.call("fetch", { endpoint: daemon.endpoint, path: pathOf("StartWorkspace"), requests: [startRequest(id, cluster.owner, options.size, options)] }, z.unknown());
    const pod = podTemplate(await cluster.pod(`${podPrefix}${id}`), id);
    await cluster.removeStarted();
    const daemonTarget: Target = { kind: "grpc", endpoint: daemon.endpoint, connections: options.concurrency };
    const pods = `/api/v1/namespaces/${cluster.namespace}/pods`;
    const each = (path: string, request: Uint8Array): Order["work"] => ({ kind: "each", path, request });
    return new Starts(lab, callers, witness, {
      start: {
        daemon: { target: daemonTarget, work: each(pathOf("StartWorkspace"), startTemplate(cluster.owner, options.size, options)) },
        bare: { target: { kind: "api", method: "POST", contentType: "application/json" }, work: each(pods, pod) },
      },
      stop: {
        daemon: { target: daemonTarget, work: each(pathOf("StopWorkspace"), stopTemplate()) },
        bare: { target: { kind: "api", method: "PATCH", contentType: "application/merge-patch+json" }, work: each(`${pods}/${podPrefix}${idPlaceholder}`, stopPatch()) },
      },
    });
  }

  /** IDs that no workspace has. */
  ids(count: number): readonly string[] {
    return Array.from({ length: count }, () => workspaceId(seededRandom(this.#seed++)));
  }

  /** Starts workspaces; of each the witness knows. */
  start(side: Side, ids: readonly string[], pace: Pace): Promise<Called> {
    if (side === "daemon") for (const id of ids) this.#witness.book.begin(id);
    return this.#make(this.#orders.start[side], ids, pace, { name: startsName });
  }

  /** Stops workspaces, each once its start is answered, if they are being started. */
  stop(side: Side, ids: readonly string[], pace: Pace): Promise<Called> {
    if (side === "daemon") for (const id of ids) this.#witness.book.stopping(id);
    return this.#make(this.#orders.stop[side], ids, pace, { after: startsName });
  }

  /** Books what is wrong, and takes all pods away. @param asked all that were to be started. */
  async settle(side: Side, { asked, started, stopped }: Readonly<Record<"asked" | "started" | "stopped", readonly string[]>>): Promise<void> {
    const { cluster, signal } = this.#lab;
    if (side === "bare") return cluster.removeStarted();
    const { book } = this.#witness;
    const within = (ms: number): number => (signal.aborted ? Math.min(ms, hurryMs) : ms);
    await this.#witness.until(() => Object.values(book.missing(started)).every(({ length }) => length === 0), within(comeMs));
    const { podless, untold } = book.missing(started);
    // What happened while the watch was interrupted it can not know.
    const seen = await this.#witness.pause();
    const unmarked = await this.#unmarked(stopped);
    for (const id of asked) book.stopping(id);
    await cluster.removeStarted();
    await this.#witness.until(() => book.unstopped(asked).length === 0, within(goMs));
    addFaults(this.faults, { podless: seen ? podless : [], untold, unmarked, left: book.unstopped(asked) });
    book.end(asked);
    await this.#witness.resume();
  }

  #make({ target, work }: Order, ids: readonly string[], pace: Pace, order: Pick<Order["work"], "name" | "after">): Promise<Called> {
    return makeCalls(this.#lab, this.#callers, { target, work: { ...work, ...order, ids: [...ids] }, pace });
  }

  /** Pods that are there as if no one had asked for their end. */
  async #unmarked(stopped: readonly string[]): Promise<readonly string[]> {
    const { cluster } = this.#lab;
    const asked = new Set(stopped);
    const pods = await cluster.pods(cluster.ownerSelector);
    return pods.filter((pod) => pod.deletionTimestamp === undefined && pod.annotations?.[annotations.stoppedByRequest] === undefined).map(({ name }) => idOfPod(name)).filter((id) => asked.has(id));
  }
}

/** Adds what was wrong with some workspaces, by ID; one with several faults is lost once. */
export function addFaults(faults: Faults, found: Readonly<Record<Exclude<keyof Faults, "lost">, readonly string[]>>): void {
  const { podless, untold, unmarked, left } = found;
  faults.podless += podless.length;
  faults.untold += untold.length;
  faults.unmarked += unmarked.length;
  faults.left += left.length;
  faults.lost += new Set([...podless, ...untold, ...unmarked, ...left]).size;
}

/** The IDs of those calls that were answered. */
export function answeredOf(ids: readonly string[], { answered }: Called): readonly string[] {
  return ids.filter((_, i) => answered[i] === 1);
}
