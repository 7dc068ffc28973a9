/** What a consumer sees over the life of a workspace: the rules over time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { StatusCache } from "../../../src/main/state/cache.ts";
import { decodeFrame } from "../../../src/main/state/frame.ts";
import type { Action } from "../../../src/domain/actions.ts";
import { Registry, type WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { compareVersions } from "../../../src/domain/versions.ts";
import type { Update } from "../../../src/main/state/hooks.ts";
import { StateStore } from "../../../src/main/state/store.ts";
import { VersionClock } from "../../../src/main/state/version.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { workspaceResult, type ResultOptions } from "../../support/results.ts";
import type { Origin, WorkspaceFacts } from "../../../src/domain/messages.ts";

const { UNKNOWN, PENDING, INITIALIZING, INTERRUPTED, RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;

/** All steps of a list's end. */
function finish(store: StateStore, version: string): number {
  return [...store.listFinished(version)].length;
}

const skipped = { kind: "skipped", reason: "unparsable", message: "", podName: "", resourceVersion: "", removed: false } as const;

function setup(maxBytes = 1_000_000, tombstones = 20_000) {
  const published: Update[] = [];
  const reread: string[] = [];
  const conflicts: string[] = [];
  const forgotten: string[] = [];
  const orphaned: string[] = [];
  const started: string[] = [];
  const changed: string[] = [];
  const strayed: string[] = [];
  const vacant: string[] = [];
  const stopped: string[] = [];
  const neverRan: string[] = [];
  let suppressed = 0;
  const store = new StateStore(new Registry(tombstones), new StatusCache({ maxEntries: 1000, maxBytes }), new VersionClock(new FakeClock()), {
    published: (update) => published.push(update),
    suppressed: () => suppressed++,
    started: (facts) => started.push(facts.id),
    stopped: (facts, never) => {
      stopped.push(facts.id);
      if (never) neverRan.push(facts.id);
    },
    skipped: () => {},
    conflict: (id) => conflicts.push(id),
    reread: (podName) => reread.push(podName),
    changed: ({ uid }) => changed.push(uid),
    vacant: ({ uid }) => vacant.push(uid),
    forgotten: ({ uid, placeholder }) => {
      forgotten.push(uid);
      if (placeholder) orphaned.push(placeholder.uid);
    },
    strayed: ({ uid }) => strayed.push(uid),
  });
  const apply = (changes: Partial<WorkspaceFacts>, options: ResultOptions = {}, origin: Origin = "watch") => {
    const { result, bytes } = workspaceResult(changes, options);
    return store.apply(result, bytes, origin);
  };
  /** A complete list in which these are found. */
  const list = (version: string, items: () => void = () => {}) => {
    store.listStarted(false, undefined);
    items();
    finish(store, version);
  };
  const told = () => published.map(({ frame }) => decodeFrame(frame));
  return { store, apply, list, told, published, reread, conflicts, forgotten, orphaned, started, stopped, neverRan, changed, strayed, vacant, suppressed: () => suppressed };
}

test("a status is published only if it says something new", () => {
  const { apply, told, suppressed } = setup();
  apply({ phase: PENDING }, { rv: 1 });
  apply({ phase: PENDING }, { rv: 2 });
  apply({ phase: RUNNING }, { rv: 3 });
  assert.deepEqual(told().map((status) => status.phase), [PENDING, RUNNING]);
  assert.equal(suppressed(), 1);
});

test("nothing older than what was published is published", () => {
  const { apply, told } = setup();
  apply({ phase: RUNNING }, { rv: 100 });
  apply({ phase: PENDING }, { rv: 99 });
  assert.deepEqual(told().map((status) => status.phase), [RUNNING]);
});

test("after the API server's store was set back, its older versions count", () => {
  const { store, apply, told } = setup();
  apply({ phase: RUNNING }, { rv: 100 });
  store.listStarted(true, undefined);
  apply({ phase: STOPPING }, { rv: 50 }, "list");
  finish(store, "50");
  apply({ phase: RUNNING }, { rv: 49 });
  assert.deepEqual(told().map((status) => status.phase), [RUNNING, STOPPING]);
});

test("after the API server's store was set back, no pod is derived again from a version of the old history", () => {
  const { store, apply } = setup();
  apply({ phase: RUNNING }, { rv: 100 });
  const [record] = store.registry.records();
  assert.ok(record);
  record.held = Buffer.from("a pod of version 100");
  store.listStarted(true, undefined);
  assert.equal(record.held, undefined);
});

test("a backup that fails is told behind the failure that came first, which stays", () => {
  const { apply, told } = setup();
  apply({ failed: "disk full" }, { rv: 1 });
  apply({ phase: STOPPING, failed: "last backup failed: no room." }, { rv: 2 });
  apply({ phase: STOPPED, failed: "" }, { rv: 3 });
  assert.deepEqual(told().map((status) => status.conditions?.failed), ["disk full", "disk full; last backup failed: no room.", "disk full; last backup failed: no room."]);
});

test("a failure once told is never taken back", () => {
  const { apply, told } = setup();
  apply({ phase: RUNNING, failed: "disk full" }, { rv: 1 });
  apply({ phase: RUNNING, failed: "" }, { rv: 2, message: "fine again" });
  apply({ phase: STOPPED, failed: "" }, { rv: 3 });
  assert.deepEqual(told().map((status) => status.conditions?.failed), ["disk full", "disk full", "disk full"]);
});

test("a failure may be told in more words", () => {
  const { apply, told } = setup();
  apply({ failed: "a" }, { rv: 1 });
  apply({ failed: "a; last backup failed: b." }, { rv: 2 });
  assert.deepEqual(told().map((status) => status.conditions?.failed), ["a", "a; last backup failed: b."]);
});

test("the phase never goes back from STOPPING", () => {
  const { apply, told } = setup();
  apply({ phase: STOPPING }, { rv: 1 });
  apply({ phase: RUNNING }, { rv: 2, message: "odd" });
  apply({ phase: STOPPED }, { rv: 3 });
  assert.deepEqual(told().map((status) => status.phase), [STOPPING, STOPPED]);
});

test("STOPPED is told once and nothing follows it", () => {
  const { apply, told } = setup();
  apply({ phase: STOPPED }, { rv: 1 });
  apply({ phase: RUNNING }, { rv: 2 });
  apply({ phase: STOPPED }, { rv: 3, message: "other" });
  apply({ phase: STOPPED }, { rv: 4, removed: true });
  apply({ phase: RUNNING }, { rv: 5 });
  assert.deepEqual(told().map((status) => status.phase), [STOPPED]);
});

