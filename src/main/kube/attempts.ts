/** How work that fails is tried again: the waits between attempts, and the log of a row of failures. */
import { Backoff, type BackoffOptions } from "../../domain/backoff.ts";
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { KubeError } from "./errors.ts";

/** Kinds of failure that are logged in a row of them. */
const maxKindsTold = 10;

/** What the attempts are at. */
export interface AttemptsOptions extends BackoffOptions {
  /** For the log: "list" or "watch". */
  readonly what: string;
  /** For the log: what is listed or watched. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Attempts at one thing, one after the other. */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #backoff: Backoff;
  /** Occasions for an attempt at once that were used since it worked last. */
  readonly #used = new Set<string>();
  #failing: { readonly since: number; attempts: number; readonly told: Set<string> } | undefined;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options);
  }

  /** It works: waits start from the shortest again, and the row of failures is over. */
  works(): void {
    this.#backoff.reset();
    this.#used.clear();
    if (!this.#failing) return;
    const { what, path, clock, log } = this.#options;
    const { since, attempts } = this.#failing;
    this.#failing = undefined;
    log.info({ path, attempts, seconds: Math.round((clock.monotonic() - since) / 1000) }, `${what} works again`);
  }

  /** For what is no failure unless it happens again and again: how long to wait (ms) before the next attempt, not at all the first time since it worked. */
  again(occasion: string): number {
    if (this.#used.has(occasion)) return this.#backoff.next();
    this.#used.add(occasion);
    return 0;
  }

  /** It failed: how long to wait (ms) before the next attempt. @param atOnce do not, unless the server asks for it. */
  failed(error: KubeError, atOnce = false): number {
    this.#tell(error);
    const asked = (error.retryAfterMs ?? 0) * (1 + this.#options.random() / 10);
    return atOnce ? asked : Math.max(this.#backoff.next(), asked);
  }

  /** A version that has expired is no failure, unless it happens again and again. */
  expired(error: KubeError): number {
    return this.#used.has("expired") ? this.failed(error) : this.again("expired");
  }

  /** Logs the first failure of a row, and the first of each other kind. */
  #tell(error: KubeError): void {
    const { what, path, clock, log } = this.#options;
    const kind = `${error.status}/${error.reason}`;
    this.#failing ??= { since: clock.monotonic(), attempts: 0, told: new Set() };
    this.#failing.attempts++;
    if (this.#failing.told.has(kind) || this.#failing.told.size === maxKindsTold) {
      log.debug({ path, error: error.message, attempts: this.#failing.attempts }, `${what} failed again`);
      return;
    }
    this.#failing.told.add(kind);
    log.warn({ path, status: error.status, reason: error.reason, error: error.message }, `${what} failed, trying again until it works`);
  }
}
