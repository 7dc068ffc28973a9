/** Decoding of requests: what is too large or no such message becomes INVALID_ARGUMENT with a clear text, hostile maps become plain Maps. */
import { isUtf8 } from "node:buffer";
import protobuf from "protobufjs/minimal.js";
import { WsmanError, messageOf } from "../../domain/errors.ts";
import { asObject } from "../../domain/json.ts";
import { wsman } from "../../gen/proto.js";
import type { Filter } from "../state/filter.ts";
import { maxMessageBytes } from "../grpc/limits.ts";

/** A decoder of the generated code. */
export interface MessageType<T> {
  decode(bytes: protobuf.Reader | Uint8Array): T;
}

/** Largest filter that a subscription keeps, bytes; one larger than what Kubernetes lets annotations be (256 KiB) can't match anyway. */
const maxSubscribeBytes = 512 * 1024;
/** Largest request for a start, which becomes one object in the cluster: etcd takes no larger ones. Decoded, small members take twenty times as much memory. */
export const maxStartBytes = 1536 * 1024;

/**
 * Decodes a request.
 * @param name of the message, with its package unless that is wsman.
 * @throws WsmanError INVALID_ARGUMENT if it is too large, or the bytes are no such message; a text that is not UTF-8 is named.
 */
export function decodeRequest<T>(type: MessageType<T>, name: string, bytes: Uint8Array, maxBytes = maxMessageBytes): T {
  if (bytes.length > maxBytes) throw new WsmanError("INVALID_ARGUMENT", `the request takes ${bytes.length} bytes, and may take ${maxBytes}`);
  try {
    return type.decode(bytes);
  } catch (error) {
    const field = fieldNotUtf8(type, bytes);
    throw new WsmanError("INVALID_ARGUMENT", `cannot decode the request as ${name.includes(".") ? name : `wsman.${name}`}: ${field === undefined ? messageOf(error) : `${field} is not UTF-8`}`, { cause: error });
  }
}

/** Stands for a text that is not UTF-8. No text that was decoded has a lone surrogate. */
const mark = "\ud800";

/** Reads on where the library gives up. */
class MarkingReader extends protobuf.BufferReader {
  override stringVerify(): string {
    const bytes = this.bytes();
    return isUtf8(bytes) ? "" : mark;
  }
}

/** The field, as the protocol names it, of the first text that is not UTF-8; undefined if that is not what is wrong. */
function fieldNotUtf8<T>(type: MessageType<T>, bytes: Uint8Array): string | undefined {
  try {
    return pathOfMark(type.decode(new MarkingReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))));
  } catch {
    return undefined;
  }
}

/** Where the mark is within a value: "" for the value itself. No deeper than messages can be. */
function pathOfMark(value: unknown): string | undefined {
  if (value === mark) return "";
  if (Array.isArray(value)) return firstPath(value.map((item: unknown, i): [string, unknown] => [`[${i}]`, item]));
  const object = asObject(value);
  if (!object) return undefined;
  // A key of a map can be named by nothing but the map.
  if (Object.hasOwn(object, mark)) return "";
  return firstPath(Object.entries(object).map(([member, item]) => [`.${protoName(member)}`, item]))?.replace(/^\./, "");
}

function firstPath(parts: Iterable<readonly [string, unknown]>): string | undefined {
  for (const [name, part] of parts) {
    const below = pathOfMark(part);
    if (below !== undefined) return name + (below === "" || below.startsWith("[") ? below : `.${below}`);
  }
  return undefined;
}

/** `workspaceImage`, as the generated code has it, is `workspace_image` in the protocol. */
function protoName(member: string): string {
  return member.replace(/(?<!_)[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The filter of a GetWorkspacesRequest. */
export function decodeGetWorkspaces(bytes: Uint8Array): Filter {
  return filterOf(decodeRequest(wsman.GetWorkspacesRequest, "GetWorkspacesRequest", bytes).mustMatch);
}

/** The filter of a SubscribeRequest. */
export function decodeSubscribe(bytes: Uint8Array): Filter {
  return filterOf(decodeRequest(wsman.SubscribeRequest, "SubscribeRequest", bytes, maxSubscribeBytes).mustMatch);
}

/** The ID of a DescribeWorkspaceRequest. */
export function decodeDescribeWorkspace(bytes: Uint8Array): string {
  return decodeRequest(wsman.DescribeWorkspaceRequest, "DescribeWorkspaceRequest", bytes).id ?? "";
}

function filterOf(filter: wsman.MetadataFilter.$Properties | null | undefined): Filter {
  return {
    owner: filter?.owner ?? "",
    metaId: filter?.metaId ?? "",
    annotations: new Map(Object.entries(filter?.annotations ?? {})),
  };
}
