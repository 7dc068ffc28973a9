/** Scenario lifecycle: workspaces come and go at a rate, each with its whole life, beside others that live on. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import { noteActivity } from "../load/activity.ts";
import { machineNow } from "../load/clock.ts";
import { livedSchema } from "../load/life-results.ts";
import type { Lived, RunLives } from "../load/life-results.ts";
import { requestCounts, requestsBetween } from "../load/request-counts.ts";
import { metrics } from "../parts/daemon.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { lifecycleOutcome } from "./lifecycle-report.ts";
import type { LivesFound } from "./lifecycle-report.ts";
import type { Scenario } from "./scenario.ts";

/** How long a pod is there, seconds, about. */
const lifeSeconds = 15;
/** From RUNNING to the stop, and what node daemons take for contents, milliseconds. */
const stayMs = 2000;
const initMs = 800;
const disposeMs = 800;
/** The daemon is looked at while nothing happens for so long at most, seconds. */
const restSeconds = 10;
/** How long it may take until it has nothing to do, seconds: one of ours, which gives all that live on their finalizers, and one that works for others meanwhile, so that it may never come to rest. */
const settleSeconds = 120;
const settleBesideOthersSeconds = 30;
/** What lives may take beyond the time of their starts, milliseconds. */
const endMs = 300_000;
/** Node daemons remember as many objects; with more lives than that the statuses must do. */
const maxObjects = 9000;
/** Times that is looked, each half a second, whether all is gone. */
const maxLooks = 60;
const nothing = z.undefined();

/** The built-in cluster's node daemons, as it tells of them. */
const nodesSchema = z.object({ daemons: z.array(z.object({ workspaces: z.array(z.object({ owner: z.string() })) })), objects: z.array(z.string()) });

export const lifecycle: Scenario = {
  summary: "whole lives at --rate: started, initialized, stopped, backed up, gone, on kubelets and node daemons, beside --workspaces that live on",
  defaults: { workspaces: 1000, subscribers: 1, size: 10_000, rate: 10, seconds: 40, warmup: 5, qps: 100_000 },
  pulls: true,
  needs: { pid: ["daemon_cpu_percent", "rss_mb", "rest_cpu_percent", "rest_rss_mb", "daemon_cpu_ms_per_life"], metrics: ["api_requests_per_life", "events_per_life"] },
  lives: ({ rate }) => rate * lifeSeconds,
  refuses: ({ kubeconfig, target }) => (kubeconfig !== undefined && !target ? "lifecycle needs nodes that run its workspaces: use it without --kubeconfig, or on a daemon of an installation with --target" : undefined),
  run: async (lab) => {
    await liveOn(lab);
    if (lab.ownsAll) await slowNodeDaemons(lab);
    await lab.cluster.prepareStarts();
    await using daemon = await lab.daemon();
    await daemon.synced();
    const busy = await settled(lab, daemon);
    const rest = await atRest(lab);
    await using lifer = lab.part("lifer", "lifer");
    const { rate, warmup, seconds, size, image, ideImage, supervisorImage } = lab.options;
    await lifer.call("open", { kubeconfig: lab.kubeconfig, namespace: lab.cluster.namespace, endpoint: daemon.endpoint, owner: lab.cluster.owner, size, image, ideImage, supervisorImage }, nothing);
    if (warmup > 0) await letLive(lab, lifer, warmup);
    if (!lab.signal.aborted) lab.measures();
    lab.say(`${rate} starts a second`);
    const before = requestCounts(await metrics(daemon));
    lab.usage.sample();
    const from = machineNow();
    const lived = await letLive(lab, lifer, seconds);
    lab.usage.sample();
    const to = machineNow();
    const left = await leftBehind(lab);
    // The last workspaces were told as STOPPED before their finalizers went, with a request each.
    const after = requestCounts(await metrics(daemon));
    const backups = lab.ownsAll && lived.ran.length <= maxObjects ? await backupsOf(lab, lived) : { missing: lived.unsaved, twice: 0 };
    await lab.cluster.removeStarted();
    return lifecycleOutcome(lab, { lived, requests: after.size === 0 ? undefined : requestsBetween(before, after), leftBehind: left, backups, rest, load: [from, to], busy });
  },
};

