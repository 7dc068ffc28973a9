/** Who listens to replicas: somebody at each process from when it serves, and some who go from one process to the next. */
import { WsmanError } from "../../../src/domain/errors.ts";
import { pick, type Random } from "../../../src/embedded/kubelet/random.ts";
import type { ReadStatus } from "../status-stream.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Journal } from "./journal.ts";
import type { Ledger } from "./laws.ts";
import { second } from "./plan.ts";
import type { Replica } from "./replica.ts";
import { Listener } from "./subscribers.ts";

/** What listeners have to do with. */
export interface AudienceOptions {
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly random: Random;
  /** Processes that answer calls. */
  readonly able: () => readonly Replica[];
  /** A listener was told. */
  readonly told: (status: ReadStatus, listener: Listener) => void;
}

/** A subscriber that goes from one process to the next. */
interface Roamer {
  readonly name: string;
  connections: number;
  listener: Listener | undefined;
}

const roamers = 2;

/** All of them. */
export class Audience {
  readonly #options: AudienceOptions;
  readonly #roamers: readonly Roamer[];
  readonly #listeners = new Map<Replica, Set<Listener>>();

  constructor(options: AudienceOptions) {
    this.#options = options;
    this.#roamers = Array.from({ length: roamers }, (_, i) => ({ name: `roamer ${i}`, connections: 0, listener: undefined }));
  }

  /** Those who go about look for their first process. */
  begin(): void {
    for (const roamer of this.#roamers) this.#connect(roamer);
  }

  /** A process serves from now on. */
  joins(replica: Replica): void {
    this.#listen(replica, new Listener(replica.name, this.#options.ledger, this.#options.told));
  }

  /** Those who listen to a process. */
  of(replica: Replica): readonly Listener[] {
    return [...(this.#listeners.get(replica) ?? [])];
  }

  /** A process is gone. */
  leaves(replica: Replica): void {
    for (const listener of this.of(replica)) listener.cut();
    this.#listeners.delete(replica);
    for (const roamer of this.#roamers) if (roamer.listener?.ended) this.#connectLater(roamer);
  }

  #listen(replica: Replica, listener: Listener, initialState = false): void {
    const { serving } = replica;
    if (!serving) return;
    const listeners = this.#listeners.get(replica) ?? new Set<Listener>();
    this.#listeners.set(replica, listeners);
    listeners.add(listener);
    const subscription = serving.hub.subscribe({ owner: "", metaId: "", annotations: new Map() }, listener, { initialState, client: listener.name });
    listener.drained = () => replica.machine.run(() => subscription.drained());
    listener.onEnd = () => {
      listeners.delete(listener);
      subscription.closed();
    };
  }

  #connectLater(roamer: Roamer): void {
    const { clock, random } = this.#options;
    roamer.listener = undefined;
    clock.timer(second + random() * 4 * second, () => this.#connect(roamer));
  }

  #connect(roamer: Roamer): void {
    const { clock, ledger, journal, random, able, told } = this.#options;
    const running = able().filter(({ machine }) => machine.runs);
    if (running.length === 0) return this.#connectLater(roamer);
    const replica = pick(random, running);
    const name = `${roamer.name} at ${replica.name} (${++roamer.connections})`;
    const listener = new Listener(name, ledger, told, { every: 7, later: (work) => void clock.timer(random() * 3 * second, work) });
    try {
      this.#listen(replica, listener, true);
    } catch (error) {
      if (!(error instanceof WsmanError)) throw error;
      // It is about to end.
      return this.#connectLater(roamer);
    }
    const forget = listener.onEnd;
    listener.onEnd = (reason) => {
      journal.note(`${name}: ended, ${reason}`);
      forget(reason);
      this.#connectLater(roamer);
    };
    roamer.listener = listener;
  }
}