test("a pod that disappears without having stopped is told as STOPPED, with its last status", () => {
  const { store, apply, told } = setup();
  store.listStarted(false, undefined);
  apply({ phase: RUNNING, failed: "x" }, { rv: 1 }, "list");
  finish(store, "50");
  store.listStarted(false, undefined);
  finish(store, "50");
  assert.deepEqual(told().map((status) => [status.phase, status.conditions?.failed, status.metadata?.owner]), [[RUNNING, "x", "alice"], [STOPPED, "x", "alice"]]);
  assert.equal(store.registry.size, 0);
});

test("what is kept elsewhere of a pod can go once it is gone, not before", () => {
  const { store, apply, forgotten } = setup();
  apply({ phase: RUNNING }, { rv: 1 });
  assert.deepEqual(forgotten, []);
  store.gone("uid-ws-ws1");
  assert.deepEqual(forgotten, ["uid-ws-ws1"]);
});

test("a pod that vanished is not kept alive by what we derived of it ourselves while the list was read", () => {
  const { apply, list, told } = setup();
  list("10", () => apply({ phase: RUNNING }, { rv: 1 }, "list"));
  list("20", () => apply({ phase: RUNNING, failed: "x" }, { rv: 1 }, "read"));
  assert.deepEqual(told().map((status) => status.phase), [RUNNING, RUNNING, STOPPED]);
});

test("a pod that was read after the list's version is not ended by that list", () => {
  const { apply, list, told, store } = setup();
  list("10", () => apply({ phase: PENDING }, { rv: 11 }, "read"));
  assert.deepEqual(told().map((status) => status.phase), [PENDING]);
  assert.equal(store.registry.size, 1);
});

test("an older reading gives the newer status that is known", () => {
  const { apply } = setup();
  const newer = apply({ phase: RUNNING }, { rv: 5 });
  assert.equal(apply({ phase: PENDING }, { rv: 4 }, "read"), newer);
});

test("a stopped workspace whose frame was evicted can be derived again, as stopped and with its version", () => {
  const { apply, told } = setup(1);
  apply({ phase: STOPPED }, { rv: 1 });
  const frame = apply({ phase: RUNNING }, { rv: 1 }, "read");
  assert.ok(frame);
  assert.equal(decodeFrame(frame).phase, STOPPED);
  assert.equal(decodeFrame(frame).statusVersion?.toString(), told()[0]?.statusVersion?.toString());
  assert.equal(told().length, 1);
});

test("a pod that changes its workspace ID keeps the one that it had", () => {
  const { apply, told, store } = setup();
  apply({ phase: RUNNING }, { rv: 1 });
  apply({ id: "other", podName: "ws-ws1", phase: RUNNING }, { rv: 2 });
  assert.deepEqual(told().map((status) => status.id), ["ws1"]);
  assert.equal(store.registry.byId("other"), undefined);
  apply({ id: "other", podName: "ws-ws1", phase: STOPPED }, { rv: 3, removed: true });
  assert.deepEqual(told().map((status) => [status.id, status.phase]), [["ws1", RUNNING], ["ws1", STOPPED]]);
  assert.equal(store.registry.byId("ws1"), undefined);
});

test("the first RUNNING counts once, and only where the time before it was seen", () => {
  const { apply, started } = setup();
  const live = (id: string, phases: readonly wsman.WorkspacePhase[]) => phases.forEach((phase, i) => apply({ id, podName: `ws-${id}`, phase }, { rv: i + 1 }));
  live("usual", [PENDING, RUNNING, UNKNOWN, RUNNING]);
  live("interrupted", [INITIALIZING, INTERRUPTED, RUNNING]);
  live("before-our-time", [RUNNING, UNKNOWN, RUNNING]);
  live("unknown", [UNKNOWN, RUNNING]);
  assert.deepEqual(started, ["usual", "interrupted"]);
});

test("an end counts once, and not where the first list finds it", () => {
  const { apply, list, stopped } = setup();
  list("10", () => apply({ id: "old", podName: "ws-old", phase: STOPPED }, { rv: 1 }, "list"));
  apply({ phase: STOPPED }, { rv: 11 });
  apply({ phase: STOPPED }, { rv: 12, removed: true });
  assert.deepEqual(stopped, ["ws1"]);
});

test("of an end it is told whether the workspace never ran; not of one that was ending already when it was seen first", () => {
  const { apply, neverRan, stopped } = setup();
  for (const [id, first] of [["never", PENDING], ["ran", RUNNING], ["ending", STOPPING]] as const) {
    apply({ id, podName: id, phase: first }, { rv: 1 });
    apply({ id, podName: id, phase: STOPPED, failed: "it failed" }, { rv: 2 });
  }
  [PENDING, RUNNING, STOPPED].forEach((phase, i) => apply({ id: "started", podName: "started", phase }, { rv: i + 1 }));
  assert.deepEqual([stopped, neverRan], [["never", "ran", "ending", "started"], ["never"]]);
});

test("failures and ends are marked as what no reader may miss", () => {
  const { apply, published } = setup();
  apply({ phase: PENDING }, { rv: 1 });
  apply({ phase: RUNNING }, { rv: 2 });
  apply({ phase: RUNNING, failed: "x" }, { rv: 3 });
  apply({ phase: STOPPING, failed: "x" }, { rv: 4 });
  apply({ phase: STOPPED, failed: "x" }, { rv: 5 });
  assert.deepEqual(published.map(({ keep }) => keep), [false, false, true, false, true]);
});

test("it is told as STOPPED even if its status was evicted", () => {
  const { store, apply, told } = setup(1);
  store.listStarted(false, undefined);
  apply({ phase: RUNNING, failed: "x" }, { rv: 1 }, "list");
  finish(store, "50");
  store.listStarted(false, undefined);
  finish(store, "50");
  assert.deepEqual(told().map((status) => [status.id, status.phase, status.conditions?.failed, status.metadata?.owner]), [["ws1", RUNNING, "x", "alice"], ["ws1", STOPPED, "x", "alice"]]);
});

test("a list proves nothing about the absent while it held something unreadable: they are read one by one", () => {
  const { store, apply, told, reread } = setup();
  store.listStarted(false, undefined);
  apply({ phase: RUNNING }, { rv: 1 }, "list");
  finish(store, "50");
  store.listStarted(false, undefined);
  store.apply({ kind: "skipped", reason: "unparsable", message: "", uid: "", podName: "", resourceVersion: "", removed: false }, new Uint8Array(), "list");
  finish(store, "50");
  assert.equal(told().length, 1);
  assert.deepEqual(reread, ["ws-ws1"]);
});

