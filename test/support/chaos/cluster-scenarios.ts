/** Fault tests of what the daemon depends on: the API server, nodes, their daemons, and people who lend a hand. */
import { setTimeout as pause } from "node:timers/promises";
import { status as code } from "@grpc/grpc-js";
import type { FaultRule } from "../../../src/embedded/index.ts";
import { record, records } from "../../../src/embedded/kubelet/json.ts";
import { annotations } from "../../../src/domain/names.ts";
import { wsman } from "../../../src/gen/proto.js";
import { until } from "../until.ts";
import type { Lab } from "./lab.ts";
import { allEnded, allReady, liveAll, startAll, stopAll, type Life } from "./lives.ts";
import { nodesFor } from "./load-scenarios.ts";
import { livesOf, type Scenario, type Size } from "./run.ts";

/** A kind of weather at the API server; gives the way to end it. */
type Weather = (lab: Lab, size: Size) => Promise<() => Promise<void>>;

const errors: readonly FaultRule[] = [
  { verbs: ["patch", "delete", "update"], percent: 3, code: 409 }, { percent: 3, code: 429, retryAfterSeconds: 1 }, { percent: 2, code: 500 }, { percent: 1, code: 504, delayMs: 3_000 }, { percent: 2, resetAfterBytes: 0 },
];

/** Does something every so often, and soon for the first time: a few workspaces live for less than a second. Gives the way to end it, which rejects if that failed. */
function every(ms: number, work: () => void | Promise<void>): () => Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  const done = (async () => {
    for (let wait = ms / 5; !signal.aborted; wait = ms) {
      await pause(wait, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await work();
    }
  })();
  done.catch(() => {});
  return async () => {
    over.abort();
    await done;
  };
}

function ruled(lab: Lab, rules: readonly FaultRule[]): () => Promise<void> {
  const ends = rules.map((rule) => lab.cluster.weather.add(rule));
  return async () => {
    for (const end of ends) end();
  };
}

const weathers: Readonly<Record<string, Weather>> = {
  async away(lab, { faultMs }) {
    const from = lab.witness.changes;
    const outage = (async () => {
      await until("something happens", () => lab.witness.changes > from + 10, 60_000);
      await lab.cluster.weather.stopServer();
      await pause(faultMs);
      await lab.cluster.weather.startServer();
      lab.did("outages of the API server");
    })();
    return async () => outage;
  },
  async slow(lab, size) {
    return ruled(lab, [{ delayMs: slownessOf(size) }]);
  },
  async failing(lab) {
    return ruled(lab, errors);
  },
  async cut(lab) {
    return every(1_000, () => lab.did("watches cut", lab.cluster.weather.cutWatches("reset")));
  },
  async compacted(lab) {
    return every(700, async () => {
      await lab.cluster.weather.expireHistory();
      lab.did("watches cut after a compaction", lab.cluster.weather.cutWatches("end"));
    });
  },
};

/** How long each answer takes while the API server is slow, milliseconds. */
function slownessOf({ faultMs }: Size): number {
  return Math.min(5_000, faultMs / 6);
}

/** The API server misbehaves. */
export const apiserver: Scenario = {
  name: "apiserver",
  what: "whole lives while the API server is away, slow, fails a tenth of the requests, breaks all watches every second, and forgets its history",
  full: { workspaces: 200, rounds: 1, faultMs: 60_000, patienceMs: 600_000 },
  small: { workspaces: 6, rounds: 1, faultMs: 2_500, patienceMs: 60_000 },
  // Answers that take 5 s are within what the shipped Lease is made for, and beyond a short one.
  lab: (size) => ({ nodes: nodesFor(size), ...(slownessOf(size) > 500 && { lease: {} }) }),
  async play(lab, size, lives) {
    await lab.addReplica();
    for (const [name, weather] of Object.entries(weathers)) {
      const now = livesOf(name, size.workspaces);
      lives.push(...now);
      lab.stage = `the API server is: ${name}`;
      const end = await weather(lab, size);
      try {
        await liveAll(lab, now, size.patienceMs);
      } finally {
        await end();
      }
      lab.did(`lives while the API server was: ${name}`, now.length);
    }
  },
};

function nodeOf({ witness }: Lab, { id }: Life): string {
  return witness.of(id)?.node ?? "";
}

