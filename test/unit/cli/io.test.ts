/** Streams of the process as commands use them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Writable } from "node:stream";
import { flushed } from "../../../src/main/cli/io.ts";
import { until } from "../../support/until.ts";

/** A stream whose reader takes a chunk only when it is told to. */
function slowStream(): { stream: Writable; taken: string[]; take: () => void } {
  const taken: string[] = [];
  let waiting: (() => void) | undefined;
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      waiting = () => {
        waiting = undefined;
        taken.push(String(chunk));
        done();
      };
    },
  });
  return { stream, taken, take: () => waiting?.() };
}

test("the end waits until a slow reader has taken everything", async () => {
  const { stream, taken, take } = slowStream();
  stream.write("first");
  stream.write("second");
  let done = false;
  const flushing = flushed([stream], new AbortController().signal).then(() => {
    done = true;
  });
  take();
  await until("the first", () => taken.length === 1);
  assert.equal(done, false);
  await until("the rest", () => {
    take();
    return done;
  });
  await flushing;
  assert.deepEqual(taken.slice(0, 2), ["first", "second"]);
});

test("the end waits for no one who went away, nor when it is to be at once", async () => {
  const gone = slowStream();
  gone.stream.on("error", () => {});
  gone.stream.write("unread");
  gone.stream.destroy(new Error("EPIPE"));
  await flushed([gone.stream], new AbortController().signal);
  const stuck = slowStream();
  stuck.stream.write("unread");
  const stop = new AbortController();
  const flushing = flushed([stuck.stream], stop.signal);
  stop.abort();
  await flushing;
});
