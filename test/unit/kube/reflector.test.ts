/** The reflector through every fault of an API server and the network. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Answer, FakeApiServer } from "../../support/fake-apiserver.ts";
import { statusObject } from "../../support/fake-apiserver.ts";
import { pod } from "./helpers.ts";
import { podsPath, startBench, type Bench } from "./setup.ts";

/** Answers lists with these pods at this version; watches stay open. */
function serving(version: string, ...pods: readonly object[]): (answer: Answer) => void {
  return (answer) => {
    if (answer.request.watch) answer.open();
    else answer.list(version, pods);
  };
}

const prepare = (handle: (answer: Answer) => void) => ({ prepare: (server: FakeApiServer): void => void (server.handle = handle) });

function lists(bench: Bench): number {
  return bench.server.requests.filter(({ watch, query }) => !watch && query.get("limit") !== "1").length;
}

/** Questions for the store's version. */
function checks(bench: Bench): number {
  return bench.server.requests.filter(({ watch, query }) => !watch && query.get("limit") === "1").length;
}

function watchedFrom(bench: Bench): (string | null)[] {
  return bench.server.watches.map(({ request }) => request.query.get("resourceVersion"));
}

describe("list and watch", () => {
  test("pages are read in order, and the watch continues at the list's version with bookmarks and a bounded duration", async (t) => {
    const bench = await startBench(t, {
      limits: { firstPageSize: 2, pageSize: 3 },
      ...prepare((answer) => {
        const { query, watch } = answer.request;
        if (watch) answer.open();
        else if (query.get("continue") === "next") answer.list("100", [pod("c", "3")]);
        else answer.list("100", [pod("a", "1"), pod("b", "2")], { continue: "next", remainingItemCount: 1 });
      }),
    });
    await bench.until(() => bench.sink.calls.includes("listFinished 100") && bench.server.watches.length === 1, "list and watch");
    bench.server.watches[0]?.event("ADDED", pod("d", "105")).event("DELETED", pod("a", "106"));
    await bench.until(() => bench.sink.calls.includes("DELETED a"), "deletion");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "item b", "item c", "listFinished 100", "ADDED d", "DELETED a"]);
    assert.deepEqual([...bench.sink.known.keys()], ["b", "c", "d"]);
    const [first, second] = bench.server.requests.filter((request) => !request.watch);
    const watch = bench.server.watches[0]?.request;
    assert.equal(first?.path, podsPath);
    assert.equal(first?.query.get("limit"), "2");
    assert.equal(first?.query.get("labelSelector"), "component=workspace");
    assert.equal(first?.query.get("resourceVersion"), null);
    assert.equal(second?.query.get("limit"), "3");
    assert.equal(second?.query.get("labelSelector"), "component=workspace");
    assert.equal(watch?.query.get("labelSelector"), "component=workspace");
    assert.equal(watch?.query.get("resourceVersion"), "100");
    assert.equal(watch?.query.get("allowWatchBookmarks"), "true");
    const seconds = Number(watch?.query.get("timeoutSeconds"));
    assert.ok(seconds >= 270 && seconds <= 310, `${seconds}`);
    assert.deepEqual(bench.told, ["synced"]);
  });

  test("onSynced waits until the first list has taken effect", async (t) => {
    const effect = Promise.withResolvers<undefined>();
    const bench = await startBench(t, prepare(serving("1", pod("a", "1"))));
    bench.sink.settled = () => effect.promise;
    await bench.until(() => bench.server.watches.length === 1, "watch");
    assert.deepEqual(bench.told, []);
    effect.resolve(undefined);
    await bench.until(() => bench.told.includes("synced"), "synced");
  });

  test("the age of the last event grows in silence and starts anew with a bookmark", async (t) => {
    const bench = await startBench(t, prepare(serving("1")));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    bench.clock.advance(20_000);
    assert.ok((bench.reflector.lastEventAgeSeconds ?? 0) >= 20);
    bench.server.watches[0]?.bookmark("5");
    await bench.until(() => (bench.reflector.lastEventAgeSeconds ?? 99) < 10, "age", 1);
  });

  test("abort during a watch ends run and closes the connection", async (t) => {
    const bench = await startBench(t, prepare(serving("1")));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    bench.stop();
    await bench.ended;
    await bench.until(() => bench.server.watches[0]?.closed === true, "closed connection");
  });

  test("abort during a list tells the sink that it broke off", async (t) => {
    const bench = await startBench(t, prepare((answer) => void answer.open().raw(`{"metadata":{"resourceVersion":"4"},"items":[${JSON.stringify(pod("a", "1"))},`)));
    await bench.until(() => bench.sink.calls.includes("item a"), "item");
    bench.stop();
    await bench.ended;
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "listAborted"]);
  });
});

