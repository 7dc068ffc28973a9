/** Bodies of requests: read within a limit, and understood by their content type. */
import { ApiError, badRequest, tooLarge, unsupportedMediaType } from "./errors.ts";
import type { HttpRequest } from "./http.ts";
import { isObject } from "./json.ts";
import type { JsonObject } from "../../domain/json.ts";
import { decodeProtobuf } from "./protobuf.ts";

/** Most bytes of a request's body, as in the real API server. */
export const maxBodyBytes = 3 * 1024 * 1024;

const accepted = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/** Reads the whole body. Rejects with ApiError 413 beyond the limit (the rest of the body is then not kept), with another error if the client goes away. */
export function readBody(request: HttpRequest): Promise<Buffer> {
  // Iterating over the request would cost several times as much as the rest of a small change.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBodyBytes) chunks.push(chunk);
    });
    request.once("end", () => {
      if (size > maxBodyBytes) reject(tooLarge(maxBodyBytes));
      else resolve(Buffer.concat(chunks));
    });
    request.once("error", reject);
    request.once("close", () => {
      if (!request.complete) reject(new Error("the client went away"));
    });
  });
}

/** The media type without parameters; JSON if there is none. */
export function mediaType(request: HttpRequest): string {
  return (request.headers["content-type"] ?? "application/json").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** The object in a body. Throws ApiError 415 for an unknown content type, 400 for what is no object. */
export async function parseObject(body: Buffer, media: string, kind: string): Promise<JsonObject> {
  if (!accepted.includes(media)) throw unsupportedMediaType(accepted);
  const value = media === "application/vnd.kubernetes.protobuf" ? decodeProtobuf(body) : await parseValue(body, media, kind);
  if (isObject(value)) return value;
  throw unrecognized(kind, `json: cannot unmarshal ${Array.isArray(value) ? "array" : typeof value} into Go value`, body);
}

async function parseValue(body: Buffer, media: string, kind: string): Promise<unknown> {
  try {
    return media.endsWith("yaml") ? await parseYaml(body) : JSON.parse(body.toString());
  } catch {
    throw unrecognized(kind, body.length === 0 ? "unexpected end of JSON input" : "invalid JSON", body);
  }
}

function unrecognized(kind: string, problem: string, body: Buffer): ApiError {
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: ${problem}${body.length === 0 ? " (<empty>)" : ""}`);
}

/** Reads YAML, of which JSON is a part. Throws what the parser throws. */
export async function parseYaml(body: Buffer): Promise<unknown> {
  const text = body.toString();
  try {
    return JSON.parse(text);
  } catch {
    const { parse } = await import("yaml");
    const value: unknown = parse(text, { maxAliasCount: 100 });
    return value;
  }
}

/** A patch's JSON. Throws ApiError 400. */
export async function parsePatch(body: Buffer, media: string): Promise<unknown> {
  try {
    return media.endsWith("yaml") ? await parseYaml(body) : JSON.parse(body.toString());
  } catch (error) {
    throw badRequest(`error decoding patch: ${body.length === 0 || !(error instanceof SyntaxError) ? "unexpected end of JSON input" : error.message}`);
  }
}

/** The options in the body of a DELETE; empty without a body. Throws ApiError 500, as the real one does. */
export async function parseDeleteOptions(body: Buffer, media: string): Promise<JsonObject> {
  if (body.length === 0) return {};
  if (media === "application/vnd.kubernetes.protobuf") return decodeProtobuf(body);
  try {
    const value = await parseYaml(body);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new ApiError(500, "", "couldn't get version/kind; json parse error: invalid JSON");
}
