/** Part: the replayer of the built-in cluster in a process of its own, so that the daemon is what limits a measurement. */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { systemClock } from "../../domain/clock.ts";
import { Replay } from "../../embedded/replay/index.ts";
import { machineNow } from "../load/clock.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import { dueAt, planSchema, stampAnnotation } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { serve } from "./serve.ts";
import { loadShare } from "./share.ts";
import type { writtenSchema } from "../load/results.ts";

type Written = Omit<z.infer<typeof writtenSchema>, "answered">;

const listenSchema = z.object({ namespace: z.string(), workspaces: z.number(), size: z.number() });

let replay: Replay | undefined;
let running: { readonly stop: AbortController; readonly done: Promise<Written> } | undefined;

serve({
  /** Gives a kubeconfig. */
  listen: async (params) => {
    const { namespace, workspaces, size } = listenSchema.parse(params);
    replay = await Replay.start({ count: workspaces, size, namespace, stampAnnotation, clock: { ...systemClock, monotonic: machineNow } });
    return replay.kubeconfig();
  },
  begin: (params) => {
    if (!replay) throw new Error("it does not listen");
    const stop = new AbortController();
    const done = play(replay, planSchema.parse(params), stop.signal);
    done.catch(() => {});
    running = { stop, done };
  },
  /** Stops early if asked to; gives the result once the watchers have taken everything. */
  finish: async (params) => {
    if (!running) throw new Error("nothing was begun");
    if (z.object({ stop: z.boolean() }).parse(params).stop) running.stop.abort();
    return running.done;
  },
});

async function play(replay: Replay, plan: Plan, signal: AbortSignal): Promise<Written> {
  const share = loadShare();
  const late = delayHistogram();
  let before = 0;
  const sent = await replay.play(plan, signal, (made) => {
    if (plan.interval > 0) for (const now = machineNow(); before < made; before++) recordDelay(late, now - dueAt(plan, before));
  });
  // The last change of each workspace is among the last so many.
  const written = Float64Array.from({ length: plan.workspaces }, (_, i) => (i >= sent ? -1 : sent - 1 - ((sent - 1 - i) % plan.workspaces)));
  return { written, sent, failed: 0, late: encodeIntoCompressedBase64(late), share: share() };
}
