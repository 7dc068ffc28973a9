/** Asks a workspace whether it is ready for people (spec: lifecycle, "Ready probe"). */
import { Agent, request } from "undici";
import { deadline, sleep, type Clock } from "../../domain/clock.ts";
import { Gate, type GateLimits } from "./gate.ts";

/** How it asks. */
export interface ProbeOptions {
  /** Never asks: whatever runs is ready. */
  readonly disabled: boolean;
  /** Time for one try, milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Asks once, and gives the HTTP status; rejects once the signal aborts. Default: over connections of its own. */
  readonly ask?: Ask | undefined;
}

/** One question to a workspace. */
export type Ask = (target: URL, signal: AbortSignal) => Promise<number>;

const path = "/_supervisor/v1/status/ide";
const pauseMs = 500;
/** Then a workspace counts as never going to be ready, milliseconds. */
const limitMs = 30 * 60_000;
/** Requests at a time: of workspaces that never answer a node has some, and those on other nodes still have a turn within seconds. */
export const probeLimits: GateLimits = { total: 512, perNode: 32 };
/** A connection is for one workspace, and used again for its next try. */
const keepAliveMs = 4_000;

/** Probes workspaces over connections of its own. */
export class ReadyProbe {
  readonly #options: ProbeOptions;
  readonly #gate = new Gate(probeLimits);
  #agent: Agent | undefined;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /**
   * Resolves once the workspace, on that node, answers with 200.
   * @throws Error if it does not within half an hour; the signal's reason if it aborts.
   */
  async ready(url: string, node: string, signal: AbortSignal): Promise<void> {
    const { disabled, clock } = this.#options;
    if (disabled) return;
    const target = new URL(path, url);
    const until = clock.monotonic() + limitMs;
    while (!(await this.#answers(target, node, signal))) {
      if (clock.monotonic() + pauseMs >= until) throw new Error(`the workspace did not answer within ${limitMs / 60_000} minutes`);
      await sleep(clock, pauseMs, signal);
    }
  }

  /** Breaks off what is under way. */
  async close(): Promise<void> {
    await this.#agent?.destroy();
  }

  #answers(target: URL, node: string, signal: AbortSignal): Promise<boolean> {
    return this.#gate.run(node, signal, async () => {
      const limit = deadline(this.#options.clock, this.#options.timeoutMs, signal);
      try {
        const { ask = this.#ask } = this.#options;
        return (await ask(target, limit.signal)) === 200;
      } catch {
        signal.throwIfAborted();
        return false;
      } finally {
        limit.cancel();
      }
    });
  }

  readonly #ask: Ask = async (target, signal) => {
    const { statusCode, body } = await request(target, { dispatcher: this.#dispatcher(), signal });
    await body.dump();
    return statusCode;
  };

  /** Workspaces have certificates for names that only their users' browsers go by. Redirects are not followed. */
  #dispatcher(): Agent {
    const { timeoutMs } = this.#options;
    this.#agent ??= new Agent({ connections: 1, pipelining: 1, allowH2: false, keepAliveTimeout: keepAliveMs, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connect: { rejectUnauthorized: false, timeout: timeoutMs } });
    return this.#agent;
  }
}
