/** Errors with what a caller can do about them; the RPC layer maps them to gRPC statuses in one place. */

/** What went wrong, in gRPC's terms. */
export type ErrorCode = "INVALID_ARGUMENT" | "NOT_FOUND" | "ALREADY_EXISTS" | "FAILED_PRECONDITION" | "UNAVAILABLE" | "RESOURCE_EXHAUSTED" | "DEADLINE_EXCEEDED" | "CANCELLED" | "INTERNAL";

/** An error that a client is told. The message says what to do and holds no secret. */
export class WsmanError extends Error {
  override readonly name = "WsmanError";
  readonly code: ErrorCode;
  /** Whether trying the same again can help. */
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? (code === "UNAVAILABLE" || code === "RESOURCE_EXHAUSTED");
  }
}

/** The status of another gRPC server, which a client of ours is to see as it is. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  /** gRPC's number. */
  readonly code: number;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
  }
}

/** The same words for every call that names a workspace which is not there. */
export function workspaceNotFound(id: string): WsmanError {
  return new WsmanError("NOT_FOUND", `workspace ${id} does not exist`);
}

/** Text of anything that was thrown; never throws itself (an object without prototype has no text). */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return "something without a text was thrown";
  }
}
