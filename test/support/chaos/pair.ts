/** A connection of a replica, and the one that it has to the API server: what passes between them, what strikes it, and the silence of a partition. */
import type { Socket } from "node:net";
import type { Strike } from "../../../src/embedded/apiserver/faults.ts";
import { answerOf, requestIn, type Passing } from "./weather.ts";

/** What a pair reports to, and asks. */
export interface PairHooks {
  /** Told of each piece that the replica sends to the API server. */
  readonly look: (piece: string) => void;
  /** What is to strike a request; default: nothing. */
  readonly strike?: ((request: Passing) => Strike | undefined) | undefined;
  readonly onClosed: () => void;
}

/** What a replica has sent into silence: a few requests, each of a few kilobytes. A connection with more is broken off. */
const maxHeld = 1 << 20;

/** Both ends. */
export class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #hooks: PairHooks;
  #watches = false;
  #silent = false;
  /** Sent into silence: comes when it is over, for whoever sent it sends it again. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The replica has closed it in silence, which the API server learns later. */
  #closed = false;

  constructor(client: Socket, server: Socket, hooks: PairHooks) {
    this.#client = client;
    this.#server = server;
    this.#hooks = hooks;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
    }
    client.on("data", (chunk: Buffer) => this.#take(chunk));
    client.on("close", () => {
      this.#closed = true;
      if (!this.#silent) server.destroy();
    });
    server.on("drain", () => client.resume());
    server.on("close", () => {
      client.destroy();
      hooks.onClosed();
    });
    server.pipe(client);
  }

  /** A watch runs on it. */
  get watches(): boolean {
    return this.#watches;
  }

  silence(): void {
    this.#silent = true;
    this.#server.unpipe(this.#client);
    this.#server.pause();
  }

  /** What was sent arrives, the ends of connections too. */
  mend(): void {
    if (!this.#silent) return;
    this.#silent = false;
    for (const piece of this.#held.splice(0)) this.#server.write(piece);
    this.#heldBytes = 0;
    if (this.#closed) this.#server.resume().end();
    else this.#server.pipe(this.#client);
  }

  /** Breaks it off so that both are told. */
  reset(): void {
    this.#client.resetAndDestroy();
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  /** One request at a time is on a connection, so that each begins a piece. */
  #take(chunk: Buffer): void {
    const request = requestIn(chunk.toString("latin1"));
    if (request?.verb === "watch") this.#watches = true;
    const strike = request && this.#hooks.strike?.(request);
    if (strike === undefined || strike.delayMs === 0) {
      this.#forward(chunk, strike);
      return;
    }
    const client = this.#client.pause();
    const giveUp = (): void => clearTimeout(timer);
    const timer = setTimeout(() => {
      client.off("close", giveUp).resume();
      this.#forward(chunk, strike);
    }, strike.delayMs);
    client.once("close", giveUp);
  }

  /** What is refused never reaches the API server. */
  #forward(chunk: Buffer, strike: Strike | undefined): void {
    if (strike?.error) {
      this.#client.removeAllListeners("data").resume();
      this.#client.end(answerOf(strike.error));
    } else if (strike?.resetAfterBytes !== undefined) {
      this.#client.resetAndDestroy();
    } else {
      // As it is sent: when it arrives, the Lease may be another's.
      this.#hooks.look(chunk.toString("latin1"));
      if (this.#silent) this.#hold(chunk);
      else if (!this.#server.write(chunk)) this.#client.pause();
    }
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > maxHeld) this.destroy();
  }
}
