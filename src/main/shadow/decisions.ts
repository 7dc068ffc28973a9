/** What a shadow would do about workspaces, by the same decisions and timeouts as a daemon that acts; each is told once per workspace. */
import type { Action } from "../../domain/actions.ts";
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import { Slots } from "../../domain/slots.ts";
import { dueAt, type Timeouts } from "../../domain/timeouts.ts";
import { TokenBucket } from "../../domain/token-bucket.ts";
import { Deadlines } from "../lifecycle/deadlines.ts";
import { nextDue, timedActionAt } from "../lifecycle/decision.ts";
import { isBackedUp } from "../lifecycle/disposal.ts";
import { Reckoning, type Elapsed } from "../lifecycle/elapsed.ts";
import type { WorkspaceRecord } from "../state/registry.ts";

/** What it goes by. */
export interface DecisionsOptions {
  readonly timeouts: Timeouts;
  /** As for a leader: activity may be so much later than what is written of it, and whoever uses a workspace says so within this time after the beginning; milliseconds. */
  readonly unwrittenMs: number;
  readonly holdMs: number;
  /**
   * Asks the manager that acts when a workspace was used last, Unix milliseconds; undefined: never, as far as it knows. May reject: asked again later.
   * Without it there is no telling who is idle, since nobody tells a shadow of activity.
   */
  readonly lastActivityOf?: ((id: string) => Promise<number | undefined>) | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Each decision that is told, in a few words of the code. */
  readonly onDecision: (decision: string) => void;
}

/** A decision. */
interface Decision {
  readonly name: string;
  readonly message: string;
  /** Tells it apart from others of its name. */
  readonly key?: string;
  readonly fields?: object;
  /** Nobody's work depends on it. */
  readonly minor?: boolean;
}

/** A workspace, and what of it was told. */
interface Watched {
  readonly record: WorkspaceRecord;
  readonly told: Set<string>;
  /** As the manager that acts knows it, Unix milliseconds. */
  activeAt: number | undefined;
}

/** Lines of the log at once, and one more in this time, milliseconds; what is beyond is counted only. */
const [linesAtOnce, lineMs] = [200, 50];
/** The wall clock is looked at as often, milliseconds. */
const recheckMs = 30_000;
/** The manager that acts is asked about so many at once; as many more wait as a large cluster has workspaces. */
const asking = { max: 8, maxWaiting: 50_000, what: "questions about activity" } as const;
/** After a question that was not answered, milliseconds. */
const askAgainMs = 30_000;

const timeOut = "time out";

/** Tells decisions. */
export class Decisions {
  readonly #options: DecisionsOptions;
  readonly #reckoning: Reckoning;
  readonly #due: Deadlines;
  readonly #asking = new Slots(asking);
  readonly #closed = new AbortController();
  /** By the pod's uid: as many as there are workspaces. */
  readonly #watched = new Map<string, Watched>();
  readonly #counts = new Map<string, number>();
  readonly #lines: TokenBucket;
  #untold = 0;

