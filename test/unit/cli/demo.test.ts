/** The demo of `run --embedded`: workspaces are started, used, stopped or forgotten, and replaced, all through the API. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../src/embedded/kubelet/random.ts";
import { wsman } from "../../../src/gen/proto.js";
import { Demo } from "../../../src/main/cli/demo.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { status } from "./helpers.ts";

interface World {
  readonly clock: FakeClock;
  readonly demo: Demo;
  readonly started: wsman.StartWorkspaceRequest[];
  readonly orders: { readonly method: string; readonly request: Uint8Array }[];
  readonly faults: Map<string, string>;
  readonly failures: string[];
}

function world({ workspaces = 2, refuse = () => false }: { readonly workspaces?: number; readonly refuse?: () => boolean } = {}): World {
  const clock = new FakeClock();
  const made: Omit<World, "demo"> = { clock, started: [], orders: [], faults: new Map(), failures: [] };
  const client = {
    start: (request: wsman.StartWorkspaceRequest) => {
      if (refuse()) return Promise.reject(new Error("no"));
      made.started.push(request);
      return Promise.resolve({ url: "", ownerToken: "" });
    },
    order: (method: string, request: Uint8Array) => {
      made.orders.push({ method, request });
      return Promise.resolve();
    },
  };
  const demo = new Demo({ client, clock, random: seededRandom(1), workspaces, speed: 1, classes: ["default"], strike: (id, fault) => void made.faults.set(id, fault), failed: (call) => void made.failures.push(call) });
  return { ...made, demo };
}

/** Answers arrive. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(1000, left));
    await settled();
  }
}

test("as many workspaces as asked for are started, each with an ID, an owner and a class that there is", async () => {
  const { clock, started, failures } = world();
  await pass(clock, 5000);
  assert.equal(started.length, 2);
  assert.equal(new Set(started.map(({ id }) => id)).size, 2);
  for (const request of started) assert.ok(request.metadata?.owner && request.metadata.metaId && request.spec?.initializer?.git && request.spec.class === "default");
  assert.deepEqual(failures, []);
});

test("who works in a workspace shows activity until it is stopped, or forgotten; then nothing more is asked for", async () => {
  const { clock, demo, started, orders } = world({ workspaces: 12 });
  await pass(clock, 20_000);
  for (const { id } of started) demo.status(status(id, 1));
  await pass(clock, 180_000);
  const methods = new Set(orders.map(({ method }) => method));
  for (const method of ["MarkActive", "ControlPort", "SetTimeout", "StopWorkspace"]) assert.ok(methods.has(method), method);
  const stops = orders.filter(({ method }) => method === "StopWorkspace").length;
  const regular = started.filter(({ type }) => type === wsman.WorkspaceType.REGULAR).length;
  assert.ok(stops > 0 && stops <= regular, `${stops} of ${regular}`);
  const before = orders.length;
  await pass(clock, 60_000);
  assert.equal(orders.length, before);
  assert.equal(started.length, 12);
});

test("one that has ended is replaced, told or missed; others are no concern of the demo", async () => {
  const { clock, demo, started } = world();
  await pass(clock, 5000);
  demo.status(status("someone-else", 1, "STOPPED"));
  demo.status(status(started[0]?.id ?? "", 2, "STOPPED"));
  await pass(clock, 10_000);
  assert.equal(started.length, 3);
  demo.listed(new Set([started[1]?.id ?? ""]), clock.monotonic());
  await pass(clock, 10_000);
  assert.equal(started.length, 4);
  // A list that was asked for before the start knows nothing of it.
  demo.listed(new Set(started.map(({ id }) => id).slice(0, 3)), 0);
  await pass(clock, 10_000);
  assert.equal(started.length, 4);
});

test("a start that fails is told, and another one is tried", async () => {
  let failing = true;
  const { clock, started, failures } = world({ workspaces: 1, refuse: () => failing });
  await pass(clock, 3000);
  assert.deepEqual([failures, started.length], [["StartWorkspace"], 0]);
  failing = false;
  await pass(clock, 6000);
  assert.equal(started.length, 1);
});

test("some meet a fault of the kubelet", async () => {
  const { clock, started, faults } = world({ workspaces: 30 });
  await pass(clock, 60_000);
  assert.equal(started.length, 30);
  assert.ok(faults.size > 5 && faults.size < 30, `${faults.size}`);
  for (const id of faults.keys()) assert.ok(started.some((request) => request.id === id));
});

test("a demo that is closed asks for nothing more", async () => {
  const { clock, demo, started, orders } = world();
  await pass(clock, 5000);
  for (const { id } of started) demo.status(status(id, 1));
  demo.close();
  await pass(clock, 60_000);
  assert.deepEqual([started.length, orders.length], [2, 0]);
});
