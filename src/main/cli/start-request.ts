/** A StartWorkspaceRequest as people write it: proto3 JSON. */
import { wsman } from "../../gen/proto.js";
import { CliError } from "./errors.ts";
import type { Input } from "./io.ts";
import { readProtoJson } from "./proto-json.ts";

/** As much as a start request over gRPC may have, twice for what JSON adds. */
const maxInputBytes = 32 * 1024 * 1024;

/** The standard input where a request is read from it. @param instead how else it is given. */
export function startInput(instead: string): Input {
  return { what: "a StartWorkspaceRequest (proto3 JSON)", instead, maxBytes: maxInputBytes };
}

/** Reads a request. @param warn is told of members that no request has. @throws CliError if the text is no JSON, Error if it is no such request. */
export function readStartRequest(text: string, warn: (text: string) => void): wsman.StartWorkspaceRequest {
  const { message, unknown } = readProtoJson(parse(text), "ws-manager-api/core.proto", "wsman.StartWorkspaceRequest");
  if (unknown.length > 0) warn(`no members of a StartWorkspaceRequest, ignored: ${unknown.slice(0, 20).join(", ")}${unknown.length > 20 ? ", ..." : ""}`);
  return wsman.StartWorkspaceRequest.fromObject(message);
}

/** The parser's own message quotes the input, which may hold tokens. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError("the input is not JSON: give a StartWorkspaceRequest as proto3 JSON");
  }
}
