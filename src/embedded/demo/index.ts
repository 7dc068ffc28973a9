/** The demo: a handful of workspaces that live, meet trouble, end and are replaced by others, for as long as it runs. */
import { systemClock } from "../../domain/clock.ts";
import type { Clock } from "../../domain/clock.ts";
import type { ClusterStore } from "../contract.ts";
import { speedUp } from "../kubelet/options.ts";
import { draw, seededRandom } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";
import { Life } from "./life.ts";
import type { DemoContents, LifeDeps } from "./life.ts";
import { drawPlan } from "./plans.ts";

export { bulk, makeWorkspacePod } from "./pods.ts";
export type { PodState, WorkspacePod, WorkspacePodOptions } from "./pods.ts";

/** Options of the demo. */
export interface DemoOptions {
  /** Namespace of the workspaces. */
  readonly namespace: string;
  /** How many live at a time; default 8. */
  readonly workspaces?: number;
  /** Divides all delays; give the kubelet the same. Default 1: with 8 workspaces something changes every second or two. */
  readonly speed?: number;
  /** Default the machine's. */
  readonly clock?: Clock;
  /** Default: seeded with 1. */
  readonly random?: Random;
  /** Where the contents of workspaces are kept, so that node daemons know of them. Default: nowhere. */
  readonly contents?: DemoContents | undefined;
  /** Hears of failures, which stop nothing. Default: nothing is done. */
  readonly onError?: (error: unknown) => void;
}

/** Starts the demo on a store on which scheduler and kubelet run. Pods of others are left alone; those of the demo stay when it is closed. */
export function startDemo(store: ClusterStore, options: DemoOptions): { close(): void } {
  const random = options.random ?? seededRandom(1);
  const clock = speedUp(options.clock ?? systemClock, options.speed ?? 1);
  const deps: LifeDeps = { store, clock, random, namespace: options.namespace, contents: options.contents, onError: options.onError ?? (() => {}) };
  return new Demo(deps, options.workspaces ?? 8);
}

class Demo {
  readonly #deps: LifeDeps;
  readonly #lives = new Map<string, Life>();
  readonly #births = new Set<() => void>();
  readonly #unsubscribe: () => void;

  constructor(deps: LifeDeps, workspaces: number) {
    this.#deps = deps;
    this.#unsubscribe = deps.store.subscribe("pods", (type, pod) => {
      const life = pod.metadata.namespace === deps.namespace ? this.#lives.get(pod.metadata.name) : undefined;
      if (!life) return;
      if (type === "DELETED") this.#ended(life);
      else life.podChanged(pod);
    });
    for (let i = 0; i < workspaces; i++) this.#bear(i * 1200);
  }

  close(): void {
    this.#unsubscribe();
    for (const cancel of this.#births) cancel();
    for (const life of this.#lives.values()) life.close();
    this.#births.clear();
    this.#lives.clear();
  }

  #ended(life: Life): void {
    life.ended();
    this.#lives.delete(life.podName);
    this.#bear(draw(this.#deps.random, [1500, 6000]));
  }

  /** Begins a new life after a while; if it cannot begin, another one is tried a little later. */
  #bear(ms: number): void {
    const cancel = this.#deps.clock.timer(ms, () => {
      this.#births.delete(cancel);
      try {
        const life = new Life(this.#deps, drawPlan(this.#deps.random));
        this.#lives.set(life.podName, life);
      } catch (error) {
        this.#deps.onError(error);
        this.#bear(5000);
      }
    });
    this.#births.add(cancel);
  }
}
