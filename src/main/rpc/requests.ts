/** Decoding of requests: random bytes become INVALID_ARGUMENT with a clear text, hostile maps become plain Maps. */
import { WsmanError, messageOf } from "../../domain/errors.ts";
import { wsman } from "../../gen/proto.js";
import type { Filter } from "../state/filter.ts";

/** A decoder of the generated code. */
export interface MessageType<T> {
  decode(bytes: Uint8Array): T;
}

/** Decodes a request. @param name of the message, with its package unless that is wsman. @throws WsmanError INVALID_ARGUMENT if the bytes are no such message. */
export function decodeRequest<T>(type: MessageType<T>, name: string, bytes: Uint8Array): T {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new WsmanError("INVALID_ARGUMENT", `cannot decode the request as ${name.includes(".") ? name : `wsman.${name}`}: ${messageOf(error)}`, { cause: error });
  }
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