test("a live workspace whose pod becomes invalid keeps its status", () => {
  const { store, apply, told } = setup();
  apply({ phase: RUNNING }, { rv: 1 });
  store.listStarted(false, undefined);
  store.apply({ kind: "skipped", reason: "invalid", message: "", uid: "uid-ws-ws1", podName: "ws-ws1", resourceVersion: "2", removed: false }, new Uint8Array(), "list");
  finish(store, "50");
  assert.equal(told().length, 1);
  assert.equal(store.registry.size, 1);
});

test("a pod deleted while it can not be read is told as STOPPED", () => {
  const { store, apply, told } = setup();
  apply({ phase: RUNNING }, { rv: 1 });
  store.apply({ kind: "skipped", reason: "poisoned", message: "", uid: "uid-ws-ws1", podName: "", resourceVersion: "", removed: true }, new Uint8Array(), "list");
  assert.deepEqual(told().map((status) => status.phase), [RUNNING, STOPPED]);
});

test("a pod of the same name and another uid is another instance: the first is told as STOPPED before", () => {
  const { apply, told } = setup();
  apply({ phase: RUNNING }, { uid: "a", rv: 1 });
  apply({ phase: PENDING }, { uid: "b", rv: 2 });
  assert.deepEqual(told().map((status) => status.phase), [RUNNING, STOPPED, PENDING]);
});

test("while a list is read, its items change nothing of what a line has told since, but count as there", () => {
  const { apply, list, told, store } = setup();
  list("10", () => apply({ phase: PENDING }, { rv: 1 }, "list"));
  list("20", () => {
    apply({ phase: RUNNING }, { rv: 21 });
    apply({ phase: PENDING }, { rv: 1 }, "list");
  });
  list("30", () => apply({ phase: RUNNING }, { rv: 21 }, "list"));
  assert.deepEqual(told().map((status) => status.phase), [PENDING, RUNNING]);
  assert.equal(store.registry.size, 1);
});

test("a pod that is made while a list is read, and is not in it, is not ended by it", () => {
  const { store, apply, told } = setup();
  // The line may be there before the list's first item, although the list is older.
  apply({ id: "early", podName: "ws-early" }, { rv: 21 });
  store.listStarted(false, undefined);
  apply({ id: "late", podName: "ws-late" }, { rv: 22 });
  finish(store, "20");
  assert.deepEqual(told().map(({ id, phase }) => [id, phase]), [["early", RUNNING], ["late", RUNNING]]);
});

for (const known of [true, false]) {
  for (const before of [true, false]) {
    test(`a pod ${known ? "" : "not known so far "}that is deleted ${before ? "before" : "after"} its item of a list comes is told as STOPPED once, and stays away`, () => {
      const { store, apply, list, told } = setup();
      if (known) list("10", () => apply({ phase: RUNNING }, { rv: 1 }, "list"));
      list("20", () => {
        if (!before) apply({ phase: RUNNING }, { rv: 1 }, "list");
        apply({ phase: STOPPED }, { rv: 21, removed: true });
        if (before) apply({ phase: RUNNING }, { rv: 1 }, "list");
      });
      assert.deepEqual(told().map((status) => status.phase), known || !before ? [RUNNING, STOPPED] : [STOPPED]);
      assert.equal(store.registry.size, 0);
    });
  }
}

test("of two pods of the same name the older one is gone, whichever is told of first", () => {
  const { store, apply, list, told } = setup();
  list("20", () => {
    apply({ phase: PENDING }, { uid: "new", rv: 22 });
    apply({ phase: RUNNING }, { uid: "old", rv: 1 }, "list");
  });
  apply({ phase: STOPPED }, { uid: "old", rv: 21, removed: true });
  assert.deepEqual(told().map((status) => status.phase), [PENDING]);
  assert.ok(store.registry.byUid("new"));
});

test("a pod that is deleted while another has its ID does not come back through a list when that one is gone", () => {
  const { store, apply, list, told } = setup();
  apply({ podName: "ws-1" }, { uid: "a", rv: 1 });
  list("20", () => {
    apply({ podName: "ws-1" }, { uid: "a", rv: 1 }, "list");
    apply({ podName: "ws-2", phase: STOPPED }, { uid: "b", rv: 21, removed: true });
    apply({ podName: "ws-1", phase: STOPPED }, { uid: "a", rv: 22, removed: true });
    apply({ podName: "ws-2" }, { uid: "b", rv: 2 }, "list");
  });
  assert.deepEqual(told().map(({ id, phase }) => [id, phase]), [["ws1", RUNNING], ["ws1", STOPPED]]);
  assert.equal(store.registry.size, 0);
});

test("a pod whose deletion is told in a line that brings no status does not come back through a list", () => {
  const { store, apply, list, told } = setup();
  list("20", () => {
    store.apply({ ...skipped, uid: "a", removed: true }, new Uint8Array(), "watch");
    apply({ phase: RUNNING }, { uid: "a", rv: 1 }, "list");
  });
  assert.deepEqual(told(), []);
});

test("a pod of which a line could not be read is read again, as soon as a list tells its name if it was not known", () => {
  const { store, apply, list, reread } = setup();
  apply({ id: "known", podName: "ws-known" }, { uid: "a", rv: 1 });
  list("20", () => {
    store.unreadable("a");
    store.unreadable("b");
    assert.deepEqual(reread, ["ws-known"]);
    apply({ id: "known", podName: "ws-known" }, { uid: "a", rv: 1 }, "list");
    apply({ id: "other", podName: "ws-other" }, { uid: "b", rv: 2 }, "list");
    assert.deepEqual(reread, ["ws-known", "ws-other"]);
  });
  store.unreadable("c");
  list("30", () => {});
  list("40", () => apply({ id: "third", podName: "ws-third" }, { uid: "c", rv: 35 }, "list"));
  assert.deepEqual(reread, ["ws-known", "ws-other"], "a list that begins after another was complete is newer than the line");
});

test("of more unreadable lines than are remembered, all pods that a list introduces are read again", () => {
  const { store, apply, list, reread } = setup();
  for (let i = 0; i <= 1000; i++) store.unreadable(`uid-${i}`);
  list("20", () => apply({ id: "new", podName: "ws-new" }, { uid: "uid-1000", rv: 1 }, "list"));
  list("30", () => apply({ id: "later", podName: "ws-later" }, { uid: "later", rv: 25 }, "list"));
  assert.deepEqual(reread, ["ws-new"]);
});

