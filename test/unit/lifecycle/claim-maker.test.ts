/** Whose a claim is: what an earlier life of an ID has left is not taken for what a start has made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimMarkOf, isMadeFor } from "../../../src/main/lifecycle/claim-maker.ts";

const startedAt = "2026-03-01T10:00:00Z";
const pod = { creationTimestamp: startedAt, annotations: { "gitpod/ownerToken": "token" } };
const marked = (token: string, creationTimestamp = startedAt): object => ({ creationTimestamp, annotations: { "gitpod.io/createdFor": claimMarkOf(token) } });

test("a claim with a mark is that start's, and no other's, however old it is", () => {
  assert.equal(isMadeFor({ ...marked("token", "2026-02-01T10:00:00Z") }, pod), true);
  assert.equal(isMadeFor({ ...marked("another") }, pod), false);
  assert.equal(isMadeFor({ ...marked("") }, { creationTimestamp: startedAt }), false, "a pod without a token proves nothing");
});

test("one without a mark, as a Go daemon makes it, is the pod's if it is not older, but for a moment", () => {
  for (const [madeAt, its] of [["2026-03-01T09:59:00Z", true], ["2026-03-01T10:00:03Z", true], ["2026-03-01T09:58:59Z", false], ["2026-02-01T10:00:00Z", false], ["", false]] as const) assert.equal(isMadeFor({ creationTimestamp: madeAt }, pod), its, madeAt);
});

test("of a pod that was made anew the first one counts; what is not known is nobody's", () => {
  const remade = { creationTimestamp: "2026-03-01T10:20:00Z", annotations: { "gitpod/ownerToken": "token", "gitpod.io/firstCreated": startedAt } };
  assert.equal(isMadeFor({ creationTimestamp: startedAt }, remade), true);
  assert.equal(isMadeFor({ creationTimestamp: startedAt }, { ...remade, annotations: {} }), false);
  assert.deepEqual([isMadeFor(undefined, pod), isMadeFor({ creationTimestamp: startedAt }, undefined), isMadeFor({ creationTimestamp: startedAt }, {})], [false, false, false]);
});
