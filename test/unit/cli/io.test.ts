/** Streams of the process as commands use them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Writable } from "node:stream";
import { flushed } from "../../../src/main/cli/io.ts";
import { until } from "../../support/until.ts";
import { command } from "./helpers.ts";

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

test("who sits at a terminal is told what is read from it, how that ends, and what else can be done; a pipe is not", async () => {
  const config = ["--config", "examples/config.json"];
  for (const [args, what, instead] of [
    [["explain", ...config], /a Pod, or \{"pod"/, /give the ID of a workspace/],
    [["render", ...config], /a StartWorkspaceRequest/, /< FILE/],
    [["start"], /a StartWorkspaceRequest/, /wsmand start FILE/],
    [["start", "-"], /a StartWorkspaceRequest/, /wsmand start FILE/],
    [["ssh-keys", "one"], /SSH keys/, /wsmand ssh-keys ID FILE/],
    [["decode-imagespec"], /annotation gitpod\/imageSpec/, /< FILE/],
    [["decode-initializer"], /annotation gitpod\/contentInitializer/, /< FILE/],
  ] as const) {
    const [told = ""] = (await command(args, { inputTerminal: true })).err.split("\n");
    assert.match(told, /^reading .* from the standard input: end it with Ctrl-D on a line of its own, or /, args.join(" "));
    assert.match(told, what);
    assert.match(told, instead);
    assert.doesNotMatch((await command(args)).err, /from the standard input: end it/, args.join(" "));
  }
});

test("where nothing is read from the terminal, nothing is said of it", async () => {
  for (const args of [["start", "/does/not/exist.json"], ["explain", "--config", "/does/not/exist"], ["ssh-keys", "one", "--none", "--address", "127.0.0.1:1", "--timeout", "50ms"]]) {
    assert.doesNotMatch((await command(args, { inputTerminal: true })).err, /Ctrl-D/, args.join(" "));
  }
});
