/** Current statuses that a subscriber gets while pods take each other's place: each workspace once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { matchAll } from "../../../src/main/state/filter.ts";
import { decodeFrame } from "../../../src/main/state/frame.ts";
import { versionOf } from "../../../src/main/cli/view.ts";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { workspaceResult, type ResultOptions } from "../../support/results.ts";
import { startCore, turns, type Core, type CoreOptions } from "../pipeline/core.ts";

const { PENDING, RUNNING } = wsman.WorkspacePhase;
const refused = [{ action: "recreatePod" }] as const;
const toBeFilled = [{ action: "fillPlaceholder" }] as const;
const standIn = { podName: "placeholder-ws-a", phase: PENDING, nodeName: "" } as const;

interface Stage extends Core {
  /** What is told of workspace `a`, or of another one. */
  readonly apply: (changes: Partial<WorkspaceFacts>, options: ResultOptions) => void;
  /** A subscriber of the current statuses, with room for so many. */
  readonly subscribe: (room: number) => { readonly got: () => readonly string[]; readonly drain: (room: number) => void };
}

function stage(options: CoreOptions = {}): Stage {
  const core = startCore(options);
  return {
    ...core,
    apply(changes, of) {
      const { result, bytes } = workspaceResult({ id: "a", podName: "ws-a", ...changes }, of);
      core.store.apply(result, bytes, "watch");
    },
    subscribe(room) {
      let left = room;
      const frames: Buffer[] = [];
      const stream = { write: (frame: Buffer) => frames.push(frame) > 0 && --left > 0, end() {} };
      const subscription = core.hub.subscribe(matchAll, stream, { initialState: true, client: "c" });
      return {
        got: () => frames.map((frame) => {
          const status = wsman.WorkspaceStatus.create(decodeFrame(frame));
          return `${status.id} ${wsman.WorkspacePhase[status.phase]} ${versionOf(status) & 0xffffn}`;
        }),
        drain(more) {
          left = more;
          subscription.drained();
        },
      };
    },
  };
}

test("a workspace whose status was sent is not sent again when a pod that says the same takes the place of its placeholder, however often", () => {
  const { apply, subscribe } = stage();
  apply(standIn, { rv: 1, uid: "s", actions: toBeFilled });
  apply({ id: "b", podName: "ws-b" }, { rv: 2 });
  const { got, drain } = subscribe(1);
  assert.deepEqual(got(), ["a PENDING 0"]);
  apply({ phase: PENDING, nodeName: "" }, { rv: 3, uid: "p1", actions: refused });
  apply({ phase: PENDING, nodeName: "" }, { rv: 4, uid: "p1", actions: refused, removed: true });
  apply(standIn, { rv: 4, uid: "s", actions: toBeFilled });
  apply({ phase: PENDING, nodeName: "" }, { rv: 5, uid: "p2" });
  drain(10);
  assert.deepEqual(got(), ["a PENDING 0", "b RUNNING 1"]);
  apply({ phase: RUNNING }, { rv: 6, uid: "p2" });
  assert.deepEqual(got().slice(2), ["a RUNNING 2"], "changes come as they do otherwise");
});

test("a workspace whose status was not sent yet is sent once, whichever pod stands for it then", () => {
  const { apply, subscribe, store } = stage();
  apply({ id: "b", podName: "ws-b" }, { rv: 1 });
  apply(standIn, { rv: 2, uid: "s", actions: toBeFilled });
  apply({ id: "c", podName: "ws-c" }, { rv: 3 });
  const { got, drain } = subscribe(1);
  apply({ phase: PENDING, nodeName: "" }, { rv: 4, uid: "p" });
  drain(10);
  assert.deepEqual(got(), ["b RUNNING 0", "a PENDING 1", "c RUNNING 2"]);
  assert.equal(store.registry.allFrames()?.length, 3, "all frames are at hand, once");
});

test("a status that has to be read again is sent, although the pod that it was read from gave its place to another one meanwhile", async () => {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const { apply, subscribe } = stage({ cache: { maxEntries: 1, maxBytes: 1e7 }, fetchPod: () => promise });
  apply(standIn, { rv: 1, uid: "s", actions: toBeFilled });
  apply({ id: "b", podName: "ws-b" }, { rv: 2 });
  const { got } = subscribe(10);
  assert.deepEqual(got(), [], "the first one's frame was evicted");
  apply({ phase: PENDING, nodeName: "" }, { rv: 3, uid: "p" });
  // The placeholder is gone.
  resolve(undefined);
  await turns();
  assert.deepEqual(got().filter((text) => text.startsWith("a")), ["a PENDING 0"]);
});

test("a workspace between two of its pods is told from what is known, where its status is not at hand", async () => {
  const { apply, subscribe, workspaces } = stage({ cache: { maxEntries: 1, maxBytes: 1e7 } });
  apply({ phase: PENDING }, { rv: 1, uid: "p", actions: refused });
  apply({ phase: PENDING }, { rv: 2, uid: "p", actions: refused, removed: true });
  apply({ id: "b", podName: "ws-b" }, { rv: 3 });
  const { got } = subscribe(10);
  await turns();
  assert.deepEqual(got(), ["a PENDING 0", "b RUNNING 1"]);
  const { signal } = new AbortController();
  assert.equal((await workspaces.collect(matchAll, signal)).length, 2);
  const described = await workspaces.describe("a", { signal });
  assert.equal(described && decodeFrame(described.frame).phase, PENDING);
});
