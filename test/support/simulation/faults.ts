/** Does what a plan has of faults: each begins at its time, and ends at its own, or when the time of faults is over. */
import { record, records } from "../../../src/embedded/kubelet/json.ts";
import { annotations } from "../../../src/domain/names.ts";
import type { FaultPlan, Hand } from "./plan.ts";
import type { Replica } from "./replica.ts";
import type { Simulation, Slot } from "./simulation.ts";

type Of<K extends FaultPlan["kind"]> = Extract<FaultPlan, { readonly kind: K }>;

const apiKinds = ["api-away", "api-fails", "api-hangs", "api-lost", "api-slow", "compaction", "snapshots-fail", "watches-cut", "watches-silent"] as const;

function isOnApi(fault: FaultPlan): fault is Of<(typeof apiKinds)[number]> {
  return apiKinds.some((kind) => kind === fault.kind);
}
/** Ends it. */
type End = () => void;

const never = 86_400_000;

/** The faults of a simulation. */
export class Faults {
  readonly #simulation: Simulation;
  readonly #ends = new Set<End>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Sets all of them to their times. */
  begin(): void {
    const { plan, agenda } = this.#simulation;
    for (const fault of plan.faults) agenda.add(fault.at, () => this.#strike(fault));
  }

  /** Ends all that last. */
  cease(): void {
    for (const end of Array.from(this.#ends)) end();
    const { nodes, cluster } = this.#simulation.world;
    nodes.faults.clear();
    cluster.faults.clear();
    // What a process was to die of it does not any more.
    for (const { process } of this.#simulation.slots) process?.link.dieAt(undefined);
  }

  #strike(fault: FaultPlan): void {
    const { journal, ledger, late } = this.#simulation;
    if (late) return;
    journal.note(`fault ${JSON.stringify(fault)}`);
    const end = this.#begin(fault);
    ledger.did(`faults: ${fault.kind}`);
    if (end) this.#endLater("forMs" in fault ? fault.forMs : 0, `fault ${fault.kind} ends`, end);
  }

  #endLater(ms: number, what: string, end: End): void {
    const { clock, journal } = this.#simulation;
    const over = this.#simulation.fault();
    const once = (): void => {
      if (!this.#ends.delete(once)) return;
      journal.note(what);
      end();
      over();
    };
    this.#ends.add(once);
    clock.timer(ms, once);
  }

  #begin(fault: FaultPlan): End | undefined {
    if (isOnApi(fault)) return this.#onApi(fault);
    switch (fault.kind) {
      case "crash": case "restart": case "pause": case "cut-off": case "clock": case "workers": case "workers-slow": return this.#onReplica(fault);
      case "node-lost": case "daemon-restart": case "daemon-slow": case "daemon-unavailable": case "daemon-fails": return this.#onNode(fault);
      case "by-hand": this.#byHand(fault); return undefined;
      default: return fault satisfies never;
    }
  }

  #onReplica(fault: Of<"crash" | "restart" | "pause" | "cut-off" | "clock" | "workers" | "workers-slow">): End | undefined {
    const { slots } = this.#simulation;
    const slot = slots[fault.slot % slots.length];
    const process = slot?.process;
    if (!slot || !process?.alive) return undefined;
    switch (fault.kind) {
      case "crash": return this.#crash(fault, slot, process);
      case "restart":
        slot.downMs = fault.downMs;
        this.#simulation.end(slot, process);
        return undefined;
      case "pause": return this.#pause(fault, slot, process);
      case "cut-off": return this.#cutOff(fault, slot, process);
      case "clock": return this.#setClock(fault, slot);
      case "workers":
        process.pool.trouble(fault.times, fault.hang);
        return undefined;
      case "workers-slow":
        process.pool.slow(fault.byMs);
        return () => process.pool.slow(0);
      default: return fault satisfies never;
    }
  }

  #crash({ side, request, writes, downMs }: Of<"crash">, slot: Slot, process: Replica): undefined {
    slot.downMs = downMs;
    if (side === "now") this.#simulation.kill(slot, process);
    else process.link.dieAt({ left: request, side, writes });
  }

