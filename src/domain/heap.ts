/** A binary heap: what comes first by its time is at the top. */

/** Something with a time. */
export interface Timed {
  readonly at: number;
}

/** Earliest first; equal times in no order. */
export class TimeHeap<T extends Timed> {
  #items: T[] = [];

  /** How many there are. */
  get size(): number {
    return this.#items.length;
  }

  /** The earliest. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds one: logarithmic time. */
  push(item: T): void {
    const items = this.#items;
    let i = items.push(item) - 1;
    for (let parent = (i - 1) >> 1; i > 0; i = parent, parent = (i - 1) >> 1) {
      const above = items[parent];
      if (above === undefined || above.at <= item.at) break;
      items[i] = above;
    }
    items[i] = item;
  }

  /** Takes the earliest: logarithmic time. */
  pop(): T | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last, 0);
    return top;
  }

  /** Takes out all that are not wanted: linear time. */
  keep(wanted: (item: T) => boolean): void {
    this.#items = this.#items.filter((item) => wanted(item));
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i--) {
      const item = this.#items[i];
      if (item !== undefined) this.#sink(item, i);
    }
  }

  /** Puts the item where it belongs, at i or below. */
  #sink(item: T, from: number): void {
    const items = this.#items;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      let below = items[child];
      if (below === undefined) break;
      const right = items[child + 1];
      if (right !== undefined && right.at < below.at) {
        below = right;
        child++;
      }
      if (below.at >= item.at) break;
      items[i] = below;
      i = child;
    }
    items[i] = item;
  }
}
