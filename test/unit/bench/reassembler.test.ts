/** Messages cut out of a stream's bytes, wherever those are cut themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reassembler } from "../../../src/bench/load/reassembler.ts";

function encode(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    return [prefix, message];
  }));
}

function collector(): { readonly messages: Buffer[]; message(bytes: Buffer, start: number, end: number): void } {
  const messages: Buffer[] = [];
  return { messages, message: (bytes, start, end) => void messages.push(Buffer.from(bytes.subarray(start, end))) };
}

test("messages come whole and in order, wherever the bytes are cut", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 }), fc.array(fc.nat(40), { minLength: 1, maxLength: 30 }), (messages, cuts) => {
    const bytes = encode(messages);
    const found = collector();
    const reassembler = new Reassembler();
    // The same buffer again and again, as sockets are read.
    const shared = Buffer.alloc(64);
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const length = Math.min(bytes.length - at, 1 + (cuts[i % cuts.length] ?? 0));
      const from = i % 7;
      shared.fill(0xee);
      bytes.copy(shared, from, at, at + length);
      reassembler.take(shared, from, from + length, found);
      at += length;
    }
    assert.deepEqual(found.messages, messages.map((message) => Buffer.from(message)));
  }));
});

test("the room of a large message is used again, and half of one is forgotten when asked", () => {
  const rooms: Buffer[] = [];
  const reassembler = new Reassembler();
  const sink = { message: (bytes: Buffer) => void rooms.push(bytes) };
  const large = encode([Buffer.alloc(100_000, 1)]);
  const take = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; at += 16_384) reassembler.take(bytes, at, Math.min(bytes.length, at + 16_384), sink);
  };
  take(large);
  take(large);
  assert.equal(rooms.length, 2);
  assert.equal(rooms[0], rooms[1]);
  take(large.subarray(0, 50_000));
  reassembler.reset();
  take(encode([Buffer.from("short")]));
  assert.equal(rooms.length, 3);
});

test("a message that no server of this API sends is refused, in one piece or in several", () => {
  const tooLong = Buffer.from([0, 0x7f, 0, 0, 0, 1]);
  assert.throws(() => new Reassembler().take(tooLong, 0, 6, collector()), RangeError);
  const inPieces = new Reassembler();
  inPieces.take(tooLong, 0, 3, collector());
  assert.throws(() => inPieces.take(tooLong, 3, 6, collector()), RangeError);
});
