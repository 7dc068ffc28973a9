/** What happened in a simulation, line by line, and a digest of it: the same seed has to give the same bytes. */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";

/** Characters that are gathered before they are digested and written. */
const pieceSize = 64 * 1024;

/** The journal of one run. */
export class Journal {
  readonly #hash = createHash("sha256");
  readonly #file: number | undefined;
  readonly #now: () => number;
  #piece = "";
  #lines = 0;
  #digest: string | undefined;

  /** @param now virtual time, milliseconds since the beginning. @param file where it is written to; undefined: it is digested only. */
  constructor(now: () => number, file?: string) {
    this.#now = now;
    this.#file = file === undefined ? undefined : openSync(file, "w");
  }

  get lines(): number {
    return this.#lines;
  }

  /** Adds a line. */
  note(text: string): void {
    this.#lines++;
    this.#piece += `${this.#now().toFixed(3)} ${text}\n`;
    if (this.#piece.length > pieceSize) this.#flush();
  }

  /** Ends it; gives its digest. Idempotent. */
  end(): string {
    if (this.#digest !== undefined) return this.#digest;
    this.#flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#digest = this.#hash.digest("hex");
    return this.#digest;
  }

  #flush(): void {
    this.#hash.update(this.#piece);
    if (this.#file !== undefined) writeSync(this.#file, this.#piece);
    this.#piece = "";
  }
}
