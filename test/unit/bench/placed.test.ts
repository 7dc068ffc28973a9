/** Tests of what is told of workspaces that were started for a call and do not run: what is missing there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whatLacks, whyNotRunning } from "../../../src/bench/load/placed.ts";

test("what a cluster or a daemon lacks is told before anything is started", async () => {
  const target = { host: "h", port: 1 };
  const nodes = (known: boolean | undefined) => ({ hasNodes: () => Promise.resolve(known) });
  assert.equal(await whatLacks({ ownsAll: true, options: {}, cluster: nodes(false) }), undefined);
  assert.match((await whatLacks({ ownsAll: false, options: {}, cluster: nodes(true) })) ?? "", /the daemon that the tool starts on a given cluster knows of no node daemons \(--target/);
  assert.match((await whatLacks({ ownsAll: false, options: { target }, cluster: nodes(false) })) ?? "", /the cluster has no nodes$/);
  // Who may not know tries.
  for (const known of [true, undefined]) assert.equal(await whatLacks({ ownsAll: false, options: { target }, cluster: nodes(known) }), undefined);
});

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
