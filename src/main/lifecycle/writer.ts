/** Changes of workspaces that calls ask for: patches of their pods, whose effect readers of this daemon see before the call has its answer (spec: api, kubernetes). */
import { atMost, deadline, sleep, type Clock } from "../../domain/clock.ts";
import { workspaceNotFound, WsmanError } from "../../domain/errors.ts";
import { objectAt, textAt } from "../../domain/json.ts";
import type { Priority } from "../kube/budget.ts";
import { anotherPod, isConflict, isMissing, metadataIn, podPath, type AnnotationChanges, type KubeObjects, type Wish } from "../kube/objects.ts";
import { awaitsAnother } from "../state/records.ts";
import { unknownVersion, type Registry, type WorkspaceRecord } from "../state/registry.ts";
import { toClientError } from "./errors.ts";
import { Lanes } from "./lanes.ts";
import type { Sightings } from "./sightings.ts";

/** New values according to those that there are; undefined if there is nothing to do. */
export type Changer = (annotations: ReadonlyMap<string, string>) => AnnotationChanges | undefined;

/** A change was made, or there was nothing to do. */
interface Changed {
  /** The pod as it is then, where somebody reads it at once. */
  readonly pod: Uint8Array | undefined;
}

/** What the writer works with. */
export interface WriterOptions {
  readonly objects: Pick<KubeObjects, "get" | "annotate" | "note">;
  readonly registry: Pick<Registry, "byId">;
  readonly sightings: Pick<Sightings, "comes">;
  /** Has the status of a pod derived; resolves once it took effect. */
  readonly submit: (bytes: Uint8Array) => Promise<unknown>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** An answer is not held up for longer than this for its effect to be seen, milliseconds. */
const seenMs = 1_000;
/** The watch may take so long of that, milliseconds; then the API server's answer has to do, which costs a derivation more. */
export const watchMs = 250;
/** Time for a change that depends on what is there, milliseconds. */
const changeMs = 25_000;
/** Tries of a change that others change as well, and the pause between them, milliseconds, at first. */
const maxConflicts = 50;
const conflictMs = 20;

/** How long a call waits for the pod that takes the place of one that a node refused, and how often it looks, milliseconds. */
const successorMs = 5_000;
const lookMs = 50;

/** Writes for users' calls. Rejects with WsmanErrors only. */
export class WorkspaceWriter {
  readonly #options: WriterOptions;
  readonly #lanes = new Lanes();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** The workspace of an ID. @throws WsmanError NOT_FOUND. */
  find(id: string): WorkspaceRecord {
    const record = this.#options.registry.byId(id);
    if (!record) throw workspaceNotFound(id);
    return record;
  }

