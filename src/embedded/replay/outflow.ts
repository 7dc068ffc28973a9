/** Bytes on their way to one client, at its pace: one buffer, filled anew whenever the system has taken it. */
import type { ServerResponse } from "node:http";

/** Where the bytes come from. */
export interface Supply {
  /** Writes as much as there is, and as fits, from the buffer's begin. Gives its length; 0: nothing at present. */
  fill(buffer: Buffer): number;
  /** Nothing will come any more. */
  readonly ended: boolean;
}

/** An answer whose body comes from a supply. No more than its buffer waits for the client. */
export class Outflow {
  readonly #response: ServerResponse;
  readonly #supply: Supply;
  readonly #buffer: Buffer;
  readonly #onTaken: () => void;
  #waiting = 0;

  /** @param onTaken called whenever the system has taken what was written. */
  constructor(response: ServerResponse, supply: Supply, buffer: Buffer, onTaken: () => void = () => {}) {
    this.#response = response;
    this.#supply = supply;
    this.#buffer = buffer;
    this.#onTaken = onTaken;
  }

  /** Bytes that the client has yet to take, beyond what the system's own buffers hold. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Sends what there is: to be called when there may be more. */
  wake(): void {
    if (this.#waiting > 0 || this.#response.destroyed || this.#response.writableEnded) return;
    const length = this.#supply.fill(this.#buffer);
    this.#waiting = length;
    if (length > 0) this.#response.write(this.#buffer.subarray(0, length), () => this.#taken());
    else if (this.#supply.ended) this.#response.end();
  }

  #taken(): void {
    // Others get their turn, also while the client takes everything at once.
    setImmediate(() => {
      this.#waiting = 0;
      this.#onTaken();
      this.wake();
    });
  }
}