describe("a watch that breaks", () => {
  test("after a reset it continues behind the last object that took effect, without a list", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list("10", []);
      else if (bench.server.watches.length === 1) answer.event("ADDED", pod("a", "17"));
      else answer.event("MODIFIED", pod("a", "18"));
    }));
    await bench.until(() => bench.sink.calls.includes("ADDED a"), "first event");
    bench.server.watches[0]?.reset();
    await bench.until(() => bench.sink.calls.includes("MODIFIED a"), "second event");
    assert.deepEqual(watchedFrom(bench), ["10", "17"]);
    assert.equal(lists(bench), 1);
    assert.deepEqual(bench.told, ["synced", "restart broken"]);
  });

  test("it continues at a bookmark, and behind an object that came after the bookmark", async (t) => {
    const bench = await startBench(t, prepare(serving("10")));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    bench.server.watches[0]?.event("ADDED", pod("a", "12")).bookmark("50").end();
    await bench.until(() => bench.server.watches.length === 2, "second watch");
    bench.server.watches[1]?.bookmark("60").event("MODIFIED", pod("a", "61")).end();
    await bench.until(() => bench.server.watches.length === 3, "third watch");
    assert.deepEqual(watchedFrom(bench), ["10", "50", "61"]);
  });

  test("it continues at the last sure version if the sink does not say in time what took effect", async (t) => {
    const bench = await startBench(t, { limits: { settleMs: 5000 }, ...prepare(serving("10")) });
    await bench.until(() => bench.server.watches.length === 1, "watch");
    await bench.until(() => bench.told.includes("synced"), "synced");
    bench.sink.settled = () => new Promise(() => undefined);
    bench.server.watches[0]?.bookmark("20").event("ADDED", pod("a", "21")).end();
    await bench.until(() => bench.server.watches.length === 2, "second watch");
    assert.deepEqual(watchedFrom(bench), ["10", "20"]);
  });

  test("half a line at the end is not delivered, and its event comes with the next watch", async (t) => {
    const whole = `${JSON.stringify({ type: "ADDED", object: pod("b", "12") })}\n`;
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list("10", []);
      else if (bench.server.watches.length === 1) {
        answer.event("ADDED", pod("a", "11")).raw(whole.slice(0, 30)).end();
      } else answer.raw(whole);
    }));
    await bench.until(() => bench.sink.calls.includes("ADDED b"), "second event");
    assert.deepEqual(bench.sink.calls.slice(2), ["ADDED a", "ADDED b"]);
    assert.deepEqual(watchedFrom(bench), ["10", "11"]);
  });

  test("silence for longer than allowed ends it, and a new one is started", async (t) => {
    const bench = await startBench(t, { limits: { silenceMs: 60_000 }, ...prepare(serving("10")) });
    await bench.until(() => bench.server.watches.length === 1, "watch");
    await bench.until(() => bench.told.includes("synced"), "synced");
    const from = bench.clock.now();
    await bench.until(() => bench.server.watches.length === 2, "second watch", 500);
    assert.ok(bench.clock.now() - from >= 59_000);
    assert.ok(bench.told.includes("restart silence"));
    assert.equal(lists(bench), 1);
  });

  test("data keeps a watch alive for longer than the allowed silence", async (t) => {
    const bench = await startBench(t, { limits: { silenceMs: 60_000 }, ...prepare(serving("10")) });
    await bench.until(() => bench.server.watches.length === 1, "watch");
    for (let i = 0; i < 10; i++) {
      bench.clock.advance(20_000);
      bench.server.watches[0]?.bookmark(String(20 + i));
      const heardAt = bench.clock.now();
      await bench.until(() => (bench.reflector.lastEventAt ?? 0) >= heardAt, `bookmark ${i}`, 0);
    }
    assert.equal(bench.server.watches.length, 1);
  });

  test("the server's normal end is followed at once by a new watch, without list and without a warning", async (t) => {
    const bench = await startBench(t, prepare(serving("10")));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    await bench.until(() => bench.told.includes("synced"), "synced");
    bench.server.watches[0]?.bookmark("11");
    bench.clock.advance(10);
    const sentAt = bench.clock.now();
    await bench.until(() => (bench.reflector.lastEventAt ?? 0) >= sentAt, "bookmark", 0);
    bench.clock.advance(80_000);
    bench.server.watches[0]?.end();
    await bench.until(() => bench.server.watches.length === 2, "second watch", 0);
    assert.equal(lists(bench), 1);
    assert.deepEqual(bench.told, ["synced", "restart closed"]);
    assert.deepEqual(bench.log.entries, []);
  });

  test("watches that end at once again and again are started at growing distances", async (t) => {
    const times: number[] = [];
    const bench = await startBench(t, { limits: { backoffBaseMs: 1000, backoffMaxMs: 60_000 }, ...prepare((answer) => {
      if (!answer.request.watch) return answer.list("10", []);
      times.push(bench.clock.now());
      return answer.open().end();
    }) });
    await bench.until(() => times.length === 7, "seven watches", 50);
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    assert.ok((gaps[0] ?? 999) < 500, `first gap ${gaps[0]}`);
    assert.ok((gaps[5] ?? 0) >= 12_000, `gaps ${gaps.join()}`);
    assert.equal(lists(bench), 1);
  });
});

