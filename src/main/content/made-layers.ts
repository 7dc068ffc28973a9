/** The layers that are made here: small tars that tell the workspace what to do about its content (spec: content-layers, "The layers made here"). */
import type { JsonObject } from "../../domain/json.ts";
import type { registryfacade } from "../../gen/proto.js";
import { preStopHook, preStopHookPath } from "./pre-stop-hook.ts";
import { tarOf, type TarEntry } from "./tar.ts";

/** A layer of an image spec. */
export type Layer = registryfacade.ContentLayer.$Properties;

/** What a workspace is told of its content: where its backup is, or how it is made. */
export type Descriptor = { readonly fromBackupURL: string } | { readonly urls?: Readonly<Record<string, string>>; readonly req: JsonObject };

/** Where content that is ready came from. */
export type ReadySource = "from-backup" | "from-prebuild" | "from-other";

/** User and group of a workspace. */
const workspaceUser = 33_333;

/** Has the workspace make its content. */
export function descriptorLayer(descriptor: Descriptor): Promise<Layer> {
  return direct([directory("/workspace"), directory("/workspace/.gitpod"), file("/workspace/.gitpod/content.json", descriptor)]);
}

/** Says that the content is there. */
export function readyLayer(source: ReadySource): Promise<Layer> {
  return direct([directory("/workspace"), directory("/workspace/.gitpod"), file("/workspace/.gitpod/ready", { source })]);
}

/** For a workspace on a claim: a hook for its end, and what makes the content, if it is to be made. */
export function claimLayer(descriptor: Descriptor | undefined): Promise<Layer> {
  return direct([
    directory("/.workspace"),
    directory("/.workspace/.gitpod"),
    { name: preStopHookPath, mode: 0o775, owner: 0, content: preStopHook },
    ...(descriptor === undefined ? [] : [file("/.workspace/.gitpod/content.json", descriptor)]),
  ]);
}

async function direct(entries: readonly TarEntry[]): Promise<Layer> {
  return { direct: { content: await tarOf(entries) } };
}

function directory(name: string): TarEntry {
  return { name, mode: 0o755, owner: workspaceUser };
}

function file(name: string, content: object): TarEntry {
  return { name, mode: 0o755, owner: workspaceUser, content: JSON.stringify(content) };
}
