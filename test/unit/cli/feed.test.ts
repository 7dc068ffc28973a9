/** Following a server whose streams break: how soon it is asked again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status as codes } from "@grpc/grpc-js";
import type { wsman } from "../../../src/gen/proto.js";
import { CallError } from "../../../src/main/cli/client.ts";
import { follow } from "../../../src/main/cli/feed.ts";
import { FakeClock, passing } from "../../support/fake-clock.ts";
import { status } from "./helpers.ts";

const limited = new CallError(codes.RESOURCE_EXHAUSTED, "too many calls", undefined, undefined);

/** The pauses, in seconds, after each of so many streams. @param before what happens before a stream ends with an error; @param telling what it tells before that. */
async function pauses(count: number, before: (clock: FakeClock) => Promise<void>, telling: readonly wsman.WorkspaceStatus[] = []): Promise<readonly number[]> {
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: number[] = [];
  const stream = async function* stream(): AsyncGenerator<wsman.WorkspaceStatus> {
    await before(clock);
    yield* telling;
    throw limited;
  };
  const client = {
    connected: () => Promise.resolve(),
    getWorkspaces: () => Promise.resolve([status("one", 1)]),
    subscribe: () => ({ cancel: () => {}, [Symbol.asyncIterator]: stream }),
  };
  const notice = (text: string): void => {
    const seconds = /trying again in ([\d.]+) s/.exec(text)?.[1];
    if (seconds === undefined) return;
    told.push(Number(seconds));
    if (told.length === count) stop.abort();
  };
  await passing(clock, follow(client, {}, { clock, random: () => 0.999, signal: stop.signal }, { status: () => {}, listed: () => {}, notice }));
  return told;
}

/** Lets the list come. */
const turn = (): Promise<void> => new Promise(setImmediate);

test("a server that lists, and refuses every stream, is asked less and less often", async () => {
  assert.deepEqual(await pauses(8, turn), [0.5, 1, 2, 4, 8, 10, 10, 10]);
});

test("a stream that has told something, and one that has stood for a while, work: they are tried again soon", async () => {
  assert.deepEqual(await pauses(4, turn, [status("one", 2)]), [0.5, 0.5, 0.5, 0.5]);
  const stand = async (clock: FakeClock): Promise<void> => {
    const end = clock.monotonic() + 15_000;
    while (clock.monotonic() < end) await turn();
  };
  assert.deepEqual(await pauses(4, stand), [0.5, 0.5, 0.5, 0.5]);
});