test("if more pods go while a list is read than are remembered as gone, those that it introduces afterwards are read again", () => {
  const { apply, list, told, reread } = setup(1_000_000, 10);
  const item = (i: number) => apply({ id: `w${i}`, podName: `ws-w${i}`, phase: RUNNING }, { rv: 1 }, "list");
  list("20", () => {
    for (let i = 0; i < 5; i++) apply({ id: `w${i}`, podName: `ws-w${i}`, phase: STOPPED }, { rv: 21 + i, removed: true });
    item(0);
    item(100);
    assert.deepEqual(reread, []);
    for (let i = 5; i < 11; i++) apply({ id: `w${i}`, podName: `ws-w${i}`, phase: STOPPED }, { rv: 21 + i, removed: true });
    for (let i = 0; i < 3; i++) item(i);
    item(101);
  });
  assert.deepEqual(reread, ["ws-w0", "ws-w101"], "the first is forgotten, and comes back until it was read");
  assert.deepEqual(told().at(-1)?.id, "w101");
  list("40", () => apply({ id: "next", podName: "ws-next" }, { rv: 35 }, "list"));
  assert.equal(reread.length, 2);
});

test("the end of a list takes effect in steps, one for each pod that is gone", () => {
  const { store, apply, list } = setup();
  list("10", () => {
    for (let i = 0; i < 5; i++) apply({ id: `w${i}`, podName: `ws-w${i}` }, { rv: 1 }, "list");
  });
  store.listStarted(false, undefined);
  apply({ id: "w2", podName: "ws-w2" }, { rv: 1 }, "list");
  assert.equal(finish(store, "20"), 4);
  assert.equal(store.registry.size, 1);
});

test("it is synchronized after the last step of a complete list's end, not before", () => {
  const { store, apply } = setup();
  apply({}, { rv: 1 });
  store.listStarted(false, undefined);
  const steps = store.listFinished("20");
  assert.equal(steps.next().done, false);
  assert.equal(store.synced, false);
  assert.equal(steps.next().done, true);
  assert.equal(store.synced, true);
});

test("a second pod with the ID of a live one is left aside until the first is gone", () => {
  const { apply, told, conflicts, reread } = setup();
  apply({ phase: RUNNING, podName: "ws-1" }, { uid: "a", rv: 1 });
  apply({ phase: PENDING, podName: "ws-2" }, { uid: "b", rv: 2 });
  assert.deepEqual(conflicts, ["ws1"]);
  assert.equal(told().length, 1);
  apply({ phase: STOPPED, podName: "ws-1" }, { uid: "a", rv: 3, removed: true });
  assert.deepEqual(reread, ["ws-2"]);
});

test("a pod that waited for an ID gets one turn", () => {
  const { apply, reread } = setup();
  apply({ podName: "ws-1" }, { uid: "a", rv: 1 });
  apply({ podName: "ws-2" }, { uid: "b", rv: 2 });
  apply({ podName: "ws-1" }, { uid: "a", rv: 3, removed: true });
  apply({ podName: "ws-2" }, { uid: "b", rv: 2 }, "read");
  apply({ podName: "ws-2" }, { uid: "b", rv: 4, removed: true });
  assert.deepEqual(reread, ["ws-2"]);
});

test("a pod that goes while it waits for an ID waits no more; another that waits for it does", () => {
  const { apply, reread } = setup();
  apply({ podName: "ws-1" }, { uid: "a", rv: 1 });
  apply({ podName: "ws-2" }, { uid: "b", rv: 2 });
  apply({ podName: "ws-2" }, { uid: "b", rv: 3, removed: true });
  apply({ podName: "ws-1" }, { uid: "a", rv: 4, removed: true });
  assert.deepEqual(reread, []);
  apply({ podName: "ws-3" }, { uid: "c", rv: 5 });
  apply({ podName: "ws-4" }, { uid: "d", rv: 6 });
  apply({ podName: "ws-5" }, { uid: "e", rv: 7 });
  apply({ podName: "ws-4" }, { uid: "d", rv: 8, removed: true });
  apply({ podName: "ws-3" }, { uid: "c", rv: 9, removed: true });
  assert.deepEqual(reread, ["ws-5"]);
});

test("versions rise over all statuses of a workspace", () => {
  const { apply, told } = setup();
  for (let rv = 1; rv < 50; rv++) apply({ phase: RUNNING }, { rv, message: `m${rv}` });
  const versions = told().map((status) => BigInt(status.statusVersion?.toString() ?? "0"));
  assert.equal(versions.length, 49);
  assert.ok(versions.every((version, i) => i === 0 || version > (versions[i - 1] ?? 0n)));
});

test("an evicted frame is made again with the version it was published with", () => {
  const { apply, published } = setup(1);
  apply({ phase: RUNNING }, { rv: 1 });
  const again = apply({ phase: RUNNING }, { rv: 1 });
  assert.equal(published.length, 1);
  assert.deepEqual(again, published[0]?.frame);
});

test("a status is at hand for as long as the cache holds it: it may be pushed out, made again, replaced, or too large", () => {
  const { store, apply } = setup(600);
  const atHand = () => [...store.registry.records()].map(({ facts, frame }) => {
    assert.equal(frame, store.cache.peek(facts.id));
    return frame && (decodeFrame(frame).message ?? "");
  });
  const pod = (id: string, rv: number, message: string) => apply({ id, podName: `ws-${id}` }, { rv, message });
  pod("a", 1, "one");
  pod("b", 1, "one");
  assert.deepEqual(atHand(), ["one", "one"]);
  pod("c", 1, "one");
  assert.deepEqual(atHand(), [undefined, "one", "one"]);
  pod("a", 1, "one");
  assert.deepEqual(atHand(), ["one", undefined, "one"]);
  pod("a", 2, "two");
  assert.deepEqual(atHand(), ["two", undefined, "one"]);
  pod("a", 3, "x".repeat(600));
  assert.deepEqual(atHand(), [undefined, undefined, "one"]);
  store.gone("uid-ws-c");
  assert.deepEqual(atHand(), [undefined, undefined]);
});

test("resourceVersions are compared as integers of any size, and never outdate when they are none", () => {
  assert.ok(compareVersions("99", "100") < 0);
  assert.ok(compareVersions("9007199254740993", "9007199254740992") > 0);
  assert.equal(compareVersions("7", "7"), 0);
  assert.equal(compareVersions("abc", "7"), 0);
});