  /**
   * Sets annotations of a workspace's pod. @param what for errors, as in "stop workspace x".
   * @param priority users' writes have taken effect here before it resolves; of others, which no one reads at once, the watch will tell.
   * @param otherwise for values that depend on what is known: where the pod turns out to be another than that, they are made of what stands there, as `change` does it.
   */
  async annotate(record: WorkspaceRecord, annotations: AnnotationChanges, what: string, signal: AbortSignal, priority: Priority = "user", otherwise?: Changer): Promise<void> {
    const { objects } = this.#options;
    let isOutdated = false;
    await this.#onCurrent(record, what, signal, async ({ uid, facts, resourceVersion }) => {
      const patch = { podName: facts.podName, uid, annotations, ...(otherwise && resourceVersion !== unknownVersion && { resourceVersion }) };
      try {
        if (priority === "user") await this.seen(await objects.annotate(patch, { priority, signal }));
        else await objects.note(patch, { priority, signal });
      } catch (error) {
        if (!otherwise || !isConflict(error)) throw error;
        isOutdated = true;
      }
    });
    if (isOutdated && otherwise) await this.change(record, what, signal, otherwise, priority);
  }

  /**
   * Changes annotations according to what they are: one call of a workspace after the other, and again whenever somebody else was faster.
   * @param change gives the new values; undefined if there is nothing to do.
   * @param priority as for `annotate`. Others than users' writes keep no call waiting either: they take their chance beside them.
   */
  async change(record: WorkspaceRecord, what: string, signal: AbortSignal, change: Changer, priority: Priority = "user"): Promise<void> {
    const { clock, random } = this.#options;
    // The wait for those before it included, who have begun earlier and end earlier.
    const limit = deadline(clock, changeMs, signal);
    const busy = (): WsmanError => new WsmanError("UNAVAILABLE", `cannot ${what}: it is being changed by others all the time`);
    const wish = { priority, signal: limit.signal };
    const work = (): Promise<Changed> => this.#onCurrent(record, what, limit.signal, async (current) => {
      for (let tries = 0; ; tries++) {
        const changed = await this.#tryChange(current, wish, change, tries > 0);
        if (changed) return changed;
        if (tries === maxConflicts) throw busy();
        await sleep(clock, (1 + tries) * conflictMs * random(), limit.signal);
      }
    });
    let changed: Changed;
    try {
      changed = await (priority === "user" ? this.#lanes.run(record.uid, work) : work());
    } catch (error) {
      throw limit.signal.aborted && !signal.aborted ? busy() : error;
    } finally {
      limit.cancel();
    }
    // Who comes next reads the pod, and does not wait until this is seen: while the watch is away, each would for a quarter of a second.
    if (changed.pod) await this.seen(changed.pod).catch((error: unknown) => Promise.reject(toClientError(error, what)));
  }

  /** Waits until what was written has taken effect here, but not for long: the watch brings it in any case, and almost always at once. */
  async seen(pod: Uint8Array): Promise<void> {
    if (!(await this.#options.sightings.comes(pod, watchMs))) await this.#derived(pod, seenMs - watchMs);
  }

  /** The same without waiting for the watch, for those who go on with what they wrote. */
  derived(pod: Uint8Array): Promise<void> {
    return this.#derived(pod, seenMs);
  }

  async #derived(pod: Uint8Array, withinMs: number): Promise<void> {
    const { submit, clock } = this.#options;
    await atMost(clock, withinMs, submit(pod));
  }

  /** Does something with the workspace's pod; with the one that has taken its place, if it turns out to be gone. */
  async #onCurrent<T>(record: WorkspaceRecord, what: string, signal: AbortSignal, work: (record: WorkspaceRecord) => Promise<T>): Promise<T> {
    try {
      return await work(record);
    } catch (error) {
      if (!isMissing(error)) throw toClientError(error, what);
      return this.#onCurrent(await this.#successor(record, what, signal), what, signal, work);
    }
  }

  /** The workspace's next pod. One that a node refused is made anew: to say that there is no workspace would be taken for its end. @throws WsmanError NOT_FOUND, UNAVAILABLE. */
  async #successor({ uid, facts: { id } }: WorkspaceRecord, what: string, signal: AbortSignal): Promise<WorkspaceRecord> {
    const { registry, clock } = this.#options;
    const until = clock.monotonic() + successorMs;
    for (;;) {
      const current = registry.byId(id);
      if (current && current.uid !== uid) return current;
      if (!current || current.stopped || !(current.vacant || awaitsAnother(current))) throw workspaceNotFound(id);
      if (signal.aborted || clock.monotonic() >= until) throw new WsmanError("UNAVAILABLE", `cannot ${what}: its pod is being made anew`);
      await sleep(clock, lookMs, signal);
    }
  }

  /** Undefined: somebody else has changed the pod in between. */
  async #tryChange({ uid, facts: { podName } }: WorkspaceRecord, wish: Wish, change: Changer, again: boolean): Promise<Changed | undefined> {
    const { objects } = this.#options;
    const pod = await objects.get(podPath(podName), wish);
    const metadata = metadataIn(pod);
    // Of another pod there is nothing to learn.
    if (textAt(metadata, "uid") !== uid) throw anotherPod(podName);
    const known = Object.entries(objectAt(metadata, "annotations") ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === "string");
    const annotations = change(new Map(known));
    const isRead = wish.priority === "user";
    // It may be our own change, whose answer was lost.
    if (!annotations) return { pod: again && isRead ? pod : undefined };
    const patch = { podName, uid, resourceVersion: textAt(metadata, "resourceVersion"), annotations };
    try {
      if (isRead) return { pod: await objects.annotate(patch, wish) };
      await objects.note(patch, wish);
      return { pod: undefined };
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }
}
