/** A simulation: replicas, cluster, node daemons and people in one thread on a virtual clock, as a plan says. */
import { annotations, labels } from "../../../src/domain/names.ts";
import type { BatchResult } from "../../../src/domain/messages.ts";
import type { Config } from "../../../src/main/config/index.ts";
import type { ChangeType, KubeObject } from "../../../src/embedded/contract.ts";
import { faultAnnotation } from "../../../src/embedded/kubelet/faults.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
import type { Random } from "../../../src/embedded/kubelet/random.ts";
import { wsman } from "../../../src/gen/proto.js";
import { Witness } from "../chaos/witness.ts";
import { Machine } from "../machine.ts";
import type { ReadStatus } from "../status-stream.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { Agenda } from "./agenda.ts";
import { Audience } from "./audience.ts";
import { ClaimedWork } from "./claimed-work.ts";
import { nodePort, startSimulatedCluster, type SimulatedCluster } from "./cluster.ts";
import { sourceOf } from "./draw.ts";
import { Journal } from "./journal.ts";
import { Ledger } from "./laws.ts";
import { Link } from "./link.ts";
import { lifeOf, Lives } from "./lives.ts";
import { MetricsCheck } from "./metrics-check.ts";
import { nodeCalls } from "./node-calls.ts";
import { Overseer } from "./overseer.ts";
import { Person } from "./people.ts";
import { hour, second, type Plan } from "./plan.ts";
import { Replica, simulatedConfig } from "./replica.ts";
import { phaseName, type Listener } from "./subscribers.ts";
import { Truth } from "./truth.ts";
import { WrongClocks } from "./wrong-clocks.ts";

/** Where a replica runs: its machine outlives its processes. */
export interface Slot {
  readonly number: number;
  /** How wrong its wall clock is, milliseconds. */
  offset: number;
  /** How long it is gone after its next death, milliseconds. */
  downMs: number;
  process: Replica | undefined;
  processes: number;
}

/** So often a pod is refused before it finds a place. */
const refusals = 2;
/** Errors that logs may have: of workers that die together, and of a start that failed while the API server was away for so long that its pod is left to time out. */
const expected = ["the worker pool does not work", "what a failed start made could not be removed", "could not read the pod for minutes"];
/** What a process takes to start, milliseconds. */
const startMs = 300;

/** The whole. */
export class Simulation {
  readonly plan: Plan;
  readonly clock: VirtualClock;
  readonly agenda: Agenda;
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly world: SimulatedCluster;
  readonly witness: Witness;
  readonly truth = new Truth();
  readonly clocks = new WrongClocks();
  readonly slots: readonly Slot[];
  readonly people: readonly Person[];
  /** The first word of each life's end, by its number. */
  readonly ends = new Map<number, ReadStatus>();
  readonly lives = new Lives();
  readonly claimedWork: ClaimedWork;
  /** Backups that users asked for, by workspace. */
  readonly backupsByHand = new Map<string, number>();
  readonly metrics = new MetricsCheck();
  /** Lives whose start was answered, by number; but for image builds, which any replica answers for whom another one has started them, and died before it counted. */
  readonly answered = new Set<number>();
  /** Names of the workspaces' pods that there are. */
  readonly #pods = new Set<string>();
  /** Faults that last. */
  #faulty = 0;
  /** How often pods were made anew. */
  readonly #anew = new Map<string, number>();
  /** Workspaces that somebody took away from under everybody's eyes. */
  readonly taken = new Set<string>();
  readonly #overseer: Overseer;
  readonly #config: Config;
  readonly #random: Random;
  readonly #audience: Audience;
  /** What becomes of what workers found: a test may have daemons that decide wrongly. */
  decisions: (result: BatchResult) => BatchResult = (result) => result;
  /** The API server takes connections. */
  apiUp = true;
  /** The time of faults is over, and that of waiting. */
  late = false;
  over = false;

