/** Brings both sides of a comparison together: the statuses of this process's own state, and those of another manager over gRPC. */
import { Backoff } from "../../domain/backoff.ts";
import { sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { WsmanClient } from "../cli/client.ts";
import type { Contact } from "../cli/connection.ts";
import { followOnce, type FeedListener } from "../cli/feed.ts";
import type { Hub } from "../subscriptions/hub.ts";
import type { Comparison } from "./comparison.ts";
import { OwnStatuses } from "./own-statuses.ts";

/** What it works with. */
export interface CompareOptions {
  /** With the other manager. */
  readonly contact: Contact;
  readonly comparison: Comparison;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** After the other manager could not be reached, went away, or gave no list, milliseconds. */
const delays = { baseMs: 1_000, maxMs: 30_000 };
/** A connection that is not there by then is tried anew, with the certificates that there are by then, milliseconds. */
const connectMs = 10_000;

/** A comparison that runs. */
export class Compare {
  readonly #options: CompareOptions;
  /** The last one that was tried. */
  #client: WsmanClient | undefined;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #own: OwnStatuses | undefined;
  /** How often something was the matter with the connection. */
  #troubles = 0;

  constructor(options: CompareOptions) {
    this.#options = options;
  }

  /** Begins. @param synced resolves once the own state is complete. */
  start(hub: Pick<Hub, "subscribe">, synced: Promise<void>): void {
    // If it never is, there is nothing to compare.
    synced.then(() => this.#begin(hub)).catch((error: unknown) => this.#options.log.warn({ error: messageOf(error) }, "nothing is compared"));
  }

  /** When a workspace was used last, as the other manager knows it, Unix milliseconds; undefined: never. Rejects if it does not answer, or does not know the workspace. */
  async lastActivityOf(id: string): Promise<number | undefined> {
    if (!this.#client) throw new Error("the other manager was not reached yet");
    const { lastActivity } = await this.#client.describe(id);
    return lastActivity === "" ? undefined : parseTimeMs(lastActivity);
  }

  /** Ends both sides. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#own?.close();
    await this.#running;
    this.#client?.close();
    this.#options.comparison.close();
  }

  #begin(hub: Pick<Hub, "subscribe">): void {
    if (this.#stopping.signal.aborted) return;
    const { comparison, clock, random, log, contact } = this.#options;
    this.#own = new OwnStatuses({ hub, comparison, clock, random, log });
    log.info({ address: contact.address }, "comparing with another manager");
    this.#running = this.#follow();
  }

  /** Until it is stopped. Never rejects. */
  async #follow(): Promise<void> {
    const { comparison, clock, random, log } = this.#options;
    const { signal } = this.#stopping;
    const backoff = new Backoff({ ...delays, random });
    while (!signal.aborted) {
      const error = await this.#followOnce(() => backoff.reset());
      if (signal.aborted) return;
      this.#troubles++;
      comparison.lost();
      log.warn({ error }, "the other manager can not be followed, trying again");
      await sleep(clock, backoff.next(), signal);
    }
  }

  /** Over one connection, to its end; gives the reason. Never rejects. @param works called when the stream has told something, or stood for a while. */
  async #followOnce(works: () => void): Promise<string> {
    const { clock, contact } = this.#options;
    const { signal } = this.#stopping;
    try {
      // Anew each time: a connection of before would go on with certificates of before.
      const client = new WsmanClient(await contact.connection(), { clock, signal });
      this.#client?.close();
      this.#client = client;
      return messageOf(await followOnce(client, {}, { clock, signal, connectMs }, this.#listener(client), { answers: () => {}, streams: works }));
    } catch (error) {
      return messageOf(error);
    }
  }

  #listener(client: WsmanClient): FeedListener {
    const { comparison, log } = this.#options;
    const troubles = this.#troubles;
    return {
      status: (status) => comparison.theirs(status),
      listed: (ids, since) => {
        // A list that comes when the stream has ended already does not tell of what changes from now on.
        if (troubles !== this.#troubles) return;
        this.#listed(ids, since);
      },
      notice: (text) => {
        if (text === "") return;
        this.#troubles++;
        comparison.lost();
        log.warn({}, text);
      },
      unlisted: () => void this.#listAgain(client, this.#troubles),
    };
  }

  #listed(ids: ReadonlySet<string>, since: number): void {
    this.#options.comparison.listed(ids, since);
    this.#options.log.info({ workspaces: ids.size }, "the other manager's statuses are known");
  }

  /** A manager that has just begun gives no list yet: it is asked until it does, or something else is the matter. Never rejects. */
  async #listAgain(client: WsmanClient, troubles: number): Promise<void> {
    const { comparison, clock, random, log } = this.#options;
    const backoff = new Backoff({ ...delays, random });
    while (troubles === this.#troubles && !this.#stopping.signal.aborted) {
      await sleep(clock, backoff.next(), this.#stopping.signal);
      const since = clock.monotonic();
      try {
        const statuses = await client.getWorkspaces({});
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
