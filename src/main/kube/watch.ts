/** One watch, from its request to its end. */
import type { Clock } from "../../domain/clock.ts";
import type { Requester } from "./client.ts";
import { failure } from "./client.ts";
import type { KubeError } from "./errors.ts";
import { toKubeError } from "./errors.ts";
import { LineSplitter } from "./lines.ts";
import { readWatchLine } from "./watchlines.ts";

/** What to watch, and who hears of it. */
export interface WatchOptions {
  readonly client: Requester;
  readonly clock: Clock;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Silence after which it is given up, milliseconds. */
  readonly silenceMs: number;
  /** A watch that runs for so long works, milliseconds. */
  readonly steadyMs: number;
  readonly maxLineBytes: number;
  /** An ADDED, MODIFIED or DELETED line. A promise that is returned holds back the next one. */
  readonly line: (line: Uint8Array) => void | Promise<void>;
  /** Throws a KubeError to end the watch. */
  readonly bookmark: (resourceVersion: string) => void;
  /** Something arrived. */
  readonly heard: () => void;
  /** It has been up for steadyMs. */
  readonly works: () => void;
}

/** A watch. One run() per object. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #stopping = new AbortController();
  #steady = false;
  #spoke = false;
  #unconfirmed = false;
  #over = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** It has been up for steadyMs. */
  get steady(): boolean {
    return this.#steady;
  }

  /** It has brought a line or a bookmark. */
  get spoke(): boolean {
    return this.#spoke;
  }

  /** It has brought objects since its last bookmark: only who took them knows up to where they have taken effect. */
  get unconfirmed(): boolean {
    return this.#unconfirmed;
  }

  /** It was ended by stop(). */
  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Resolves at its end, with what broke it; undefined if the server closed it. Nothing is handed over afterwards, although the last chunk may hold more. */
  async run(): Promise<KubeError | undefined> {
    const { client, clock, path, query, steadyMs, maxLineBytes, silenceMs } = this.#options;
    let cancel: (() => void) | undefined;
    try {
      const response = await client.request({ method: "GET", watch: true, path, query, signal: AbortSignal.any([this.#options.signal, this.#stopping.signal]) });
      if (response.status !== 200) throw await failure(response, clock);
      cancel = clock.timer(steadyMs, () => this.#works());
      const splitter = new LineSplitter((line) => this.#line(line), maxLineBytes);
      // Half a line at the end stays in the splitter and is dropped with it: the next watch sends the event again.
      await response.body.pump((chunk) => splitter.push(chunk), silenceMs);
      return undefined;
    } catch (error) {
      return toKubeError(error);
    } finally {
      cancel?.();
      this.#over = true;
    }
  }

  /** Ends it: from now on it hands nothing over. */
  stop(): void {
    this.#over = true;
    this.#stopping.abort();
  }

  #works(): void {
    this.#steady = true;
    this.#options.works();
  }

  #line(line: Uint8Array): void | Promise<void> {
    // A line that was held back when the watch broke comes with the next one again, in its place.
    if (this.#over) return undefined;
    this.#options.heard();
    this.#spoke = true;
    const event = readWatchLine(line);
    if (event.kind === "error") throw event.error;
    if (event.kind === "bookmark") {
      this.#options.bookmark(event.resourceVersion);
      this.#unconfirmed = false;
      return undefined;
    }
    this.#unconfirmed = true;
    return this.#options.line(line);
  }
}
