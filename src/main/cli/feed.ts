/** Follows the workspaces of a server: current statuses first, then every change, over as many connections as it takes. */
import { status as codes } from "@grpc/grpc-js";
import { Backoff } from "../../domain/backoff.ts";
import { sleep } from "../../domain/clock.ts";
import type { wsman } from "../../gen/proto.js";
import { CallError, type FilterFlags, type WsmanClient } from "./client.ts";
import type { Io } from "./io.ts";

/** Hears what is going on. */
export interface FeedListener {
  /** A status came, maybe one that is known already; `isNews`: it changed while we watched. The next is not read before this resolves. */
  status(status: wsman.WorkspaceStatus, isNews: boolean): void | Promise<void>;
  /** The statuses handed over just now were all there are; `since`, monotonic milliseconds, is when the list was asked for. */
  listed(ids: ReadonlySet<string>, since: number): void;
  /** What is the matter with the connection; empty: it works (again). */
  notice(text: string): void;
  /** There is no list to be had, which a notice has told; changes are told all the same. */
  unlisted?(): void;
}

/** What is asked of a server. */
type Followed = Pick<WsmanClient, "connected" | "subscribe" | "getWorkspaces">;

/** The delays between attempts, milliseconds. */
export const reconnectDelays = { baseMs: 500, maxMs: 10_000 } as const;
/** A stream of which nothing has come works if it stands for so long, milliseconds. */
const steadyMs = 10_000;

/**
 * Follows until the signal aborts. A server that does not send the current statuses itself (the Go ws-manager) is asked for a list
 * as soon as it was asked for the changes, so that nothing falls in between; the listener tells by status_version what is newer.
 * @throws CallError if the first connection fails, or if trying again can not help.
 */
export async function follow(client: Followed, filter: FilterFlags, io: Pick<Io, "clock" | "random" | "signal">, listener: FeedListener): Promise<void> {
  const backoff = new Backoff({ ...reconnectDelays, random: io.random });
  let everConnected = false;
  while (!io.signal.aborted) {
    const lost = await followOnce(client, filter, io, listener, {
      answers: () => void (everConnected = true),
      streams: () => backoff.reset(),
    });
    if (io.signal.aborted) return;
    if (!everConnected || !lost.transient) throw lost;
    const delay = backoff.next();
    listener.notice(`connection lost (${lost.message}): trying again in ${(delay / 1000).toFixed(1)} s`);
    await sleep(io.clock, delay, io.signal);
  }
}

/** What a connection turns out to do. */
export interface Hopes {
  /** The server has answered. That it lists says nothing of the stream: it may refuse that alone, again and again. */
  readonly answers: () => void;
  /** The stream has told something, or stood for a while. */
  readonly streams: () => void;
}

/**
 * As {@link follow}, over one connection, to its end. Resolves with the reason; rejects only if the listener fails.
 * @param io `connectMs`: how long connecting may take, milliseconds; default: as long as a call.
 */
export async function followOnce(client: Followed, filter: FilterFlags, io: Pick<Io, "clock" | "signal"> & { readonly connectMs?: number }, listener: FeedListener, { answers, streams }: Hopes): Promise<CallError> {
  const cancelled = new CallError(codes.CANCELLED, "cancelled", undefined, undefined);
  const failed = await untilAborted(client.connected(io.connectMs), io.signal);
  if (failed instanceof CallError) return failed;
  if (io.signal.aborted) return cancelled;
  const stream = client.subscribe(filter);
  const since = io.clock.monotonic();
  const cancel = (): void => stream.cancel();
  io.signal.addEventListener("abort", cancel, { once: true });
  try {
    // Until the list is there, the stream may be telling the current statuses, too.
    let listed = false;
    const listing = list(client, filter, io, listener, answers).finally(() => {
      listed = true;
    });
    for await (const status of stream) {
      answers();
      streams();
      await listener.status(status, listed);
    }
    await listing;
    return new CallError(codes.UNAVAILABLE, "the server ended the stream", undefined, undefined);
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  } finally {
    io.signal.removeEventListener("abort", cancel);
    stream.cancel();
    if (io.clock.monotonic() - since >= steadyMs) streams();
  }
}

/** Resolves with the error, if the promise rejects; without, if it resolves or the signal aborts first. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<unknown> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const abort = (): void => resolve(undefined);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  const outcome: unknown = await Promise.race([promise.catch((error: unknown) => error), aborted]);
  signal.removeEventListener("abort", abort);
  return outcome;
}

/** Lists; never rejects. If it can not be done the stream goes on, and tells what it can. */
async function list(client: Pick<Followed, "getWorkspaces">, filter: FilterFlags, io: Pick<Io, "clock" | "signal">, listener: FeedListener, answers: () => void): Promise<void> {
  const since = io.clock.monotonic();
  try {
    const statuses = await client.getWorkspaces(filter);
    answers();
    listener.notice("");
    for (const status of statuses) {
      if (io.signal.aborted) return;
      await listener.status(status, false);
    }
    listener.listed(new Set(statuses.map(({ id }) => id)), since);
  } catch (error) {
    if (io.signal.aborted) return;
    listener.notice(`the current workspaces can not be listed: ${error instanceof Error ? error.message : String(error)}`);
    listener.unlisted?.();
  }
}
