/** What is to come for one pod: delayed steps that can be dropped, held back while nothing is heard of the pod or its node, or ended. */
import type { NodeAgent, RunDeps } from "./agent.ts";

/** The delayed steps of one pod. A step that throws is reported and harms nothing else. */
export class Timeline {
  readonly #deps: RunDeps;
  readonly #node: NodeAgent;
  readonly #timers = new Set<() => void>();
  /** What came up while nothing is heard of the pod; undefined otherwise. At most one entry per timer. */
  #held: (() => void)[] | undefined;
  #cancelSilence: (() => void) | undefined;
  /** Counts the times that everything to come was dropped, for what is held back by then. */
  #epoch = 0;

  constructor(deps: RunDeps, node: NodeAgent) {
    this.#deps = deps;
    this.#node = node;
  }

  /** Does something after a while (milliseconds), unless it was dropped by then; later still if nothing is heard of the pod or its node. */
  later(ms: number, action: () => void): void {
    const epoch = this.#epoch;
    const cancel = this.#deps.clock.timer(ms, () => {
      this.#timers.delete(cancel);
      this.#node.whenThere(() => this.#attempt(epoch, action));
    });
    this.#timers.add(cancel);
  }

  /** Drops everything that was to come. */
  drop(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#epoch++;
  }

  /** Falls silent for good, or for a time (milliseconds). */
  silence(ms: number | undefined): void {
    this.#held ??= [];
    this.#cancelSilence?.();
    if (ms !== undefined) this.#cancelSilence = this.#deps.clock.timer(ms, () => this.#speakAgain());
  }

  /** Drops everything and is never heard again. */
  close(): void {
    this.drop();
    this.#cancelSilence?.();
  }

  #attempt(epoch: number, action: () => void): void {
    if (epoch !== this.#epoch) return;
    if (this.#held) {
      this.#held.push(() => this.#attempt(epoch, action));
      return;
    }
    try {
      action();
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  #speakAgain(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const action of held) action();
  }
}