/** Makes those that live on: they were active just now, so that none times out. A daemon that is there already has its own. */
async function liveOn(lab: Lab): Promise<void> {
  if (!lab.ownsAll) return;
  const names = await lab.workspaces(lab.options.workspaces);
  const now = Date.now();
  await noteActivity(lab, names, now, () => now);
}

/** Contents take a time that is known. */
async function slowNodeDaemons(lab: Lab): Promise<void> {
  const path = "/embedded/v1/node-daemons/faults";
  await lab.cluster.send("DELETE", path);
  for (const fault of [{ method: "InitWorkspace", delayMs: initMs }, { method: "DisposeWorkspace", delayMs: disposeMs }]) {
    const { code, text } = await lab.cluster.send("POST", path, fault);
    if (code >= 300) throw new Error(`POST ${path}: ${code} ${text.slice(0, 200)}`);
  }
}

/** Waits until the daemon has done what it does about workspaces that it finds (those that live on get their finalizers): it makes no more requests, or has had its time. @returns seconds after which it still made some; undefined if it came to rest. */
async function settled(lab: Lab, daemon: Daemon): Promise<number | undefined> {
  const made = async (): Promise<number> => [...requestCounts(await metrics(daemon)).values()].reduce((sum, count) => sum + count, 0);
  const seconds = lab.options.target ? settleBesideOthersSeconds : settleSeconds;
  let before = Number.NaN;
  for (let i = 0; i < seconds && !lab.signal.aborted; i++) {
    lab.say(`waiting for a second in which the daemon asks the API server for nothing, ${seconds - i} s at most`);
    const now = await made();
    if (now === before) return undefined;
    before = now;
    await pause(lab, 1);
  }
  return seconds;
}

/** A while in which nothing happens, for what those that live on cost. */
async function atRest(lab: Lab): Promise<readonly [number, number]> {
  const seconds = Math.min(restSeconds, lab.options.seconds / 4);
  lab.say("nothing happens");
  lab.usage.sample();
  const from = machineNow();
  await pause(lab, seconds);
  lab.usage.sample();
  return [from, machineNow()];
}

async function pause({ signal }: Lab, seconds: number): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => {});
}

/** The user may end it early, and has what there was. */
async function letLive(lab: Lab, lifer: Part, seconds: number): Promise<Lived> {
  const how: RunLives = { perSecond: lab.options.rate, seconds, stayMs, ...(lab.ownsAll ? { initMs, disposeMs } : { initMs: 0, disposeMs: 0 }) };
  const stop = (): void => void lifer.call("stop", {}, nothing).catch(() => {});
  lab.signal.addEventListener("abort", stop, { once: true });
  try {
    const lived = lifer.call("run", how, livedSchema, seconds * 1000 + endMs);
    if (lab.signal.aborted) stop();
    return await lived;
  } finally {
    lab.signal.removeEventListener("abort", stop);
  }
}

/** Pods of workspaces that have ended, and their contents on nodes, once they had a moment to go. */
async function leftBehind(lab: Lab): Promise<number> {
  const count = async (): Promise<number> => (await lab.cluster.pods(lab.cluster.ownerSelector)).length + (await contentsLeft(lab));
  for (let i = 0; i < maxLooks && (await count()) > 0; i++) await pause(lab, 0.5);
  return count();
}

async function contentsLeft(lab: Lab): Promise<number> {
  return lab.ownsAll ? (await nodesOf(lab)).daemons.flatMap(({ workspaces }) => workspaces).filter(({ owner }) => owner === lab.cluster.owner).length : 0;
}

async function nodesOf(lab: Lab): Promise<z.infer<typeof nodesSchema>> {
  const { code, text } = await lab.cluster.send("GET", "/embedded/v1/node-daemons");
  if (code !== 200) throw new Error(`GET node-daemons: ${code}`);
  return nodesSchema.parse(JSON.parse(text));
}

/** Backups that are not in the storage of workspaces that ran, and workspaces that were backed up more than once. */
async function backupsOf(lab: Lab, { ran }: Lived): Promise<LivesFound["backups"]> {
  const counts = new Map<string, number>();
  for (const url of (await nodesOf(lab)).objects) {
    const [, owner, id, object = ""] = url.split("/");
    if (owner === lab.cluster.owner && id !== undefined && object.startsWith("backup-")) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return { missing: ran.filter((id) => !counts.has(id)).length, twice: ran.filter((id) => (counts.get(id) ?? 0) > 1).length };
}