const refused = [{ action: "recreatePod" }] as const;

test("a pod that a node refused may go without its workspace ending: the next one goes on with it, and only what is new is told", () => {
  const { apply, told, vacant, forgotten, store } = setup();
  apply({ phase: PENDING, nodeName: "" }, { rv: 1, uid: "a" });
  apply({ phase: PENDING, nodeName: "node1" }, { rv: 2, uid: "a", actions: refused });
  apply({ phase: STOPPED }, { rv: 3, uid: "a", removed: true });
  assert.deepEqual(vacant, ["a"]);
  assert.equal(store.registry.byId("ws1")?.vacant, true);
  finish(store, "4");
  assert.equal(store.registry.byId("ws1")?.uid, "a", "a list without it says nothing new");
  apply({ phase: PENDING, nodeName: "" }, { rv: 5, uid: "b" });
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
  assert.deepEqual(forgotten, ["a"]);
  assert.equal(store.registry.byId("ws1")?.uid, "b");
  apply({ phase: STOPPED }, { rv: 6, uid: "b", removed: true });
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING, STOPPED]);
});

test("a placeholder stands behind a pod unnoticed, stands for the workspace while there is none, and behind the next one until it goes", () => {
  const { apply, told, changed, conflicts, reread, forgotten, store } = setup();
  const stands = { podName: "placeholder-ws-ws1", phase: PENDING, nodeName: "" };
  const actions = [{ action: "fillPlaceholder" }] as const;
  apply({ phase: PENDING }, { rv: 1, uid: "a", actions: refused });
  apply(stands, { rv: 2, uid: "s", actions });
  assert.deepEqual([store.registry.byId("ws1")?.uid, store.registry.byId("ws1")?.placeholder?.uid, changed.at(-1)], ["a", "s", "a"]);
  apply({ phase: STOPPED }, { rv: 3, uid: "a", removed: true });
  assert.deepEqual(reread, ["placeholder-ws-ws1"]);
  apply(stands, { rv: 2, uid: "s", actions });
  assert.deepEqual([store.registry.byId("ws1")?.uid, store.registry.byId("ws1")?.vacant], ["s", false]);
  apply({ phase: PENDING, nodeName: "" }, { rv: 4, uid: "b" });
  assert.deepEqual([store.registry.byId("ws1")?.uid, store.registry.byId("ws1")?.placeholder?.uid], ["b", "s"]);
  apply(stands, { rv: 5, uid: "s", removed: true });
  assert.equal(store.registry.byId("ws1")?.placeholder, undefined);
  assert.deepEqual([forgotten, conflicts], [["a", "s"], []]);
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
});

test("a list may tell of the placeholder before its pod; what comes after an end that was told is left aside", () => {
  const { apply, list, told, store } = setup();
  const stands = { podName: "placeholder-ws-ws1", phase: PENDING };
  list("3", () => {
    apply(stands, { rv: 2, uid: "s", actions: [{ action: "fillPlaceholder" }] }, "list");
    apply({ phase: PENDING }, { rv: 1, uid: "a", actions: refused }, "list");
  });
  assert.deepEqual([store.registry.byId("ws1")?.uid, store.registry.byId("ws1")?.placeholder?.uid], ["a", "s"]);
  const other = setup();
  other.apply({ ...stands, phase: STOPPED }, { rv: 2, uid: "s" });
  other.apply({ phase: PENDING }, { rv: 3, uid: "b" });
  assert.deepEqual(other.told().map(({ phase }) => phase), [STOPPED]);
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
});

test("a placeholder whose pod is forced away stands for nothing: it is told of with the end, and a list that brings it again begins nothing", () => {
  const { apply, list, told, orphaned, store } = setup();
  const stands = { podName: "placeholder-ws-ws1", phase: PENDING, nodeName: "" };
  const actions = [{ action: "fillPlaceholder" }] as const;
  apply(stands, { rv: 2, uid: "s", actions });
  apply({ phase: PENDING }, { rv: 3, uid: "b" });
  assert.deepEqual(orphaned, []);
  apply({ phase: STOPPED }, { rv: 4, uid: "b", removed: true });
  assert.deepEqual(orphaned, ["s"]);
  list("6", () => apply(stands, { rv: 5, uid: "s", actions }, "list"));
  assert.deepEqual([store.registry.size, told().map(({ phase }) => phase)], [0, [PENDING, STOPPED]]);
});

test("if no pod takes its place, the workspace has ended, once", () => {
  const { apply, told, store } = setup();
  apply({ phase: PENDING }, { rv: 2, uid: "a", actions: refused });
  store.giveUp("a");
  assert.equal(told().length, 1, "its pod is there still");
  apply({ phase: STOPPED }, { rv: 3, uid: "a", removed: true });
  store.giveUp("a");
  store.giveUp("a");
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING, STOPPED]);
  assert.equal(store.registry.size, 0);
});

test("once a workspace was given up, a watch or a list that is behind tells nothing more of it: each pod is looked for; a later start of its ID is told of", () => {
  for (const start of [1, 0]) {
    const { apply, told, store, reread, list } = setup();
    apply({ phase: PENDING, start }, { rv: 2, uid: "a", actions: refused });
    apply({ phase: STOPPED, start }, { rv: 3, uid: "a", removed: true });
    store.giveUp("a");
    apply({ phase: PENDING, start, podName: "placeholder-ws-ws1" }, { rv: 4, uid: "s" });
    list("5", () => apply({ phase: PENDING, start }, { rv: 5, uid: "b" }, "list"));
    apply({ phase: STOPPED, start }, { rv: 6, uid: "b", removed: true });
    assert.deepEqual([store.registry.size, told().map(({ phase }) => phase)], [0, [PENDING, STOPPED]]);
    assert.deepEqual(reread, ["placeholder-ws-ws1", "ws-ws1"]);
    apply({ phase: PENDING, start: 2, createdAt: 1_800_000_000_000 }, { rv: 7, uid: "c" });
    assert.deepEqual([store.registry.size, told().map(({ phase }) => phase)], [1, [PENDING, STOPPED, PENDING]]);
  }
});

