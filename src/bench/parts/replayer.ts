/**
 * Part: stands in for an API server and replays prepared watch lines at almost no cost, so that the daemon is what limits a measurement.
 * It serves what a watcher of pods and events asks for, and nothing else.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { makeWorkspacePod, workspaceId } from "../../embedded/demo/pods.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { dueAt, planSchema, stampAnnotation } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { serve } from "./serve.ts";
import { loadShare } from "./share.ts";

const listenSchema = z.object({ namespace: z.string(), workspaces: z.number(), size: z.number() });

export const replayedSchema = z.object({ sent: z.number(), share: z.number() });

/** Both are written into the lines in place, so their length is fixed. */
const digits = 10;
const firstVersion = 1_000_000_000;
/** Bytes that may wait for the slowest watcher before the next line waits, too. */
const maxBacklog = 4 * 1024 * 1024;

/** A line to replay, and where its changing parts are. */
interface Template {
  readonly bytes: Buffer;
  readonly version: number;
  readonly stamp: number;
}

let templates: readonly Template[] = [];
let pods: readonly object[] = [];
let version = firstVersion;
let running: { stop: boolean; done: Promise<z.infer<typeof replayedSchema>> } | undefined;
const watchers = new Set<ServerResponse>();

const server = createServer((request, response) => answer(request, response));

serve({
  /** Gives the port. */
  listen: (params) => {
    const { namespace, workspaces, size } = listenSchema.parse(params);
    pods = Array.from({ length: workspaces }, (_, i) => podOf(i, size, namespace));
    templates = pods.map(templateOf);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address ? address.port : 0);
      });
    });
  },
  begin: (params) => {
    const run = { stop: false, done: Promise.resolve({ sent: 0, share: 0 }) };
    run.done = replay(planSchema.parse(params), run);
    running = run;
  },
  finish: async (params) => {
    if (!running) throw new Error("nothing was begun");
    if (z.object({ stop: z.boolean() }).parse(params).stop) running.stop = true;
    return running.done;
  },
});

function answer({ url = "" }: IncomingMessage, response: ServerResponse): void {
  const [path = "", query = ""] = url.split("?");
  const resource = /\/(pods|events)$/.exec(path)?.[1];
  response.setHeader("content-type", "application/json");
  if (resource === undefined) {
    response.writeHead(404).end('{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}');
  } else if (new URLSearchParams(query).has("watch")) {
    response.flushHeaders();
    if (resource !== "pods") return;
    watchers.add(response);
    response.on("close", () => watchers.delete(response));
  } else {
    const items = resource === "pods" ? pods : [];
    response.end(JSON.stringify({ kind: resource === "pods" ? "PodList" : "EventList", apiVersion: "v1", metadata: { resourceVersion: String(version) }, items }));
  }
}

function podOf(i: number, size: number, namespace: string): object {
  const pod = makeWorkspacePod({ id: workspaceId(seededRandom(i + 1)), phase: "running", size, namespace, annotations: { [stampAnnotation]: "0".repeat(digits) } });
  return { ...pod, metadata: { ...pod.metadata, uid: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`, resourceVersion: String(firstVersion) } };
}

function templateOf(pod: object): Template {
  const bytes = Buffer.from(`${JSON.stringify({ type: "MODIFIED", object: pod })}\n`);
  const after = (text: string): number => bytes.indexOf(text) + text.length;
  return { bytes, version: after('"resourceVersion":"'), stamp: after(`"${stampAnnotation}":"`) };
}

/** Sends each change when it is due, in a few writes where several are due together. */
async function replay(plan: Plan, run: { stop: boolean }): Promise<z.infer<typeof replayedSchema>> {
  const share = loadShare();
  let sent = 0;
  while (sent < plan.total && !run.stop) {
    const wait = dueAt(plan, sent) - machineNow();
    if (wait > 0.5) await sleepUntil(dueAt(plan, sent));
    const due: Buffer[] = [];
    for (const now = machineNow() + 0.5; sent < plan.total && dueAt(plan, sent) <= now && due.length < 64; sent++) due.push(lineOf(plan, sent));
    await write(Buffer.concat(due));
  }
  return { sent, share: share() };
}

function lineOf(plan: Plan, n: number): Buffer {
  const template = templates[n % plan.workspaces];
  if (!template) throw new Error("the plan has more workspaces than there are");
  const line = Buffer.from(template.bytes);
  line.write(String(++version), template.version, "latin1");
  line.write(String(plan.base + n).padStart(digits, "0"), template.stamp, "latin1");
  return line;
}

/** Writes to all watchers; resolves once none of them has too much waiting, and never before others had their turn. */
async function write(bytes: Buffer): Promise<void> {
  const full: Promise<void>[] = [];
  for (const watcher of watchers) {
    watcher.write(bytes);
    if (watcher.writableLength > maxBacklog) full.push(drained(watcher));
  }
  await Promise.all([new Promise((resolve) => setImmediate(resolve)), ...full]);
}

function drained(watcher: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      watcher.off("drain", done).off("close", done);
      resolve();
    };
    watcher.on("drain", done).on("close", done);
  });
}