/** Nodes and their daemons misbehave, each in its own way. */
export const nodes: Scenario = {
  name: "nodes",
  what: "a node vanishes with its workspaces; a node daemon restarts in mid-backup, one hangs, one is UNAVAILABLE for a while; the other nodes are untouched",
  full: { workspaces: 250, rounds: 1, faultMs: 60_000, patienceMs: 600_000 },
  small: { workspaces: 15, rounds: 1, faultMs: 2_000, patienceMs: 60_000 },
  lab: (size) => ({ nodes: Math.max(5, nodesFor(size)), timeouts: { contentFinalization: `${limitOf(size) / 1000}s` } }),
  async play(lab, size, lives) {
    const { faults } = lab.nodes;
    const all = livesOf("node", size.workspaces);
    await lab.addReplica();
    await startAll(lab, all, size.patienceMs);
    await allReady(lab, all, size.patienceMs);
    lab.stage = "nodes and their daemons misbehave";
    const known = lab.cluster.kubelet.nodes;
    // At full size fifty workspaces are on two.
    const lost = known.slice(0, Math.max(1, Math.floor(known.length / 5)));
    const [restarting = "", hanging = "", away = ""] = known.slice(lost.length);
    lives.push(...all.map((life): Life => ([...lost, hanging].includes(nodeOf(lab, life)) ? { ...life, doom: "backup" } : life)));
    const on = (...names: readonly string[]): readonly Life[] => lives.filter((life) => names.includes(nodeOf(lab, life)));
    for (const [what, names] of [["lost with their nodes", lost], ["on a node whose daemon restarts", [restarting]], ["on a node whose daemon hangs", [hanging]], ["on a node whose daemon is UNAVAILABLE", [away]]] as const) lab.did(`workspaces ${what}`, on(...names).length);
    faults.add({ node: restarting, method: "DisposeWorkspace", delayMs: 1_000 });
    faults.add({ node: hanging, method: "DisposeWorkspace", delayMs: 3_600_000 });
    const removeAway = faults.add({ node: away, code: code.UNAVAILABLE, message: "not now" });
    for (const node of lost) lab.cluster.kubelet.loseNode(node);
    // Time counts from the end of the grace period, which is 30 s otherwise.
    await stopAll(lab, on(...lost), size.patienceMs, wsman.StopWorkspacePolicy.IMMEDIATELY);
    await stopAll(lab, lives.filter((life) => !lost.includes(nodeOf(lab, life))), size.patienceMs);
    await until("a backup is under way", () => on(restarting).length === 0 || lab.nodes.on(restarting)?.service.calls.some(({ method }) => method === "DisposeWorkspace") === true, 20_000);
    lab.cluster.store.delete("pods", lab.cluster.namespace, `ws-daemon-${restarting}`, { gracePeriodSeconds: 0 });
    lab.did("node daemons restarted in mid-backup");
    const untouched = lives.filter((life) => ![...lost, restarting, hanging, away].includes(nodeOf(lab, life)));
    await allEndedBy(lab, untouched, limitOf(size) * 0.6);
    lab.step = "waiting while a node's daemon is UNAVAILABLE";
    await pause(size.faultMs);
    removeAway();
    await allEndedBy(lab, [...on(restarting), ...on(away)], size.patienceMs);
    lab.step = "waiting until backups on lost nodes are told to have failed";
    const told = (): boolean => on(...lost).every(({ id }) => lab.witness.of(id)?.disposal.includes("backupFailure") === true);
    await until("those on lost nodes are told to have failed", told, limitOf(size) * 2 + 20_000);
    for (const node of lost) lab.cluster.kubelet.returnNode(node);
    await allEnded(lab, lives, size.patienceMs);
  },
};

/** timeouts.contentFinalization of the nodes' test, milliseconds. */
function limitOf({ faultMs }: Size): number {
  return Math.max(30_000, faultMs * 1.5);
}

async function allEndedBy(lab: Lab, lives: readonly Life[], ms: number): Promise<void> {
  lab.step = `waiting for ${lives.length} to end`;
  const end = performance.now() + ms;
  for (const { id } of lives) await until(`${id}, which nothing happened to, is gone in ${ms} ms`, () => lab.witness.of(id)?.gone === true, Math.max(0, end - performance.now()));
}

