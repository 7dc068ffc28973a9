/** Writes to streams: what comes in one turn of the event loop travels together, and nothing waits longer than that. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { suite, test } from "node:test";
import { TurnWrites } from "../../../src/main/rpc/turn-writes.ts";

/** A stream that notes what is written to it at a time. */
function stream(): { readonly into: Writable; readonly writes: string[] } {
  const writes: string[] = [];
  const into = new Writable({
    highWaterMark: 8,
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.toString());
      setImmediate(done);
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(","));
      setImmediate(done);
    },
  });
  return { into, writes };
}

suite("writes of a turn", () => {
  test("what comes in one turn is one write for each stream, in order", async () => {
    const writes = new TurnWrites();
    const [a, b] = [stream(), stream()];
    for (const text of ["1", "2", "3"]) for (const { into } of [a, b]) writes.write(into, Buffer.from(text));
    await turn();
    assert.deepEqual([a.writes, b.writes], [["1,2,3"], ["1,2,3"]]);
  });

  test("a message by itself is written before the loop has its turn, and the next turn's by itself", async () => {
    const writes = new TurnWrites();
    const { into, writes: seen } = stream();
    writes.write(into, Buffer.from("1"));
    await Promise.resolve();
    assert.deepEqual(seen, ["1"]);
    await turn();
    await turn();
    writes.write(into, Buffer.from("2"));
    await Promise.resolve();
    assert.deepEqual(seen, ["1", "2"]);
  });

  test("what is held back counts: a stream says that it is full, and drains", async () => {
    const writes = new TurnWrites();
    const { into, writes: seen } = stream();
    assert.equal(writes.write(into, Buffer.from("1234")), true);
    assert.equal(writes.write(into, Buffer.from("5678")), false);
    await once(into, "drain");
    assert.deepEqual(seen, ["1234,5678"]);
  });

  test("a stream that ends in the same turn gets what was written before; one that is destroyed harms no other", async () => {
    const writes = new TurnWrites();
    const [ended, destroyed, other] = [stream(), stream(), stream()];
    for (const { into } of [ended, destroyed, other]) writes.write(into, Buffer.from("1"));
    ended.into.end();
    destroyed.into.destroy();
    await once(ended.into, "finish");
    assert.deepEqual([ended.writes, destroyed.writes, other.writes], [["1"], [], ["1"]]);
  });
});
