/** Commands that start, stop and steer workspaces. They print a line about what was done; with --json an object. */
import { readFile } from "node:fs/promises";
import { status as codes } from "@grpc/grpc-js";
import { reasonOf } from "../../domain/file-reasons.ts";
import { wsman } from "../../gen/proto.js";
import { CallError, withClient, type WsmanClient } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { CliError, errorText, usageError } from "./errors.ts";
import { readInput, type Input, type Io } from "./io.ts";
import { readStartRequest, startInput } from "./start-request.ts";
import { sanitize, toSafeJson } from "./text.ts";
import { phaseName } from "./view.ts";

interface Flags extends ConnectionFlags {
  readonly json?: boolean;
}

interface WorkspaceFlags extends Flags {
  readonly id: string;
}

/** Starts a workspace; JSON is a StartWorkspaceResponse, its token only if secrets are shown. @throws CliError if the input is none, the workspace exists already, or the call fails. */
export async function start(io: Io, flags: Flags & { readonly file?: string | undefined; readonly showSecrets?: boolean }): Promise<void> {
  const request = readStartRequest(await textOf(io, flags.file, startInput("name a file: wsmand start FILE")), (text) => void io.stderr.write(`warning: ${sanitize(text)}\n`));
  const { url, ownerToken } = await withClient(io, flags, (client) => startNew(client, request, flags.showSecrets === true));
  const token = flags.showSecrets === true ? { ownerToken } : {};
  tell(io, flags, [`workspace ${request.id} is starting at ${url}`, ...(flags.showSecrets === true ? [`owner token: ${ownerToken}`] : [])], { url, ...token });
}

/**
 * Starts a workspace that is not there yet. Whether the same request again is answered as the first one was, or with ALREADY_EXISTS, depends on how long ago and by which replica that was (spec: api,
 * StartWorkspace), which is for clients that repeat calls; a person is told the same of any workspace that is there. Where its status can not be had the server decides. @throws CallError
 */
async function startNew(client: WsmanClient, request: wsman.StartWorkspaceRequest, showSecrets: boolean): Promise<{ url: string; ownerToken: string }> {
  const before = await statusOf(client, request.id);
  if (before && before.phase !== wsman.WorkspacePhase.STOPPED) throw existsAlready(request.id, before, showSecrets);
  try {
    return await client.start(request);
  } catch (error) {
    if (!(error instanceof CallError) || codes[error.code] !== "ALREADY_EXISTS") throw error;
    throw existsAlready(request.id, await statusOf(client, request.id), showSecrets, error);
  }
}

/** Undefined where it can not be had, for whatever reason: there is no such workspace, it is not told yet, or the server does not tell, now or at all. */
async function statusOf(client: WsmanClient, id: string): Promise<wsman.WorkspaceStatus | undefined> {
  try {
    return (await client.describe(id)).status;
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return undefined;
  }
}

function existsAlready(id: string, status: wsman.WorkspaceStatus | undefined, showSecrets: boolean, cause?: unknown): CallError {
  const { how, hint } = existing(id, status, showSecrets);
  return new CallError(codes.ALREADY_EXISTS, `ALREADY_EXISTS: workspace ${id} exists already${how}`, hint, cause);
}

/** What is known of a workspace that exists, and what can be done. */
function existing(id: string, status: wsman.WorkspaceStatus | undefined, showSecrets: boolean): { readonly how: string; readonly hint: string } {
  // Who lost the answer to a start gets the token there.
  const hint = `\`wsmand describe ${id}${showSecrets ? " --show-secrets` shows it with its token" : "` shows it"}, \`wsmand stop ${id}\` ends it`;
  if (!status) return { how: "; its status could not be had", hint };
  if (status.phase === wsman.WorkspacePhase.STOPPED) return { how: ", and has stopped", hint: "its pod is there still: try again in a moment" };
  return { how: `, and is ${phaseName(status.phase)}${status.spec?.url ? ` at ${status.spec.url}` : ""}`, hint };
}