test("a pod of a workspace that was given up, which a read finds to be there, is looked after from then on", () => {
  const { apply, told, store, changed } = setup();
  apply({ phase: PENDING, start: 1 }, { rv: 2, uid: "a", actions: refused });
  apply({ phase: STOPPED, start: 1 }, { rv: 3, uid: "a", removed: true });
  store.giveUp("a");
  apply({ phase: RUNNING, start: 1 }, { rv: 5, uid: "b" }, "read");
  apply({ phase: STOPPED, start: 1 }, { rv: 6, uid: "b", removed: true });
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING, STOPPED, RUNNING, STOPPED]);
  assert.deepEqual(changed, ["a", "b"]);
  // It is not given up any more.
  apply({ phase: RUNNING, start: 1 }, { rv: 8, uid: "c" });
  assert.equal(store.registry.byUid("c")?.facts.phase, RUNNING);
});

test("after the API server's store was set back, a pod that was gone is there again, and so is one for whose successor its workspace waits", () => {
  for (const watchFirst of [false, true]) {
    const { apply, told, store, list } = setup();
    apply({ id: "ended", podName: "ws-ended", phase: RUNNING }, { rv: 90, uid: "e" });
    apply({ id: "ended", podName: "ws-ended", phase: STOPPED }, { rv: 91, uid: "e", removed: true });
    apply({ id: "waits", podName: "ws-waits", phase: PENDING }, { rv: 92, uid: "w", actions: refused });
    apply({ id: "waits", podName: "ws-waits", phase: STOPPED }, { rv: 93, uid: "w", removed: true });
    store.listStarted(true, undefined);
    if (watchFirst) {
      apply({ id: "ended", podName: "ws-ended", phase: RUNNING }, { rv: 61, uid: "e" });
      apply({ id: "waits", podName: "ws-waits", phase: PENDING }, { rv: 62, uid: "w", actions: refused });
    }
    apply({ id: "ended", podName: "ws-ended", phase: RUNNING }, { rv: 50, uid: "e" }, "list");
    apply({ id: "waits", podName: "ws-waits", phase: PENDING }, { rv: 51, uid: "w", actions: refused }, "list");
    finish(store, "60");
    assert.equal(store.registry.byUid("w")?.vacant, false);
    store.giveUp("w");
    assert.deepEqual(told().map(({ id, phase }) => [id, phase]), [["ended", RUNNING], ["ended", STOPPED], ["waits", PENDING], ["ended", RUNNING]]);
    // From then on, what is gone stays gone.
    apply({ id: "ended", podName: "ws-ended", phase: STOPPED }, { rv: 63, uid: "e", removed: true });
    list("70", () => apply({ id: "ended", podName: "ws-ended", phase: RUNNING }, { rv: 61, uid: "e" }, "list"));
    assert.equal(store.registry.byUid("e"), undefined);
  }
});

test("after the API server's store was set back, a workspace whose end was told, and that is there again, begins anew: nothing is left of its end, such as that it may be let go", () => {
  const { apply, told, store, forgotten, changed } = setup();
  apply({ id: "ended", podName: "ws-ended", phase: RUNNING }, { rv: 90, uid: "e" });
  apply({ id: "ended", podName: "ws-ended", phase: STOPPED }, { rv: 91, uid: "e" });
  apply({ id: "ending", podName: "ws-ending", phase: RUNNING, failed: "no" }, { rv: 92, uid: "i" });
  apply({ id: "ending", podName: "ws-ending", phase: STOPPING, failed: "no" }, { rv: 93, uid: "i" });
  apply({ id: "over", podName: "ws-over", phase: STOPPED }, { rv: 94, uid: "o" });
  apply({ id: "gone", podName: "ws-gone", phase: STOPPED }, { rv: 95, uid: "g" });
  const before = [changed.length, told().length];
  store.listStarted(true, undefined);
  apply({ id: "ended", podName: "ws-ended", phase: RUNNING }, { rv: 50, uid: "e" }, "list");
  apply({ id: "ending", podName: "ws-ending", phase: RUNNING }, { rv: 51, uid: "i" }, "list");
  apply({ id: "over", podName: "ws-over", phase: STOPPED }, { rv: 52, uid: "o" }, "list");
  finish(store, "60");
  assert.deepEqual(changed.slice(before[0]), ["e", "i", "o"]);
  assert.deepEqual(forgotten, ["e", "g"]);
  assert.deepEqual([store.registry.byUid("e")?.stopped, store.registry.byUid("o")?.stopped], [false, true]);
  assert.deepEqual(told().slice(before[1]).map(({ id, phase, conditions }) => [id, phase, conditions?.failed]), [["ended", RUNNING, ""], ["ending", RUNNING, "no"]], "a failure once told stays, and an end that is still there is told once");
  // From then on, phases do not go back.
  apply({ id: "ending", podName: "ws-ending", phase: STOPPING }, { rv: 70, uid: "i" });
  apply({ id: "ending", podName: "ws-ending", phase: RUNNING }, { rv: 71, uid: "i" });
  assert.deepEqual(told().at(-1)?.phase, STOPPING);
});

test("a list that is newer than what is known of a pod, and tells of it as it was before, shows that the store was set back; one beside which the watch told of it does not", () => {
  const { apply, store } = setup();
  const listed = (version: string | undefined, rv: number): boolean => {
    store.listStarted(false, version);
    apply({ phase: RUNNING }, { rv, uid: "a" }, "list");
    finish(store, version ?? "2000");
    return store.contradicted;
  };
  apply({ phase: RUNNING }, { rv: 100, uid: "a" });
  assert.equal(listed("99", 90), false, "the watch has told of it after the list's version");
  assert.equal(listed("100", 100), false);
  assert.equal(listed("100", 99), true);
  assert.equal(listed("1000", 99), true);
  assert.equal(listed(undefined, 99), false, "a list whose version is not known yet shows nothing");
  assert.equal(listed("1001", 1001), false, "each list speaks for itself");
  store.listStarted(true, "1002");
  apply({ phase: RUNNING }, { rv: 99, uid: "a" }, "list");
  finish(store, "1002");
  assert.equal(store.contradicted, false, "of a store that is known to be set back nothing is expected");
});