describe("answers of the server", () => {
  test("410 as a status leads to a list, and what vanished meanwhile is told by the list", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list(lists(bench) === 1 ? "10" : "90", lists(bench) === 1 ? [pod("a", "1"), pod("b", "2")] : [pod("b", "2"), pod("c", "80")]);
      else if (answer.request.query.get("resourceVersion") === "10") answer.status(410, "Expired");
      else answer.open();
    }));
    await bench.until(() => watchedFrom(bench).includes("90"), "watch at the new list");
    assert.deepEqual([...bench.sink.known.keys()].sort(), ["b", "c"]);
    assert.deepEqual(bench.told, ["synced", "restart expired", "relist expired"]);
  });

  test("410 as an event leads to a list as well", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list(lists(bench) === 1 ? "10" : "90", [pod("a", "1")]);
      else if (answer.request.query.get("resourceVersion") === "10") answer.event("ERROR", statusObject(410, "Expired"));
      else answer.open();
    }));
    await bench.until(() => watchedFrom(bench).includes("90"), "watch at the new list");
    assert.deepEqual(bench.told, ["synced", "restart expired", "relist expired"]);
  });

  test("410 for every watch is not answered with lists at full speed", async (t) => {
    const bench = await startBench(t, prepare((answer) => (answer.request.watch ? answer.status(410, "Expired") : answer.list("10", []))));
    await bench.until(() => lists(bench) >= 4, "lists");
    const before = { at: bench.clock.now(), lists: lists(bench) };
    await bench.until(() => lists(bench) >= before.lists + 6, "more lists", 100);
    assert.ok(bench.clock.now() - before.at > 20_000, `${bench.clock.now() - before.at} ms for six lists`);
    assert.equal(bench.log.entries.filter(({ level }) => level === "warn").length, 1);
  });

  for (const [code, reason] of [[429, "TooManyRequests"], [500, "InternalError"], [503, "ServiceUnavailable"]] as const) {
    test(`${code} with Retry-After is followed by the next attempt not before that, for lists and watches`, async (t) => {
      const times: number[] = [];
      const bench = await startBench(t, prepare((answer) => {
        times.push(bench.clock.now());
        if (times.length === 1 || times.length === 3) answer.status(code, reason, { headers: { "retry-after": "7" } });
        else serving("10")(answer);
      }));
      await bench.until(() => times.length === 4, "four requests", 50);
      assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 7000);
      assert.ok((times[3] ?? 0) - (times[2] ?? 0) >= 7000);
      assert.equal(lists(bench), 2);
      assert.deepEqual(watchedFrom(bench), ["10", "10"]);
    });
  }

  test("an ERROR event other than 410 is followed by a watch at the same version, after the time that it asks for", async (t) => {
    const times: number[] = [];
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) return answer.list("10", []);
      times.push(bench.clock.now());
      if (times.length === 1) answer.event("ERROR", statusObject(429, "TooManyRequests", { details: { retryAfterSeconds: 9 } }));
      else answer.open();
      return undefined;
    }));
    await bench.until(() => times.length === 2, "second watch", 50);
    assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 9000);
    assert.equal(lists(bench), 1);
    assert.deepEqual(watchedFrom(bench), ["10", "10"]);
  });

  test("401 and 403 are tried again until they pass, with one warning for each of the two", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      const n = bench.server.requests.length;
      if (n <= 6) answer.status(n % 2 === 0 ? 401 : 403, n % 2 === 0 ? "Unauthorized" : "Forbidden");
      else serving("10", pod("a", "1"))(answer);
    }));
    await bench.until(() => bench.told.includes("synced"), "synced", 50);
    await bench.until(() => bench.log.entries.length === 3, "three log lines", 50);
    assert.deepEqual(bench.log.entries.map(({ level }) => level), ["warn", "warn", "info"]);
  });

  test("a page that fails makes the whole list start over, and nothing follows from the part that came", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      const { query, watch } = answer.request;
      if (watch) answer.open();
      else if (!query.has("continue")) answer.list("10", [pod("a", "1")], { continue: "two" });
      else if (lists(bench) === 2) answer.open().raw('{"metadata":{"resourceVersion":"10"},"items":[{"meta').reset();
      else answer.list("10", [pod("b", "2")]);
    }));
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "listAborted", "listStarted", "item a", "item b", "listFinished 10"]);
  });

  test("410 for a continue token makes the whole list start over without the token", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      const { query, watch } = answer.request;
      if (watch) answer.open();
      else if (query.has("continue")) answer.status(410, "Expired");
      else if (bench.server.requests.length === 1) answer.list("10", [pod("a", "1")], { continue: "two" });
      else answer.list("30", [pod("b", "2")]);
    }));
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "item a", "listAborted", "listStarted", "item b", "listFinished 30"]);
    assert.deepEqual(bench.log.entries, [], "a version that expires is no failure");
  });

  test("a list that never ends, and one without version, are not accepted", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      const n = lists(bench);
      if (answer.request.watch) answer.open();
      else if (n <= 2) answer.list("10", [], { continue: "again" });
      else if (n === 3) answer.json(200, { kind: "List", items: [pod("a", "1")] });
      else answer.list("10", []);
    }));
    await bench.until(() => bench.told.includes("synced"), "synced");
    assert.deepEqual(bench.sink.calls, ["listStarted", "listAborted", "listStarted", "item a", "listAborted", "listStarted", "listFinished 10"]);
  });

  test("a line that can not be read leads to a list", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list("10", []);
      else if (bench.server.watches.length === 1) answer.raw("\u0000\u0001 nonsense\n");
      else answer.open();
    }));
    await bench.until(() => bench.server.watches.length === 2, "second watch");
    assert.equal(lists(bench), 2);
    assert.ok(bench.told.includes("relist unreadable"));
  });

  test("an event with its members in another order is delivered", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (answer.request.watch) answer.raw(`${JSON.stringify({ object: pod("a", "11"), type: "ADDED" })}\n`);
      else answer.list("10", []);
    }));
    await bench.until(() => bench.sink.calls.includes("ADDED a"), "event");
  });
});