/** Asks for the end of workspaces, one after the other. */
export async function stop(io: Io, flags: Flags & { readonly ids: readonly string[]; readonly now?: boolean }): Promise<void> {
  const policy = flags.now === true ? wsman.StopWorkspacePolicy.IMMEDIATELY : wsman.StopWorkspacePolicy.NORMALLY;
  await withClient(io, flags, async (client) => {
    const failures: CallError[] = [];
    for (const id of flags.ids) {
      try {
        await tellingEnd(client, id, () => client.order("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id, policy }).finish()));
        tell(io, flags, [`workspace ${id} is to stop`], { id });
      } catch (error) {
        // The others are stopped all the same.
        if (!(error instanceof CallError)) throw error;
        failures.push(error);
      }
    }
    throwAll(io, failures);
  });
}

/** Tells all but the last, which is thrown. A hint that several have stands once, behind the last of them. */
function throwAll(io: Io, failures: readonly CallError[]): void {
  for (const [i, failure] of failures.entries()) {
    const next = failures[i + 1];
    if (!next) throw failure;
    io.stderr.write(errorText(new CliError(failure.message, { hint: failure.hint === next.hint ? undefined : failure.hint })));
  }
}

/** Marks a workspace as used, or as closed. */
export function active(io: Io, flags: WorkspaceFlags & { readonly closed?: boolean }): Promise<void> {
  const { id, closed = false } = flags;
  return order(io, flags, `workspace ${id} is marked as ${closed ? "closed" : "active"}`, (client) => client.order("MarkActive", wsman.MarkActiveRequest.encode({ id, closed }).finish()));
}

/** Says how long a workspace may be idle. */
export function setTimeoutOf(io: Io, flags: WorkspaceFlags & { readonly duration: string }): Promise<void> {
  const { id, duration } = flags;
  return order(io, flags, `workspace ${id} may be idle for ${duration}, once it has been used`, (client) => client.order("SetTimeout", wsman.SetTimeoutRequest.encode({ id, duration }).finish()));
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
export async function sshKeys(io: Io, flags: WorkspaceFlags & { readonly file?: string | undefined; readonly none?: boolean }): Promise<void> {
  const { id } = flags;
  const keys = await keysOf(io, flags);
  await order(io, flags, `${keys.length} ${keys.length === 1 ? "key opens" : "keys open"} workspace ${id}`, (client) => client.order("UpdateSSHKey", wsman.UpdateSSHKeyRequest.encode({ id, keys }).finish()));
}

/** A request that replaces keys may hold much less. */
const keysInput: Input = { what: "SSH keys (lines of an authorized_keys file)", instead: "name a file: wsmand ssh-keys ID FILE", maxBytes: 32 * 1024 * 1024 };

/** @throws CliError if there are none and that was not asked for: an input that is empty by mistake would lock everyone out. */
async function keysOf(io: Io, { file, none = false }: { readonly file?: string | undefined; readonly none?: boolean }): Promise<string[]> {
  if (none && file !== undefined) throw usageError("--none and a file with keys exclude each other");
  if (none) return [];
  const keys = (await textOf(io, file, keysInput)).split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0) throw usageError("there are no keys in the input", "--none takes away all keys of the workspace");
  return keys;
}

/** Takes a snapshot, or makes a backup; prints its location. */
export async function save(io: Io, flags: WorkspaceFlags & { readonly what: "snapshot" | "backup" }): Promise<void> {
  const url = await withClient(io, flags, (client) => tellingEnd(client, flags.id, () => client.save(flags.what === "snapshot" ? "TakeSnapshot" : "BackupWorkspace", flags.id)));
  tell(io, flags, [url], { url });
}

async function order(io: Io, flags: WorkspaceFlags, done: string, call: (client: WsmanClient) => Promise<void>): Promise<void> {
  await withClient(io, flags, (client) => tellingEnd(client, flags.id, () => call(client)));
  tell(io, flags, [done], { id: flags.id });
}

/** Makes a call about a workspace. Where there is none of that ID, and the daemon still knows one that has stopped, the error's hint says so. */
async function tellingEnd<T>(client: WsmanClient, id: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof CallError) || codes[error.code] !== "NOT_FOUND") throw error;
    const known = await client.describe(id).catch(() => undefined);
    throw known?.status.phase === wsman.WorkspacePhase.STOPPED ? new CallError(error.code, error.message, `workspace ${id} has stopped already`, error) : error;
  }
}

function tell(io: Io, flags: Flags, lines: readonly string[], json: object): void {
  const text = flags.json === true ? toSafeJson(json, 2) : lines.map((line) => sanitize(line)).join("\n");
  io.stdout.write(`${text}\n`);
}

/** The text of a file, or of the standard input. */
async function textOf(io: Io, file: string | undefined, input: Input): Promise<string> {
  if (file === undefined || file === "-") return readInput(io, input);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CliError(`can not read ${JSON.stringify(file)}: ${reasonOf(error)}`, { cause: error });
  }
}
