/** Commands `list` and `classes`: what a ws-manager has now, as a table or JSON. */
import { withClient, type FilterFlags } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { sizeOf, wantsColor, type Io } from "./io.ts";
import { renderTable, sortRows } from "./table.ts";
import { fit, painter, sanitize, toSafeJson, widthOf } from "./text.ts";
import { jsonOf, phaseName, viewOf } from "./view.ts";

/** Flags of `list`. */
export interface ListFlags extends ConnectionFlags {
  readonly filter: FilterFlags;
  /** Names of phases; none: all. */
  readonly phases: readonly string[];
  readonly json: boolean;
  readonly showSecrets: boolean;
}

/** Prints the workspaces that match. JSON is a GetWorkspacesResponse. @throws CliError if the call fails. */
export async function list(io: Io, flags: ListFlags): Promise<void> {
  const all = await withClient(io, flags, (client) => client.getWorkspaces(flags.filter));
  const statuses = flags.phases.length === 0 ? all : all.filter(({ phase }) => flags.phases.includes(phaseName(phase)));
  if (flags.json) {
    io.stdout.write(`${toSafeJson({ status: statuses.map((status) => jsonOf(status, flags.showSecrets)) }, 2)}\n`);
    return;
  }
  if (statuses.length === 0) {
    io.stderr.write("no workspaces\n");
    return;
  }
  const width = io.stdout.isTTY === true ? sizeOf(io.stdout).width : undefined;
  const rows = sortRows(statuses.map((status) => ({ view: viewOf(status), fresh: false })));
  io.stdout.write(`${renderTable(rows, { now: io.clock.now(), width, paint: painter(wantsColor(io)) }).join("\n")}\n`);
}

/** Prints the workspace classes. JSON is a DescribeClusterResponse. @throws CliError if the call fails. */
export async function classes(io: Io, flags: ConnectionFlags & { readonly json: boolean }): Promise<void> {
  const found = await withClient(io, flags, (client) => client.classes());
  if (flags.json) {
    io.stdout.write(`${toSafeJson({ WorkspaceClasses: found.map(({ id, displayName }) => ({ Id: id, DisplayName: displayName })) }, 2)}\n`);
    return;
  }
  const rows = [{ id: "ID", displayName: "NAME" }, ...found].map(({ id, displayName }) => ({ id: sanitize(id), name: sanitize(displayName) }));
  const width = Math.max(...rows.map(({ id }) => widthOf(id)));
  io.stdout.write(`${rows.map(({ id, name }) => `${fit(id, width)}  ${name}`.trimEnd()).join("\n")}\n`);
}
