/** The commands that start, stop and steer workspaces: their arguments and flags. */
import { Argument, InvalidArgumentError, type Command } from "commander";
import { parseGoDuration } from "../../domain/duration.ts";
import type { ConnectionFlags } from "./connection.ts";
import type { Io } from "./io.ts";

/** Flags of all of them. */
interface Common extends ConnectionFlags {
  readonly json?: boolean;
}

/** Adds the commands. @param withConnection adds the flags that say which ws-manager is meant. */
export function addSteeringCommands(program: Command, io: Io, withConnection: (command: Command) => Command): void {
  const add = (name: string, about: string): Command => withConnection(program.command(name).description(about));

  const start = add("start", "start a workspace: a StartWorkspaceRequest (proto3 JSON) from a file or the standard input").argument("[file]", "the request").option("--show-secrets", "print the owner token, too");
  start.action(async (file: string | undefined) => (await import("./steer.ts")).start(io, { ...start.opts<Common & { showSecrets?: boolean }>(), file }));

  const stop = add("stop", "stop workspaces").argument("<id...>", "their IDs").option("--now", "give them a second, not half a minute");
  stop.action(async (ids: string[]) => (await import("./steer.ts")).stop(io, { ...stop.opts<Common & { now?: boolean }>(), ids }));

  const active = add("active", "mark a workspace as in use, as its IDE does all the time").argument("<id>", "the workspace's ID").option("--closed", "mark it as closed by its user: it times out soon");
  active.action(async (id: string) => (await import("./steer.ts")).active(io, { ...active.opts<Common & { closed?: boolean }>(), id }));

  // The flag --timeout is the call's own.
  const timeout = add("timeout", "say how long a workspace may be idle").argument("<id>", "the workspace's ID").argument("<duration>", "such as 30m or 1h30m; 0 ends it at once, if it was used before", duration);
  timeout.action(async (id: string, text: string) => (await import("./steer.ts")).setTimeoutOf(io, { ...timeout.opts<Common>(), id, duration: text }));

  const port = add("port", "expose a port of a workspace, for those who may open it").argument("<id>", "the workspace's ID").argument("<port>", "1 to 65535", portNumber)
    .option("--public", "for everyone who has the URL").option("--hide", "expose it no more");
  port.action(async (id: string, number: number) => (await import("./steer.ts")).port(io, { ...port.opts<Common & { public?: boolean; hide?: boolean }>(), id, port: number }));

  const admission = add("admission", "say who may open a workspace").argument("<id>", "the workspace's ID").addArgument(new Argument("<who>", "its owner, or everyone").choices(["owner", "everyone"]));
  admission.action(async (id: string, who: string) => (await import("./steer.ts")).admission(io, { ...admission.opts<Common>(), id, everyone: who === "everyone" }));

  for (const [name, about] of [["snapshot", "take a snapshot of a running workspace, and print where it is"], ["backup", "back up a workspace, and print where the backup is"]] as const) {
    const save = add(name, `${about} (allow time with --timeout)`).argument("<id>", "the workspace's ID");
    save.action(async (id: string) => (await import("./steer.ts")).save(io, { ...save.opts<Common>(), id, what: name }));
  }

  const keys = add("ssh-keys", "replace the SSH keys that open a workspace: lines of an authorized_keys file from a file or the standard input").argument("<id>", "the workspace's ID").argument("[file]", "the keys").option("--none", "no keys: take away all that there are");
  keys.action(async (id: string, file: string | undefined) => (await import("./steer.ts")).sshKeys(io, { ...keys.opts<Common & { none?: boolean }>(), id, file }));
}

function duration(text: string): string {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('It must be a duration such as "30m", not below 0.');
  return text;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) throw new InvalidArgumentError("It must be a whole number from 1 to 65535.");
  return port;
}
