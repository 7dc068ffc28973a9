/** Commands that start, stop and steer workspaces. They print a line about what was done; with --json an object. */
import { readFile } from "node:fs/promises";
import { messageOf } from "../../domain/errors.ts";
import { wsman } from "../../gen/proto.js";
import { CallError, withClient, type WsmanClient } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { CliError } from "./errors.ts";
import { readAll, type Io } from "./io.ts";
import { maxInputBytes, readStartRequest } from "./start-request.ts";
import { sanitize, toSafeJson } from "./text.ts";

interface Flags extends ConnectionFlags {
  readonly json?: boolean;
}

interface WorkspaceFlags extends Flags {
  readonly id: string;
}

/** Starts a workspace; JSON is a StartWorkspaceResponse, its token only if secrets are shown. @throws CliError if the input is none, or the call fails. */
export async function start(io: Io, flags: Flags & { readonly file?: string | undefined; readonly showSecrets?: boolean }): Promise<void> {
  const request = readStartRequest(await input(io, flags.file), (text) => void io.stderr.write(`warning: ${sanitize(text)}\n`));
  const { url, ownerToken } = await withClient(io, flags, (client) => client.start(request));
  const token = flags.showSecrets === true ? { ownerToken } : {};
  tell(io, flags, [`workspace ${request.id} is starting at ${url}`, ...(flags.showSecrets === true ? [`owner token: ${ownerToken}`] : [])], { url, ...token });
}

/** Asks for the end of workspaces, one after the other. */
export async function stop(io: Io, flags: Flags & { readonly ids: readonly string[]; readonly now?: boolean }): Promise<void> {
  const policy = flags.now === true ? wsman.StopWorkspacePolicy.IMMEDIATELY : wsman.StopWorkspacePolicy.NORMALLY;
  await withClient(io, flags, async (client) => {
    const failures: CliError[] = [];
    for (const id of flags.ids) {
      try {
        await client.order("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id, policy }).finish());
        tell(io, flags, [`workspace ${id} is to stop`], { id });
      } catch (error) {
        // The others are stopped all the same.
        if (!(error instanceof CallError)) throw error;
        failures.push(error);
      }
    }
    const [first, ...more] = failures;
    if (first) throw more.length === 0 ? first : new CliError(failures.map(({ message }) => message).join("\n"), { hint: first.hint, cause: first });
  });
}

/** Marks a workspace as used, or as closed. */
export function active(io: Io, flags: WorkspaceFlags & { readonly closed?: boolean }): Promise<void> {
  const { id, closed = false } = flags;
  return order(io, flags, `workspace ${id} is marked as ${closed ? "closed" : "active"}`, (client) => client.order("MarkActive", wsman.MarkActiveRequest.encode({ id, closed }).finish()));
}

/** Says how long a workspace may be idle. */
export function setTimeoutOf(io: Io, flags: WorkspaceFlags & { readonly duration: string }): Promise<void> {
  const { id, duration } = flags;
  return order(io, flags, `workspace ${id} may be idle for ${duration}`, (client) => client.order("SetTimeout", wsman.SetTimeoutRequest.encode({ id, duration }).finish()));
}

/** Exposes a port, or hides it. */
export function port(io: Io, flags: WorkspaceFlags & { readonly port: number; readonly public?: boolean; readonly hide?: boolean }): Promise<void> {
  const { id, port: number, hide = false } = flags;
  const visibility = flags.public === true ? wsman.PortVisibility.PORT_VISIBILITY_PUBLIC : wsman.PortVisibility.PORT_VISIBILITY_PRIVATE;
  const done = `port ${number} of workspace ${id} is ${hide ? "hidden" : `exposed ${flags.public === true ? "to everyone" : "to those who may open the workspace"}`}`;
  return order(io, flags, done, (client) => client.order("ControlPort", wsman.ControlPortRequest.encode({ id, expose: !hide, spec: { port: number, visibility } }).finish()));
}

/** Says who may open a workspace. */
export function admission(io: Io, flags: WorkspaceFlags & { readonly everyone: boolean }): Promise<void> {
  const { id, everyone } = flags;
  const level = everyone ? wsman.AdmissionLevel.ADMIT_EVERYONE : wsman.AdmissionLevel.ADMIT_OWNER_ONLY;
  return order(io, flags, `workspace ${id} lets ${everyone ? "everyone" : "its owner alone"} in`, (client) => client.order("ControlAdmission", wsman.ControlAdmissionRequest.encode({ id, level }).finish()));
}

/** Replaces the SSH keys of a workspace; blank lines and comments are left out. */
export async function sshKeys(io: Io, flags: WorkspaceFlags & { readonly file?: string | undefined }): Promise<void> {
  const { id } = flags;
  const keys = (await input(io, flags.file)).split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  await order(io, flags, `${keys.length} ${keys.length === 1 ? "key opens" : "keys open"} workspace ${id}`, (client) => client.order("UpdateSSHKey", wsman.UpdateSSHKeyRequest.encode({ id, keys }).finish()));
}

/** Takes a snapshot, or makes a backup; prints its location. */
export async function save(io: Io, flags: WorkspaceFlags & { readonly what: "snapshot" | "backup" }): Promise<void> {
  const url = await withClient(io, flags, (client) => client.save(flags.what === "snapshot" ? "TakeSnapshot" : "BackupWorkspace", flags.id));
  tell(io, flags, [url], { url });
}

async function order(io: Io, flags: WorkspaceFlags, done: string, call: (client: WsmanClient) => Promise<void>): Promise<void> {
  await withClient(io, flags, call);
  tell(io, flags, [done], { id: flags.id });
}

function tell(io: Io, flags: Flags, lines: readonly string[], json: object): void {
  const text = flags.json === true ? toSafeJson(json) : lines.map((line) => sanitize(line)).join("\n");
  io.stdout.write(`${text}\n`);
}

async function input(io: Io, file: string | undefined): Promise<string> {
  if (file === undefined || file === "-") return readAll(io.stdin, maxInputBytes);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CliError(`can not read ${JSON.stringify(file)}: ${messageOf(error)}`, { cause: error });
  }
}
