/** The own side of a comparison: all statuses of this process, read again from the beginning whenever their subscription ends. */
import { Backoff } from "../../domain/backoff.ts";
import { sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { matchAll } from "../state/filter.ts";
import type { Hub } from "../subscriptions/hub.ts";
import type { EndReason, Subscription } from "../subscriptions/stream.ts";
import type { Comparison } from "./comparison.ts";

/** What it works with. */
export interface OwnStatusesOptions {
  readonly hub: Pick<Hub, "subscribe">;
  readonly comparison: Pick<Comparison, "ours" | "oursKnown" | "oursLost">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Before they are read again, milliseconds. */
const delays = { baseMs: 1_000, maxMs: 30_000 };

/** Hands them to the comparison, from its making until it is closed. */
export class OwnStatuses {
  readonly #options: OwnStatusesOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  #subscription: Subscription | undefined;

  constructor(options: OwnStatusesOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ ...delays, random: options.random });
    this.#subscribe();
  }

  /** Hands nothing over any more. */
  close(): void {
    this.#closing.abort();
    this.#subscription?.closed();
  }

  #subscribe(): void {
    const { hub, comparison, clock } = this.#options;
    const since = clock.monotonic();
    try {
      this.#subscription = hub.subscribe(matchAll, {
        write(frame) {
          comparison.ours(frame);
          return true;
        },
        initialSent: () => {
          this.#backoff.reset();
          comparison.oursKnown(since);
        },
        end: (reason) => this.#ended(reason),
      }, { initialState: true, client: "shadow" });
    } catch (error) {
      // The hub is at its end, and so is all of this.
      this.#options.log.debug({ error: messageOf(error) }, "the own statuses are not compared any more");
    }
  }

  #ended(reason: EndReason): void {
    const { comparison, clock, log } = this.#options;
    comparison.oursLost();
    const { signal } = this.#closing;
    if (signal.aborted || reason === "shutdown") return;
    log.warn({ reason }, "the own statuses could not be followed, they are read again before anything is compared");
    void sleep(clock, this.#backoff.next(), signal).then(() => {
      if (!signal.aborted) this.#subscribe();
    });
  }
}
