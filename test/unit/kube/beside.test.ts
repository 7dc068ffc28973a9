/** The watch that runs beside a list: changes go on, whatever becomes of either of the two. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { ReflectorLimits } from "../../../src/main/kube/limits.ts";
import { statusObject, type Answer } from "../../support/fake-apiserver.ts";
import { pod } from "./helpers.ts";
import { startBench, type Bench } from "./setup.ts";

/** Requests that the test answers itself, when it wants to. */
interface Scripted extends Bench {
  /** Answers to lists' pages, in the order in which they were asked for. */
  readonly pages: readonly Answer[];
  /** The answer to the n-th page or watch, once it is asked for. */
  page(n: number): Promise<Answer>;
  watch(n: number): Promise<Answer>;
}

async function start(t: TestContext, limits: Partial<ReflectorLimits> = {}): Promise<Scripted> {
  const pages: Answer[] = [];
  const bench = await startBench(t, {
    limits,
    prepare: (server) => {
      server.handle = (answer) => void (answer.request.watch ? answer.open() : pages.push(answer));
    },
  });
  const nth = async (all: () => readonly Answer[], n: number, what: string): Promise<Answer> => {
    await bench.until(() => all().length >= n, `${what} ${n}`);
    const answer = all()[n - 1];
    assert.ok(answer);
    return answer;
  };
  return { ...bench, pages, page: (n) => nth(() => pages, n, "page"), watch: (n) => nth(() => bench.server.watches, n, "watch") };
}

const startedAt = (answer: Answer): string | null => answer.request.query.get("resourceVersion");
const tokenOf = (answer: Answer): string | null => answer.request.query.get("continue");

/** Two pages' worth of list, of which the first is told: the watch runs, the second page is awaited. */
async function halfListed(t: TestContext, limits: Partial<ReflectorLimits> = {}): Promise<Scripted> {
  const bench = await start(t, limits);
  (await bench.page(1)).list("100", [pod("a", "1")], { continue: "two" });
  await bench.page(2);
  await bench.watch(1);
  return bench;
}

