/** Fault tests under load: many workspaces at once with slow node daemons, and the daemon killed in the midst of that. */
import { setTimeout as pause } from "node:timers/promises";
import { status as code } from "@grpc/grpc-js";
import { messageOf } from "../../../src/domain/errors.ts";
import { faultAnnotation } from "../../../src/embedded/kubelet/index.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
import { pick } from "../../../src/embedded/kubelet/random.ts";
import type { Lab } from "./lab.ts";
import { liveAll, type Life } from "./lives.ts";
import { livesOf, type Scenario, type Size } from "./run.ts";

/** A node has room for some thirty workspaces of the default class. */
export function nodesFor({ workspaces }: Pick<Size, "workspaces">): number {
  return Math.max(3, Math.ceil(workspaces / 25));
}

/** Calls take 1 to 20 s of the cluster's time (speed 20), as those of a node that is busy. */
const slowness = [{ percent: 25, delayMs: 50 }, { percent: 33, delayMs: 200 }, { percent: 50, delayMs: 500 }, { percent: 100, delayMs: 1_000 }] as const;

/** Makes node daemons slow, where they do not fail: of the rules that match the first one counts. Gives the way to end it. */
function slowNodes({ nodes: { faults } }: Lab): () => void {
  const ends = (["InitWorkspace", "DisposeWorkspace"] as const).flatMap((method) => slowness.map((slow) => faults.add({ method, ...slow })));
  return () => ends.forEach((end) => end());
}

/** A tenth of the workspaces fail once at their node's daemon: before or after the work was done; of every fiftieth the backup fails for good. */
function troubleNodes(lab: Lab, lives: readonly Life[]): Life[] {
  const { faults } = lab.nodes;
  return lives.map(({ id }, i): Life => {
    const once = { workspace: id, code: code.UNAVAILABLE, message: "not now", times: 1, delayMs: 100 };
    if (i % 30 === 5) faults.add({ ...once, method: "InitWorkspace" });
    if (i % 30 === 15) faults.add({ ...once, method: "DisposeWorkspace" });
    if (i % 30 === 25) faults.add({ ...once, method: "DisposeWorkspace", afterwards: true });
    if (i % 10 === 5) lab.did("node daemon calls to fail once");
    if (i % 50 !== 7) return { id };
    faults.add({ method: "DisposeWorkspace", workspace: id, code: code.DATA_LOSS, message: "disk full" });
    lab.did("backups that can not be made");
    return { id, doom: "backup" };
  });
}

/** Has nodes refuse the first pod of every tenth workspace. Gives the way to end it. */
function refuseOnce(lab: Lab, lives: readonly Life[]): () => void {
  const { store, namespace } = lab.cluster;
  const left = new Set(lives.filter((_, i) => i % 10 === 3).map(({ id }) => `ws-${id}`));
  const all = new Set(left);
  return store.subscribe("pods", (type, { metadata: { name } }) => {
    if (type !== "ADDED" || !all.has(name)) return;
    const refused = left.delete(name);
    if (refused) lab.did("pods that a node refuses");
    store.update("pods", namespace, name, (draft) => {
      const metadata = record(draft["metadata"]);
      // What a pod is made anew from has it still.
      const { [faultAnnotation]: _, ...noted } = record(metadata["annotations"]);
      draft["metadata"] = { ...metadata, annotations: { ...noted, ...(refused && { [faultAnnotation]: "admission-reject:OutOfcpu" }) } };
    });
  });
}

/** A wave of workspaces with all that, from their start to their end. */
async function wave(lab: Lab, given: readonly Life[], lives: Life[], patienceMs: number): Promise<void> {
  const now = troubleNodes(lab, given);
  lives.push(...now);
  const ends = [slowNodes(lab), refuseOnce(lab, now)];
  try {
    await liveAll(lab, now, patienceMs);
  } finally {
    for (const end of ends) end();
  }
}