test("a list that tells of a pod as it was before it went, and is newer than its end, shows that the store was set back as well, however the end became known", () => {
  const ends: Record<string, (world: ReturnType<typeof setup>) => void> = {
    "a line": ({ apply }) => apply({ phase: STOPPED }, { rv: 101, uid: "a", removed: true }),
    "a line that can not be read": ({ store }) => store.apply({ ...skipped, uid: "a", resourceVersion: "101", removed: true }, Buffer.alloc(0), "watch"),
    "a list": ({ list }) => list("101", () => {}),
    "a line, and another pod has its name": ({ apply }) => {
      apply({ phase: STOPPED, start: 1 }, { rv: 101, uid: "a", removed: true });
      apply({ phase: RUNNING, start: 2 }, { rv: 102, uid: "b" });
    },
  };
  for (const [how, end] of Object.entries(ends)) {
    for (const [version, contradicted] of [["100", false], ["1000", true]] as const) {
      const world = setup();
      const { apply, store } = world;
      apply({ phase: RUNNING, start: 1 }, { rv: 100, uid: "a" });
      end(world);
      store.listStarted(false, version);
      apply({ phase: RUNNING, start: 1 }, { rv: 100, uid: "a" }, "list");
      finish(store, version);
      assert.equal(store.contradicted, contradicted, `${how}, ${version}`);
      // The next one counts.
      store.listStarted(true, version);
      apply({ phase: RUNNING, start: 1 }, { rv: 100, uid: "a" }, "list");
      finish(store, version);
      assert.equal(store.registry.byUid("a")?.facts.phase, RUNNING, how);
      assert.equal(store.contradicted, false);
    }
  }
});

test("a pod that a list tells of, and that becomes known by a read only, is there at the list's end", () => {
  const ways: Record<string, (world: ReturnType<typeof setup>) => void> = {
    "its start was given up": ({ apply, store }) => {
      apply({ phase: PENDING, start: 1 }, { rv: 2, uid: "a", actions: refused });
      apply({ phase: STOPPED, start: 1 }, { rv: 3, uid: "a", removed: true });
      store.giveUp("a");
    },
    "another pod has its ID": ({ apply }) => apply({ podName: "other", phase: RUNNING }, { rv: 2, uid: "a" }),
  };
  for (const [how, begin] of Object.entries(ways)) {
    const world = setup();
    const { apply, store, reread } = world;
    begin(world);
    store.listStarted(false, "50");
    apply({ phase: RUNNING, start: 1 }, { rv: 5, uid: "b" }, "list");
    if (how !== "its start was given up") apply({ podName: "other", phase: STOPPED }, { rv: 51, uid: "a", removed: true });
    assert.equal(reread.length, 1, how);
    apply({ phase: RUNNING, start: 1 }, { rv: 5, uid: "b" }, "read");
    finish(store, "50");
    assert.equal(store.registry.byUid("b")?.facts.phase, RUNNING, how);
    // That was of this list: the next one does not tell of it.
    store.listStarted(false, "60");
    finish(store, "60");
    assert.equal(store.registry.byUid("b"), undefined, how);
  }
});

test("a pod that is deleted while the list after a set-back is read stays gone, whether it was known or had gone before; one of which a line or an item could not be read is learned", () => {
  for (const before of ["known", "gone"] as const) {
    for (const how of ["a line", "a line that can not be read"] as const) {
      const { apply, store, told } = setup();
      apply({ phase: RUNNING }, { rv: 100, uid: "e" });
      if (before === "gone") apply({ phase: STOPPED }, { rv: 101, uid: "e", removed: true });
      store.listStarted(true, undefined);
      if (how === "a line") apply({ phase: STOPPED }, { rv: 61, uid: "e", removed: true });
      else store.apply({ ...skipped, uid: "e", resourceVersion: "61", removed: true }, Buffer.alloc(0), "watch");
      apply({ phase: RUNNING }, { rv: 50, uid: "e" }, "list");
      finish(store, "60");
      assert.equal(store.registry.size, 0, `${before}, ${how}`);
      assert.equal(told().at(-1)?.phase, STOPPED);
    }
  }
  const { apply, store, reread } = setup();
  for (const uid of ["e", "f"]) {
    apply({ id: uid, podName: `ws-${uid}`, phase: RUNNING }, { rv: 100, uid });
    apply({ id: uid, podName: `ws-${uid}`, phase: STOPPED }, { rv: 101, uid, removed: true });
  }
  store.listStarted(true, undefined);
  store.unreadable("e");
  apply({ id: "e", podName: "ws-e", phase: RUNNING }, { rv: 50, uid: "e" }, "list");
  store.apply({ ...skipped, uid: "f", resourceVersion: "51" }, Buffer.alloc(0), "list");
  finish(store, "60");
  assert.deepEqual(reread, ["ws-e"]);
  apply({ id: "f", podName: "ws-f", phase: RUNNING }, { rv: 70, uid: "f" });
  assert.equal(store.registry.byId("f")?.facts.phase, RUNNING);
});

test("what was seen of a refused pod before it went does not bring it back, however its end became known", () => {
  const stands = { phase: PENDING };
  const ends: Record<string, (world: ReturnType<typeof setup>) => void> = {
    "a line of the watch": ({ apply }) => apply(stands, { rv: 100, uid: "w", removed: true }),
    "a line that can not be read": ({ store }) => store.apply({ ...skipped, uid: "w", resourceVersion: "100", removed: true }, Buffer.alloc(0), "watch"),
    "a line in which its ID was changed": ({ apply }) => apply({ ...stands, id: "another" }, { rv: 100, uid: "w", removed: true }),
    "a list": ({ list }) => list("100"),
  };
  for (const [how, end] of Object.entries(ends)) {
    const world = setup();
    world.apply(stands, { rv: 92, uid: "w", actions: refused });
    end(world);
    const known = Number(world.store.registry.byUid("w")?.resourceVersion);
    for (const rv of [93, known]) {
      for (const origin of ["read", "list", "watch"] as const) world.apply(stands, { rv, uid: "w", actions: refused }, origin);
      assert.equal(world.store.registry.byUid("w")?.vacant, true, `${how}, then version ${rv}`);
    }
    world.store.giveUp("w");
    assert.deepEqual(world.told().map(({ phase }) => phase), [PENDING, STOPPED], how);
  }
});

test("a pod that was made anew while nobody looked goes on with the workspace, for it is as old as the first one", () => {
  const { apply, told } = setup();
  apply({ phase: PENDING }, { rv: 1, uid: "a" });
  apply({ phase: PENDING }, { rv: 5, uid: "b" }, "list");
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
  apply({ phase: PENDING, createdAt: 1_800_000_000_000 }, { rv: 6, uid: "c" }, "list");
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING, STOPPED, PENDING]);
});

test("of two starts of one second, where the end of the first was missed, each has its own end, and the first one's failure is not the other's", () => {
  for (const actions of [[], refused]) {
    const { apply, told, store } = setup();
    apply({ phase: PENDING, start: 1, failed: "no" }, { rv: 1, uid: "a", actions });
    apply({ phase: PENDING, start: 2 }, { rv: 5, uid: "b" }, "list");
    assert.deepEqual(told().map(({ phase, conditions }) => [phase, conditions?.failed]), [[PENDING, "no"], [STOPPED, "no"], [PENDING, ""]]);
    assert.equal(store.registry.byId("ws1")?.uid, "b");
  }
});

