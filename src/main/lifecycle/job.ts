/** What is being done about one workspace: one thing after the other, always according to the newest that is known of it; what takes long runs beside that, once. */
import { noActions, type Action } from "../../domain/actions.ts";
import { Backoff } from "../../domain/backoff.ts";
import type { Clock } from "../../domain/clock.ts";
import { awaitsAnother } from "../state/records.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import { isOvertaken, Permit, retryDelays, type Term } from "./acting.ts";
import { isStarting, type Content } from "./content.ts";
import type { Finalization } from "./finalization.ts";
import { isQuick, type DropPlaceholder, type QuickActions } from "./quick-actions.ts";
import type { Recreation } from "./recreation.ts";

/** Who does it. */
export interface Workers {
  readonly quick: Pick<QuickActions, "first">;
  readonly content: Pick<Content, "initialize" | "waitForReady">;
  readonly finalization: Pick<Finalization, "finalize">;
  readonly recreation: Pick<Recreation, "recreate" | "fill">;
}

/** What a job works with. */
export interface JobOptions extends Workers {
  readonly term: Term;
  /** When the term began, Unix milliseconds. */
  readonly since: number;
  /** Something failed, and is tried again. Must not throw. */
  readonly onFailed: (record: WorkspaceRecord, what: string, error: unknown) => void;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

type What = "act" | Long["action"];
type Long = Extract<Action, { readonly action: "initializeContent" | "waitForReady" | "finalizeContent" | "recreatePod" | "fillPlaceholder" }>;

interface Task {
  readonly ending: AbortController;
}

const starting = ["initializeContent", "waitForReady"] as const;
const remaking = ["recreatePod", "fillPlaceholder"] as const;
/** Changes in a row that each ask for another action, before there is a pause. */
const maxRounds = 20;
/** What was done and has changed nothing that is known here is done again after so long, milliseconds. */
const lookAgainMs = 30_000;
const removeFinalizer: Action = { action: "removeFinalizer" };

/** The work on one pod. */
export class Job {
  readonly #record: WorkspaceRecord;
  readonly #options: JobOptions;
  readonly #tasks = new Map<Long["action"], Task>();
  readonly #ending = new AbortController();
  /** Of what failed, by what it was: each kind on its own, until it succeeds. */
  readonly #delays = new Map<What, Backoff>();
  readonly #permit: Permit;
  #running = false;
  #again = false;
  /** Until the next attempt after one that failed; `at`: by the monotonic clock. */
  #pause: { readonly actions: readonly Action[]; readonly at: number; readonly cancel: () => void } | undefined;
  /** Ends the wait for what was done to have an effect. */
  #lookAgain: (() => void) | undefined;

  constructor(record: WorkspaceRecord, options: JobOptions) {
    this.#record = record;
    this.#options = options;
    this.#permit = this.#permitFor(this.#ending);
  }

  /** Nothing is under way, waits, or was done that must not be done again. */
  get idle(): boolean {
    return !this.#running && !this.#pause && this.#tasks.size === 0;
  }

  /** The workspace has changed. */
  poke(): void {
    this.#overtake();
    if (this.#running) {
      this.#again = true;
      return;
    }
    if (this.#pause?.actions === this.#record.actions) return;
    this.#run();
  }

  /** An idle one is forgotten: from now on another one may act on the workspace, and this one must not. A last word that it is about to write, it writes. */
  rest(): void {
    this.#stopWaiting();
  }

  /** Ends everything: the pod is gone, or the term is over. */
  end(): void {
    this.#stopWaiting();
    this.#ending.abort();
    for (const { ending } of this.#tasks.values()) ending.abort();
  }

  #run(): void {
    this.#stopWaiting();
    this.#running = true;
    this.#rounds()
      .then(
        () => {
          this.#delays.delete("act");
          this.#waitForEffect();
        },
        (error: unknown) => this.#failed("act", error),
      )
      .finally(() => {
        this.#running = false;
        if (this.#again) this.poke();
      })
      .catch(() => {});
  }

  #stopWaiting(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#lookAgain?.();
    this.#lookAgain = undefined;
  }

  /** Whatever the answer was: what is still to be done was not done. Long tasks say themselves when they end. */
  #waitForEffect(): void {
    if (this.#again || this.#ending.signal.aborted || !this.#actions().some(isQuick)) return;
    this.#lookAgain = this.#options.clock.timer(lookAgainMs, () => {
      this.#lookAgain = undefined;
      if (!this.#running) this.#run();
    });
  }

  async #rounds(): Promise<void> {
    // Not within the commit that pokes it, which has more to do.
    await Promise.resolve();
    for (let rounds = 0; rounds < maxRounds; rounds++) {
      this.#again = false;
      await this.#round();
      if (!this.#again) return;
    }
    throw new Error("what is to be done changes all the time");
  }

