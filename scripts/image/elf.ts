/** Programs without what nothing that runs them reads: tables of symbols and sections, and long stretches of zeros between segments. */

/** Where things are in the header of a 64-bit ELF file, and in an entry of its table of segments. */
const header = { class: 4, order: 5, segments: 0x20, sections: 0x28, segmentSize: 0x36, segmentCount: 0x38, sectionCount: 0x3c, sectionNames: 0x3e } as const;
const entry = { type: 0x00, offset: 0x08, address: 0x10, size: 0x20, alignment: 0x30 } as const;
const loaded = 1;
/** What kernels map at a time: addresses and offsets must agree in what is left over a page. */
const page = 4096;
/** Shorter stretches stay. */
const longBytes = 64 * 1024;

interface Segment {
  /** Of its entry in the table. */
  readonly at: number;
  readonly type: number;
  readonly offset: number;
  readonly end: number;
}

/**
 * A program that runs as before, up to the end of its last segment, with its segments closer together where there is nothing but zeros between them. The kernel and the loader go by segments; sections, symbols for debuggers
 * among them, come behind these and are for linkers. The same bytes whatever tools a machine has.
 * @throws Error for what is no 64-bit little-endian ELF file, or ends too early.
 */
export function shortProgram(program: Buffer): Buffer {
  const segments = segmentsOf(program);
  const loads = segments.filter(({ type }) => type === loaded).toSorted((a, b) => a.offset - b.offset);
  const moves = movesOf(program, loads);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { from, to } of moves) {
    pieces.push(program.subarray(at, to));
    at = from;
  }
  pieces.push(program.subarray(at, Math.max(...segments.map(({ end }) => end))));
  const shorter = Buffer.concat(pieces);
  for (const segment of segments) move(shorter, segment, moves);
  shorter.writeBigUInt64LE(0n, header.sections);
  shorter.writeUInt16LE(0, header.sectionCount);
  shorter.writeUInt16LE(0, header.sectionNames);
  return shorter;
}

function segmentsOf(program: Buffer): readonly Segment[] {
  if (program.length < 0x40 || program.readUInt32BE(0) !== 0x7f454c46 || program[header.class] !== 2 || program[header.order] !== 1) throw new Error("the program is no 64-bit ELF file");
  const table = Number(program.readBigUInt64LE(header.segments));
  const [size, count] = [program.readUInt16LE(header.segmentSize), program.readUInt16LE(header.segmentCount)];
  if (count === 0 || table + count * size > program.length) throw new Error("the program has no table of segments");
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * size;
    const offset = Number(program.readBigUInt64LE(at + entry.offset));
    const end = offset + Number(program.readBigUInt64LE(at + entry.size));
    if (end > program.length) throw new Error(`the program ends at ${program.length}, one of its segments at ${end}`);
    return { at, type: program.readUInt32LE(at), offset, end };
  });
}

/** What begins at `from` follows what ends at `to`. */
interface Move {
  readonly from: number;
  readonly to: number;
}

function movesOf(program: Buffer, loads: readonly Segment[]): readonly Move[] {
  const moves: Move[] = [];
  let end = 0;
  for (const { offset, end: next } of loads) {
    const to = end + ((((offset - end) % page) + page) % page);
    if (offset - to >= longBytes && program.subarray(end, offset).every((byte) => byte === 0)) moves.push({ from: offset, to });
    end = Math.max(end, next);
  }
  return moves;
}

function move(shorter: Buffer, { at, type, offset }: Segment, moves: readonly Move[]): void {
  const by = moves.filter(({ from }) => from <= offset).reduce((sum, { from, to }) => sum + from - to, 0);
  if (by === 0) return;
  shorter.writeBigUInt64LE(BigInt(offset - by), at + entry.offset);
  // A larger unit than pages would not agree any more; the address, which it was about, is the same.
  const alignment = shorter.readBigUInt64LE(at + entry.alignment);
  const disagree = alignment > 1n && (shorter.readBigUInt64LE(at + entry.address) - BigInt(offset - by)) % alignment !== 0n;
  if (type === loaded && disagree) shorter.writeBigUInt64LE(BigInt(page), at + entry.alignment);
}
