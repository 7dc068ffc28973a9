/** Cuts the items out of a List's JSON while it arrives, without parsing them. */
import { Carry } from "./carry.ts";
import { KubeError } from "./errors.ts";
import { isRecord, stringMember } from "./json.ts";

/** A list's own metadata. */
export interface ListMetadata {
  readonly resourceVersion: string | undefined;
  /** Token of the next page; undefined on the last one. */
  readonly continue: string | undefined;
  readonly remainingItemCount: number | undefined;
}

/** Takes one item's JSON. The bytes are valid during the call only. A returned promise holds back the next item. */
export type ItemConsumer = (item: Uint8Array) => void | Promise<void>;

/** Bytes that a member's name or the list's metadata may have. */
const maxMetadataBytes = 1 << 20;

const quote = 0x22;
const backslash = 0x5c;
/** `{` and `[` are this once bit 0x20 is set, `}` and `]` are `close`: one comparison instead of two. */
const open = 0x7b;
const close = 0x7d;
const caseBit = 0x20;

/** Where in the list's outer structure the scanner stands. */
const At = { start: 0, memberOrEnd: 1, colon: 2, value: 3, afterMember: 4, itemOrEnd: 5, afterItem: 6, end: 7 } as const;
/** What the value under the cursor is for. */
const For = { nothing: 0, key: 1, metadata: 2, item: 3 } as const;

type Place = (typeof At)[keyof typeof At];
type Purpose = (typeof For)[keyof typeof For];

/**
 * A state machine over the bytes of `{"metadata": {...}, "items": [...], ...}`, members in any order, `items` possibly null or missing.
 * It follows strings, escapes and depth only, about a nanosecond a byte; that an item is valid JSON is for its reader to find out.
 * A broken outer structure and values over their bounds make push throw a KubeError.
 */
export class ItemScanner {
  readonly #onItem: ItemConsumer;
  readonly #items: Carry;
  readonly #metadataBytes = new Carry(maxMetadataBytes, "list metadata");
  #place: Place = At.start;
  #purpose: Purpose = For.nothing;
  #key = "";
  #sawItems = false;
  #metadata: ListMetadata | undefined;
  // The value under the cursor: inside one if #kind is not none.
  #kind: "none" | "nested" | "string" | "scalar" = "none";
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(onItem: ItemConsumer, maxItemBytes: number) {
    this.#onItem = onItem;
    this.#items = new Carry(maxItemBytes, "an item");
  }

  /** The list's metadata, as soon as it was read (API servers send it before the items). */
  get metadata(): ListMetadata | undefined {
    return this.#metadata;
  }

  /** Delivers the items that end in this chunk, synchronously unless the consumer returns a promise. The chunk must not change until the result is settled. */
  push(chunk: Uint8Array): void | Promise<void> {
    return this.#run(chunk, 0);
  }

  /** The body ended: gives the metadata. Throws a KubeError (reason "Truncated") if the list is not complete. */
  finish(): ListMetadata {
    if (this.#place !== At.end) throw new KubeError("a list of the API server broke off", { status: 0, reason: "Truncated" });
    return this.#metadata ?? { resourceVersion: undefined, continue: undefined, remainingItemCount: undefined };
  }

  #run(chunk: Uint8Array, from: number): void | Promise<void> {
    let at = from;
    while (at < chunk.length) {
      if (this.#kind === "none") at = this.#structure(chunk[at] ?? 0, at);
      if (this.#kind === "none") continue;
      const start = at;
      at = this.#value(chunk, at);
      if (this.#isInside()) {
        this.#keep(chunk.subarray(start, at));
        continue;
      }
      const wait = this.#valueEnded(chunk.subarray(start, at));
      if (wait) {
        const next = at;
        return wait.then(() => this.#run(chunk, next));
      }
    }
    return undefined;
  }

  #isInside(): boolean {
    return this.#kind !== "none";
  }

  /** One byte of the outer structure; gives where to go on, which is the same byte if a value begins there. */
  #structure(byte: number, at: number): number {
    if (isSpace(byte)) return at + 1;
    switch (this.#place) {
      case At.start:
        return this.#expect(byte, 0x7b, At.memberOrEnd, at);
      case At.colon:
        return this.#expect(byte, 0x3a, At.value, at);
      case At.value:
        return this.#memberValue(byte, at);
      case At.memberOrEnd:
      case At.afterMember:
        return this.#betweenMembers(byte, at);
      case At.itemOrEnd:
      case At.afterItem:
        return this.#inItems(byte, at);
      case At.end:
        break;
    }
    throw malformed();
  }

  #betweenMembers(byte: number, at: number): number {
    if (this.#place === At.memberOrEnd && byte === quote) return this.#begin(For.key, at, byte);
    if (this.#place === At.afterMember && byte === 0x2c) return this.#expect(byte, 0x2c, At.memberOrEnd, at);
    return this.#expect(byte, 0x7d, At.end, at);
  }

  #expect(byte: number, expected: number, next: Place, at: number): number {
    if (byte !== expected) throw malformed();
    this.#place = next;
    return at + 1;
  }

  #memberValue(byte: number, at: number): number {
    if (this.#key === "items") {
      if (this.#sawItems) throw malformed();
      this.#sawItems = true;
      if (byte === 0x5b) return this.#expect(byte, 0x5b, At.itemOrEnd, at);
      if (byte !== 0x6e) throw malformed();
    }
    return this.#begin(this.#key === "metadata" ? For.metadata : For.nothing, at, byte);
  }

  #inItems(byte: number, at: number): number {
    if (byte === 0x5d) return this.#expect(byte, 0x5d, At.afterMember, at);
    if (this.#place === At.itemOrEnd) return this.#begin(For.item, at, byte);
    return this.#expect(byte, 0x2c, At.itemOrEnd, at);
  }

  #begin(purpose: Purpose, at: number, byte: number): number {
    if (byte === 0x2c || byte === 0x3a || (byte | caseBit) === close) throw malformed();
    this.#purpose = purpose;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#kind = byte === quote ? "string" : (byte | caseBit) === open ? "nested" : "scalar";
    return at;
  }