  /** Counts as the beginning of a lead. */
  constructor(options: DecisionsOptions) {
    const { clock, log, unwrittenMs, holdMs, timeouts } = options;
    this.#options = options;
    this.#lines = new TokenBucket(linesAtOnce, lineMs, clock.monotonic());
    this.#reckoning = new Reckoning({ unwrittenMs, holdMs, finalizationMs: timeouts.contentFinalization, clock });
    this.#reckoning.begin(clock.now());
    this.#due = new Deadlines({
      clock, log, recheckMs,
      onDue: (uid) => this.#onDue(uid),
      onJump: (byMs) => this.#again(() => this.#reckoning.jumped(clock.now(), byMs)),
      onPause: () => this.#again(() => this.#reckoning.returned(clock.now())),
    });
  }

  /** How often each decision was told. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** The state has taken something new over of a workspace. */
  changed(record: WorkspaceRecord): void {
    const watched = this.#watched.get(record.uid) ?? { record, told: new Set(), activeAt: undefined };
    this.#watched.set(record.uid, watched);
    if (!record.vacant) for (const action of record.actions) this.#tell(watched, decisionOf(action, record));
    this.#arm(watched);
  }

  /** The pod is gone. */
  forgotten({ uid }: WorkspaceRecord): void {
    this.#watched.delete(uid);
    this.#due.set(uid, undefined);
  }

  /** Tells nothing any more. */
  close(): void {
    this.#closed.abort();
    this.#due.close();
  }

  #again(change: () => void): void {
    change();
    for (const watched of this.#watched.values()) this.#arm(watched);
  }

  #arm(watched: Watched): void {
    const { record, told } = watched;
    this.#due.set(record.uid, told.has(timeOut) ? undefined : this.#dueOf(watched));
  }

  #dueOf(watched: Watched): number | undefined {
    return nextDue(watched.record, this.#elapsed(watched), this.#options.timeouts);
  }

  #elapsed({ record, activeAt }: Watched): Elapsed {
    return this.#reckoning.of(activeAt === undefined ? record : { ...record, activeAt });
  }

  #onDue(uid: string): void {
    const watched = this.#watched.get(uid);
    if (!watched || this.#dueOf(watched) === undefined) return;
    const { lastActivityOf, clock, timeouts } = this.#options;
    // If somebody used it right now.
    const dueIfUsed = dueAt(this.#elapsed(watched).facts, clock.now(), timeouts);
    if (dueIfUsed !== undefined && dueIfUsed <= clock.now()) this.#timeOutOrArm(watched);
    else if (lastActivityOf) void this.#ask(watched, lastActivityOf);
    else {
      this.#tell(watched, { name: "time out unless used", message: "would time out unless it was used lately, which a shadow learns only with --compare", minor: true });
      this.#due.set(uid, dueIfUsed);
    }
  }

  /** Never rejects. */
  async #ask(watched: Watched, lastActivityOf: (id: string) => Promise<number | undefined>): Promise<void> {
    const { clock } = this.#options;
    const { uid, facts } = watched.record;
    const isThere = (): boolean => this.#watched.get(uid) === watched && !this.#closed.signal.aborted;
    try {
      const told = await this.#asking.run(this.#closed.signal, async () => (isThere() ? lastActivityOf(facts.id) : undefined));
      if (!isThere()) return;
      if (told !== undefined) watched.activeAt = Math.max(told, watched.activeAt ?? told);
      this.#timeOutOrArm(watched);
    } catch {
      if (isThere()) this.#due.set(uid, clock.now() + askAgainMs);
    }
  }

  #timeOutOrArm(watched: Watched): void {
    const { clock, timeouts } = this.#options;
    const timed = timedActionAt(watched.record, this.#elapsed(watched), timeouts, clock.now());
    if (timed) this.#tell(watched, { name: timeOut, message: "would time out", fields: { reason: timed.text } });
    else this.#arm(watched);
  }

  #tell({ record: { facts }, told }: Watched, { name, message, key = "", fields, minor = false }: Decision): void {
    const what = `${name}${key}`;
    if (told.has(what)) return;
    told.add(what);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.#options.onDecision(name);
    const { log, clock } = this.#options;
    if (this.#lines.fill(clock.monotonic()) < 1) {
      this.#untold++;
      return;
    }
    this.#lines.take();
    log[minor ? "debug" : "info"]({ id: facts.id, pod: facts.podName, ...fields, ...(this.#untold > 0 && { untold: this.#untold }) }, message);
    this.#untold = 0;
  }
}

/** Decisions that are told alike of every workspace. */
const plain: Readonly<Record<Exclude<Action["action"], "deletePod" | "finalizeContent" | "setAnnotation" | "removeAnnotation">, Decision>> = {
  recreatePod: { name: "make pod anew", message: "would make its pod anew" },
  fillPlaceholder: { name: "make pod anew", message: "would make its pod anew" },
  removeFinalizer: { name: "remove finalizer", message: "would let its pod go" },
  deletePvc: { name: "delete claim", message: "would delete its volume claim" },
  initializeContent: { name: "initialize", message: "would have its content put in place" },
  waitForReady: { name: "wait until ready", message: "would wait until it is ready", minor: true },
  addFinalizer: { name: "add finalizer", message: "would put its finalizer there" },
  guardPod: { name: "add finalizer", message: "would put its finalizer there" },
};

function decisionOf(action: Action, { facts }: WorkspaceRecord): Decision {
  if (action.action === "deletePod") return { name: "delete pod", message: "would delete its pod", fields: { gracePeriodSeconds: action.gracePeriodSeconds } };
  if (action.action === "finalizeContent") return isBackedUp(facts) ? { name: "back up", message: "would back up its content" } : { name: "dispose", message: "would dispose of its content without a backup" };
  if (action.action === "setAnnotation" || action.action === "removeAnnotation") return { name: "annotate", message: "would change an annotation", key: action.key, fields: { annotation: action.key }, minor: true };
  return plain[action.action];
}