  private constructor(plan: Plan, clock: VirtualClock, agenda: Agenda, journal: Journal, world: SimulatedCluster, config: Config) {
    this.plan = plan;
    this.clock = clock;
    this.agenda = agenda;
    this.journal = journal;
    this.ledger = new Ledger(() => agenda.now, (text) => journal.note(text));
    this.world = world;
    this.witness = new Witness(world.cluster.store);
    this.claimedWork = new ClaimedWork(world.cluster.store, this.ledger);
    world.cluster.store.subscribe("pods", (type, pod) => this.#podChanged(type, pod));
    this.#config = config;
    this.#random = this.source("simulation");
    this.#overseer = new Overseer({ store: world.cluster.store, ledger: this.ledger, truth: this.truth, timeouts: config.manager.timeouts, now: () => clock.monotonic(), clocks: this.clocks });
    this.slots = Array.from({ length: plan.replicas }, (_, number) => ({ number, offset: 0, downMs: 0, process: undefined, processes: 0 }));
    this.#audience = new Audience({ clock, ledger: this.ledger, journal, random: this.#random, able: () => this.able(), told: (status, listener) => this.#told(status, listener) });
    this.people = plan.lives.map((life) => new Person(life, {
      clock, replicas: () => this.able(), isOver: () => this.over, isLate: () => this.late, answered: (call) => this.#answered(call),
      begun: (id) => this.lives.begun(id), snapshotOf: (id) => this.#snapshotOf(id),
    }, this.source(`person ${life.id}`)));
  }

  /** Makes it; nothing has begun. @param file where the journal is written to. */
  static async open(plan: Plan, file?: string): Promise<Simulation> {
    const clock = new VirtualClock();
    const agenda = new Agenda(clock);
    const journal = new Journal(() => agenda.now, file);
    const world = await startSimulatedCluster(clock, plan, (name) => sourceOf(plan.seed, name));
    return new Simulation(plan, clock, agenda, journal, world, await simulatedConfig(nodePort));
  }

  /** A random source of its own. */
  source(name: string): Random {
    return sourceOf(this.plan.seed, name);
  }

  /** Everything begins. */
  begin(): void {
    for (const slot of this.slots) this.clock.timer(this.#random() * 5 * second, () => this.start(slot));
    this.#audience.begin();
    for (const person of this.people) this.agenda.add(person.plan.at, () => void person.live());
  }

  /** Starts a process, unless there is one. */
  start(slot: Slot): void {
    if (slot.process?.alive) return;
    const name = `r${slot.number}.${++slot.processes}`;
    const machine = new Machine(this.clock, slot.offset);
    const random = this.source(name);
    const link: Link = new Link({
      clock: this.clock, machine, random: this.source(`${name} link`), handler: this.world.handler, isUp: () => this.apiUp, admit: (request) => this.lives.admit(request),
      onSent: (request) => this.#overseer.sent(replica, request),
      onArrived: (request) => {
        if (!request.path.includes("/leases/")) this.journal.note(`${name} ${request.method} ${request.path}`);
        this.#overseer.arrived(replica, request);
      },
      die: () => this.kill(slot, replica),
    });
    const nodeCaller = nodeCalls({ clock: this.clock, machine, random: this.source(`${name} calls`), at: this.world.daemonAt, onCalled: (method, id) => {
      this.journal.note(`${name} calls ${method} ${id}`);
      const ended = this.#overseer.called(replica, method, id);
      return (outcome) => {
        this.journal.note(`${name} ${method} ${id}: ${outcome}`);
        ended(outcome);
      };
    }, onDone: (method, id) => {
      if (method === "BackupWorkspace") this.backupsByHand.set(id, (this.backupsByHand.get(id) ?? 0) + 1);
    } });
    const replica: Replica = new Replica({
      name, slot: slot.number, config: this.#config, machine, random, link, nodeCaller, plan: this.plan, decisions: (result) => this.decisions(result), note: (text) => this.journal.note(text),
      onError: (text) => this.#logged(name, text),
      onMetrics: (metrics) => this.metrics.add(name, metrics),
      onLeading: (leads) => this.metrics.leads(name, leads),
      onServing: () => {
        this.clocks.began(slot.number, this.clock.monotonic());
        this.#audience.joins(replica);
      },
    });
    slot.process = replica;
    this.ledger.did("processes started");
    this.clock.timer(this.#random() * startMs, () => machine.run(() => replica.start()));
  }

  /** The process is gone without a word; another one takes its place after a while. */
  kill(slot: Slot, replica: Replica): void {
    if (!replica.alive) return;
    this.journal.note(`${replica.name} is killed`);
    this.ledger.did("processes killed");
    this.#bury(slot, replica);
  }

  /** The process is asked to end. */
  end(slot: Slot, replica: Replica): void {
    this.journal.note(`${replica.name} is asked to end`);
    this.ledger.did("processes ended in order");
    void replica.end().then(() => {
      if (replica.alive) this.#bury(slot, replica);
    });
  }

  /** Whether one of those who serve holds the Lease. Of processes that are down, the next one has to wait until it has run out. */
  get isLed(): boolean {
    return this.able().some(({ identity }) => identity === this.#overseer.holder());
  }

  /** Processes that answer calls. */
  able(): readonly Replica[] {
    return this.slots.flatMap(({ process }) => (process?.alive && process.serving ? [process] : []));
  }

  /** Those who listen to a process. */
  listeners(replica: Replica): readonly Listener[] {
    return this.#audience.of(replica);
  }

  holder(): string {
    return this.#overseer.holder();
  }

  /** There is no workspace, nobody waits for anything, nothing is wrong, and a replica that lives leads. */
  isIdle(): boolean {
    const isQuiet = this.#pods.size === 0 && this.#faulty === 0 && this.people.every(({ isUnderWay }) => !isUnderWay);
    if (!isQuiet) return false;
    const able = this.able().filter(({ machine, link }) => machine.runs && link.open);
    return able.length === this.slots.length && able.some(({ identity }) => identity === this.holder());
  }

  /** Something is wrong, until what this gives is called. */
  fault(): () => void {
    this.#faulty++;
    return () => void this.#faulty--;
  }

  #bury(slot: Slot, replica: Replica): void {
    const ended = this.truth.trouble(slot.number, this.clock.monotonic());
    replica.kill();
    this.#audience.leaves(replica);
    this.clock.timer(slot.downMs, () => {
      ended(this.clock.monotonic());
      this.start(slot);
    });
    slot.downMs = second;
  }

  #logged(name: string, text: string): void {
    if (expected.some((words) => text.startsWith(words))) this.ledger.did("errors in logs that were to be expected");
    else this.ledger.breach("no error in the log", `${name}: ${text}`);
  }

  #answered({ method, id, replica, sentAt, code, details }: Parameters<ConstructorParameters<typeof Person>[1]["answered"]>[0]): void {
    this.ledger.did(`calls of ${method}`);
    this.journal.note(`${replica.name} answers ${method} ${id}: ${code} ${details}`);
    if (code !== 0) return;
    if (method === "StartWorkspace") {
      const life = this.lives.of(id).at(-1) ?? 0;
      this.truth.started(life);
      if (this.plan.lives.find((each) => each.id === id)?.type !== "IMAGEBUILD") this.answered.add(life);
    }
    if (method === "MarkActive") this.truth.told(id, sentAt, replica);
  }

  #told(status: ReadStatus, listener: Listener): void {
    const id = status.id ?? "";
    this.journal.note(`${listener.name} is told ${id} ${phaseName(status.phase)} ${status.conditions?.failed ?? ""}`);
    this.ledger.did("statuses told");
    this.people.find(({ plan }) => plan.id === id)?.told(status.phase ?? 0, this.lives.placeOf(status));
    if (status.phase !== wsman.WorkspacePhase.STOPPED) return;
    this.metrics.endTold(listener.name);
    const life = lifeOf(status);
    if (!this.ends.has(life)) this.ends.set(life, status);
  }

