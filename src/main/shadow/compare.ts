/** Brings both sides of a comparison together: the statuses of this process's own state, and those of another manager over gRPC. */
import { Backoff } from "../../domain/backoff.ts";
import { sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { WsmanClient } from "../cli/client.ts";
import type { Connection } from "../cli/connection.ts";
import { follow, type FeedListener } from "../cli/feed.ts";
import { matchAll } from "../state/filter.ts";
import type { Hub } from "../subscriptions/hub.ts";
import type { Subscription } from "../subscriptions/stream.ts";
import type { Comparison } from "./comparison.ts";

/** What it works with. */
export interface CompareOptions {
  /** Of the other manager. */
  readonly connection: Connection;
  readonly comparison: Comparison;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** After the other manager could not be reached at all, or gave no list, milliseconds. */
const delays = { baseMs: 1_000, maxMs: 30_000 };

/** A comparison that runs. */
export class Compare {
  readonly #options: CompareOptions;
  readonly #client: WsmanClient;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #own: Subscription | undefined;
  /** How often something was the matter with the connection. */
  #troubles = 0;

  constructor(options: CompareOptions) {
    this.#options = options;
    this.#client = new WsmanClient(options.connection, { clock: options.clock, signal: this.#stopping.signal });
  }

  /** Begins. @param synced resolves once the own state is complete. */
  start(hub: Hub, synced: Promise<void>): void {
    // If it never is, there is nothing to compare.
    synced.then(() => this.#begin(hub)).catch((error: unknown) => this.#options.log.warn({ error: messageOf(error) }, "nothing is compared"));
  }

  /** When a workspace was used last, as the other manager knows it, Unix milliseconds; undefined: never. Rejects if it does not answer, or does not know the workspace. */
  async lastActivityOf(id: string): Promise<number | undefined> {
    const { lastActivity } = await this.#client.describe(id);
    return lastActivity === "" ? undefined : parseTimeMs(lastActivity);
  }

  /** Ends both sides. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#own?.closed();
    await this.#running;
    this.#client.close();
    this.#options.comparison.close();
  }

  #begin(hub: Hub): void {
    if (this.#stopping.signal.aborted) return;
    const { comparison, log, connection } = this.#options;
    this.#own = hub.subscribe(matchAll, {
      write(frame) {
        comparison.ours(frame);
        return true;
      },
      end: (reason) => {
        if (!this.#stopping.signal.aborted && reason !== "shutdown") log.error({ reason }, "the own statuses can not be compared any more");
      },
    }, { initialState: true, client: "shadow" });
    log.info({ address: connection.address }, "comparing with another manager");
    this.#running = this.#follow();
  }

  /** Until it is stopped. Never rejects. */
  async #follow(): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#stopping;
    const backoff = new Backoff({ ...delays, random });
    while (!signal.aborted) {
      try {
        await follow(this.#client, {}, { clock, random, signal }, this.#listener(() => backoff.reset()));
      } catch (error) {
        this.#troubles++;
        this.#options.comparison.lost();
        log.warn({ error: messageOf(error) }, "the other manager can not be followed, trying again");
      }
      await sleep(clock, backoff.next(), signal);
    }
  }

  #listener(works: () => void): FeedListener {
    const { comparison, log } = this.#options;
    return {
      status: (status) => comparison.theirs(status),
      listed: (ids, since) => {
        works();
        this.#listed(ids, since);
      },
      notice: (text) => {
        if (text === "") return;
        this.#troubles++;
        comparison.lost();
        log.warn({}, text);
      },
      unlisted: () => void this.#listAgain(this.#troubles),
    };
  }

  #listed(ids: ReadonlySet<string>, since: number): void {
    this.#options.comparison.listed(ids, since);
    this.#options.log.info({ workspaces: ids.size }, "the other manager's statuses are known");
  }

  /** A manager that has just begun gives no list yet: it is asked until it does, or something else is the matter. Never rejects. */
  async #listAgain(troubles: number): Promise<void> {
    const { comparison, clock, random, log } = this.#options;
    const backoff = new Backoff({ ...delays, random });
    while (troubles === this.#troubles && !this.#stopping.signal.aborted) {
      await sleep(clock, backoff.next(), this.#stopping.signal);
      const since = clock.monotonic();
      try {
        const statuses = await this.#client.getWorkspaces({});
        if (troubles !== this.#troubles) return;
        for (const status of statuses) comparison.theirs(status);
        this.#listed(new Set(statuses.map(({ id }) => id)), since);
        return;
      } catch (error) {
        log.debug({ error: messageOf(error) }, "the other manager's workspaces can still not be listed");
      }
    }
  }
}
