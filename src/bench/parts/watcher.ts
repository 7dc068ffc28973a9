/** Part: a bare watch of the same pods, which notes when each change's line is complete: what any watcher could know at best. */
import { get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { workspaceSelector } from "../../domain/names.ts";
import { connectOptions, openAccess, pathOn } from "../load/access.ts";
import { machineNow } from "../load/clock.ts";
import { planSchema, stampAnnotation } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { serve } from "./serve.ts";

const openSchema = z.object({ kubeconfig: z.string(), namespace: z.string() });

export const arrivalsSchema = z.object({
  /** Per change, when its line was complete on the machine's clock; 0: it was not seen. */
  at: z.instanceof(Float64Array),
  lines: z.number(),
  bytes: z.number(),
  /** Lines that carried an older change than one before: then it was written so, and no daemon's fault. */
  disordered: z.number(),
  /** The watch ended before it was closed. */
  ended: z.boolean(),
});

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

serve({
  open: async (params) => {
    const { kubeconfig, namespace } = openSchema.parse(params);
    response = await watch(kubeconfig, namespace);
    // One line in pieces, as TCP brings them: joined once, when its end is there.
    let pieces: Buffer[] = [];
    response.on("data", (chunk: Buffer) => {
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
    response.on("error", () => {});
    response.on("close", () => {
      ended = true;
    });
  },
  begin: (params) => {
    plan = planSchema.parse(params);
    at = new Float64Array(plan.total);
    newest = new Float64Array(plan.workspaces).fill(-1);
    lines = 0;
    bytes = 0;
    disordered = 0;
  },
  finish: () => ({ at, lines, bytes, disordered, ended }),
  close: () => void response?.destroy(),
});

function line(text: Buffer, now: number): void {
  lines++;
  bytes += text.length + 1;
  const found = text.indexOf(mark);
  if (found < 0 || !plan) return;
  const n = Number.parseInt(text.toString("latin1", found + mark.length, found + mark.length + 16), 10) - plan.base;
  if (!(n >= 0 && n < plan.total)) return;
  if (at[n] === 0) at[n] = now;
  const workspace = n % plan.workspaces;
  if (n < (newest[workspace] ?? -1)) disordered++;
  else newest[workspace] = n;
}

async function watch(kubeconfig: string, namespace: string): Promise<IncomingMessage> {
  const { first: access } = await openAccess(kubeconfig);
  const get = access.origin.startsWith("https:") ? httpsGet : httpGet;
  const options = { ...connectOptions(access), headers: { accept: "application/json", ...access.headers } };
  const address = `${access.origin}${pathOn(access, "")}/api/v1/namespaces/${namespace}/pods?watch=1&labelSelector=${encodeURIComponent(workspaceSelector)}&timeoutSeconds=86400`;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(address, options, resolve).once("error", reject);
  });
  if (answer.statusCode !== 200) throw new Error(`the watch was answered with ${answer.statusCode}`);
  return answer;
}
