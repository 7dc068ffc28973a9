/** Command `watch`: a live table in a terminal, one line or one JSON object per change where output goes elsewhere. */
import type { wsman } from "../../gen/proto.js";
import { withClient, type FilterFlags, type WsmanClient } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { follow, type FeedListener } from "./feed.ts";
import { aborted, type Io, type Output } from "./io.ts";
import { LiveTable } from "./live.ts";
import { Roster } from "./roster.ts";
import { sanitize, toSafeJson } from "./text.ts";
import { jsonOf, viewOf } from "./view.ts";

/** Flags of `watch`. */
export interface WatchFlags extends ConnectionFlags {
  readonly filter: FilterFlags;
  readonly json: boolean;
  readonly showSecrets: boolean;
}

/** Watches until the signal aborts. @throws CliError as follow does. */
export async function watch(io: Io, flags: WatchFlags): Promise<void> {
  const table = io.stdout.isTTY === true && !io.env.dumbTerminal && !flags.json;
  await withClient(io, flags, (client, address) => (table ? watchLive(io, client, flags, address) : follow(client, flags.filter, io, lines(io, flags))));
}

async function watchLive(io: Io, client: WsmanClient, flags: WatchFlags, address: string): Promise<void> {
  // Before the terminal is taken over, so that an error of the first attempt is not lost with the screen.
  await Promise.race([client.connected(), aborted(io.signal)]);
  if (io.signal.aborted) return;
  const table = new LiveTable(io, `wsmand watch ${address}: Ctrl-C ends it`);
  try {
    await follow(client, flags.filter, io, table);
  } finally {
    table.close();
  }
}

/** Prints a line for each status that is newer than the last of its workspace, and shows something else; as JSON, its version is something else. Reads no further while the output is full. */
function lines(io: Io, flags: WatchFlags): FeedListener {
  const roster = new Roster();
  return {
    async status(status, isNews) {
      const now = io.clock.monotonic();
      roster.expire(now);
      const before = roster.of(status.id);
      if (!roster.offer(status, now)) return;
      const text = flags.json ? toSafeJson(jsonOf(status, flags.showSecrets)) : shownOf(status);
      if (!flags.json && before && shownOf(before) === text) return;
      const time = flags.json ? "" : `${isNews ? new Date(io.clock.now()).toISOString() : "-"}\t`;
      if (!io.stdout.write(`${time}${text}\n`)) await drained(io.stdout, io.signal);
    },
    listed(ids, since) {
      for (const id of roster.prune(ids, since)) io.stderr.write(`${sanitize(id)} is gone: it ended while there was no connection\n`);
    },
    notice(text) {
      if (text !== "") io.stderr.write(`${sanitize(text)}\n`);
    },
  };
}

/** What a line shows of a status behind its time (`-`: it was so when we asked), separated by tabs: ID, phase, type, owner/meta ID, node, message. */
function shownOf(status: wsman.WorkspaceStatus): string {
  const view = viewOf(status);
  return [view.id, view.phase, view.type, `${view.owner}/${view.metaId}`, view.node || "-", view.note || "-"].join("\t");
}

function drained(output: Output, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      output.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    output.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
