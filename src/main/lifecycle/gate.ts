/** Bounds work that may take long: so much of it at a time in all, and so much on one node. What waits has its turn in order, and past those whose node is full. */

/** At a time. */
export interface GateLimits {
  readonly total: number;
  readonly perNode: number;
}

interface Waiting {
  readonly order: number;
  readonly go: () => void;
}

/** A node's share. */
interface Node {
  running: number;
  readonly waiting: Waiting[];
}

/** One kind of work. What waits is bounded by whoever brings it: one piece for each workspace. */
export class Gate {
  readonly #limits: GateLimits;
  /** Nodes with work, under way or waiting. */
  readonly #nodes = new Map<string, Node>();
  #running = 0;
  #waiting = 0;
  #order = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Work under way. */
  get running(): number {
    return this.#running;
  }

  /** Does the work when its turn has come. Rejects with the signal's reason if it aborts before that. */
  async run<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter(name, signal);
    try {
      return await work();
    } finally {
      this.#leave(name);
    }
  }

  async #enter(name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const node = this.#nodes.get(name) ?? { running: 0, waiting: [] };
    this.#nodes.set(name, node);
    if (this.#hasRoom(node)) {
      this.#admit(node);
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { order: this.#order++, go: resolve };
    node.waiting.push(waiting);
    this.#waiting++;
    const abort = (): void => {
      const at = node.waiting.indexOf(waiting);
      // Already let in: it leaves by itself.
      if (at < 0) return;
      node.waiting.splice(at, 1);
      this.#waiting--;
      this.#forgetIfIdle(name, node);
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #leave(name: string): void {
    const node = this.#nodes.get(name);
    if (!node) return;
    node.running--;
    this.#running--;
    for (let next = this.#next(); next; next = this.#next()) {
      const waiting = next.waiting.shift();
      this.#waiting--;
      this.#admit(next);
      waiting?.go();
    }
    this.#forgetIfIdle(name, node);
  }

  /** The node whose turn it is: that of the one which waits longest among those with room. */
  #next(): Node | undefined {
    if (this.#waiting === 0 || this.#running >= this.#limits.total) return undefined;
    let next: Node | undefined;
    for (const node of this.#nodes.values()) {
      const [first] = node.waiting;
      if (first && node.running < this.#limits.perNode && first.order < (next?.waiting[0]?.order ?? Infinity)) next = node;
    }
    return next;
  }

  #hasRoom(node: Node): boolean {
    return this.#running < this.#limits.total && node.running < this.#limits.perNode;
  }

  #admit(node: Node): void {
    node.running++;
    this.#running++;
  }

  #forgetIfIdle(name: string, node: Node): void {
    if (node.running === 0 && node.waiting.length === 0) this.#nodes.delete(name);
  }
}