describe("a server that is away", () => {
  test("for ten minutes: attempts at bounded distances, few log lines in all, and the watch continues where it was", async (t) => {
    const bench = await startBench(t, prepare(serving("10", pod("a", "1"))));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    await bench.server.stop();
    const from = bench.clock.now();
    await bench.until(() => bench.clock.now() - from > 600_000, "ten minutes", 400);
    assert.ok(bench.log.entries.length <= 2 && bench.log.entries.every(({ level }) => level === "warn"));
    await bench.server.start();
    const back = bench.clock.now();
    await bench.until(() => bench.server.watches.length === 2, "second watch", 50);
    assert.ok(bench.clock.now() - back <= 11_000, `${bench.clock.now() - back} ms until the next attempt`);
    await bench.until(() => bench.log.entries.at(-1)?.level === "info", "the log tells that it works again", 100);
    assert.equal(lists(bench), 1);
    assert.deepEqual(watchedFrom(bench), ["10", "10"]);
  });

  test("one that accepts and never answers is given up after half a minute and tried again", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (bench.server.requests.length > 1) serving("10")(answer);
    }));
    await bench.until(() => bench.server.watches.length === 1, "watch", 200);
    assert.equal(lists(bench), 2);
  });

  test("one that falls silent within a list is given up", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (bench.server.requests.length > 1) serving("10")(answer);
      else answer.open().raw('{"metadata":{"resourceVersion":"10"},"items":[');
    }));
    await bench.until(() => bench.server.watches.length === 1, "watch", 200);
    assert.deepEqual(bench.sink.calls, ["listStarted", "listFinished 10"]);
  });
});

