/** Faults and counts over HTTP, for tests and load tools in other processes: `/embedded/v1/...`, only where it is switched on. */
import type { Clock } from "../../domain/clock.ts";
import { parseObject, readBody } from "./body.ts";
import type { RequestCounter } from "./counter.ts";
import { badRequest } from "./errors.ts";
import type { FaultRule, Faults } from "./faults.ts";
import type { HttpRequest } from "./http.ts";
import type { JsonObject } from "../../domain/json.ts";
import { textOr } from "./json.ts";
import type { Verb } from "./request.ts";
import type { Responder } from "./responder.ts";
import type { Cut, Watches } from "./watches.ts";

/** Something that can be asked for, by method and path below /embedded/v1/: `POST faults`. Gives the answer. @throws ApiError for a body that makes no sense. */
export type AdminActions = ReadonlyMap<string, (body: JsonObject) => JsonObject>;

/** What can be reached. */
export interface AdminDeps {
  readonly faults: Faults;
  readonly counter: RequestCounter;
  readonly watches: Watches;
  readonly clock: Clock;
  /** Of other parts of the cluster. */
  readonly adminActions: AdminActions;
}

/**
 * GET requests: counts and running watches; DELETE requests: counts from zero. POST faults: a {@link FaultRule}; DELETE faults: none any more.
 * POST faults/cut-watches {how, resource}, faults/freeze-watches, faults/thaw-watches, faults/expire-history, faults/outage {ms}.
 */
export async function admin(deps: AdminDeps, request: HttpRequest, url: URL, answer: Responder): Promise<void> {
  const action = `${request.method} ${url.pathname.slice("/embedded/v1/".length)}`;
  const bytes = await readBody(request);
  const body = bytes.length === 0 ? {} : await parseObject(bytes, "application/json", "fault");
  const result = act(deps, action, body) ?? deps.adminActions.get(action)?.(body);
  if (result) answer.json(200, result);
  else answer.send(404, "404 page not found\n", "text/plain; charset=utf-8");
}

function act(deps: AdminDeps, action: string, body: JsonObject): JsonObject | undefined {
  const { faults, counter, watches } = deps;
  switch (action) {
    case "GET requests": return { requests: counter.snapshot(), watches: watches.size };
    case "DELETE requests": counter.reset(); return {};
    case "POST faults": faults.add(ruleOf(body)); return {};
    case "DELETE faults": faults.clear(); return {};
    default: return actOnWatches(deps, action, body);
  }
}

function actOnWatches({ faults, clock }: AdminDeps, action: string, body: JsonObject): JsonObject | undefined {
  switch (action) {
    case "POST faults/cut-watches": return { cut: faults.cutWatches(cutOf(body["how"]), textOr(body["resource"]) || undefined) };
    case "POST faults/freeze-watches": faults.freezeWatches(); return {};
    case "POST faults/thaw-watches": faults.thawWatches(); return {};
    case "POST faults/expire-history": faults.expireHistory(); return {};
    case "POST faults/outage": {
      const ms = numberOf(body, "ms") ?? 1000;
      // The answer leaves first.
      clock.timer(20, () => {
        void faults.stopServer().then(() => clock.timer(ms, () => void faults.startServer()));
      });
      return {};
    }
    default: return undefined;
  }
}

function cutOf(how: unknown): Cut {
  if (how === "end" || how === "reset" || how === "midLine") return how;
  throw badRequest('how: must be "end", "reset" or "midLine"');
}

const verbs: readonly Verb[] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

const ruleMembers = ["verbs", "resources", "subresource", "name", "percent", "times", "code", "reason", "message", "retryAfterSeconds", "delayMs", "resetAfterBytes"];

function ruleOf(body: JsonObject): FaultRule {
  checkMembers(body, ruleMembers);
  return {
    verbs: textsOf(body, "verbs")?.map((name) => {
      const verb = verbs.find((known) => known === name);
      if (!verb) throw badRequest(`verbs: no such verb: ${name}`);
      return verb;
    }),
    resources: textsOf(body, "resources"), subresource: textOf(body, "subresource"), name: textOf(body, "name"),
    percent: percentOf(body), times: numberOf(body, "times"), code: httpCodeOf(body), reason: textOf(body, "reason"), message: textOf(body, "message"),
    retryAfterSeconds: numberOf(body, "retryAfterSeconds"), delayMs: numberOf(body, "delayMs"), resetAfterBytes: numberOf(body, "resetAfterBytes"),
  };
}

/** @throws ApiError if there are others. */
export function checkMembers(body: JsonObject, known: readonly string[]): void {
  const unknown = Object.keys(body).find((member) => !known.includes(member));
  if (unknown !== undefined) throw badRequest(`${unknown}: no such member; there are ${known.join(", ")}`);
}

/** A number, not negative. @throws ApiError for anything else. */
export function numberOf(body: JsonObject, name: string): number | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || value < 0) throw badRequest(`${name}: must be a number, not negative`);
  return value;
}

/** A share. @throws ApiError for anything but a number from 0 to 100. */
export function percentOf(body: JsonObject): number | undefined {
  const value = numberOf(body, "percent");
  if (value !== undefined && value > 100) throw badRequest("percent: must be a number from 0 to 100");
  return value;
}

/** Codes below are none that an error can have, and of those below 200 a client goes on waiting. */
function httpCodeOf(body: JsonObject): number | undefined {
  const value = numberOf(body, "code");
  if (value !== undefined && !(Number.isInteger(value) && value >= 400 && value <= 599)) throw badRequest("code: must be the HTTP status code of an error, a whole number from 400 to 599");
  return value;
}

/** A text. @throws ApiError for anything else. */
export function textOf(body: JsonObject, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || typeof value === "string") return value;
  throw badRequest(`${name}: must be a string`);
}

function textsOf(body: JsonObject, name: string): readonly string[] | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item): item is string => typeof item === "string")) return value;
  throw badRequest(`${name}: must be a list of strings`);
}
