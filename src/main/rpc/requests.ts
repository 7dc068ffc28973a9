/** Decoding of requests: what is too large or no such message becomes INVALID_ARGUMENT with a clear text, hostile maps become plain Maps. */
import { isUtf8 } from "node:buffer";
import protobuf from "protobufjs/minimal.js";
import { WsmanError, messageOf } from "../../domain/errors.ts";
import { asObject, type JsonObject } from "../../domain/json.ts";
import { wsman } from "../../gen/proto.js";
import type { Filter } from "../state/filter.ts";

/** A decoder of the generated code. */
export interface MessageType<T> {
  decode(bytes: protobuf.Reader | Uint8Array): T;
}

/** Largest request, bytes, of most calls: an ID and a few words. Decoded, small members take a hundred times as much memory. */
const maxRequestBytes = 64 * 1024;
/** Filters: one larger than what Kubernetes lets annotations be (256 KiB) can't match anyway. SSH keys: those on a pod may take less. */
const maxLargeBytes = 512 * 1024;

/** The bounds of those that may be larger, by message. A start becomes one object in the cluster: etcd takes no larger ones. */
const larger: ReadonlyMap<string, number> = new Map([["StartWorkspaceRequest", 1536 * 1024], ["GetWorkspacesRequest", maxLargeBytes], ["SubscribeRequest", maxLargeBytes], ["UpdateSSHKeyRequest", maxLargeBytes]]);

/** Largest request that is decoded, bytes. @param name of the message, without its package. */
export function maxBytesOf(name: string): number {
  return larger.get(name) ?? maxRequestBytes;
}

/**
 * Decodes a request.
 * @param name of the message, with its package unless that is wsman.
 * @throws WsmanError INVALID_ARGUMENT if it is too large, or the bytes are no such message; a text that is not UTF-8 is named.
 */
export function decodeRequest<T>(type: MessageType<T>, name: string, bytes: Uint8Array): T {
  const maxBytes = maxBytesOf(name.slice(name.lastIndexOf(".") + 1));
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

/** Where the mark is within a value: "" for the value itself. No deeper than messages can be, and nothing is made of what is passed by: members may be many. */
function pathOfMark(value: unknown): string | undefined {
  if (value === mark) return "";
  return Array.isArray(value) ? pathInList(value) : pathInObject(asObject(value));
}

function pathInList(list: readonly unknown[]): string | undefined {
  for (let i = 0; i < list.length; i++) {
    const below = pathOfMark(list[i]);
    if (below !== undefined) return joined(`[${i}]`, below);
  }
  return undefined;
}

function pathInObject(object: JsonObject | undefined): string | undefined {
  // A key of a map can be named by nothing but the map.
  if (object && Object.hasOwn(object, mark)) return "";
  for (const member in object) {
    const below = Object.hasOwn(object, member) ? pathOfMark(object[member]) : undefined;
    if (below !== undefined) return joined(protoName(member), below);
  }
  return undefined;
}

function joined(name: string, below: string): string {
  return below === "" || below.startsWith("[") ? name + below : `${name}.${below}`;
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
  return filterOf(decodeRequest(wsman.SubscribeRequest, "SubscribeRequest", bytes).mustMatch);
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