/** Something that somebody does to a pod by hand. */
type Hand = (lab: Lab, pod: string, id: string) => Promise<Life["doom"]> | Life["doom"];

function annotate({ cluster }: Lab, pod: string, change: (noted: Record<string, unknown>) => void): void {
  cluster.store.update("pods", cluster.namespace, pod, (draft) => {
    const metadata = record(draft["metadata"]);
    const noted = { ...record(metadata["annotations"]) };
    change(noted);
    draft["metadata"] = { ...metadata, annotations: noted };
  });
}

function withoutFinalizer({ cluster }: Lab, pod: string): void {
  cluster.store.update("pods", cluster.namespace, pod, (draft) => {
    draft["metadata"] = { ...record(draft["metadata"]), finalizers: [] };
  });
}

const hands: Readonly<Record<string, Hand>> = {
  "deleted": ({ cluster }, pod) => {
    cluster.store.delete("pods", cluster.namespace, pod, { gracePeriodSeconds: 30 });
    return undefined;
  },
  "deleted --force": ({ cluster }, pod) => {
    cluster.store.delete("pods", cluster.namespace, pod, { gracePeriodSeconds: 0 });
    return undefined;
  },
  "annotations removed": (lab, pod) => {
    annotate(lab, pod, (noted) => {
    for (const key of [annotations.nodeName, annotations.lastActivity, annotations.firstUserActivity]) delete noted[key];
    });
    return undefined;
  },
  "begun disposal unmarked in mid-backup": async (lab, pod, id) => {
    lab.nodes.faults.add({ workspace: id, method: "DisposeWorkspace", delayMs: 600, times: 1 });
    lab.cluster.store.delete("pods", lab.cluster.namespace, pod, { gracePeriodSeconds: 30 });
    await until("the backup is under way", () => lab.nodes.daemons.some(({ service }) => service.calls.some((call) => call.id === id && call.method === "DisposeWorkspace")), 20_000);
    annotate(lab, pod, (noted) => void delete noted[annotations.startedDisposal]);
  },
  "finalizer removed": async (lab, pod, id) => {
    withoutFinalizer(lab, pod);
    await until("the finalizer is back", () => lab.witness.of(id)?.hasFinalizer === true, 20_000);
  },
  "finalizer removed and deleted --force": (lab, pod) => {
    withoutFinalizer(lab, pod);
    lab.cluster.store.delete("pods", lab.cluster.namespace, pod, { gracePeriodSeconds: 0 });
    return "anything";
  },
  "evicted": ({ cluster }, pod) => {
    cluster.kubelet.evict(pod);
    return "start";
  },
  "preempted": ({ cluster }, pod) => {
    cluster.store.update("pods", cluster.namespace, pod, (draft) => {
      const status = record(draft["status"]);
      const disruption = { type: "DisruptionTarget", status: "True", reason: "PreemptionByScheduler", message: "default-scheduler: preempting to accommodate a higher priority pod" };
      draft["status"] = { ...status, conditions: [...records(status["conditions"]), disruption] };
    });
    cluster.store.delete("pods", cluster.namespace, pod, { gracePeriodSeconds: 30 });
  },
};

/** People do things to pods. */
export const byHand: Scenario = {
  name: "by-hand",
  what: `pods are ${Object.keys(hands).join(", ")}; all else ends as it should`,
  full: { workspaces: 400, rounds: 1, faultMs: 0, patienceMs: 600_000 },
  small: { workspaces: 16, rounds: 1, faultMs: 0, patienceMs: 60_000 },
  lab: (size) => ({ nodes: nodesFor(size) }),
  async play(lab, size, lives) {
    const all = livesOf("hand", size.workspaces);
    await lab.addReplica();
    await startAll(lab, all, size.patienceMs);
    await allReady(lab, all, size.patienceMs);
    lab.step = "doing things to pods by hand";
    const kinds = Object.entries(hands);
    const after = await Promise.all(all.map(async ({ id }, i): Promise<Life> => {
      const [name = "", hand] = kinds[i % kinds.length] ?? [];
      const pod = `ws-${id}`;
      lab.did(`pods ${name}`);
      return { id, doom: await hand?.(lab, pod, id) };
    }));
    lives.push(...after);
    await stopAll(lab, lives, size.patienceMs);
    await allEnded(lab, lives, size.patienceMs);
  },
};
