/**
 * Frames: an encoded WorkspaceStatus wrapped as field 1, which is at once a SubscribeResponse, an element of GetWorkspacesResponse
 * and the beginning of a DescribeWorkspaceResponse; and before it what gRPC puts before a message, so that a stream takes the whole in one write.
 * Built once per published status, read by everyone.
 */
import { wsman } from "../../gen/proto.js";
import type { Version } from "./version.ts";

/** Length of gRPC's prefix: a byte that says "not compressed", and the message's length. */
export const prefixBytes = 5;
const statusTag = 0x0a; // field 1, length-delimited
const versionTag = 0x50; // field 10, varint
/** seconds and logical have 53 bits together: eight varint bytes of seven bits. */
const low = 28;

/** The status as the generated code has it. */
export type Status = wsman.WorkspaceStatus.$Properties;

/**
 * Appends status_version to an encoded status and wraps both.
 * @param status encoded wsman.WorkspaceStatus without status_version; may be a view into something larger.
 * @returns the frame, in a buffer of its own, which pins nothing else.
 */
export function buildFrame(status: Uint8Array, version: Version): Buffer {
  const lowBits = (version.seconds & 0xfff) * 0x10000 + version.logical; // 28 bits
  const highBits = Math.floor(version.seconds / 0x1000);
  const inner = status.length + 1 + versionLength(highBits);
  const length = 1 + varintLength(inner) + inner;
  const frame = Buffer.allocUnsafeSlow(prefixBytes + length);
  writePrefix(frame, length);
  frame[prefixBytes] = statusTag;
  let at = writeVarint(frame, prefixBytes + 1, inner);
  frame.set(status, at);
  at += status.length;
  frame[at++] = versionTag;
  for (let shift = 0; shift < low; shift += 7) frame[at++] = ((lowBits >>> shift) & 0x7f) | 0x80;
  writeVarint(frame, at, highBits);
  return frame;
}

/** Writes gRPC's prefix at the beginning of a buffer: not compressed, and the message's length. */
export function writePrefix(into: Buffer, length: number): void {
  into[0] = 0;
  into.writeUInt32BE(length, 1);
}

/** Four bytes of low bits, always there since a wall clock's seconds have high ones, and the high bits behind them. */
function versionLength(highBits: number): number {
  return 4 + varintLength(highBits);
}

function varintLength(value: number): number {
  let length = 1;
  while (value >= 0x80) {
    value = Math.floor(value / 0x80);
    length++;
  }
  return length;
}

function writeVarint(into: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    into[at++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  into[at++] = value;
  return at;
}

/** The frame as a SubscribeResponse that has headers too: a copy. @param headers of field 3; must not be large. */
export function withHeaders(frame: Buffer, headers: Readonly<Record<string, string>>): Buffer {
  const added = wsman.SubscribeResponse.encode({ header: headers }).finish();
  const joined = Buffer.concat([frame, added]);
  writePrefix(joined, frame.length - prefixBytes + added.length);
  return joined;
}

/** The message in a frame: a view. */
export function messageIn(frame: Buffer): Buffer {
  return frame.subarray(prefixBytes);
}

/** Decodes the status in a frame. Costs a decode: for rare paths only. */
export function decodeFrame(frame: Buffer): Status {
  return wsman.SubscribeResponse.decode(messageIn(frame)).status ?? {};
}

/** Encodes a status without its version, into a buffer of its own. */
export function encodeStatus(status: Status): Uint8Array {
  const versionless = { ...status };
  delete versionless.statusVersion;
  const writer = wsman.WorkspaceStatus.encode(versionless);
  return writer.finish().slice();
}
