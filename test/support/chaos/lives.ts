/** People who start and stop workspaces, and ask again until it is done, whichever daemon there is just now. */
import { setTimeout as pause } from "node:timers/promises";
import { status as code } from "@grpc/grpc-js";
import { pick } from "../../../src/embedded/kubelet/random.ts";
import { wsman } from "../../../src/gen/proto.js";
import { request } from "../../unit/render/helpers.ts";
import { until } from "../until.ts";
import type { Lab } from "./lab.ts";

/** A workspace that is to live, and what it has to expect. */
export interface Life {
  readonly id: string;
  /**
   * What can not go well: its backup (then that is told, and there is none); or anything may become of the backup, since the workspace is taken away by force; or its start.
   * Default: everything goes well.
   */
  readonly doom?: "backup" | "anything" | "start" | undefined;
}

/** Requests of one person at a time would be slow, and all at once no more than this. */
const atOnce = 250;
/** Answers after which one asks again. */
const passing: ReadonlySet<number> = new Set([code.UNAVAILABLE, code.CANCELLED, code.DEADLINE_EXCEEDED, code.INTERNAL, code.RESOURCE_EXHAUSTED, code.ABORTED, code.UNKNOWN]);

const [ok, alreadyThere, missing]: readonly number[] = [code.OK, code.ALREADY_EXISTS, code.NOT_FOUND];

/** Starts all of them; resolves once each start was answered. */
export async function startAll(lab: Lab, lives: readonly Life[], patienceMs: number): Promise<void> {
  lab.step = `starting ${lives.length} workspaces`;
  await each(lives, async ({ id }) => {
    const bytes = wsman.StartWorkspaceRequest.encode(request({ id, metadata: { owner: "jane", metaId: `meta-${id}` } })).finish();
    await ask(lab, "StartWorkspace", bytes, patienceMs, (got) => got === ok || got === alreadyThere);
    lab.did("workspaces started");
  });
}

/** Waits until each can be used, or has failed to get there. */
export async function allReady(lab: Lab, lives: readonly Life[], patienceMs: number): Promise<void> {
  lab.step = `waiting for ${lives.length} to be ready`;
  for (const { id } of lives) {
    await until(`${id} can be used`, () => {
      const seen = lab.witness.of(id);
      return seen !== undefined && (seen.everReady || seen.deleted || seen.gone);
    }, patienceMs);
  }
}

/** Stops all of them; resolves once each stop was answered, or its workspace is going anyway. */
export async function stopAll(lab: Lab, lives: readonly Life[], patienceMs: number, policy: wsman.StopWorkspacePolicy = wsman.StopWorkspacePolicy.NORMALLY): Promise<void> {
  if (lives.length > 0) lab.step = `stopping ${lives.length} workspaces`;
  await each(lives, async ({ id }) => {
    const bytes = wsman.StopWorkspaceRequest.encode({ id, policy }).finish();
    const going = (): boolean => lab.witness.of(id)?.deleted === true || lab.witness.of(id)?.gone === true;
    await ask(lab, "StopWorkspace", bytes, patienceMs, (got) => got === ok || (got === missing && going()));
    lab.did("workspaces stopped");
  });
}

/** Waits until all are gone, and those who still listen were told. */
export async function allEnded(lab: Lab, lives: readonly Life[], patienceMs: number): Promise<void> {
  lab.step = `waiting for ${lives.length} to end`;
  for (const { id } of lives) await until(`${id} is gone`, () => lab.witness.of(id)?.gone === true, patienceMs);
  const streams = lab.able().flatMap((replica) => replica.streams);
  await until("all subscribers know", () => streams.every((stream) => [...stream.lasts().values()].every(({ phase }) => phase === wsman.WorkspacePhase.STOPPED)), 20_000);
}

/** Whole lives, all beginning at once, and all ending at once. */
export async function liveAll(lab: Lab, lives: readonly Life[], patienceMs: number): Promise<void> {
  await startAll(lab, lives, patienceMs);
  await allReady(lab, lives, patienceMs);
  await stopAll(lab, lives, patienceMs);
  await allEnded(lab, lives, patienceMs);
}

async function each(lives: readonly Life[], work: (life: Life) => Promise<void>): Promise<void> {
  const waiting = [...lives];
  const one = async (): Promise<void> => {
    for (let life = waiting.shift(); life; life = waiting.shift()) await work(life);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, lives.length) }, one));
}

/** Asks any daemon until the answer is one that ends the matter. @throws Error for an answer that asking again does not change. */
async function ask(lab: Lab, method: string, bytes: Uint8Array, patienceMs: number, isDone: (got: number) => boolean): Promise<void> {
  let last = "no daemon was there";
  await until(`${method} is answered`, async () => {
    const able = lab.able();
    if (able.length === 0) return false;
    const { code: got, details } = await pick(lab.random, able).client.wsman(method, bytes);
    if (isDone(got)) return true;
    last = `${method}: ${code[got]} ${details}`;
    if (!passing.has(got) && got !== code.NOT_FOUND) throw new Error(last);
    await pause(50 + lab.random() * 200);
    return false;
  }, patienceMs).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)} (${last})`, { cause: error });
  });
}