describe("a watch beside a list", () => {
  test("begins once the list's first page tells its version, and its lines are handed over before the pages to come", async (t) => {
    const bench = await halfListed(t);
    const watch = await bench.watch(1);
    assert.equal(startedAt(watch), "100");
    watch.event("ADDED", pod("n", "101"));
    await bench.until(() => bench.sink.calls.includes("ADDED n"), "line");
    assert.deepEqual(bench.told, []);
    (await bench.page(2)).list("100", [pod("b", "2")]);
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "ADDED n", "item b", "listFinished 100"]);
    assert.equal(bench.server.watches.length, 1);
  });

  test("begins within the first page, whose version stands before its items; that page is small", async (t) => {
    const bench = await start(t);
    const first = await bench.page(1);
    first.raw(`{"metadata":{"resourceVersion":"100"},"items":[${JSON.stringify(pod("a", "1"))},`);
    assert.equal(startedAt(await bench.watch(1)), "100");
    assert.equal(first.request.query.get("limit"), "50");
    first.raw(`${JSON.stringify(pod("b", "1"))}],"metadata":{"resourceVersion":"100","continue":"two"}}`).end();
    assert.equal((await bench.page(2)).request.query.get("limit"), "500");
  });

  test("goes on when the list breaks off, and the next list needs no other watch", async (t) => {
    const bench = await halfListed(t);
    (await bench.page(2)).status(410, "Expired");
    const watch = await bench.watch(1);
    watch.event("DELETED", pod("a", "101")).event("ADDED", pod("n", "102"));
    await bench.until(() => bench.sink.calls.includes("ADDED n"), "line");
    const again = await bench.page(3);
    assert.equal(tokenOf(again), null);
    again.list("102", [pod("n", "102")]);
    await bench.until(() => bench.told.includes("synced"), "synced");
    watch.event("MODIFIED", pod("n", "103"));
    await bench.until(() => bench.sink.calls.includes("MODIFIED n"), "another line");
    assert.deepEqual([...bench.sink.known], [["n", "103"]]);
    assert.equal(bench.server.watches.length, 1);
    assert.deepEqual(bench.told, ["synced"]);
  });

  test("goes on while lists fail again and again, at growing distances, and is known to work", async (t) => {
    const times: number[] = [];
    const bench = await start(t, { backoffBaseMs: 1000, backoffMaxMs: 60_000, silenceMs: 1_000_000 });
    bench.server.handle = (answer) => {
      if (answer.request.watch) return void answer.open();
      if (tokenOf(answer) === null) return answer.list("100", [pod("a", "1")], { continue: "two" });
      times.push(bench.clock.now());
      return times.length < 8 ? answer.reset() : answer.list("100", []);
    };
    await bench.until(() => bench.told.includes("synced"), "synced", 50);
    assert.ok((times[7] ?? 0) - (times[6] ?? 0) >= 30_000, `${(times[7] ?? 0) - (times[6] ?? 0)} ms`);
    assert.equal(bench.server.watches.length, 1);
    assert.deepEqual(bench.log.entries.map(({ level, message }) => `${level} ${message}`), ["warn list failed, trying again until it works", "info list works again"]);
  });

  test("that breaks goes on behind its last line, while the list is read on", async (t) => {
    const bench = await halfListed(t);
    const watch = await bench.watch(1);
    watch.event("ADDED", pod("n", "101"));
    await bench.until(() => bench.sink.calls.includes("ADDED n"), "line");
    watch.reset();
    assert.equal(startedAt(await bench.watch(2)), "101");
    (await bench.page(2)).list("100", [pod("b", "2")]);
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.equal(bench.pages.length, 2);
    assert.deepEqual(bench.told, ["restart broken", "synced"]);
  });

  test("that falls silent does so too", async (t) => {
    const bench = await halfListed(t, { silenceMs: 5000, listIdleMs: 1_000_000 });
    bench.clock.advance(6000);
    assert.equal(startedAt(await bench.watch(2)), "100");
    (await bench.page(2)).list("100", []);
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.equal(bench.pages.length, 2);
  });

  test("that expires has the list begun anew at once, since another one is needed in any case", async (t) => {
    const bench = await halfListed(t);
    (await bench.watch(1)).event("ERROR", statusObject(410, "Expired"));
    const again = await bench.page(3);
    assert.equal(tokenOf(again), null);
    await bench.until(() => bench.pages[1]?.closed === true, "the first list is given up");
    again.list("120", [pod("a", "110")]);
    assert.equal(startedAt(await bench.watch(2)), "120");
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "listAborted", "listStarted", "item a", "listFinished 120"]);
  });

  test("that expires every time keeps no list from being complete", async (t) => {
    const bench = await start(t);
    let asked = 0;
    bench.server.handle = (answer) => {
      if (answer.request.watch) return answer.status(410, "Expired");
      asked++;
      return tokenOf(answer) === null ? answer.list("100", [pod("a", "1")], { continue: "two" }) : void setTimeout(() => answer.list("100", [pod("b", "2")]), 20);
    };
    await bench.until(() => bench.told.includes("synced"), "synced");
    await bench.until(() => bench.sink.calls.filter((call) => call === "listFinished 100").length >= 4, "more lists", 50);
    const begun = bench.sink.calls.filter((call) => call === "listStarted").length;
    assert.ok(begun <= 6, `${begun} lists begun for four`);
    assert.ok(asked < 20);
  });

  test("that has expired while the list was asked for begins at that list's version, and needs no other", async (t) => {
    const bench = await halfListed(t);
    (await bench.page(2)).status(410, "Expired");
    const again = await bench.page(3);
    (await bench.watch(1)).event("ERROR", statusObject(410, "Expired"));
    await bench.until(() => bench.told.includes("relist expired"), "the watch's end");
    again.list("120", [pod("a", "110")]);
    assert.equal(startedAt(await bench.watch(2)), "120");
    await bench.until(() => bench.told.includes("synced"), "synced");
    bench.clock.advance(60_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(bench.pages.length, 3);
  });

  test("may be ahead of a list that was asked for before: that is no sign of an old list", async (t) => {
    const bench = await halfListed(t);
    (await bench.page(2)).status(410, "Expired");
    const again = await bench.page(3);
    (await bench.watch(1)).bookmark("200");
    await bench.until(() => bench.reflector.lastEventAgeSeconds === 0, "bookmark", 0);
    again.list("150", [pod("a", "1")]);
    await bench.until(() => bench.sink.calls.includes("listFinished 150"), "list");
    (await bench.watch(1)).end();
    assert.equal(startedAt(await bench.watch(2)), "200");
    assert.deepEqual(bench.log.entries, []);
  });

  test("may be behind a later list: its bookmarks are no sign of a store that was set back, and it goes on where it was", async (t) => {
    const bench = await halfListed(t);
    (await bench.page(2)).status(410, "Expired");
    (await bench.page(3)).list("300", [pod("a", "1")]);
    await bench.until(() => bench.told.includes("synced"), "synced");
    (await bench.watch(1)).bookmark("200").end();
    assert.equal(startedAt(await bench.watch(2)), "200");
    assert.deepEqual(bench.told, ["synced", "restart closed"]);
  });

  test("is ended when the API server's store was set back: nothing of it is handed over any more, and another begins at the list's version", async (t) => {
    const bench = await halfListed(t, { staleTries: 1 });
    const gate = Promise.withResolvers<void>();
    const watch = await bench.watch(1);
    watch.event("ADDED", pod("n", "199")).bookmark("200");
    await bench.until(() => bench.sink.calls.includes("ADDED n"), "line");
    (await bench.page(2)).status(410, "Expired");
    (await bench.page(3)).list("50", []);
    const later = await bench.page(4);
    bench.sink.hold = () => gate.promise;
    watch.event("MODIFIED", pod("n", "201")).event("MODIFIED", pod("n", "202"));
    await bench.until(() => bench.sink.calls.includes("MODIFIED n"), "a line that is held back");
    bench.sink.hold = () => undefined;
    later.list("60", [pod("a", "55")]);
    const next = await bench.watch(2);
    gate.resolve();
    assert.equal(startedAt(next), "60");
    next.event("MODIFIED", pod("a", "61"));
    await bench.until(() => bench.sink.calls.includes("MODIFIED a"), "line");
    assert.deepEqual(bench.sink.calls.slice(-5), ["MODIFIED n", "listStarted setBack", "item a", "listFinished 60", "MODIFIED a"]);
    next.end();
    assert.equal(startedAt(await bench.watch(3)), "61");
    await bench.until(() => watch.closed, "the first watch's end");
  });

  test("ends with the list when it is stopped in the middle", async (t) => {
    const bench = await halfListed(t);
    bench.stop();
    await bench.ended;
    await bench.until(() => bench.server.open === 0 || (bench.pages[1]?.closed === true && bench.server.watches[0]?.closed === true), "closed connections");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "listAborted"]);
  });
});