  async #round(): Promise<void> {
    const given = this.#record.actions;
    const actions = this.#actions();
    for (let i = 0; i < actions.length; ) {
      this.#permit.check();
      const action = actions[i];
      if (!action) return;
      if (isQuick(action)) {
        i += await this.#options.quick.first(this.#record, quickFrom(actions, i), this.#permit);
      } else {
        this.#begin(action);
        i++;
      }
      // What follows is decided by what has become of it.
      if (this.#record.actions !== given) {
        this.#again = true;
        return;
      }
    }
  }

  /** After the end was told there is nothing to be done but to let the pod go, and a claim that nobody needs, whatever may be written on it. */
  #actions(): readonly (Action | DropPlaceholder)[] {
    const { vacant, placeholder } = this.#record;
    if (vacant) return noActions;
    // Before the pod can go: it would be taken for a workspace that waits.
    return placeholder && !awaitsAnother(this.#record) ? [{ action: "dropPlaceholder", placeholder }, ...this.#own()] : this.#own();
  }

  #own(): readonly Action[] {
    const { actions, stopped } = this.#record;
    return stopped && actions.length > 0 ? [...actions.filter(({ action }) => action === "deletePvc"), removeFinalizer] : actions;
  }

  #begin(action: Long): void {
    if (this.#tasks.has(action.action)) return;
    const task: Task = { ending: new AbortController() };
    this.#tasks.set(action.action, task);
    this.#work(action, this.#permitFor(task.ending)).then(
      () => {
        this.#delays.delete(action.action);
        // A pod that is made anew may be refused again, and one that could not be is tried again.
        if (isRemaking(action)) this.#forget(action.action, task);
      },
      (error: unknown) => {
        this.#forget(action.action, task);
        if (!task.ending.signal.aborted) this.#failed(action.action, error);
      },
    ).catch(() => {});
  }

  #work(action: Long, permit: Permit): Promise<void> {
    const { content, finalization, recreation } = this.#options;
    switch (action.action) {
      case "initializeContent":
        return content.initialize(this.#record, permit);
      case "waitForReady":
        return content.waitForReady(this.#record, permit, this.#permit);
      case "finalizeContent":
        return finalization.finalize(this.#record, action.resume, permit, this.#permit);
      case "recreatePod":
        return recreation.recreate(this.#record, permit);
      case "fillPlaceholder":
        return recreation.fill(this.#record, permit);
      default:
        return action satisfies never;
    }
  }

  /** Cancels what the workspace's state has overtaken. */
  #overtake(): void {
    const { facts, stopped, vacant, actions } = this.#record;
    if (!isStarting(facts)) for (const name of starting) this.#cancel(name);
    if (stopped || facts.backupComplete) this.#cancel("finalizeContent");
    for (const name of remaking) if (!vacant && actions[0]?.action !== name) this.#cancel(name);
  }

  #cancel(name: Long["action"]): void {
    const task = this.#tasks.get(name);
    if (!task) return;
    task.ending.abort();
    this.#forget(name, task);
  }

  #forget(name: Long["action"], task: Task): void {
    if (this.#tasks.get(name) === task) this.#tasks.delete(name);
  }

  /** Tries again after a while, unless something else is to be done before. */
  #failed(what: What, error: unknown): void {
    if (isOvertaken(error, this.#permit)) return;
    const { onFailed, clock, random } = this.#options;
    onFailed(this.#record, what, error);
    const delays = this.#delays.get(what) ?? new Backoff({ ...retryDelays, random });
    this.#delays.set(what, delays);
    const delay = delays.next();
    const at = clock.monotonic() + delay;
    // Whatever else failed is not held up by this.
    if (this.#pause && this.#pause.at <= at) return;
    this.#pause?.cancel();
    const cancel = clock.timer(delay, () => {
      this.#pause = undefined;
      if (!this.#running) this.#run();
    });
    this.#pause = { actions: this.#record.actions, at, cancel };
  }

  #permitFor(ending: AbortController): Permit {
    return new Permit(this.#options.term, this.#options.since, ending.signal);
  }
}

function isRemaking({ action }: Long): boolean {
  return remaking.some((name) => name === action);
}

/** The quick ones that stand together from there on. */
function quickFrom(actions: readonly (Action | DropPlaceholder)[], from: number): Parameters<QuickActions["first"]>[1] {
  const rest = actions.slice(from);
  const end = rest.findIndex((action) => !isQuick(action));
  return rest.slice(0, end < 0 ? rest.length : end).filter(isQuick);
}
