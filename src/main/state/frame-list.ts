/** A list of frames whose present state can be kept for the price of a few pointers, however long it is: each read of everything does so. */
import { prefixBytes } from "./frame.ts";

/** Frames in a block. The first change of a block after the list was kept copies so many pointers; a copy of all of a long list would be a large object, which only a full collection takes away. */
const blockBits = 8;
const blockLength = 1 << blockBits;

/** Frames as they were at a moment. */
export interface Frames {
  readonly length: number;
  /** Of all their messages, without gRPC's prefixes. */
  readonly bytes: number;
  /** The frame at a place, undefined beyond the last one. */
  at(index: number): Buffer | undefined;
}

interface Block {
  readonly frames: Buffer[];
  /** Number of the state in which it was written: an earlier one than the list's is shared with who has kept it. */
  readonly state: number;
}

/** A list of frames, in no order of its own. */
export class FrameList {
  readonly #blocks: Block[] = [];
  #length = 0;
  #bytes = 0;
  #state = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds one at the end. */
  push(frame: Buffer): void {
    const index = this.#length++;
    if (index % blockLength === 0) this.#blocks.push({ frames: [], state: this.#state });
    this.#owned(index)?.push(frame);
    this.#bytes += frame.length - prefixBytes;
  }

  /** Puts another one in a place that there is. */
  set(index: number, frame: Buffer): void {
    const frames = this.#owned(index);
    const before = frames?.[index % blockLength];
    if (!frames || !before) return;
    frames[index % blockLength] = frame;
    this.#bytes += frame.length - before.length;
  }

  /** Takes the last one out. */
  pop(): Buffer | undefined {
    const frame = this.#owned(this.#length - 1)?.pop();
    if (!frame) return undefined;
    this.#length--;
    this.#bytes -= frame.length - prefixBytes;
    if (this.#length % blockLength === 0) this.#blocks.pop();
    return frame;
  }

  /** The list as it is now, whatever becomes of it. */
  keep(): Frames {
    this.#state++;
    return new Kept(this.#blocks.slice(), this.#length, this.#bytes);
  }

  /** A block that may be written. */
  #owned(index: number): Buffer[] | undefined {
    const place = index >> blockBits;
    const block = this.#blocks[place];
    if (!block || block.state === this.#state) return block?.frames;
    const frames = block.frames.slice();
    this.#blocks[place] = { frames, state: this.#state };
    return frames;
  }
}

class Kept implements Frames {
  readonly length: number;
  readonly bytes: number;
  readonly #blocks: readonly Block[];

  constructor(blocks: readonly Block[], length: number, bytes: number) {
    this.#blocks = blocks;
    this.length = length;
    this.bytes = bytes;
  }

  at(index: number): Buffer | undefined {
    return this.#blocks[index >> blockBits]?.frames[index % blockLength];
  }
}

/** Frames that were found one by one. */
export function framesOf(found: Iterable<Buffer>): Frames {
  const list = new FrameList();
  for (const frame of found) list.push(frame);
  return list.keep();
}
