/** Part: writes the changes of a plan, each when it is due, whether or not the ones before were answered (open loop). */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { ApiPool } from "../load/api-pool.ts";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import { Pending } from "../load/pending.ts";
import { dueAt, planSchema, stampAnnotation, workspaceOf } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import type { writtenSchema } from "../load/results.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

/** Most changes that are sent or wait for their connection. At that bound the writer waits, and those that are due meanwhile count as late. */
const maxPending = 4096;

const openSchema = z.object({ kubeconfig: z.string(), namespace: z.string(), names: z.array(z.string()), connections: z.number() });

let opened: { readonly pool: ApiPool; readonly paths: readonly string[] } | undefined;
let running: { stop: boolean; done: Promise<z.infer<typeof writtenSchema>> } | undefined;

serve({
  open: async (params) => {
    const { kubeconfig, namespace, names, connections } = openSchema.parse(params);
    opened = { pool: await ApiPool.open(kubeconfig, connections), paths: names.map((name) => `/api/v1/namespaces/${namespace}/pods/${name}`) };
  },
  begin: (params) => {
    const plan = planSchema.parse(params);
    const run = { stop: false, done: Promise.resolve(emptyResult(plan)) };
    run.done = write(plan, run);
    run.done.catch(() => {});
    running = run;
  },
  /** Stops early if asked to; gives the result once every answer is there. */
  finish: async (params) => {
    if (!running) throw new Error("nothing was begun");
    if (z.object({ stop: z.boolean() }).parse(params).stop) running.stop = true;
    return running.done;
  },
});

function emptyResult(plan: Plan): z.infer<typeof writtenSchema> {
  return { written: new Float64Array(plan.workspaces).fill(-1), sent: 0, failed: 0, late: "", answered: "", share: 0 };
}

async function write(plan: Plan, run: { stop: boolean }): Promise<z.infer<typeof writtenSchema>> {
  const { written } = emptyResult(plan);
  const late = delayHistogram();
  const answered = delayHistogram();
  const share = loadShare();
  const pending = new Pending();
  let failed = 0;
  let sent = 0;
  for (; sent < plan.total && !run.stop; sent++) {
    const n = sent;
    const due = dueAt(plan, n);
    if (due - machineNow() > 0.5) await sleepUntil(due);
    await pending.below(maxPending);
    pending.add(send(plan, n, () => {
      if (n >= plan.measuredFrom) recordDelay(late, machineNow() - due);
    }).then((ok) => {
      if (n >= plan.measuredFrom) recordDelay(answered, machineNow() - due);
      if (ok) written[n % plan.workspaces] = Math.max(written[n % plan.workspaces] ?? -1, n);
      else failed++;
    }));
  }
  await pending.below(1);
  return { written, sent, failed, late: encodeIntoCompressedBase64(late), answered: encodeIntoCompressedBase64(answered), share: share() };
}

/** Changes of a workspace that are under way, the newest of each: the next waits for it, so that none overtakes another. */
const underWay = new Map<number, Promise<boolean>>();

/** One change, after the workspace's one before. False: the API server did not take it. */
async function send(plan: Plan, n: number, out: () => void): Promise<boolean> {
  const workspace = workspaceOf(plan, n);
  const before = underWay.get(workspace);
  const answered = before ? before.then(() => patch(workspace, plan.base + n, out)) : patch(workspace, plan.base + n, out);
  underWay.set(workspace, answered);
  const ok = await answered;
  if (underWay.get(workspace) === answered) underWay.delete(workspace);
  return ok;
}

async function patch(workspace: number, stamp: number, out: () => void): Promise<boolean> {
  const path = opened?.paths[workspace];
  if (!opened || path === undefined) throw new Error("the plan has more workspaces than there are");
  const body = `{"metadata":{"annotations":{"${stampAnnotation}":"${stamp}"}}}`;
  return (await opened.pool.send({ method: "PATCH", path, contentType: "application/merge-patch+json", body }, out)) === 200;
}
