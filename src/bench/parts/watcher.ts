/**
 * Part: a bare watch of the same pods, which notes when each change's line is complete: what any watcher could know at best.
 * If the API server ends it, it is begun again at once at the newest version: what was written in between it does not see.
 */
import { z } from "zod";
import { systemClock } from "../../domain/clock.ts";
import { workspaceSelector } from "../../domain/names.ts";
import { KubeClient, type KubeResponse } from "../../main/kube/client.ts";
import { LineSplitter } from "../../main/kube/lines.ts";
import { openAccess } from "../load/access.ts";
import { machineNow } from "../load/clock.ts";
import { planSchema, stampAnnotation } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { Standstills } from "../load/standstills.ts";
import { serve } from "./serve.ts";
import { loadShare } from "./share.ts";

const openSchema = z.object({ kubeconfig: z.string(), namespace: z.string() });

export const arrivalsSchema = z.object({
  /** Per change, when its line was complete on the machine's clock; 0: it was not seen. */
  at: z.instanceof(Float64Array),
  lines: z.number(),
  bytes: z.number(),
  /** Lines that carried an older change than one before: then it was written so, and no daemon's fault. */
  disordered: z.number(),
  /** See {@link Standstills}. */
  gapPerSecond: z.instanceof(Float64Array),
  /** The watch ended before it was closed. */
  ended: z.boolean(),
  /** Share of its time that the watch's own thread was busy: if it lags, changes seem to have come later than they did. */
  share: z.number(),
});

const listSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const mark = Buffer.from(`"${stampAnnotation}":"`);
const maxLineBytes = 16 << 20;
/** A watch may be silent for as long as it likes. */
const forEver = 2 ** 31 - 1;
let plan: Plan | undefined;
let at = new Float64Array(0);
let lines = 0;
let bytes = 0;
let disordered = 0;
let ended = false;
/** Per workspace, the newest change so far. */
let newest = new Float64Array(0);
let client: KubeClient | undefined;
let standstills: Standstills | undefined;
const stopping = new AbortController();
let share = loadShare();

serve({
  open: (params) => begin(openSchema.parse(params)),
  begin: (params) => {
    plan = planSchema.parse(params);
    share = loadShare();
    standstills = new Standstills(plan, 1);
    at = new Float64Array(plan.total);
    newest = new Float64Array(plan.workspaces).fill(-1);
    lines = 0;
    bytes = 0;
    disordered = 0;
  },
  finish: () => ({ at, lines, bytes, disordered, ended, share: share(), gapPerSecond: standstills?.perSecond ?? new Float64Array(0) }),
  close: () => {
    stopping.abort();
    return client?.close();
  },
});

type Place = z.infer<typeof openSchema>;

/** Resolves once the watch is there, and reads it from then on. */
async function begin(place: Place): Promise<void> {
  const source = (client ??= new KubeClient({ credentials: (await openAccess(place.kubeconfig)).source, clock: systemClock }));
  const { body } = await watch(source, place);
  const splitter = new LineSplitter((bytes) => line(asBuffer(bytes), machineNow()), maxLineBytes);
  const over = (): void => {
    if (stopping.signal.aborted) return;
    ended = true;
    begin(place).catch(() => {});
  };
  body.pump((chunk) => splitter.push(chunk), forEver).then(over, over);
}

function line(content: Buffer, now: number): void {
  lines++;
  bytes += content.length + 1;
  const found = content.indexOf(mark);
  if (found < 0 || !plan) return;
  const n = Number.parseInt(content.toString("latin1", found + mark.length, found + mark.length + 16), 10) - plan.base;
  if (!(n >= 0 && n < plan.total)) return;
  if (at[n] === 0) at[n] = now;
  standstills?.heard(0, now);
  const workspace = n % plan.workspaces;
  if (n < (newest[workspace] ?? -1)) disordered++;
  else newest[workspace] = n;
}

/** A watch from now on: the pods that are there already would only take time. */
async function watch(source: KubeClient, { namespace }: Place): Promise<KubeResponse> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const { signal } = stopping;
  const first = await source.getRaw(path, { query: { labelSelector: workspaceSelector, limit: "1" }, signal });
  const { resourceVersion } = listSchema.parse(JSON.parse(new TextDecoder().decode(first))).metadata;
  const response = await source.request({ method: "GET", watch: true, path, query: { labelSelector: workspaceSelector, watch: "1", resourceVersion, timeoutSeconds: "86400" }, signal });
  if (response.status === 200) return response;
  response.body.discard();
  throw new Error(`the bare watch was answered with ${response.status}`);
}

/** The same bytes, with Buffer's methods. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