test("a pod of the same start goes on with it, however old it is; where there is no token, one of the same second does", () => {
  for (const [before, now] of [[{ start: 1 }, { start: 1, createdAt: 1_800_000_000_000 }], [{}, {}]]) {
    const { apply, told } = setup();
    apply({ phase: PENDING, ...before }, { rv: 1, uid: "a" });
    apply({ phase: PENDING, ...now }, { rv: 5, uid: "b" }, "list");
    assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
  }
});

test("while a workspace waits for the pod that takes its refused one's place, another start of its ID ends it, and what stood behind it", () => {
  const { apply, told, orphaned, store } = setup();
  apply({ phase: PENDING, start: 1 }, { rv: 1, uid: "a", actions: refused });
  apply({ podName: "placeholder-ws-ws1", phase: PENDING, start: 1 }, { rv: 2, uid: "s", actions: [{ action: "fillPlaceholder" }] });
  apply({ phase: STOPPED, start: 1 }, { rv: 3, uid: "a", removed: true });
  apply({ phase: PENDING, start: 2 }, { rv: 4, uid: "b" });
  assert.deepEqual(told().map(({ phase }) => phase), [PENDING, STOPPED, PENDING]);
  assert.deepEqual([orphaned, store.registry.byId("ws1")?.uid], [["s"], "b"]);
});

const placeholder = { podName: "placeholder-ws-ws1", phase: PENDING } as const;
const toBeFilled = [{ action: "fillPlaceholder" }] as const;

test("a pod of another start than the placeholder ends that one's workspace, told or not; nothing is made from the placeholder any more", () => {
  for (const [phase, expected] of [[PENDING, [PENDING, STOPPED, RUNNING]], [STOPPED, [STOPPED, RUNNING]]] as const) {
    const { apply, told, strayed, store } = setup();
    apply({ ...placeholder, phase, start: 1 }, { rv: 2, uid: "s", actions: toBeFilled });
    apply({ phase: RUNNING, start: 2 }, { rv: 3, uid: "b" });
    apply({ ...placeholder, start: 1 }, { rv: 4, uid: "s", actions: toBeFilled });
    assert.deepEqual(told().map((status) => status.phase), expected);
    assert.deepEqual([strayed, store.registry.byId("ws1")?.uid, store.registry.byId("ws1")?.placeholder], [["s"], "b", undefined]);
  }
});

test("a placeholder of an earlier start than the pod does not stand behind it, and is taken away", () => {
  const { apply, told, strayed, changed, store } = setup();
  apply({ phase: RUNNING, start: 2, createdAt: 2_000 }, { rv: 3, uid: "b" });
  apply({ ...placeholder, start: 1, createdAt: 1_000 }, { rv: 4, uid: "s", actions: toBeFilled });
  assert.deepEqual([strayed, store.registry.byId("ws1")?.placeholder, changed], [["s"], undefined, ["b"]]);
  apply({ phase: STOPPED, start: 2, createdAt: 2_000 }, { rv: 5, uid: "b", removed: true });
  apply({ ...placeholder, start: 1, createdAt: 1_000 }, { rv: 6, uid: "s", actions: toBeFilled }, "list");
  assert.deepEqual(told().map(({ phase }) => phase), [RUNNING, STOPPED]);
});

test("a placeholder of a later start than the pod waits until that is known to be gone; a pod that is gone already has ended", () => {
  const later = { ...placeholder, start: 2, createdAt: 2_000 };
  const { apply, told, reread, conflicts, strayed } = setup();
  apply({ phase: RUNNING, start: 1, createdAt: 1_000 }, { rv: 3, uid: "a" });
  apply(later, { rv: 4, uid: "s", actions: toBeFilled });
  assert.deepEqual([conflicts, reread, strayed], [["ws1"], [], []]);
  apply({ phase: STOPPED, start: 1, createdAt: 1_000 }, { rv: 5, uid: "a", removed: true });
  assert.deepEqual(reread, ["placeholder-ws-ws1"]);
  apply(later, { rv: 4, uid: "s", actions: toBeFilled }, "read");
  assert.deepEqual(told().map(({ phase }) => phase), [RUNNING, STOPPED, PENDING]);
  const vacant = setup();
  vacant.apply({ phase: PENDING, start: 1, createdAt: 2_000 }, { rv: 1, uid: "a", actions: refused });
  vacant.apply({ phase: STOPPED, start: 1, createdAt: 2_000 }, { rv: 3, uid: "a", removed: true });
  vacant.apply(later, { rv: 4, uid: "s", actions: toBeFilled });
  assert.deepEqual(vacant.told().map(({ phase }) => phase), [PENDING, STOPPED, PENDING]);
});

test("an end that is told before the pod goes is the last word", () => {
  const { apply, told, store, stopped } = setup();
  apply({ phase: STOPPING, failed: "no" }, { rv: 1 });
  store.declareStopped("uid-ws-ws1");
  store.declareStopped("uid-ws-ws1");
  apply({ phase: STOPPING, failed: "no" }, { rv: 2 });
  apply({ phase: STOPPED, failed: "no" }, { rv: 3, removed: true });
  assert.deepEqual(told().map(({ phase, conditions }) => [phase, conditions?.failed]), [[STOPPING, "no"], [STOPPED, "no"]]);
  assert.deepEqual(stopped, ["ws1"]);
});

test("what is to be done is kept with the workspace, and so is the request for its content for as long as it is of use", () => {
  const { store, changed } = setup();
  const put = (rv: number, actions: readonly Action[], init?: Uint8Array): void => {
    const { result, bytes } = workspaceResult({}, { rv, actions });
    const range = init && { start: bytes.length, length: init.length };
    store.apply({ ...result, init: range }, init ? new Uint8Array([...bytes, ...init]) : bytes, "watch");
  };
  const record = (): WorkspaceRecord | undefined => store.registry.byId("ws1");
  put(1, [{ action: "initializeContent" }], Uint8Array.of(1, 2));
  const first = record()?.actions;
  put(2, [{ action: "initializeContent" }]);
  assert.equal(record()?.actions, first, "the same list while the same is to be done");
  assert.deepEqual(record()?.init, Uint8Array.of(1, 2), "one derived from a shortened pod has no request");
  put(3, []);
  assert.deepEqual([record()?.actions, record()?.init], [[], undefined]);
  assert.equal(changed.length, 3);
});
