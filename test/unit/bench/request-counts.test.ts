/** Tests of how requests are counted by the daemon's metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { requestCounts, requestsBetween } from "../../../src/bench/load/request-counts.ts";

const metric = (verb: string, resource: string, code: number): string => `wsmand_api_requests_total{verb="${verb}",resource="${resource}",code="${code}"}`;

test("requests count by verb and resource, whatever they were answered with; watches do not", () => {
  const counts = requestCounts(new Map([[metric("patch", "pods", 200), 5], [metric("patch", "pods", 409), 1], [metric("watch", "pods", 200), 3], ["wsmand_leader", 1]]));
  assert.deepEqual([...counts], [["patch pods", 6]]);
});

test("what came in between is told, the most frequent first, and nothing that did not come", () => {
  const before = new Map([["patch pods", 6], ["get pods", 2]]);
  const after = new Map([["patch pods", 7], ["get pods", 2], ["create pods", 4]]);
  assert.deepEqual(requestsBetween(before, after), [["create pods", 4], ["patch pods", 1]]);
  assert.deepEqual(requestsBetween(new Map(), new Map()), []);
});
