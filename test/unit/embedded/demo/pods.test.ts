/** Made workspace pods: their size, their states, that they are the same each time, and what stands on them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contentservice, registryfacade, wsman } from "../../../../src/gen/proto.js";
import { makeWorkspacePod } from "../../../../src/embedded/demo/pods.ts";
import { bulk, podIn, podStates } from "../../../support/pods.ts";

const bytes = (value: string | undefined): Uint8Array => Buffer.from(value ?? "", "base64");

test("a pod has exactly the size asked for, in every state", () => {
  for (const phase of podStates) assert.equal(Buffer.byteLength(JSON.stringify(makeWorkspacePod({ id: "w1", phase, size: 20_000 }))), 20_000, phase);
  assert.equal(Buffer.byteLength(JSON.stringify(makeWorkspacePod({ id: "w1", size: 1_000_000 }))), 1_000_000);
  assert.ok(JSON.stringify(makeWorkspacePod({ id: "w1", size: 10 })).length > 10, "a pod that is longer stays as it is");
});

test("equal options give equal pods, other IDs other names", () => {
  assert.deepEqual(makeWorkspacePod({ id: "w1", phase: "running" }), makeWorkspacePod({ id: "w1", phase: "running" }));
  const names = [...bulk(500, { size: 0 })].map((pod) => pod.metadata.name);
  assert.equal(new Set(names).size, 500);
  assert.deepEqual([...bulk(3)], [...bulk(3)]);
});

test("bulk goes through the states asked for", () => {
  const phases = [...bulk(4, { size: 0, phases: ["running", "unscheduled"] })].map((pod) => pod.status !== undefined);
  assert.deepEqual(phases, [true, false, true, false]);
});

test("annotations hold what other parts of an installation read", () => {
  const { metadata } = podIn("running", "w1", { metaId: "amber-falcon-x1y2z3", ports: [3000] });
  const image = registryfacade.ImageSpec.decode(bytes(metadata.annotations["gitpod/imageSpec"]));
  assert.match(image.baseRef, /^registry\.example\.com\//);
  const initializer = contentservice.WorkspaceInitializer.decode(bytes(metadata.annotations["gitpod/contentInitializer"]));
  assert.match(initializer.git?.remoteUri ?? "", /\.git$/);
  const ports = wsman.ExposedPorts.decode(bytes(metadata.annotations["gitpod/exposedPorts"]));
  assert.deepEqual(ports.ports.map(({ port, url }) => [port, url]), [[3000, "https://3000-amber-falcon-x1y2z3.ws.demo.example.com"]]);
  assert.equal(metadata.labels["metaID"], "amber-falcon-x1y2z3");
  assert.equal(metadata.name, "ws-w1");
  assert.equal(podIn("running", "w1", { type: "prebuild" }).metadata.labels["headless"], "true");
});
