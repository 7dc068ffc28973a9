/** The image's Node.js without symbols: what is left is what the kernel maps, where it was. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { shortProgram } from "../../../scripts/image/elf.ts";

const page = 4096;

interface Segment {
  readonly offset: number;
  readonly address: number;
  readonly content: Buffer;
  readonly alignment: number;
}

/** A program with these segments, and symbols behind them. */
function programOf(segments: readonly Segment[]): Buffer {
  const end = Math.max(...segments.map(({ offset, content }) => offset + content.length));
  const program = Buffer.alloc(end + 1000, 0);
  program.fill("symbols", end);
  program.write("\x7fELF\x02\x01\x01", 0, "latin1");
  program.writeBigUInt64LE(0x40n, 0x20);
  program.writeBigUInt64LE(BigInt(end + 100), 0x28);
  for (const [at, value] of [[0x36, 56], [0x38, segments.length], [0x3c, 7], [0x3e, 6]] as const) program.writeUInt16LE(value, at);
  for (const [i, { offset, address, content, alignment }] of segments.entries()) {
    const at = 0x40 + i * 56;
    content.copy(program, offset);
    program.writeUInt32LE(1, at);
    for (const [place, value] of [[8, offset], [16, address], [32, content.length], [40, content.length], [48, alignment]] as const) program.writeBigUInt64LE(BigInt(value), at + place);
  }
  return program;
}

/** What the kernel would map: address, content, alignment. */
function mapped(program: Buffer): readonly (readonly [number, string, number])[] {
  return Array.from({ length: program.readUInt16LE(0x38) }, (_, i) => {
    const [offset, address, size, alignment] = [8, 16, 32, 48].map((place) => Number(program.readBigUInt64LE(0x40 + i * 56 + place)));
    assert.ok(offset !== undefined && address !== undefined && size !== undefined && alignment !== undefined);
    assert.equal(offset % page, address % page, "they agree in what is left over a page");
    assert.equal(offset % alignment, address % alignment);
    return [address, program.subarray(offset, offset + size).toString("latin1"), alignment];
  });
}

const first = { offset: 0x1000, address: 0x401000, content: Buffer.alloc(5000, "a"), alignment: page };
const far = { offset: 0x200010, address: 0x800010, content: Buffer.from("far away"), alignment: 0x200000 };
const last = { offset: 0x201100, address: 0x902100, content: Buffer.from("last"), alignment: page };

test("symbols and long stretches of zeros go, each segment stays at its address", () => {
  const program = programOf([first, far, last]);
  const short = shortProgram(program);
  assert.deepEqual(mapped(short).map(([address, content]) => [address, content]), mapped(program).map(([address, content]) => [address, content]));
  assert.deepEqual(mapped(short).map(([, , alignment]) => alignment), [page, page, page], "what does not agree with the larger unit any more asks for pages");
  // The first ends in the third page, the second begins in the fourth, the last one is 0x10f0 behind.
  assert.equal(short.length, 0x3000 + 0x1100 + "last".length);
  assert.deepEqual([short.readBigUInt64LE(0x28), short.readUInt16LE(0x3c), short.readUInt16LE(0x3e)], [0n, 0, 0], "no sections");
  assert.deepEqual(shortProgram(short), short, "a second time changes nothing");
});

test("what stands between segments and is not zero stays, and so do short stretches", () => {
  const program = programOf([first, far, last]);
  program[0x100000] = 1;
  assert.equal(shortProgram(program).length, last.offset + last.content.length);
  const near = programOf([first, { ...far, offset: 0x4010, address: 0x804010, alignment: page }]);
  assert.equal(shortProgram(near).length, 0x4010 + far.content.length);
});

test("what is no such program is refused", () => {
  assert.throws(() => shortProgram(Buffer.from("#!/bin/sh\n")), /no 64-bit ELF file/);
  assert.throws(() => shortProgram(programOf([first]).subarray(0, 0x1800)), /the program ends at 6144, one of its segments at 9096/);
  const none = programOf([first]);
  none.writeUInt16LE(0, 0x38);
  assert.throws(() => shortProgram(none), /no table of segments/);
});

test("a real program runs as before", { skip: (process.platform !== "linux" || !existsSync("/bin/true")) && "no such program is here" }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-elf-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "echo");
  writeFileSync(program, shortProgram(readFileSync("/bin/echo")), { mode: 0o755 });
  assert.equal(spawnSync(program, ["as", "before"], { encoding: "utf8" }).stdout, "as before\n");
});
