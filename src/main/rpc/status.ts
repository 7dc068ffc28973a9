/** The one place where errors become gRPC statuses. */
import { status } from "@grpc/grpc-js";
import { RemoteError, WsmanError } from "../../domain/errors.ts";

/** A gRPC status that is safe to send. */
export interface CallStatus {
  readonly code: status;
  readonly details: string;
}

/** Longest text of a status, in characters: it travels in a header, and may quote what a client sent. */
const maxDetails = 1024;

/**
 * The status for anything that was thrown. Only a WsmanError's text is told to clients, and what another server said; everything else is INTERNAL.
 */
export function toStatus(error: unknown): CallStatus {
  if (error instanceof WsmanError) return { code: status[error.code], details: safeDetails(error.message) };
  if (error instanceof RemoteError) return { code: error.code in status ? error.code : status.UNKNOWN, details: safeDetails(error.message) };
  return { code: status.INTERNAL, details: "internal error, see the server's log" };
}

/** Well-formed (grpc-js throws on lone surrogates), and not longer than a header should be. */
export function safeDetails(text: string): string {
  const short = text.length > maxDetails ? `${text.slice(0, maxDetails)}...` : text;
  return short.toWellFormed();
}
