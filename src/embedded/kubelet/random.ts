/** Seeded random numbers, so that a run of the built-in cluster replays from its seed. */

/** Gives numbers in [0, 1). */
export type Random = () => number;

/** From (inclusive) and to (exclusive), in milliseconds. */
export type Range = readonly [number, number];

/** The mulberry32 generator: 32 bits of state, good enough for delays and choices. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A seed from a text (FNV-1a), so that equal names give equal numbers. */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A number within the range. */
export function draw(random: Random, [from, to]: Range): number {
  return from + (to - from) * random();
}

/** One of the items. Throws for none. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** Lower-case hexadecimal digits. */
export function hex(random: Random, digits: number): string {
  let out = "";
  while (out.length < digits) out += Math.floor(random() * 16).toString(16);
  return out;
}
