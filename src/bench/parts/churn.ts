/** Part: workspaces that are made and deleted all the time, and a subscriber that must be told of each, and of its end exactly once. */
import { setTimeout as sleep } from "node:timers/promises";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { messageOf } from "../../domain/errors.ts";
import { workspaceId } from "../../embedded/demo/pods.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import { machineNow } from "../load/clock.ts";
import { FrameReader } from "../load/frame.ts";
import { GrpcConnection } from "../load/grpc-stream.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { Cluster } from "../load/kube.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import { pathOf } from "../load/paths.ts";
import type { Churn } from "../load/soak-results.ts";
import { Lives } from "../load/lives.ts";
import type { Life } from "../load/lives.ts";
import { endpointSchema } from "./endpoint.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

const openSchema = z.object({
  kubeconfig: z.string(),
  namespace: z.string(),
  /** Whose workspaces they are: what is left of them is removed with all else of that run. */
  run: z.string(),
  endpoint: endpointSchema,
  /** Where pods are bound to. */
  node: z.string().optional(),
  /** Bytes of a pod. */
  size: z.number(),
  /** Seed of the first one; each has the next number. */
  seed: z.number(),
  /** Time between new ones, milliseconds; each lives for a time between the two. */
  intervalMs: z.number(),
  lifeMs: z.tuple([z.number(), z.number()]),
});

/** How long a workspace may go untold, and its end. */
const deadlineMs = 60_000;
/** How long after its end no second one may be told: longer than it takes until everything is listed anew. */
const watchedMs = 90_000;
/** The same when the load ends. */
const lastMs = 500;
/** Most workspaces that are looked after, those of which the end was told included. */
const maxLives = 1000;
const maxProblems = 3;

const lives = new Lives();
const reader = new FrameReader();
const toldDelays = delayHistogram();
const stoppedDelays = delayHistogram();
const sums = { deleted: 0, stopped: 0, missing: 0, unseen: 0, failures: 0, skipped: 0 };
const problems: string[] = [];
const ending = new AbortController();
const underWay = new Set<Promise<void>>();
let opened: (z.infer<typeof openSchema> & { readonly cluster: Cluster; readonly connection: GrpcConnection }) | undefined;
let coming: Promise<void> = Promise.resolve();
let share = loadShare();

serve({
  open: async (params) => {
    const options = openSchema.parse(params);
    opened = { ...options, cluster: await Cluster.fromKubeconfig(options.kubeconfig, options.namespace, options.run), connection: await subscribe(options.endpoint) };
  },
  begin: () => {
    share = loadShare();
    coming = makeMore();
  },
  /** No more are made; those that live are deleted, and their ends waited for. */
  finish: async (): Promise<Churn> => {
    ending.abort();
    await coming;
    await Promise.all(underWay);
    opened?.connection.close();
    await opened?.cluster.close();
    return { ...sums, ...lives.counts, problems, toldDelays: encodeIntoCompressedBase64(toldDelays), stoppedDelays: encodeIntoCompressedBase64(stoppedDelays), share: share() };
  },
});

function subscribe(endpoint: Endpoint): Promise<GrpcConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcConnection>();
  const connection = new GrpcConnection(endpoint, Buffer.alloc(256 * 1024));
  connection.call(pathOf("Subscribe"), new Uint8Array(), {}, {
    message: (bytes, from, to) => {
      reader.read(bytes, from, to);
      lives.take(bytes.toString("latin1", reader.idFrom, reader.idTo), reader.phase);
    },
    opened: () => resolve(connection),
    ended: (why) => {
      reject(new Error(why));
      if (why !== "closed") problem(`the subscriber of workspaces that come and go was ended: ${why}`);
    },
  });
  return promise;
}

function problem(text: string): void {
  if (problems.length < maxProblems) problems.push(text);
}

async function makeMore(): Promise<void> {
  if (!opened) throw new Error("nothing was opened");
  const { seed, intervalMs } = opened;
  const from = machineNow();
  for (let i = 0; !ending.signal.aborted; i++) {
    if (lives.size < maxLives) follow(live(seed + i));
    else sums.skipped++;
    await pause(from + (i + 1) * intervalMs - machineNow());
  }
}

function follow(task: Promise<void>): void {
  underWay.add(task);
  void task.finally(() => underWay.delete(task));
}

/** From a workspace's making to a while after its end. Never rejects. */
async function live(seed: number): Promise<void> {
  if (!opened) return;
  const id = workspaceId(seededRandom(seed));
  const life = lives.begin(id);
  try {
    await makeAndDelete(seed, life, opened);
    await pause(watchedMs);
    if (ending.signal.aborted) await sleep(lastMs);
  } catch (error) {
    sums.failures++;
    problem(messageOf(error));
  } finally {
    lives.end(id);
  }
}

async function makeAndDelete(seed: number, life: Life, { cluster, size, node, lifeMs: [least, most] }: NonNullable<typeof opened>): Promise<void> {
  const madeAt = machineNow();
  const name = await cluster.createWorkspace(seed, size, node);
  if (await within(life.told)) recordDelay(toldDelays, machineNow() - madeAt);
  else {
    sums.unseen++;
    problem(`${name} was not told of`);
  }
  await pause(least + Math.random() * (most - least));
  const deletedAt = machineNow();
  life.deleted = true;
  await cluster.deleteWorkspace(name);
  sums.deleted++;
  if (await within(life.stopped)) {
    sums.stopped++;
    recordDelay(stoppedDelays, machineNow() - deletedAt);
  } else {
    sums.missing++;
    problem(`${name} was deleted and not told as STOPPED`);
  }
}

/** Whether it resolves before the deadline. */
async function within(event: Promise<void>): Promise<boolean> {
  const done = new AbortController();
  const late = sleep(deadlineMs, false, { signal: done.signal }).catch(() => false);
  const came = await Promise.race([event.then(() => true), late]);
  done.abort();
  return came;
}

/** Waits, at most until the load ends. */
async function pause(ms: number): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal: ending.signal }).catch(() => {});
}
