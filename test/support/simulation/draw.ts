/** Draws plans. */
import { pick, seedOf, seededRandom, type Random } from "../../../src/embedded/kubelet/random.ts";
import { hands, hour, minute, second, type Deed, type FaultPlan, type LifePlan, type Plan } from "./plan.ts";

/** How much of it. */
export interface Amount {
  readonly days: number;
  /** Workspaces a day, and faults. */
  readonly workspaces: number;
  readonly faults: number;
}

/** What suits a day: a small team, and a bad day. */
export const usual: Amount = { days: 1, workspaces: 24, faults: 24 };

/** A random source of its own for each part: another part of the plan changes nothing of what this one draws. */
export function sourceOf(seed: number, name: string): Random {
  return seededRandom(seedOf(`${seed}/${name}`));
}

/** The plan of a seed. */
export function drawPlan(seed: number, { days, workspaces, faults }: Amount = usual): Plan {
  const random = sourceOf(seed, "plan");
  const hours = days * 24;
  const replicas = pick(random, [1, 2, 2, 3]);
  const nodes = pick(random, [2, 3, 4]);
  // Looks at the Lease are most of what happens in a day.
  const long = { durationMs: 600 * second, renewMs: 400 * second, retryMs: 100 * second };
  const usualLease = { durationMs: 15 * second, renewMs: 10 * second, retryMs: 2 * second };
  const lease = pick(random, hours > 8 ? [long, long, long, long, long, long, long, { durationMs: 120 * second, renewMs: 80 * second, retryMs: 20 * second }] : [usualLease, { durationMs: 60 * second, renewMs: 40 * second, retryMs: 10 * second }]);
  // Mornings and afternoons: what happens at the same time is what goes wrong together.
  const moments = Array.from({ length: Math.max(1, Math.round(days * 3)) }, () => random() * Math.max(hours / 4, hours - 4) * hour);
  const lives = Array.from({ length: Math.round(days * workspaces) }, (_, i) => drawLife(sourceOf(seed, `life ${i}`), `w${i}`, { moments, spreadMs: Math.min(1.5, hours / 3) * hour }));
  const drawn = Array.from({ length: Math.round(days * faults) }, (_, i) => drawFault(sourceOf(seed, `fault ${i}`), { replicas, nodes, lives, until: hours * hour }));
  // Watches that end and begin anew, and bookmarks, are most of the rest.
  const upkeep = hours > 8 && !chance(random, 1 / 24) ? "rare" : "usual";
  return { seed, hours, replicas, nodes, lease, upkeep, lives: lives.toSorted((a, b) => a.at - b.at), faults: drawn.toSorted((a, b) => a.at - b.at) };
}

/** Small ones are as likely as large ones, of each size. */
function between(random: Random, least: number, most: number): number {
  return Math.round(least * (most / least) ** random());
}

function chance(random: Random, share: number): boolean {
  return random() < share;
}

function drawLife(random: Random, id: string, { moments, spreadMs }: { readonly moments: readonly number[]; readonly spreadMs: number }): LifePlan {
  const type = pick(random, ["REGULAR", "REGULAR", "REGULAR", "REGULAR", "PREBUILD", "IMAGEBUILD"] as const);
  const usedMs = chance(random, 0.2) ? 0 : between(random, minute, chance(random, 0.1) ? 5 * hour : 100 * minute);
  const deeds: Deed[] = [];
  while (chance(random, 0.35) && deeds.length < 4) deeds.push({ afterMs: between(random, second, Math.max(2 * second, usedMs)), what: pick(random, ["timeout", "port", "snapshot", "backup", "describe", "close-and-return"] as const) });
  return {
    id, type, usedMs, deeds,
    at: Math.round(pick(random, moments) + random() * random() * spreadMs),
    claim: type === "REGULAR" && chance(random, 0.3),
    fault: drawPodFault(random, type),
    beatMs: pick(random, [minute, 2 * minute, 3 * minute]),
    end: pick(random, ["stop", "stop", "stop-now", "close", "leave"] as const),
    ...(chance(random, 0.25) && { again: { afterMs: between(random, 1, 10 * minute), fault: drawPodFault(random, type) } }),
  };
}

function drawPodFault(random: Random, type: LifePlan["type"]): string {
  // A headless one ends by itself.
  if (type !== "REGULAR") return chance(random, 0.8) ? pick(random, ["crash:0@2m", "crash:0@30s", "crash:0@10m", "crash:1@1m"]) : "";
  if (chance(random, 0.6)) return "";
  return pick(random, [
    "image-pull", "image-pull:2", "failed-mount:20s", "failed-mount", "slow-start:3m", "never-ready", "admission-reject", "admission-reject:NodeAffinity", "crash:1@5m", "oom@20m", "evict@10m", "interrupt@3m", "interrupt:20m@3m",
    "network-not-ready@4m", "container-error@2m:oh no", "lost:5m@6m", "term:0", "ignore-term", "slow-start:90m",
  ]);
}

