/** The status cache: frames by workspace ID, in an LRU bounded by entries and bytes. What is evicted is rebuilt on demand. */
import { LRUCache } from "lru-cache";

/** Bounds of the cache. */
export interface CacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Counts something; metrics have such things. */
interface Count {
  add(): void;
}

/** Counters of the cache. */
export interface CacheCounters {
  readonly hits: Count;
  readonly misses: Count;
  readonly evictions: Count;
}

const uncounted: CacheCounters = { hits: { add() {} }, misses: { add() {} }, evictions: { add() {} } };

/** What an entry costs beside the frame's bytes: key, list node, map slot. A measured guess that keeps small frames honest. */
const overhead = 200;

/** Encoded statuses, newest per workspace; live ones and, until they are pushed out, stopped ones. */
export class StatusCache {
  readonly #frames: LRUCache<string, Buffer>;
  readonly #counters: CacheCounters;
  #onEvicted: (id: string, frame: Buffer) => void = () => {};

  constructor(limits: CacheLimits, counters: CacheCounters = uncounted) {
    this.#counters = counters;
    this.#frames = new LRUCache<string, Buffer>({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      sizeCalculation: (frame, key) => frame.byteLength + key.length + overhead,
      dispose: (frame, id, reason) => {
        if (reason !== "evict") return;
        this.#counters.evictions.add();
        this.#onEvicted(id, frame);
      },
    });
  }

  get bytes(): number {
    return this.#frames.calculatedSize;
  }

  get entries(): number {
    return this.#frames.size;
  }

  /** Says what happens when a frame is pushed out by others; it must not change the cache. */
  whenEvicted(run: (id: string, frame: Buffer) => void): void {
    this.#onEvicted = run;
  }

  /** Gives whether the frame is kept: one larger than the whole cache is not, and the older one of the same workspace goes all the same. */
  set(id: string, frame: Buffer): boolean {
    return this.#frames.set(id, frame).has(id);
  }

  get(id: string): Buffer | undefined {
    const frame = this.#frames.get(id);
    if (frame) this.#counters.hits.add();
    else this.#counters.misses.add();
    return frame;
  }

  /** Reads without counting as a use: for reads of everything, which would only turn the order around. */
  peek(id: string): Buffer | undefined {
    return this.#frames.peek(id);
  }
}