/** Many start at once, and stop at once. */
export const burst: Scenario = {
  name: "burst",
  what: "workspaces start at once and stop at once; node daemons take 1 to 20 s (20 times as fast), a tenth of them fail once, one in fifty for good",
  full: { workspaces: 1_000, rounds: 1, faultMs: 0, patienceMs: 600_000 },
  small: { workspaces: 30, rounds: 1, faultMs: 0, patienceMs: 40_000 },
  lab: (size) => ({ nodes: nodesFor(size) }),
  async play(lab, { workspaces, patienceMs }, lives) {
    await lab.addReplica();
    await wave(lab, livesOf("burst", workspaces), lives, patienceMs);
  },
};

/** About so many changes has a pod in its life. */
const changesPerLife = 9;

/** Kills that are asked for at most in one wave: more would leave no leader for long enough to do anything. */
const killsPerWave = 40;
/** More than that are never needed, or something is wrong. */
const maxWaves = 100;
/** Where nothing changes for so long, a point counts as reached, milliseconds. */
const stillMs = 5_000;
/** Daemons that start at once: each takes a processor for a second or two. */
const maxStarting = 2;

/** Kills one daemon after the other, and has another one started for each. */
class Killer {
  readonly #lab: Lab;
  readonly #starting = new Set<Promise<unknown>>();
  /** Kills that are asked for still. */
  left: number;

  constructor(lab: Lab, kills: number) {
    this.#lab = lab;
    this.left = kills;
  }

  /** Kills at random points of some work, in which about so many changes happen. */
  async during(changes: number, work: Promise<void>): Promise<void> {
    const over = new AbortController();
    const killing = this.#kill(changes, over.signal);
    try {
      await work;
    } finally {
      over.abort();
      await killing;
      await Promise.all(this.#starting);
    }
  }

  async #kill(changes: number, over: AbortSignal): Promise<void> {
    const { witness, random } = this.#lab;
    const began = witness.changes;
    const points = Array.from({ length: Math.min(this.left, killsPerWave) }, () => began + Math.floor(random() * changes)).toSorted((a, b) => a - b);
    for (const point of points) {
      let [seen, since] = [witness.changes, performance.now()];
      while (!over.aborted && (witness.changes < point || !this.#mayKill()) && (performance.now() - since < stillMs || !this.#mayKill())) {
        await pause(5);
        if (witness.changes !== seen) [seen, since] = [witness.changes, performance.now()];
      }
      if (over.aborted) return;
      await this.#killOne();
    }
  }

  #mayKill(): boolean {
    return this.#lab.able().length > 0 && this.#starting.size < maxStarting;
  }

  async #killOne(): Promise<void> {
    const lab = this.#lab;
    const leader = lab.leader();
    // Half of the kills strike who leads, if somebody does.
    const victim = leader?.able === true && lab.random() < 0.5 ? leader : pick(lab.random, lab.able());
    if (victim === leader) lab.did("of them led");
    await lab.kill(victim);
    this.left--;
    const starting = lab.addReplica().catch((error: unknown) => lab.wrongs.push(`a daemon did not start: ${messageOf(error)}`)).finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
  }
}

/** The same, while daemons are killed. */
export const crashes: Scenario = {
  name: "crashes",
  what: "the same in waves, while one of two daemons is killed (kill -9) at random points and another one is started, until all kills have happened; nodes refuse a tenth of the pods once",
  full: { workspaces: 1_000, rounds: 200, faultMs: 0, patienceMs: 1_800_000 },
  small: { workspaces: 20, rounds: 3, faultMs: 0, patienceMs: 60_000 },
  lab: (size) => ({ nodes: nodesFor(size) }),
  async play(lab, { workspaces, rounds, patienceMs }, lives) {
    await lab.addReplica();
    await lab.addReplica();
    const killer = new Killer(lab, rounds);
    for (let i = 0; killer.left > 0 && i < maxWaves; i++) {
      lab.stage = `wave ${i + 1}, until ${rounds} kills`;
      await killer.during(workspaces * changesPerLife, wave(lab, livesOf(`crash${i}`, workspaces), lives, patienceMs));
      lab.did("waves");
    }
    if (killer.left > 0) throw new Error(`${killer.left} of ${rounds} kills did not happen`);
  },
};
