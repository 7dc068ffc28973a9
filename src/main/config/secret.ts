/** A text that must not be seen: it prints as nothing of itself, wherever it ends up by mistake. */
import { inspect } from "node:util";

const hidden = "[secret]";

/** Holds a secret. Only {@link Secret.reveal} gives it away: not JSON, not string conversion, not the inspector. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for whoever has to send it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  [inspect.custom](): string {
    return hidden;
  }
}