describe("pages of another version than the first", () => {
  test("are taken if they are later: what lies between is told by the watch", async (t) => {
    const bench = await halfListed(t);
    (await bench.page(2)).list("110", [pod("b", "105")]);
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "item b", "listFinished 100"]);
    (await bench.watch(1)).event("ADDED", pod("b", "105")).event("DELETED", pod("b", "106")).end();
    assert.equal(startedAt(await bench.watch(2)), "106");
    assert.deepEqual([...bench.sink.known.keys()], ["a"]);
  });

  test("make the list fail if they are earlier, before any of their items is handed over", async (t) => {
    const bench = await halfListed(t);
    (await bench.page(2)).list("90", [pod("gone", "80")]);
    (await bench.page(3)).list("110", [pod("a", "1")]);
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "listAborted", "listStarted", "item a", "listFinished 110"]);
  });
});

describe("what is held back when it breaks", () => {
  const filler = "x".repeat(2000);

  test("is not handed over later: a list's items do not count for the next list", async (t) => {
    const bench = await start(t);
    const gate = Promise.withResolvers<void>();
    bench.sink.hold = () => gate.promise;
    const items = Array.from({ length: 20 }, (_, i) => JSON.stringify(pod(`p${i}`, "1", { filler })));
    const page = await bench.page(1);
    page.raw(`{"metadata":{"resourceVersion":"100"},"items":[${items.join()},`);
    await bench.until(() => bench.sink.calls.includes("item p0"), "first item", 0);
    page.reset();
    // A connection that is held back is not looked at until then.
    bench.sink.hold = () => undefined;
    gate.resolve();
    const again = await bench.page(2);
    again.open().raw('{"metadata":{"resourceVersion":"110"},"items":[');
    again.raw(JSON.stringify(pod("a", "1")));
    await bench.until(() => bench.sink.calls.includes("item a"), "item of the next list");
    again.raw("]}").end();
    await bench.until(() => bench.told.includes("synced"), "synced");
    const broken = bench.sink.calls.indexOf("listAborted");
    assert.ok(broken > 1 && bench.sink.calls.slice(1, broken).every((call) => call.startsWith("item p")));
    assert.deepEqual(bench.sink.calls.slice(broken), ["listAborted", "listStarted", "item a", "listFinished 110"]);
  });

  test("is handed over once: a watch's lines come in their order, and the next watch continues behind the last", async (t) => {
    const bench = await start(t);
    (await bench.page(1)).list("100", []);
    const gate = Promise.withResolvers<void>();
    bench.sink.hold = () => gate.promise;
    const watch = await bench.watch(1);
    const line = (i: number): string => `${JSON.stringify({ type: "ADDED", object: pod(`p${i}`, String(101 + i), { filler }) })}\n`;
    watch.raw(Array.from({ length: 20 }, (_, i) => line(i)).join(""));
    await bench.until(() => bench.sink.calls.includes("ADDED p0"), "first line", 0);
    watch.reset();
    bench.sink.hold = () => undefined;
    gate.resolve();
    const next = await bench.watch(2);
    for (let i = Number(startedAt(next)) - 100; i < 20; i++) next.raw(line(i));
    await bench.until(() => bench.sink.calls.includes("ADDED p19"), "the last line");
    assert.deepEqual(bench.sink.calls.slice(2), Array.from({ length: 20 }, (_, i) => `ADDED p${i}`));
  });
});

