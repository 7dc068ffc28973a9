/** Rate limits of methods. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import type { RateLimit } from "../../../src/main/config/types.ts";
import { keyReader, RateLimiter } from "../../../src/main/rpc/rate-limits.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const never = { signal: new AbortController().signal };

function setup(limit: Partial<RateLimit> = {}, name = "MarkActive"): { limiter: RateLimiter; clock: FakeClock; told: boolean[] } {
  const clock = new FakeClock();
  const told: boolean[] = [];
  const limiter = new RateLimiter(name, { method: `/wsman.WorkspaceManager/${name}`, block: false, bucketSize: 2, refillInterval: 1000, keyCacheSize: 2, ...limit }, clock, (limited) => void told.push(limited));
  return { limiter, clock, told };
}

const active = (id: string): Buffer => Buffer.from(wsman.MarkActiveRequest.encode({ id }).finish());

test("as many calls as the bucket has go at once, then one for each interval; the others are refused and counted", () => {
  const { limiter, clock, told } = setup();
  const call = (): void => void limiter.admit(active("a"), never);
  call();
  call();
  assert.throws(call, { code: "RESOURCE_EXHAUSTED" });
  clock.advance(999);
  assert.throws(call, { code: "RESOURCE_EXHAUSTED" });
  clock.advance(1);
  call();
  clock.advance(1_000_000);
  call();
  call();
  assert.throws(call, { code: "RESOURCE_EXHAUSTED" });
  assert.deepEqual(told, [false, false, true, true, false, false, false, true]);
});

test("each value of the key has a bucket, as long as it is remembered; what has no such field shares one", () => {
  const { limiter } = setup({ key: "id", bucketSize: 1 });
  const call = (request: Buffer) => (): void => void limiter.admit(request, never);
  call(active("a"))();
  call(active("b"))();
  assert.throws(call(active("a")), { code: "RESOURCE_EXHAUSTED" });
  call(active("c"))();
  call(active("b"))();
  call(Buffer.from("ffff", "hex"))();
  assert.throws(call(Buffer.from("ffff", "hex")), { code: "RESOURCE_EXHAUSTED" });
  const nested = setup({ key: "metadata.meta_id", bucketSize: 1 }, "StartWorkspace");
  const start = (metaId: string): Buffer => Buffer.from(wsman.StartWorkspaceRequest.encode({ metadata: { metaId } }).finish());
  void nested.limiter.admit(start("a"), never);
  void nested.limiter.admit(start("b"), never);
  assert.throws(() => void nested.limiter.admit(start("a"), never), { code: "RESOURCE_EXHAUSTED" });
});

test("a key takes little memory however long it is, and a request that is too large for its call is not read for it", () => {
  const read = keyReader("GetWorkspaces", "must_match.owner");
  const filter = (owner: string): Buffer => Buffer.from(wsman.GetWorkspacesRequest.encode({ mustMatch: { owner } }).finish());
  const [shortest, longest, ...others] = ["x".repeat(256), "x".repeat(500_000), "x".repeat(257), `${"x".repeat(256)}y`].map((owner) => read(filter(owner)));
  assert.equal(shortest, "x".repeat(256));
  assert.match(longest ?? "", /^[\w+/]{43}=$/);
  assert.equal(new Set([shortest, longest, ...others]).size, 4);
  assert.equal(read(filter("x".repeat(600_000))), "");
  assert.deepEqual([keyReader("MarkActive", "id")(active("x".repeat(65_000))).length, keyReader("MarkActive", "id")(active("x".repeat(66_000)))], [44, ""]);
});

test("where calls may wait they go in their order, and one that gives up leaves its place", async () => {
  const { limiter, clock } = setup({ block: true, bucketSize: 1 });
  const went: string[] = [];
  const giveUp = new AbortController();
  const call = (name: string, signal = never.signal): void => {
    const wait = limiter.admit(active("a"), { signal });
    if (wait) void wait.then(() => went.push(name), () => went.push(`${name} refused`));
    else went.push(name);
  };
  for (const name of ["a", "b", "c"]) call(name);
  call("d", giveUp.signal);
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await pass(1000);
  assert.deepEqual(went, ["a", "b"]);
  giveUp.abort();
  await pass(0);
  assert.deepEqual(went, ["a", "b", "d refused"]);
  await pass(1000);
  assert.deepEqual(went, ["a", "b", "d refused", "c"]);
  await pass(1000);
  call("e");
  assert.equal(went.at(-1), "e");
});