interface Within {
  readonly replicas: number;
  readonly nodes: number;
  readonly lives: readonly LifePlan[];
  readonly until: number;
}

/** At some time of a life rather than at any: most of a night nothing happens. */
function drawMoment(random: Random, { lives, until }: Within): number {
  if (lives.length === 0 || chance(random, 0.1)) return Math.round(random() * until);
  const { at, usedMs } = pick(random, lives);
  const offset = pick(random, [random() * 30 * second, random() * usedMs, usedMs + random() * 5 * minute, usedMs + random() * 40 * minute]);
  return Math.min(Math.round(at + offset), until);
}

function drawFault(random: Random, within: Within): FaultPlan {
  if (chance(random, 0.2)) return drawHandFault(random, within);
  const at = drawMoment(random, within);
  return { at, ...pick(random, [drawReplicaFault, drawReplicaFault, drawApiFault, drawNodeFault])(random, within) };
}

/** What is done by hand is done to a workspace that is there, mostly. */
function drawHandFault(random: Random, within: Within): FaultPlan {
  const life = within.lives.length === 0 ? undefined : pick(random, within.lives);
  return { at: drawMoment(random, life ? { ...within, lives: [life] } : within), kind: "by-hand", life: life?.id ?? "", what: pick(random, hands) };
}

type Drawn = FaultPlan extends infer One ? (One extends FaultPlan ? Omit<One, "at"> : never) : never;

function drawReplicaFault(random: Random, { replicas }: Within): Drawn {
  const slot = Math.floor(random() * replicas);
  const forMs = between(random, second, 20 * minute);
  switch (Math.floor(random() * 9)) {
    case 0: case 1: case 2: return drawCrash(random, slot);
    case 3: return { kind: "restart", slot, downMs: between(random, second, 5 * minute) };
    case 4: return { kind: "pause", slot, asleep: chance(random, 0.3), forMs };
    case 5: return { kind: "cut-off", slot, silent: chance(random, 0.5), forMs };
    case 6: return { kind: "clock", slot, byMs: (chance(random, 0.5) ? 1 : -1) * between(random, second, 3 * hour), forMs };
    case 7: return { kind: "workers-slow", slot, byMs: between(random, second / 2, 10 * second), forMs };
    default: return { kind: "workers", slot, hang: chance(random, 0.5), times: between(random, 1, 10) };
  }
}

/** Mostly in the midst of what it does. */
function drawCrash(random: Random, slot: number): Drawn {
  const writes = chance(random, 0.7);
  return { kind: "crash", slot, writes, side: pick(random, ["now", "before", "after", "after", "after"] as const), request: between(random, 1, writes ? 12 : 40), downMs: between(random, second, 10 * minute) };
}

function drawApiFault(random: Random): Drawn {
  const forMs = between(random, second, 15 * minute);
  const percent = pick(random, [5, 20, 50]);
  switch (Math.floor(random() * 8)) {
    case 0: return { kind: "api-away", forMs };
    case 1: return { kind: "api-slow", byMs: between(random, 20, 15 * second), forMs };
    case 2: return { kind: "api-fails", code: pick(random, [409, 429, 500, 503, 504]), percent, forMs };
    case 3: return { kind: "api-lost", percent, forMs };
    case 4: return { kind: "api-hangs", percent, forMs };
    case 5: return { kind: "watches-cut", how: pick(random, ["end", "reset", "midLine"] as const) };
    case 6: return { kind: "watches-silent", forMs };
    default: return { kind: "compaction" };
  }
}

function drawNodeFault(random: Random, { nodes }: Within): Drawn {
  const node = Math.floor(random() * nodes);
  const forMs = between(random, second, 20 * minute);
  switch (Math.floor(random() * 6)) {
    case 0: return { kind: "node-lost", node, forMs };
    case 1: return { kind: "daemon-restart", node };
    case 2: return { kind: "daemon-slow", node, byMs: between(random, second, 10 * minute), forMs };
    case 3: return { kind: "daemon-unavailable", node, forMs };
    case 4: return { kind: "snapshots-fail", forMs: between(random, 10 * minute, 3 * hour) };
    default: return drawDaemonFailure(random, node);
  }
}

function drawDaemonFailure(random: Random, node: number): Drawn {
  const method = pick(random, ["InitWorkspace", "WaitForInit", "TakeSnapshot", "DisposeWorkspace"] as const);
  const code = pick(random, [1, 2, 4, 5, 9, 13, 14, 15]);
  // One that says that there is no content, and has it, is believed: there is nobody else to ask.
  const afterwards = chance(random, 0.5) || (method === "DisposeWorkspace" && code === 5);
  return { kind: "daemon-fails", node, method, code, afterwards, times: between(random, 1, 5) };
}