/** Lists nothing, and lets the watch bring a line and be up for a while. */
async function worked(bench: Scripted): Promise<void> {
  (await bench.page(1)).list("100", []);
  (await bench.watch(1)).event("ADDED", pod("a", "101"));
  await bench.until(() => bench.told.includes("synced") && bench.sink.calls.includes("ADDED a"), "synced", 0);
  bench.clock.advance(5000);
}

test("a watch that worked and breaks is begun again at once; one that breaks again at once is not", async (t) => {
  const bench = await start(t);
  await worked(bench);
  (await bench.watch(1)).reset();
  await bench.until(() => bench.server.watches.length === 2, "second watch", 0);
  (await bench.watch(2)).reset();
  await bench.until(() => bench.told.filter((entry) => entry === "restart broken").length === 2, "second break", 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(bench.server.watches.length, 2);
  await bench.watch(3);
});

test("a watch that worked, breaks and has expired leads to a list at once", async (t) => {
  const bench = await start(t);
  await worked(bench);
  bench.server.handle = (answer) => {
    if (!answer.request.watch) answer.list("200", []);
    else if (startedAt(answer) === "101") answer.status(410, "Expired");
    else answer.open();
  };
  (await bench.watch(1)).reset();
  await bench.until(() => bench.server.watches.length === 3, "watch at the new list", 0);
  assert.deepEqual(bench.server.watches.map(startedAt), ["100", "101", "200"]);
});
