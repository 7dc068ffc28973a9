/** What the API answers when it refuses: Kubernetes' Status objects, to the word. */
import type { Json } from "./json.ts";

/** One cause in the details of a Status. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

/** Details of a Status. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** A refusal: HTTP status code, and reason and message as in Kubernetes' Status. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The Status object. */
  status(): Json {
    return {
      kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message: this.message,
      ...(this.reason === "" ? {} : { reason: this.reason }), ...(this.details ? { details: this.details } : {}), code: this.code,
    };
  }
}

/** What names a resource in messages. */
export interface Named {
  readonly plural: string;
  readonly kind: string;
  readonly group: string;
}

function groupOf(type: Named): { readonly group?: string } {
  return type.group === "" ? {} : { group: type.group };
}

/** `pods`, `leases.coordination.k8s.io`. */
export function qualified(type: Named): string {
  return type.group === "" ? type.plural : `${type.plural}.${type.group}`;
}

export function notFound(type: Named, name: string): ApiError {
  return new ApiError(404, "NotFound", `${qualified(type)} "${name}" not found`, { name, ...groupOf(type), kind: type.plural });
}

export function alreadyExists(type: Named, name: string): ApiError {
  return new ApiError(409, "AlreadyExists", `${qualified(type)} "${name}" already exists`, { name, ...groupOf(type), kind: type.plural });
}

/** A conflict on `what`: the resource, its kind or a subresource, depending on who notices. */
export function conflict(what: string, type: Named, name: string, why: string): ApiError {
  const shown = type.group === "" ? what : `${what}.${type.group}`;
  return new ApiError(409, "Conflict", `Operation cannot be fulfilled on ${shown} "${name}": ${why}`, { name, ...groupOf(type), kind: what });
}

export function modified(type: Named, name: string): ApiError {
  return conflict(type.plural, type, name, "the object has been modified; please apply your changes to the latest version and try again");
}

/** A uid that is not the one of the object that has the name now. */
export function uidConflict(type: Named, name: string, key: string, asked: string, known: string): ApiError {
  return conflict(type.plural, type, name, `StorageError: invalid object, Code: 4, Key: /registry/${type.plural}/${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${asked}, UID in object meta: ${known}`);
}

/** An update that would have to name the resourceVersion it is based on. */
export function versionRequired(type: Named, name: string): ApiError {
  return invalid({ kind: qualified(type), group: "" }, name, [wrong("metadata.resourceVersion", 0, "must be specified for an update")], { ...groupOf(type), kind: type.plural });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

/** A value that validation refuses. */
export interface FieldError {
  readonly field: string;
  readonly reason: "FieldValueInvalid" | "FieldValueRequired" | "FieldValueForbidden" | "FieldValueNotSupported" | "FieldValueTooLong" | "FieldValueDuplicate" | "FieldValueNotFound";
  readonly message: string;
}

export function wrong(field: string, value: unknown, message: string): FieldError {
  return { field, reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${message}` };
}

export function unsupported(field: string, value: unknown, values: readonly string[]): FieldError {
  return { field, reason: "FieldValueNotSupported", message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${values.map((known) => JSON.stringify(known)).join(", ")}` };
}

export const required = (field: string, message = ""): FieldError => ({ field, reason: "FieldValueRequired", message: `Required value${message}` });
export const forbidden = (field: string, message: string): FieldError => ({ field, reason: "FieldValueForbidden", message: `Forbidden: ${message}` });

/** 422 with all that is wrong. */
export function invalid(type: { readonly kind: string; readonly group: string }, name: string, errors: readonly FieldError[], shownAs: StatusDetails = { ...groupOf({ ...type, plural: "" }), ...(type.kind === "" ? {} : { kind: type.kind }) }): ApiError {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  const shown = type.group === "" ? type.kind : `${type.kind}.${type.group}`;
  const message = `${shown} "${name}" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`}`;
  const causes = errors.map(({ field, reason, message }) => ({ reason, message, field }));
  return new ApiError(422, "Invalid", message, { ...(name === "" ? {} : { name }), ...shownAs, causes });
}

/** 422 for the options of a request. */
export function invalidOptions(kind: string, error: FieldError): ApiError {
  return invalid({ kind, group: "meta.k8s.io" }, "", [error]);
}

export const noSuchResource = (): ApiError => new ApiError(404, "NotFound", "the server could not find the requested resource", {});
export const methodNotAllowed = (): ApiError => new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
export const unauthorized = (): ApiError => new ApiError(401, "Unauthorized", "Unauthorized");
export const tooLarge = (limit: number): ApiError => new ApiError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limit}`);
export const unsupportedMediaType = (accepted: readonly string[]): ApiError =>
  new ApiError(415, "UnsupportedMediaType", `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`);
export const patchRefused = (): ApiError => new ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {});
const representations = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
export const notAcceptable = (): ApiError => new ApiError(406, "NotAcceptable", `406: Not Acceptable\n\nAvailable representations: ${representations}`, {});
export const onlyAccepted = (): ApiError => new ApiError(406, "NotAcceptable", `only the following media types are accepted: ${representations}`);

/** A resourceVersion from the future. */
export function versionTooLarge(asked: number, current: number): ApiError {
  return new ApiError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }], retryAfterSeconds: 1,
  });
}

/** A resourceVersion whose history is gone. */
export function expired(asked: number, oldest: number): ApiError {
  return new ApiError(410, "Expired", `too old resource version: ${asked} (${oldest})`);
}

/** A list of a state that is forgotten. */
export const listExpired = (): ApiError => new ApiError(410, "Expired", "The resourceVersion for the provided list is too old.");

/** A list in pages that went on for too long. */
export function continueExpired(token: string): ApiError {
  const message = `The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.`;
  return new ContinueExpired(410, "Expired", message, token);
}

class ContinueExpired extends ApiError {
  readonly #token: string;

  constructor(code: number, reason: string, message: string, token: string) {
    super(code, reason, message);
    this.#token = token;
  }

  override status(): Json {
    return { ...super.status(), metadata: { continue: this.#token } };
  }
}
