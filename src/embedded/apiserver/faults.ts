/** Faults on demand: requests that fail, wait or break off, and watches that are cut or fall silent. */
import { ApiError } from "./errors.ts";
import { Rules } from "../rules.ts";
import type { Rule } from "../rules.ts";
import type { Verb } from "./request.ts";
import type { Cut, Watches } from "./watches.ts";

/** Which requests a fault strikes, and how. What is left out matches everything. */
export interface FaultRule extends Rule {
  readonly verbs?: readonly Verb[] | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly subresource?: string | undefined;
  readonly name?: string | undefined;
  /** Answers with this HTTP status code. */
  readonly code?: number | undefined;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  /** Retry-After of that answer, seconds. */
  readonly retryAfterSeconds?: number | undefined;
  /** Waits this long first, milliseconds. */
  readonly delayMs?: number | undefined;
  /** Resets the connection after this many bytes of the body. */
  readonly resetAfterBytes?: number | undefined;
}

/** What strikes one request. */
export interface Strike {
  readonly delayMs: number;
  readonly error: ApiError | undefined;
  readonly resetAfterBytes: number | undefined;
}

/** How tests make the API server misbehave. */
export interface Faults {
  /** Adds a rule; gives the way to remove it. At most 1,000 rules: more throw RangeError. */
  add(rule: FaultRule): () => void;
  /** Removes all rules, and lets silent watches go on. */
  clear(): void;
  /** Cuts running watches, of one resource or all: at the end of a line, by a reset, or in the middle of a line and by a reset. Gives their number. */
  cutWatches(how: Cut, resource?: string): number;
  /** Silences all watches, those to come too. What they have to tell is kept within the limit for slow watchers. */
  freezeWatches(): void;
  thawWatches(): void;
  /** Forgets the history: watches and paged lists that go on from before are told 410. */
  expireHistory(): void;
  /** Breaks all connections and refuses new ones until {@link Faults.startServer}. */
  stopServer(): Promise<void>;
  /** Listens again on the same port. */
  startServer(): Promise<void>;
}

const reasons: ReadonlyMap<number, string> = new Map([
  [400, "BadRequest"], [401, "Unauthorized"], [403, "Forbidden"], [404, "NotFound"], [409, "Conflict"], [410, "Expired"], [429, "TooManyRequests"], [500, "InternalError"], [503, "ServiceUnavailable"], [504, "Timeout"],
]);

/** The request as rules see it. */
export interface FaultTarget {
  readonly verb: Verb;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
}

/** The rules. */
export class FaultRules {
  readonly #rules: Rules<FaultRule, FaultTarget>;

  /** `random` gives numbers from 0 to below 1. */
  constructor(random: () => number) {
    this.#rules = new Rules(matches, random);
  }

  add(rule: FaultRule): () => void {
    return this.#rules.add(rule);
  }

  clear(): void {
    this.#rules.clear();
  }

  /** The first rule that strikes the request, if one does. */
  strike(target: FaultTarget): Strike | undefined {
    const rule = this.#rules.strike(target);
    return rule && { delayMs: rule.delayMs ?? 0, error: errorOf(rule), resetAfterBytes: rule.resetAfterBytes };
  }
}

function matches(rule: FaultRule, target: FaultTarget): boolean {
  return (rule.verbs?.includes(target.verb) ?? true) && (rule.resources?.includes(target.resource) ?? true)
    && (rule.subresource ?? target.subresource) === target.subresource && (rule.name ?? target.name) === target.name;
}

function errorOf({ code, reason, message, retryAfterSeconds }: FaultRule): ApiError | undefined {
  if (code === undefined) return undefined;
  return new ApiError(code, reason ?? reasons.get(code) ?? "", message ?? "fault on demand", retryAfterSeconds === undefined ? undefined : { retryAfterSeconds });
}

/** Starts and stops listening. */
export interface Outage {
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
}

/** Puts the parts together. */
export function makeFaults(rules: FaultRules, watches: Watches, expireHistory: () => void, outage: Outage): Faults {
  return {
    add: (rule) => rules.add(rule),
    clear: () => {
      rules.clear();
      watches.thaw();
    },
    cutWatches: (how, resource) => watches.cut(how, resource),
    freezeWatches: () => watches.freeze(),
    thawWatches: () => watches.thaw(),
    expireHistory,
    ...outage,
  };
}
