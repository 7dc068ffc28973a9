/** Commands `decode-imagespec` and `decode-initializer`: what is packed into a pod's annotations, as JSON. */
import { decodeBase64 } from "../../domain/base64.ts";
import { asObject, objectAt, objectsAt, type JsonObject } from "../../domain/json.ts";
import { contentservice, registryfacade } from "../../gen/proto.js";
import { initializerJson, withoutCredentials } from "../content/initializer-json.ts";
import { CliError } from "./errors.ts";
import { readInput, type Io } from "./io.ts";
import { toSafeJson } from "./text.ts";

/** Flags of both. */
export interface DecodeFlags {
  readonly showSecrets?: boolean | undefined;
}

/** No annotation is larger. */
const maxInputBytes = 1024 * 1024;

/** Prints a registryfacade.ImageSpec from the standard input. @throws CliError if it is none. */
export async function decodeImageSpec(io: Io, { showSecrets = false }: DecodeFlags): Promise<void> {
  const spec = decoded(registryfacade.ImageSpec, await input(io, "gitpod/imageSpec"), "a registryfacade.ImageSpec (annotation gitpod/imageSpec)");
  io.stdout.write(`${toSafeJson(imageSpecJson(spec, showSecrets), 2)}\n`);
}

/** Prints a contentservice.WorkspaceInitializer from the standard input. @throws CliError if it is none. */
export async function decodeInitializer(io: Io, { showSecrets = false }: DecodeFlags): Promise<void> {
  const json = initializerJson(decoded(contentservice.WorkspaceInitializer, await input(io, "gitpod/contentInitializer"), "a contentservice.WorkspaceInitializer (annotation gitpod/contentInitializer)"));
  io.stdout.write(`${toSafeJson(showSecrets ? json : withoutCredentials(json), 2)}\n`);
}

/** An image spec as proto3 JSON. Links are signed, and the layers that are made for a workspace hold links and credentials: they are left out unless asked for. */
export function imageSpecJson(spec: registryfacade.ImageSpec, showSecrets: boolean): JsonObject {
  const json: JsonObject = registryfacade.ImageSpec.toObject(spec, { longs: String, bytes: String });
  if (showSecrets || !("contentLayer" in json)) return json;
  return { ...json, contentLayer: objectsAt(json, "contentLayer").map(withoutSecrets) };
}

function withoutSecrets(layer: JsonObject): JsonObject {
  const [remote, direct] = [objectAt(layer, "remote"), objectAt(layer, "direct")];
  return { ...layer, ...(remote && { remote: without(remote, "url") }), ...(direct && { direct: without(direct, "content") }) };
}

function without(parent: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(asObject(parent) ?? {}).filter(([name]) => name !== key));
}

async function input(io: Io, annotation: string): Promise<Buffer> {
  const text = await readInput(io, { what: `the value of a pod's annotation ${annotation} (base64)`, instead: "redirect a file: wsmand ... < FILE", maxBytes: maxInputBytes });
  const bytes = decodeBase64(text.trim());
  if (bytes === undefined || bytes.length === 0) throw new CliError("the input is not base64: give the value of the annotation");
  return bytes;
}

function decoded<T>(type: { decode(bytes: Uint8Array): T }, bytes: Uint8Array, what: string): T {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new CliError(`the input is not ${what}`, { cause: error });
  }
}