  /** The volume snapshot that the last end of a workspace told of. */
  #snapshotOf(id: string): { readonly volumeSnapshotName: string; readonly volumeSnapshotHandle: string } | undefined {
    const told = this.lives.of(id).map((life) => this.ends.get(life)?.conditions?.volumeSnapshot).findLast((each) => each?.volumeSnapshotName);
    return told ? { volumeSnapshotName: told.volumeSnapshotName ?? "", volumeSnapshotHandle: told.volumeSnapshotHandle ?? "" } : undefined;
  }

  #podChanged(type: ChangeType, pod: KubeObject): void {
    const { metadata } = pod;
    const id = metadata.labels?.[labels.workspaceId];
    if (id === undefined) return;
    if (type === "DELETED") this.#pods.delete(metadata.name);
    this.lives.changed(pod);
    if (type !== "ADDED") return;
    this.#pods.add(metadata.name);
    // A pod that is made anew goes on with its workspace.
    const isAnew = metadata.annotations?.[annotations.firstCreated] !== undefined;
    if (isAnew) this.#anew.set(id, (this.#anew.get(id) ?? 0) + 1);
    this.lives.added(pod);
    this.#trouble(metadata.name, id);
  }

  /** Its own fault strikes the pod; one that is refused without a reason of its own finds a place after a while. */
  #trouble(pod: string, id: string): void {
    const plan = this.people.find((person) => person.plan.id === id)?.plan;
    const planned = (this.lives.begun(id) > 1 ? plan?.again?.fault : plan?.fault) ?? "";
    const fault = planned === "admission-reject" && (this.#anew.get(id) ?? 0) >= refusals ? "" : planned;
    const { store } = this.world.cluster;
    if (planned === "") return;
    store.update("pods", "default", pod, (draft) => {
      const metadata = record(draft["metadata"]);
      const { [faultAnnotation]: _before, ...noted } = record(metadata["annotations"]);
      draft["metadata"] = { ...metadata, annotations: { ...noted, ...(fault !== "" && { [faultAnnotation]: fault }) } };
    });
  }
}

/** How long after the time of faults everything may take to come to its end, milliseconds: a finalization, its end, and what is retried meanwhile. */
export const aftermathMs = 8 * hour;
