/** Calls that come while a workspace is being started wait for it, and for nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { request } from "../render/helpers.ts";
import { codeOf, settle, setup, type Setup } from "./start-world.ts";

const never = new AbortController().signal;

/** A call that waits, and whether it goes on. */
function wait({ starter }: Setup, id = "instance-1", signal = never): { readonly end: Promise<void>; readonly over: () => boolean } {
  let over = false;
  const end = starter.arrival(id, signal).finally(() => (over = true));
  end.catch(() => {});
  return { end, over: () => over };
}

test("where no start is under way, and where the workspace is known, nothing is waited for", async () => {
  const world = setup();
  await world.starter.arrival("instance-1", never);
  const first = world.start(request());
  await settle();
  world.know("instance-1", "token");
  await world.starter.arrival("instance-1", never);
  await world.starter.arrival("another", never);
  world.creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  await first;
});

test("a workspace that is being started is waited for, whether or not anybody waits for its start", async () => {
  const world = setup();
  const client = new AbortController();
  const first = world.starter.start(request(), client.signal);
  await settle();
  client.abort();
  const waiting = wait(world);
  await settle();
  assert.equal(waiting.over(), false);
  world.know("instance-1", world.creating[0]?.token ?? "");
  world.creating[0]?.done.resolve({ uid: "uid-instance-1", url: "https://x" });
  await waiting.end;
  await first;
});

test("a start that fails, and an image build that joins another one, make nothing to be waited for", async () => {
  const world = setup();
  const first = world.start(request());
  await settle();
  const waiting = wait(world);
  world.creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  await waiting.end;
  assert.equal(await codeOf(first), "UNAVAILABLE");
  world.know("running", "its token", wsman.WorkspaceType.IMAGEBUILD);
  const joined = world.start(request({ id: "joins", type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" } }));
  await wait(world, "joins").end;
  assert.equal((await joined).ownerToken, "its token");
});

test("a workspace that was made, and is not known yet, is not told as one that there is not, until it has gone", async () => {
  const world = setup();
  const first = world.start(request());
  await settle();
  const waiting = wait(world);
  world.creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  await first;
  assert.equal(await codeOf(waiting.end), "UNAVAILABLE");
  assert.equal(await codeOf(world.starter.arrival("instance-1", never)), "UNAVAILABLE");
  world.gone.add("u1");
  await world.starter.arrival("instance-1", never);
});

test("the wait ends with the call, and in any case", async () => {
  const world = setup();
  const first = world.start(request());
  await settle();
  const call = new AbortController();
  const [given, patient] = [wait(world, "instance-1", call.signal), wait(world)];
  call.abort();
  assert.equal(await codeOf(given.end), "CANCELLED");
  world.clock.advance(31_000);
  await settle();
  assert.equal(patient.over(), false);
  world.clock.advance(1_000);
  await assert.rejects(patient.end, { code: "UNAVAILABLE", message: "workspace instance-1 is being started: try again in a moment" });
  world.creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  await first;
});