describe("a server that offers the past", () => {
  /** After the first watch expired, lists are answered with these versions, one after the other, the last for ever. */
  async function stale(t: Parameters<typeof startBench>[0], versions: readonly string[]): Promise<Bench> {
    const bench = await startBench(t, { limits: { staleTries: 3 }, ...prepare((answer) => {
      if (answer.request.watch) return bench.server.watches.length === 1 ? answer.bookmark("100").event("ERROR", statusObject(410, "Expired")) : answer.open();
      const n = lists(bench);
      return n === 1 ? answer.list("50", [pod("new", "50")]) : answer.list(versions[Math.min(n - 2, versions.length - 1)] ?? "", [pod("old", "7")]);
    }) });
    return bench;
  }

  test("a list older than what was seen is refused before its items, until the server has caught up", async (t) => {
    const bench = await stale(t, ["60", "99", "100"]);
    await bench.until(() => bench.server.watches.length === 2, "second watch", 50);
    assert.deepEqual(bench.sink.calls, ["listStarted", "item new", "listFinished 50", "listStarted", "item old", "listFinished 100"]);
    assert.deepEqual(watchedFrom(bench), ["50", "100"]);
  });

  test("a store that was set back is accepted after some refusals, with a warning", async (t) => {
    const bench = await stale(t, ["20", "21", "21", "22"]);
    await bench.until(() => bench.server.watches.length === 2, "second watch", 50);
    assert.deepEqual(watchedFrom(bench), ["50", "22"]);
    assert.deepEqual(bench.sink.calls, ["listStarted", "item new", "listFinished 50", "listStarted setBack", "item old", "listFinished 22"]);
    assert.equal(lists(bench), 5);
    assert.ok(bench.log.entries.some(({ message }) => message.includes("set back")));
  });

  test("versions that fall from list to list start the count anew", async (t) => {
    const bench = await stale(t, ["20", "30", "10", "11", "12", "13"]);
    await bench.until(() => bench.server.watches.length === 2, "second watch", 50);
    assert.deepEqual(watchedFrom(bench), ["50", "13"]);
  });

  test("watches on which nothing ever comes lead to a list after the third, those with bookmarks do not", async (t) => {
    const bench = await startBench(t, { limits: { silenceMs: 60_000 }, ...prepare((answer) => {
      if (!answer.request.watch) answer.list(bench.server.watches.length < 3 ? "50" : "51", []);
      else if (bench.server.watches.length === 3) answer.bookmark("51");
      else answer.open();
    }) });
    await bench.until(() => lists(bench) === 2, "second list", 300);
    assert.deepEqual(watchedFrom(bench), ["50", "50", "50", "51", "51", "51"]);
    assert.deepEqual(bench.told.filter((entry) => entry.startsWith("relist")), ["relist quiet"]);
  });

  /** An API server that begins anew with a store that was set back, and accepts watches at versions that it does not have. */
  const restored = (bench: () => Bench, check: (answer: Answer) => void) => prepare((answer) => {
    const [first, { query }] = [bench().server.watches.length < 2, answer.request];
    if (answer.request.watch) answer.open();
    else if (query.get("limit") === "1") check(answer);
    else answer.list(first ? "50" : "21", []);
  });

  test("after a watch that broke the store's version is asked for once, and one that was set back is noticed though its watch says nothing", async (t) => {
    const bench: Bench = await startBench(t, restored(() => bench, (answer) => answer.list("20", [{ metadata: { name: "one" } }], { continue: "more" })));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    bench.server.watches[0]?.reset();
    await bench.until(() => bench.server.watches.length === 3, "a watch of the new history", 50);
    assert.deepEqual(watchedFrom(bench), ["50", "50", "21"]);
    assert.deepEqual(bench.sink.calls.slice(-2), ["listStarted setBack", "listFinished 21"]);
    assert.deepEqual([checks(bench), bench.told.filter((entry) => entry.startsWith("relist"))], [1, ["relist went-back"]]);
  });

  test("a list that contradicts what is known, though its version is a later one, is followed by another one that counts, and by a watch from there", async (t) => {
    const bench: Bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list(String([50, 1000, 1001][lists(bench) - 1]), [pod("a", "40")]);
      else if (bench.server.watches.length === 1) answer.event("ERROR", statusObject(410, "Expired"));
      else answer.open();
    }));
    const { sink } = bench;
    sink.settled = async () => {
      sink.contradicted = lists(bench) === 2;
      return undefined;
    };
    await bench.until(() => watchedFrom(bench).includes("1001"), "a watch after the third list", 50);
    assert.deepEqual(sink.calls.filter((call) => call.startsWith("listStarted")), ["listStarted", "listStarted", "listStarted setBack"]);
    assert.deepEqual(bench.told.filter((entry) => entry.startsWith("relist")), ["relist expired", "relist went-back"]);
    assert.ok(bench.log.entries.some(({ message }) => message.includes("set back")));
  });

  test("a store that is as new as it was is left at that: the watch goes on", async (t) => {
    const bench: Bench = await startBench(t, restored(() => bench, (answer) => answer.list("50", [])));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    bench.clock.advance(5_000);
    bench.server.watches[0]?.reset();
    await bench.until(() => checks(bench) === 1, "check", 50);
    bench.server.watches[1]?.end();
    await bench.until(() => bench.server.watches.length === 3, "third watch", 50);
    await bench.until(() => bench.clock.monotonic() > 60_000, "a minute", 200);
    assert.deepEqual([checks(bench), lists(bench), watchedFrom(bench)], [1, 1, ["50", "50", "50"]]);
  });

  test("a question for the store's version that is not answered is asked again, also beside the next watch, and ends with the reflector", async (t) => {
    const bench: Bench = await startBench(t, restored(() => bench, (answer) => (checks(bench) < 4 ? answer.status(500, "InternalError") : answer.list("20", []))));
    await bench.until(() => bench.server.watches.length === 1, "watch");
    bench.server.watches[0]?.reset();
    await bench.until(() => checks(bench) === 2, "asked again", 100);
    bench.server.watches[1]?.end();
    await bench.until(() => bench.told.includes("relist went-back"), "list", 100);
    assert.equal(checks(bench), 4);
  });

  test("a bookmark older than where the watch started leads to a list", async (t) => {
    const bench = await startBench(t, prepare((answer) => {
      if (!answer.request.watch) answer.list("50", []);
      else if (bench.server.watches.length === 1) answer.bookmark("9");
      else answer.open();
    }));
    await bench.until(() => bench.server.watches.length === 2, "second watch");
    assert.ok(bench.told.includes("relist went-back"));
  });
});