  /** Runs through the value; #kind is none afterwards if it ended. Gives the index behind what belongs to it. */
  #value(chunk: Uint8Array, from: number): number {
    if (this.#kind === "scalar") return this.#scalar(chunk, from);
    let at = from;
    while (at < chunk.length) {
      at = this.#inString ? this.#string(chunk, at) : this.#betweenStrings(chunk, at);
      if (this.#depth === 0 && !this.#inString) return this.#ended(at);
    }
    return chunk.length;
  }

  /** Runs to behind the closing quote, or to the chunk's end. */
  #string(chunk: Uint8Array, from: number): number {
    const end = chunk.length;
    let at = this.#escaped ? from + 1 : from;
    while (at < end) {
      const byte = chunk[at++];
      if (byte === quote) {
        this.#inString = false;
        break;
      }
      if (byte === backslash) at++;
    }
    this.#escaped = at > end;
    return at;
  }

  /** Runs to behind the next opening quote or the value's last bracket, or to the chunk's end. */
  #betweenStrings(chunk: Uint8Array, from: number): number {
    const end = chunk.length;
    let depth = this.#depth;
    let at = from;
    while (at < end) {
      const byte = chunk[at++] ?? 0;
      if (byte === quote) {
        this.#inString = true;
        break;
      }
      if ((byte | caseBit) === open) depth++;
      else if ((byte | caseBit) === close && --depth === 0) break;
    }
    this.#depth = depth;
    return at;
  }

  #scalar(chunk: Uint8Array, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === 0x2c || byte <= 0x20 || (byte | caseBit) === close) return this.#ended(at);
    }
    return chunk.length;
  }

  #ended(at: number): number {
    this.#kind = "none";
    return at;
  }

  /** The chunk ends within a value that is wanted. */
  #keep(part: Uint8Array): void {
    if (this.#purpose === For.item) this.#items.append(part);
    else if (this.#purpose !== For.nothing) this.#metadataBytes.append(part);
  }

  #valueEnded(last: Uint8Array): void | Promise<void> {
    switch (this.#purpose) {
      case For.nothing:
        this.#place = At.afterMember;
        return undefined;
      case For.key:
        this.#key = String(parse(this.#whole(this.#metadataBytes, last)));
        this.#place = At.colon;
        return undefined;
      case For.metadata:
        this.#metadata = readMetadata(parse(this.#whole(this.#metadataBytes, last)));
        this.#place = At.afterMember;
        return undefined;
      case For.item:
        this.#place = At.afterItem;
        return this.#onItem(this.#whole(this.#items, last));
    }
  }

  #whole(carry: Carry, last: Uint8Array): Uint8Array {
    if (carry.length === 0) {
      carry.check(last.length);
      return last;
    }
    carry.append(last);
    return carry.take();
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw malformed();
  }
}

function readMetadata(value: unknown): ListMetadata {
  const remaining = isRecord(value) ? value["remainingItemCount"] : undefined;
  return {
    resourceVersion: stringMember(value, "resourceVersion"),
    continue: stringMember(value, "continue"),
    remainingItemCount: typeof remaining === "number" ? remaining : undefined,
  };
}

function malformed(): KubeError {
  return new KubeError("an answer of the API server is not a list", { status: 0, reason: "Malformed" });
}
