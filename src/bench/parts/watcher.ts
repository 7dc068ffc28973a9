/** Part: a bare watch of the same pods, which notes when each change's line is complete: what any watcher could know at best. */
import { z } from "zod";
import { workspaceSelector } from "../../domain/names.ts";
import { BareWatch } from "../load/bare-watch.ts";
import { machineNow } from "../load/clock.ts";
import { planSchema, stampAnnotation } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { Standstills } from "../load/standstills.ts";
import { serve } from "./serve.ts";
import { loadShare } from "./share.ts";

const openSchema = z.object({ kubeconfig: z.string(), namespace: z.string() });

const mark = Buffer.from(`"${stampAnnotation}":"`);
let plan: Plan | undefined;
let at = new Float64Array(0);
let lines = 0;
let bytes = 0;
let disordered = 0;
/** Per workspace, the newest change so far. */
let newest = new Float64Array(0);
let watch: BareWatch | undefined;
let standstills: Standstills | undefined;
let share = loadShare();

serve({
  /** Resolves once the watch is there. */
  open: async (params) => {
    watch = await BareWatch.open({ ...openSchema.parse(params), selector: workspaceSelector }, (content) => line(content, machineNow()));
  },
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
  finish: () => ({ at, lines, bytes, disordered, ended: watch?.ended ?? false, share: share(), gapPerSecond: standstills?.perSecond ?? new Float64Array(0) }),
  close: () => watch?.close(),
});

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