describe("back-pressure", () => {
  test("while the sink holds back, the socket is not read; nothing is lost and the watchdog does not bark", async (t) => {
    const bench = await startBench(t, { limits: { silenceMs: 60_000 }, ...prepare(serving("10")) });
    await bench.until(() => bench.server.watches.length === 1, "watch");
    const gate = Promise.withResolvers<void>();
    bench.sink.hold = () => gate.promise;
    const [answer] = bench.server.watches;
    const filler = "x".repeat(100_000);
    for (let i = 0; i < 200; i++) answer?.event("ADDED", pod(`p${i}`, String(11 + i), { filler }));
    await bench.until(() => bench.sink.calls.includes("ADDED p0"), "first line");
    bench.clock.advance(500_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(bench.sink.calls.at(-1), "ADDED p0");
    assert.ok((answer?.pending ?? 0) > 10_000_000, `${answer?.pending} bytes wait at the server`);
    bench.sink.hold = () => undefined;
    gate.resolve();
    await bench.until(() => bench.sink.known.size === 200, "all lines", 1);
    assert.equal(bench.server.watches.length, 1);
  });

  test("while the sink holds back, a list is not read on", async (t) => {
    const filler = "x".repeat(100_000);
    const gate = Promise.withResolvers<void>();
    const bench = await startBench(t, prepare((answer) => {
      if (answer.request.watch) return answer.open();
      bench.sink.hold = () => gate.promise;
      return answer.list("10", Array.from({ length: 200 }, (_, i) => pod(`p${i}`, "1", { filler })));
    }));
    await bench.until(() => bench.sink.calls.includes("item p0"), "first item", 0);
    bench.clock.advance(500_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(bench.sink.calls.at(-1), "item p0");
    bench.sink.hold = () => undefined;
    gate.resolve();
    await bench.until(() => bench.server.watches.length === 1, "watch", 1);
    assert.equal(bench.sink.known.size, 200);
  });
});
