/** Tests of what is under way: bounded, and no failure is lost or left to no one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pending } from "../../../src/bench/load/pending.ts";

test("who waits goes on once fewer are under way", async () => {
  const pending = new Pending();
  const { promise, resolve } = Promise.withResolvers<void>();
  pending.add(promise);
  pending.add(Promise.resolve());
  await pending.below(2);
  resolve();
  await pending.below(1);
});

test("a task that failed is told to whoever waits, with the first reason, and to those after", async () => {
  const pending = new Pending();
  pending.add(Promise.reject(new Error("first")));
  pending.add(Promise.reject(new Error("second")));
  await assert.rejects(pending.below(1), /first/);
  await assert.rejects(pending.below(1), /first/);
});
