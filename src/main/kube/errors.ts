/** What can go wrong between us and the API server, with what a caller needs to decide whether to try again. */
import { messageOf } from "../../domain/errors.ts";
import { isRecord, member } from "./json.ts";

/** Longest wait that a server's Retry-After can ask for, milliseconds. */
const maxRetryAfterMs = 60_000;
/** Longest text of a server that is passed on. */
const maxServerText = 512;

/** Facts of a failed exchange. */
export interface KubeErrorFacts {
  /** HTTP status (or the code of a Status in an ERROR event); 0 if there was no answer. */
  readonly status: number;
  /** Status.reason of Kubernetes ("Expired", "Conflict"), or what broke: a system or undici error code, "Timeout", "Silence", "Aborted". */
  readonly reason: string;
  /** How long the server asks to wait, milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** Whether the same request can succeed later. Default: no answer, 408, 429 and 5xx. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** A request that failed. The message never holds credentials, nor values of the object that was sent. */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly retryable: boolean;

  constructor(message: string, facts: KubeErrorFacts) {
    super(message, { cause: facts.cause });
    this.status = facts.status;
    this.reason = facts.reason;
    this.retryAfterMs = facts.retryAfterMs;
    this.retryable = facts.retryable ?? retryableStatus(facts.status);
  }
}

function retryableStatus(status: number): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

/** Whether a request that changes something may have had its effect although it failed: it was not answered, or by a server that was ill. */
export function mayHaveHappened(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 0 || error.status >= 500);
}

/** The caller's signal ended it. */
export function abortedError(): KubeError {
  return new KubeError("request to the API server was cancelled", { status: 0, reason: "Aborted", retryable: false });
}

/** Anything that was thrown while talking to the API server, as a KubeError. */
export function toKubeError(error: unknown): KubeError {
  if (error instanceof KubeError) return error;
  const code: unknown = isRecord(error) ? error["code"] : undefined;
  const reason = typeof code === "string" ? code : "Failed";
  return new KubeError(`request to the API server failed: ${messageOf(error) || reason}`, { status: 0, reason, cause: error });
}

/** The error of an answer with this HTTP status, from its body if that is a Kubernetes Status. */
export function responseError(status: number, retryAfter: string | undefined, body: Uint8Array, now: number): KubeError {
  const waitMs = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, now);
  try {
    return statusError(JSON.parse(new TextDecoder().decode(body)), status, waitMs);
  } catch {
    return new KubeError(`API server answered ${status}`, { status, reason: "", retryAfterMs: waitMs });
  }
}

/** The error that a Kubernetes Status object describes: of an error answer, or of an ERROR line in a watch. */
export function statusError(value: unknown, httpStatus: number, headerWaitMs?: number): KubeError {
  const code = member(value, "code");
  const status = httpStatus === 0 ? (typeof code === "number" && Number.isInteger(code) ? code : 500) : httpStatus;
  const reason = text(member(value, "reason"));
  const details = member(value, "details");
  const said = reason === "Invalid" ? invalidFields(details) : text(member(value, "message"));
  const words = [`API server answered ${status}`, reason].filter((word) => word !== "").join(" ");
  return new KubeError(said === "" ? words : `${words}: ${said}`, { status, reason, retryAfterMs: headerWaitMs ?? waitOf(member(details, "retryAfterSeconds")) });
}

function waitOf(seconds: unknown): number | undefined {
  return typeof seconds === "number" && seconds > 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined;
}

/** Validation messages repeat the rejected values, which can be secrets: only the fields are named. */
function invalidFields(details: unknown): string {
  const causes = member(details, "causes");
  if (!Array.isArray(causes)) return "";
  return causes.map((cause: unknown) => text(member(cause, "field"))).filter((field) => field !== "").join(", ").slice(0, maxServerText);
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, maxServerText) : "";
}

/** Retry-After in seconds or as a date; milliseconds from now, at most a minute; undefined if it is neither. */
export function parseRetryAfter(value: string, now: number): number | undefined {
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, maxRetryAfterMs) : undefined;
}