  #pause({ asleep }: Of<"pause">, { number }: Slot, { machine }: Replica): End {
    const ended = this.#trouble(number);
    machine.stop(asleep);
    return () => {
      machine.goOn(undefined, true);
      ended();
    };
  }

  #cutOff({ silent }: Of<"cut-off">, { number }: Slot, { link }: Replica): End {
    const ended = this.#trouble(number);
    link.cut(silent);
    return () => {
      link.mend();
      ended();
    };
  }

  #setClock({ byMs }: Of<"clock">, slot: Slot): End {
    const ended = this.#trouble(slot.number);
    const shift = (ms: number): void => {
      slot.offset += ms;
      this.#simulation.clocks.set(slot.number, this.#simulation.clock.monotonic(), ms);
      slot.process?.machine.shift(ms);
    };
    shift(byMs);
    return () => {
      shift(-byMs);
      ended();
    };
  }

  #onApi(fault: Of<"api-away" | "api-slow" | "api-fails" | "api-lost" | "api-hangs" | "watches-cut" | "watches-silent" | "compaction" | "snapshots-fail">): End | undefined {
    const { faults } = this.#simulation.world.cluster;
    switch (fault.kind) {
      case "api-away": return this.#away();
      case "api-slow": return this.#ruled(faults.add({ delayMs: fault.byMs }));
      case "api-fails": return this.#ruled(faults.add({ code: fault.code, percent: fault.percent, ...(fault.code === 409 && { verbs: ["patch", "delete", "update"] }), ...(fault.code === 429 && { retryAfterSeconds: 1 }) }));
      case "api-lost": return this.#ruled(faults.add({ percent: fault.percent, resetAfterBytes: 0 }));
      case "api-hangs": return this.#ruled(faults.add({ percent: fault.percent, delayMs: never }));
      case "watches-cut":
        faults.cutWatches(fault.how);
        return undefined;
      case "watches-silent":
        faults.freezeWatches();
        return () => faults.thawWatches();
      case "compaction":
        faults.expireHistory();
        faults.cutWatches("end");
        return undefined;
      case "snapshots-fail": return this.#simulation.world.failSnapshots();
      default: return fault satisfies never;
    }
  }

  #ruled(remove: () => void): End {
    const ended = this.#trouble(undefined);
    return () => {
      remove();
      ended();
    };
  }

  #away(): End {
    const simulation = this.#simulation;
    const ended = this.#trouble(undefined);
    simulation.apiUp = false;
    simulation.world.cluster.faults.cutWatches("reset");
    for (const { process } of simulation.slots) process?.link.breakAll();
    return () => {
      simulation.apiUp = true;
      ended();
    };
  }

  #trouble(slot: number | undefined): End {
    const { truth, clock } = this.#simulation;
    const ended = truth.trouble(slot, clock.monotonic());
    return () => ended(clock.monotonic());
  }

  #onNode(fault: Of<"node-lost" | "daemon-restart" | "daemon-slow" | "daemon-unavailable" | "daemon-fails">): End | undefined {
    const { cluster, nodes } = this.#simulation.world;
    const names = cluster.kubelet?.nodes ?? [];
    const node = names[fault.node % names.length] ?? "";
    switch (fault.kind) {
      case "node-lost":
        cluster.kubelet?.loseNode(node);
        return () => cluster.kubelet?.returnNode(node);
      case "daemon-restart":
        if (cluster.store.get("pods", "default", `ws-daemon-${node}`)) cluster.store.delete("pods", "default", `ws-daemon-${node}`, { gracePeriodSeconds: 0 });
        return undefined;
      case "daemon-slow": return nodes.faults.add({ node, delayMs: fault.byMs });
      case "daemon-unavailable": return nodes.faults.add({ node, code: 14, message: "not now" });
      case "daemon-fails":
        nodes.faults.add({ node, method: fault.method, code: fault.code, message: "as planned", afterwards: fault.afterwards, times: fault.times });
        return undefined;
      default: return fault satisfies never;
    }
  }

  #byHand({ life, what }: Of<"by-hand">): void {
    const { store, kubelet } = this.#simulation.world.cluster;
    const name = store.list("pods", "default").find(({ metadata }) => metadata.labels?.["workspaceID"] === life)?.metadata.name;
    if (name === undefined) return;
    this.#simulation.ledger.did(`pods by hand: ${what}`);
    hand({ store, kubelet, simulation: this.#simulation, life }, name, what);
  }
}

interface Reach {
  readonly store: Simulation["world"]["cluster"]["store"];
  readonly kubelet: Simulation["world"]["cluster"]["kubelet"];
  readonly simulation: Simulation;
  readonly life: string;
}

function hand({ store, kubelet, simulation, life }: Reach, pod: string, what: Hand): void {
  const annotate = (change: (noted: Record<string, unknown>) => void): void => {
    store.update("pods", "default", pod, (draft) => {
      const metadata = record(draft["metadata"]);
      const noted = { ...record(metadata["annotations"]) };
      change(noted);
      draft["metadata"] = { ...metadata, annotations: noted };
    });
  };
  const release = (): void => void store.update("pods", "default", pod, (draft) => {
    draft["metadata"] = { ...record(draft["metadata"]), finalizers: [] };
  });
  const doings: Readonly<Record<Hand, () => void>> = {
    "delete": () => store.delete("pods", "default", pod, { gracePeriodSeconds: 30 }),
    "force-delete": () => store.delete("pods", "default", pod, { gracePeriodSeconds: 0 }),
    "remove-annotations": () => annotate((noted) => { for (const key of [annotations.nodeName, annotations.lastActivity, annotations.firstUserActivity]) delete noted[key]; }),
    "unmark-disposal": () => annotate((noted) => void delete noted[annotations.startedDisposal]),
    "remove-finalizer": () => {
      simulation.taken.add(life);
      release();
    },
    "take-away": () => {
      simulation.taken.add(life);
      release();
      if (store.get("pods", "default", pod)) store.delete("pods", "default", pod, { gracePeriodSeconds: 0 });
    },
    "evict": () => kubelet?.evict(pod),
    "preempt": () => {
      store.update("pods", "default", pod, (draft) => {
        const status = record(draft["status"]);
        draft["status"] = { ...status, conditions: [...records(status["conditions"]), { type: "DisruptionTarget", status: "True", reason: "PreemptionByScheduler", message: "default-scheduler: preempting to accommodate a higher priority pod" }] };
      });
      store.delete("pods", "default", pod, { gracePeriodSeconds: 30 });
    },
    "oom": () => kubelet?.oom(pod),
    "interrupt": () => kubelet?.fault(pod, "interrupt"),
    "touch": () => annotate((noted) => { noted["example.com/touched"] = String(simulation.clock.now()); }),
  };
  try {
    doings[what]();
  } catch (error) {
    // One that is on no node has no container.
    if (!(error instanceof RangeError)) throw error;
  }
}
