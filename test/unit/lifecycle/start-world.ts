/** Starting workspaces whose creations the test finishes. */
import { once } from "node:events";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { Starter, type Started } from "../../../src/main/lifecycle/start.ts";
import type { WorkspaceStart } from "../../../src/main/render/start.ts";
import { buildFrame, decodeFrame, encodeStatus } from "../../../src/main/state/frame.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordOf } from "../../support/results.ts";

/** A creation, which the test finishes. */
export interface Creating {
  readonly id: string;
  readonly token: string;
  /** Aborts when nobody waits for it. */
  readonly unwanted: AbortSignal;
  readonly done: PromiseWithResolvers<{ uid: string; url: string }>;
}

/** What a test holds. */
export interface Setup {
  readonly starter: Starter;
  readonly clock: FakeClock;
  readonly creating: Creating[];
  readonly cleaned: string[];
  readonly gone: Set<string>;
  readonly lingering: { on: boolean };
  /** Clean-ups find that the pod ends by itself. */
  readonly ending: { on: boolean };
  /** Pods that starts have joined; those in `going` can not be. */
  readonly joined: string[];
  readonly going: Set<string>;
  /** A workspace is known from now on, of the type that was asked for. */
  readonly know: (id: string, ownerToken: string, type?: wsman.WorkspaceType, phase?: wsman.WorkspacePhase) => void;
  readonly start: (from: wsman.StartWorkspaceRequest) => Promise<Started>;
}

/** A starter whose creations the test finishes. */
export function setup(): Setup {
  const clock = new FakeClock();
  const [creating, cleaned, gone] = [new Array<Creating>(), new Array<string>(), new Set<string>()];
  const creation = {
    create: ({ id }: WorkspaceStart, { owner }: { readonly owner: string }, unwanted: AbortSignal) => {
      const done = Promise.withResolvers<{ uid: string; url: string }>();
      creating.push({ id, token: owner, unwanted, done });
      return done.promise;
    },
    clean: async ({ id }: WorkspaceStart, _tokens: object, again: AbortSignal) => {
      cleaned.push(id);
      if (lingering.on) await once(again, "abort");
      return ending.on ? `uid-${id}` : undefined;
    },
    gone: () => {},
  };
  const [joined, going] = [new Array<string>(), new Set<string>()];
  const join = async ({ uid }: WorkspaceRecord): Promise<boolean> => {
    if (!going.has(uid)) joined.push(uid);
    return !going.has(uid);
  };
  const [lingering, ending] = [{ on: false }, { on: false }];
  const records = new Map<string, WorkspaceRecord>();
  const know = (id: string, ownerToken: string, type = wsman.WorkspaceType.REGULAR, phase = wsman.WorkspacePhase.RUNNING): void => {
    const frame = buildFrame(encodeStatus({ id, spec: { url: `https://${id}` }, auth: { ownerToken } }), { seconds: 1, logical: 0 });
    records.set(id, { ...recordOf(`uid-${id}`, { id, type, phase, owner: "o", metaId: "m", annotations: {} }), frame });
  };
  const tokenOf = (id: string): string | undefined => {
    const frame = records.get(id)?.frame;
    return frame && (decodeFrame(frame).auth?.ownerToken ?? undefined);
  };
  let bytes = 0;
  const randomBytes = (count: number): Uint8Array => new Uint8Array(count).map(() => bytes++ % 60);
  const starter = new Starter({ creation, clock, join, randomBytes, frameOf: ({ frame }) => frame, known: (id) => ({ uid: records.get(id)?.uid, ownerToken: tokenOf(id) }), registry: { byId: (id) => records.get(id), byUid: (uid) => records.get(uid.replace("uid-", "")), records: () => records.values(), isGone: (uid) => gone.has(uid) } });
  return { starter, clock, creating, cleaned, gone, lingering, ending, joined, going, know, start: async (from) => starter.start(from, new AbortController().signal) };
}

/** Lets everything go on that can. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What the work fails with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(() => undefined, (reason: unknown) => reason);
  return error instanceof WsmanError ? error.code : String(error);
}
