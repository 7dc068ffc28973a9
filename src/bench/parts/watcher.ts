/**
 * Part: a bare watch of the same pods, which notes when each change's line is complete: what any watcher could know at best.
 * If the API server ends it, it is begun again at once at the newest version: what was written in between it does not see.
 */
import { get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { workspaceSelector } from "../../domain/names.ts";
import { connectOptions, openAccess, pathOn } from "../load/access.ts";
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
const newline = 10;
let plan: Plan | undefined;
let at = new Float64Array(0);
let lines = 0;
let bytes = 0;
let disordered = 0;
let ended = false;
/** Per workspace, the newest change so far. */
let newest = new Float64Array(0);
let response: IncomingMessage | undefined;
let standstills: Standstills | undefined;
let closing = false;
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
    closing = true;
    response?.destroy();
  },
});

type Place = z.infer<typeof openSchema>;

async function begin(place: Place): Promise<void> {
  const answer = await watch(place);
  response = answer;
  // One line in pieces, as TCP brings them: joined once, when its end is there.
  let pieces: Buffer[] = [];
  answer.on("data", (chunk: Buffer) => {
    const now = machineNow();
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const piece = chunk.subarray(from, end);
      line(pieces.length === 0 ? piece : Buffer.concat([...pieces, piece]), now);
      pieces = [];
      from = end + 1;
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from));
  });
  answer.on("error", () => {});
  answer.on("close", () => {
    if (closing) return;
    ended = true;
    begin(place).catch(() => {});
  });
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
async function watch({ kubeconfig, namespace }: Place): Promise<IncomingMessage> {
  const { first: access } = await openAccess(kubeconfig);
  const send = access.origin.startsWith("https:") ? httpsGet : httpGet;
  const options = { ...connectOptions(access), headers: { accept: "application/json", ...access.headers } };
  const get = async (query: string): Promise<IncomingMessage> => {
    const address = `${access.origin}${pathOn(access, "")}/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(workspaceSelector)}&${query}`;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      send(address, options, resolve).once("error", reject);
    });
    if (answer.statusCode !== 200) throw new Error(`the bare watch was answered with ${answer.statusCode}`);
    return answer;
  };
  const list = listSchema.parse(JSON.parse(await text(await get("limit=1"))));
  return get(`watch=1&resourceVersion=${list.metadata.resourceVersion}&timeoutSeconds=86400`);
}
