/** Reads what an API server answers, and says it where it answers nothing. */
import { messageOf } from "../../domain/errors.ts";
import { asObject, stringAt } from "../../domain/json.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { Access } from "../../main/kube/credentials.ts";

/** With a daemon that runs elsewhere there are two addresses; the words say which one it is. A connection that fails at several addresses of a name has a code alone. */
export function unanswered({ origin }: Access, error: unknown): Error {
  const why = messageOf(error) || stringAt(asObject(error), "code") || "unknown reason";
  return new Error(`no answer from the kubeconfig's API server (not the daemon) at ${origin}: ${why}`, { cause: error });
}

/** Why a request was refused, as far as the answer tells. */
export function reason(text: string): string {
  const body = parsed(text);
  return body ? (stringAt(body, "message") ?? "") : text.slice(0, 200);
}

/** Undefined: that is no JSON object. */
export function parsed(text: string): JsonObject | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return asObject(body);
  } catch {
    return undefined;
  }
}
