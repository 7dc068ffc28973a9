/** Fault test of several replicas: whoever leads is killed, stands still, or can not reach the API server, again and again, while workspaces live. */
import { setTimeout as pause } from "node:timers/promises";
import { record } from "../../../src/embedded/kubelet/json.ts";
import { until } from "../until.ts";
import type { Lab, Replica } from "./lab.ts";
import { allEnded, allReady, startAll, stopAll } from "./lives.ts";
import { nodesFor } from "./load-scenarios.ts";
import { livesOf, type Scenario } from "./run.ts";

/** So long nobody hears of it: longer than the Lease lasts (3 s). */
const absenceMs = 4_500;

type Blow = (lab: Lab, leader: Replica) => Promise<void>;

const blows: readonly Blow[] = [
  async function killed(lab, leader) {
    await lab.kill(leader);
    await lab.addReplica();
  },
  async function paused(lab, leader) {
    leader.able = false;
    const from = performance.now();
    process.kill(leader.daemon.pid, "SIGSTOP");
    try {
      await pause(absenceMs);
    } finally {
      leader.resumedAt = performance.now();
      lab.standstills.push({ from, to: leader.resumedAt });
      process.kill(leader.daemon.pid, "SIGCONT");
    }
    leader.able = true;
    lab.did("leaders that stood still (SIGSTOP)");
  },
  async function partitioned(lab, leader) {
    // Either is what partitions do.
    const silent = lab.random() < 0.5;
    leader.able = false;
    if (silent) leader.proxy.silence();
    else leader.proxy.cut();
    await pause(absenceMs);
    leader.proxy.mend();
    leader.able = true;
    lab.did(silent ? "leaders cut off from the API server in silence" : "leaders cut off from the API server, whose connections broke");
  },
];

/** Leaders go, and come back. */
export const replicas: Scenario = {
  name: "replicas",
  what: "of three replicas the one that leads is killed, stands still and is cut off from the API server (in silence, or with broken connections) in turn, while workspaces start and stop: only the holder of the Lease acts",
  full: { workspaces: 500, rounds: 20, faultMs: 0, patienceMs: 900_000 },
  small: { workspaces: 12, rounds: 3, faultMs: 0, patienceMs: 60_000 },
  lab: (size) => ({ nodes: nodesFor(size) }),
  async play(lab, size, lives) {
    lives.push(...livesOf("replica", size.workspaces));
    await Promise.all([lab.addReplica(), lab.addReplica(), lab.addReplica()]);
    for (let round = 0; round < size.rounds; round++) {
      lab.stage = `round ${round + 1} of ${size.rounds}`;
      const now = lives.filter((_, i) => i % size.rounds === round);
      const before = lives.filter((_, i) => round > 0 && i % size.rounds === round - 1);
      await until("somebody leads", () => lab.leader() !== undefined, 20_000);
      const leader = lab.leader();
      const living = Promise.all([startAll(lab, now, size.patienceMs), stopAll(lab, before, size.patienceMs)]);
      // In the midst of what it does.
      await pause(lab.random() * 500);
      if (leader) await blows[round % blows.length]?.(lab, leader);
      await living;
      await allReady(lab, now, size.patienceMs);
    }
    lab.stage = "";
    await stopAll(lab, lives, size.patienceMs);
    await allEnded(lab, lives, size.patienceMs);
    lab.did("changes of the leader", transitions(lab));
    await undisturbed(lab);
  },
};

function transitions({ cluster }: Lab): number {
  const [lease] = cluster.store.list("leases", cluster.namespace);
  const count = record(lease?.["spec"])["leaseTransitions"];
  return typeof count === "number" ? count : 0;
}

/** Whoever was not killed kept its subscribers. */
async function undisturbed(lab: Lab): Promise<void> {
  for (const { number, streams, killed } of lab.replicas) {
    if (killed) continue;
    for (const { stream } of streams) {
      const ended = await Promise.race([stream.status, pause(0)]);
      if (ended) lab.wrongs.push(`a stream of daemon ${number} was ended: ${ended.code} ${ended.details}`);
    }
  }
}
