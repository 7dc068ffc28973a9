/** What a client is told when the API server does not do what a call needs. */
import { WsmanError, type ErrorCode } from "../../domain/errors.ts";
import { KubeError } from "../kube/errors.ts";

/** The error for a client. @param what was tried, as in "stop workspace x". Errors that are meant for clients already stay as they are. */
export function toClientError(error: unknown, what: string): WsmanError {
  if (error instanceof WsmanError) return error;
  if (!(error instanceof KubeError)) return new WsmanError("INTERNAL", `cannot ${what}`, { cause: error });
  const text = `cannot ${what}: ${error.message}`;
  const options = { cause: error };
  if (error.reason === "Aborted") return new WsmanError("CANCELLED", `cannot ${what}: the call was cancelled, or its deadline has passed`, options);
  if (error.reason === "Busy" || isQuota(error)) return new WsmanError("RESOURCE_EXHAUSTED", text, options);
  return new WsmanError(codes.get(error.status) ?? "UNAVAILABLE", text, options);
}

/** By HTTP status; others are passing troubles. */
const codes: ReadonlyMap<number, ErrorCode> = new Map([[400, "INVALID_ARGUMENT"], [413, "INVALID_ARGUMENT"], [422, "INVALID_ARGUMENT"], [401, "FAILED_PRECONDITION"], [403, "FAILED_PRECONDITION"]]);

/** Whether a namespace's quota has no room. It is told as 403, as is much that has nothing to do with it: rights that are missing, a webhook that says no. */
export function isQuota(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403 && error.message.includes("exceeded quota");
}

/** Whether the API server may answer otherwise later, also where it was asked for 25 s already: it is ill, or credentials are being renewed, or others change the same. */
export function mayPass(error: unknown): boolean {
  return error instanceof KubeError && (error.retryable || error.status === 401 || error.status === 409);
}

/** The words that clients look for. */
export function alreadyExists(): WsmanError {
  return new WsmanError("ALREADY_EXISTS", "workspace instance already exists");
}
