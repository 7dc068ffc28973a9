/** Command `image-spec`: what a workspace's image is put together from. */
import { status as codes } from "@grpc/grpc-js";
import type { registryfacade } from "../../gen/proto.js";
import { namesIn } from "../content/tar.ts";
import { CallError, withClient } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { imageSpecJson } from "./decode.ts";
import type { Io } from "./io.ts";
import { sanitize, toSafeJson } from "./text.ts";

/** Flags of `image-spec`. */
export interface ImageSpecFlags extends ConnectionFlags {
  readonly id: string;
  readonly json: boolean;
  readonly showSecrets: boolean;
}

/** Prints the image spec of a workspace. JSON is a registryfacade.ImageSpec. @throws CliError if the call fails. */
export async function imageSpec(io: Io, flags: ImageSpecFlags): Promise<void> {
  const spec = await withClient(io, flags, (client) => naming(flags.id, client.imageSpec(flags.id)));
  if (flags.json) {
    io.stdout.write(`${toSafeJson(imageSpecJson(spec, flags.showSecrets), 2)}\n`);
    return;
  }
  const images = [["Image", spec.baseRef], ["IDE", spec.ideRef], ["Desktop IDE", spec.desktopIdeRef], ["Supervisor", spec.supervisorRef]] as const;
  const lines = images.filter(([, ref]) => ref !== "").map(([label, ref]) => `${`${label}:`.padEnd(13)}${ref}`);
  for (const [i, layer] of spec.contentLayer.entries()) lines.push(`${`Layer ${i + 1}:`.padEnd(13)}${await layerText(layer, flags.showSecrets)}`);
  io.stdout.write(`${lines.map((line) => sanitize(line)).join("\n")}\n`);
}

/** Registry facades are told "not found", and no more: people are told what was not. */
async function naming<T>(id: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof CallError) || codes[error.code] !== "NOT_FOUND") throw error;
    throw new CallError(error.code, `workspace ${id}: ${error.message}`, error.hint, error);
  }
}

/** One line on a layer, from the lowest to the topmost. */
async function layerText({ remote, direct }: registryfacade.ContentLayer.$Properties, showSecrets: boolean): Promise<string> {
  if (remote) {
    const size = remote.size?.toString() ?? "0";
    return [`${size} bytes of ${remote.mediaType ?? ""} from the storage, ${remote.digest ?? ""}`, ...(showSecrets ? [remote.url ?? ""] : [])].join(" ");
  }
  if (direct) return `made for the workspace: ${(await namesIn(direct.content ?? new Uint8Array())).join(", ")}`;
  return "empty";
}
