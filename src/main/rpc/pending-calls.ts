/** Calls that wait for their answer: what they are told when the server can not wait any longer. */
import { WsmanError } from "../../domain/errors.ts";

/** As many as are under way. */
export class PendingCalls {
  readonly #giveUps = new Set<(error: WsmanError) => void>();
  #ending: WsmanError | undefined;

  /** What the answer is, unless it is given up before. Rejects as the answer does, or with UNAVAILABLE. */
  async outlast<T>(answer: Promise<T>): Promise<T> {
    if (this.#ending) {
      answer.catch(() => {});
      throw this.#ending;
    }
    const { promise: ended, reject } = Promise.withResolvers<never>();
    this.#giveUps.add(reject);
    try {
      return await Promise.race([answer, ended]);
    } finally {
      this.#giveUps.delete(reject);
    }
  }

  /** All that wait are told that the daemon ends, and so are those that come from now on and would have to. What they have begun goes on for as long as the process does. */
  giveUp(): void {
    const ending = new WsmanError("UNAVAILABLE", "the daemon is ending, and the call is not done yet: whether it takes effect is not known");
    this.#ending = ending;
    for (const reject of this.#giveUps) reject(ending);
  }
}
