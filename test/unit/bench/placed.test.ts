/** Tests of what is told of workspaces that were started for a call and do not run: what is missing there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNotRunning } from "../../../src/bench/load/placed.ts";

test("a pod that has no node lacks a scheduler", () => {
  assert.equal(whyNotRunning({ spec: {} }), "no scheduler has given its pod a node");
});

test("of a container that does not run the kubelet's own reason is told, if it has one", () => {
  assert.equal(whyNotRunning({ spec: { nodeName: "n1" }, status: { containerStatuses: [{ state: { waiting: { reason: "ImagePullBackOff" } } }] } }), "its container does not run on the node n1 (ImagePullBackOff)");
  assert.equal(whyNotRunning({ spec: { nodeName: "n1" } }), "its container does not run on the node n1");
});

test("where the container runs, it is the node daemon that is missing", () => {
  assert.match(whyNotRunning({ spec: { nodeName: "n1" }, status: { containerStatuses: [{ state: { running: {} } }] } }), /runs on the node n1, but .*is there a node daemon/);
});
