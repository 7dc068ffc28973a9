/** Pods read again: once for all who ask, few at once, and what an answer that is late, odd or missing leads to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "../../../src/domain/log.ts";
import { peekUid } from "../../../src/main/pipeline/peek.ts";
import { Rereader } from "../../../src/main/pipeline/reread.ts";
import { StatusCache } from "../../../src/main/state/cache.ts";
import { decodeFrame } from "../../../src/main/state/frame.ts";
import { Registry, type WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { StateStore } from "../../../src/main/state/store.ts";
import { VersionClock } from "../../../src/main/state/version.ts";
import { wsman } from "../../../src/gen/proto.js";
import { workspaceResult } from "../../support/results.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { RecordingLog } from "../kube/helpers.ts";
import { json, turns } from "./core.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;

/** A GET that is under way. */
interface Get {
  readonly name: string;
  readonly signal: AbortSignal;
  found(uid?: string): void;
  missing(): void;
  fail(): void;
}

function setup(options: { submit?: (uid: string) => Buffer | undefined } = {}) {
  const clock = new VirtualClock();
  const log: RecordingLog & Log = new RecordingLog();
  const gets: Get[] = [];
  const phases: (wsman.WorkspacePhase | null | undefined)[] = [];
  const submitted: string[] = [];
  let [sent, running, most] = [0, 0, 0];
  const store = new StateStore(new Registry(), new StatusCache({ maxEntries: 1000, maxBytes: 1e6 }), new VersionClock(clock), {
    published: ({ frame }) => phases.push(decodeFrame(frame).phase),
    suppressed() {}, started() {}, stopped() {}, skipped() {}, conflict() {}, reread() {}, changed() {}, vacant() {}, forgotten() {}, strayed() {},
  });
  /** The watch says so. */
  const tell = (id: string, rv: number, message = "") => {
    const { result, bytes } = workspaceResult({ id, podName: `ws-${id}` }, { uid: `uid-${id}`, rv, message });
    store.apply(result, bytes, "watch");
  };
  const rereader = new Rereader({
    store,
    fetchPod: (name, signal) => {
      sent++;
      most = Math.max(most, ++running);
      const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
      signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      if (signal.aborted) reject(new Error("aborted"));
      gets.push({ name, signal, found: (uid = `uid-${name.slice(3)}`) => resolve(json({ metadata: { name, uid } })), missing: () => resolve(undefined), fail: () => reject(new Error("connection refused")) });
      return promise.finally(() => running--);
    },
    submit: (bytes) => {
      const uid = peekUid(bytes) ?? "";
      submitted.push(uid);
      return Promise.resolve((options.submit ?? ((known) => Buffer.from(`frame of ${known}`)))(uid));
    },
    clock,
    random: () => 0,
    log,
  });
  /** The oldest GET that is not answered. */
  const next = (): Get => {
    const get = gets.shift();
    assert.ok(get, "a GET is under way");
    return get;
  };
  const record = (id: string): WorkspaceRecord => {
    const found = store.registry.byUid(`uid-${id}`);
    assert.ok(found);
    return found;
  };
  return { clock, log, gets, phases, submitted, store, tell, rereader, next, record, sent: () => sent, most: () => most };
}

test("a frame in memory is given at once, without a request", () => {
  const { rereader, tell, record, sent } = setup();
  tell("a", 1);
  assert.ok(Buffer.isBuffer(rereader.frame(record("a"))));
  assert.equal(sent(), 0);
});

test("a pod is read once for all who ask meanwhile, and anew for who asks later", async () => {
  const { rereader, next, sent, submitted, clock } = setup();
  const first = rereader.read("ws-a", "uid-a");
  const second = rereader.read("ws-a", "uid-a");
  await turns();
  assert.equal(sent(), 1);
  next().found();
  assert.deepEqual([(await first)?.toString(), (await second)?.toString()], ["frame of uid-a", "frame of uid-a"]);
  assert.deepEqual(submitted, ["uid-a"]);
  assert.equal(clock.pending, 0, "no deadline is left behind");
  void rereader.read("ws-a", "uid-a");
  await turns();
  assert.equal(sent(), 2);
});

test("another pod of the same name is another matter", async () => {
  const { rereader, sent } = setup();
  void rereader.read("ws-a", "uid-a");
  void rereader.read("ws-a", "uid-b");
  await turns();
  assert.equal(sent(), 2);
});

test("one that failed is read anew for who asks again", async () => {
  const { rereader, next } = setup();
  const failed = rereader.read("ws-a", "uid-a");
  await turns();
  next().fail();
  await assert.rejects(failed, { code: "UNAVAILABLE", message: /cannot read pod ws-a: connection refused/ });
  const again = rereader.read("ws-a", "uid-a");
  await turns();
  next().found();
  assert.equal((await again)?.toString(), "frame of uid-a");
});

test("at most eight are read at once; the others get their turn in the order in which they came, also after failures", async () => {
  const { rereader, gets, next, most } = setup();
  const all = Array.from({ length: 30 }, (_, n) => rereader.read(`ws-${n}`, "").then(() => true, () => false));
  await turns();
  assert.deepEqual(gets.map(({ name }) => name), Array.from({ length: 8 }, (_, n) => `ws-${n}`));
  for (let n = 0; n < 30; n++) {
    const get = next();
    assert.equal(get.name, `ws-${n}`);
    if (n % 3 === 0) get.fail();
    else get.found();
    await turns(1);
  }
  assert.deepEqual(await Promise.all(all), Array.from({ length: 30 }, (_, n) => n % 3 !== 0));
  assert.equal(most(), 8);
});

test("one that asks just as another's turn comes does not take a ninth place", async () => {
  for (let delay = 0; delay < 20; delay++) {
    const { rereader, next, most } = setup();
    for (let n = 0; n < 12; n++) void rereader.read(`ws-${n}`, "");
    await turns();
    next().found();
    for (let i = 0; i < delay; i++) await Promise.resolve();
    void rereader.read("ws-late", "");
    await turns();
    assert.equal(most(), 8, `after ${delay} microtasks`);
  }
});

test("an answer that the watch has overtaken is asked for again", async () => {
  let answers = 0;
  const { rereader, tell, next, submitted } = setup({ submit: () => (++answers === 3 ? Buffer.from("at last") : undefined) });
  tell("a", 1);
  const read = rereader.read("ws-a", "uid-a");
  for (let i = 0; i < 3; i++) {
    await turns();
    next().found();
  }
  assert.equal((await read)?.toString(), "at last");
  assert.equal(submitted.length, 3);
});

test("of a pod that can not be understood any more, what is known is given after five reads, with the version that was published, and the whole when it can be", async () => {
  const { rereader, tell, next, sent, store, phases } = setup({ submit: () => undefined });
  tell("a", 1);
  const told = store.cache.peek("a");
  assert.ok(told);
  const read = rereader.read("ws-a", "uid-a");
  for (let i = 0; i < 5; i++) {
    await turns();
    next().found();
  }
  const frame = await read;
  assert.ok(frame);
  const [was, is] = [decodeFrame(told), decodeFrame(frame)];
  assert.deepEqual([is.id, is.phase, is.metadata?.owner, is.statusVersion?.toString()], ["a", RUNNING, "alice", was.statusVersion?.toString()]);
  assert.equal(sent(), 5);
  tell("a", 2);
  assert.deepEqual(phases, [RUNNING, RUNNING], "told anew, although it says the same");
  tell("a", 3);
  assert.equal(phases.length, 2);
});

test("a pod that has no status, and of which nothing is known, is read once", async () => {
  const { rereader, next, sent } = setup({ submit: () => undefined });
  for (const uid of ["", "uid-a"]) {
    const read = rereader.read("ws-a", uid);
    await turns();
    next().found();
    assert.equal(await read, undefined);
  }
  assert.equal(sent(), 2);
});

test("a pod that goes while it is read again and again is given up", async () => {
  const { rereader, tell, next, store, sent } = setup({ submit: () => undefined });
  tell("a", 1);
  const read = rereader.read("ws-a", "uid-a");
  await turns();
  store.gone("uid-a");
  next().found();
  assert.equal(await read, undefined);
  assert.equal(sent(), 1);
});

test("a pod that is not there any more ends its workspace five seconds later, not before", async () => {
  const { rereader, tell, next, clock, phases } = setup();
  tell("a", 1);
  const read = rereader.read("ws-a", "uid-a");
  await turns();
  next().missing();
  assert.equal(await read, undefined);
  clock.advance(4_999);
  assert.deepEqual(phases, [RUNNING]);
  clock.advance(1);
  assert.deepEqual(phases, [RUNNING, STOPPED]);
});

test("it is not ended if the watch brings news of it meanwhile: its end comes as well", async () => {
  const { rereader, tell, next, clock, phases, store } = setup();
  tell("a", 1);
  const read = rereader.read("ws-a", "uid-a");
  await turns();
  next().missing();
  await read;
  tell("a", 2);
  clock.advance(60_000);
  assert.deepEqual(phases, [RUNNING]);
  assert.equal(store.registry.size, 1);
});

test("another pod of that name says that the one asked for is gone, and nothing else: an answer that is late could bring back what came and went", async () => {
  const { rereader, tell, next, clock, phases, submitted } = setup();
  tell("a", 1);
  const read = rereader.read("ws-a", "uid-a");
  await turns();
  next().found("uid-other");
  assert.equal(await read, undefined);
  assert.deepEqual(submitted, []);
  clock.advance(5_000);
  assert.deepEqual(phases, [RUNNING, STOPPED]);
  const whichever = rereader.read("ws-a", "");
  await turns();
  next().found("uid-other");
  assert.equal((await whichever)?.toString(), "frame of uid-other");
});

test("a name of which nothing was expected may be free: nothing ends", async () => {
  const { rereader, tell, next, clock, phases } = setup();
  tell("a", 1);
  const read = rereader.read("ws-a", "");
  await turns();
  next().missing();
  await read;
  clock.advance(60_000);
  assert.deepEqual(phases, [RUNNING]);
  assert.equal(clock.pending, 0);
});

test("an API server that does not answer is given up after thirty seconds", async () => {
  const { rereader, next, clock } = setup();
  const read = rereader.read("ws-a", "uid-a");
  const failed = assert.rejects(read, { code: "UNAVAILABLE" });
  await turns();
  clock.advance(29_999);
  const { signal } = next();
  assert.equal(signal.aborted, false);
  clock.advance(1);
  assert.equal(signal.aborted, true);
  await failed;
  assert.equal(clock.pending, 0);
});

test("a read for its effect is tried again with growing delays until it works", async () => {
  const { rereader, tell, next, clock, gets, submitted, log } = setup();
  tell("a", 1);
  rereader.readLater("ws-a", "uid-a");
  for (const delay of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    await turns();
    next().fail();
    await turns();
    clock.advance(delay - 1);
    await turns();
    assert.equal(gets.length, 0, `not yet after ${delay - 1} ms`);
    clock.advance(1);
  }
  await turns();
  next().found();
  await turns();
  assert.deepEqual(submitted, ["uid-a"]);
  clock.advance(600_000);
  await turns();
  assert.equal(gets.length, 0);
  assert.deepEqual(log.entries.map(({ level }) => level), Array.from({ length: 8 }, () => "warn"));
});

test("however often it is asked for before it begins, it is read once", async () => {
  const { rereader, tell, next, clock, sent, submitted } = setup();
  tell("a", 1);
  rereader.readLater("ws-a", "uid-a");
  await turns();
  next().fail();
  await turns();
  for (let i = 0; i < 5; i++) rereader.readLater("ws-a", "uid-a");
  await turns();
  assert.equal(sent(), 1);
  clock.advance(500);
  await turns();
  next().found();
  await turns();
  assert.deepEqual(submitted, ["uid-a"]);
  assert.equal(sent(), 2);
});

test("a read that had begun before does not count: its answer may be older than what has to be learned", async () => {
  const { rereader, tell, next, sent, submitted, gets } = setup();
  tell("a", 1);
  void rereader.read("ws-a", "uid-a");
  await turns();
  rereader.readLater("ws-a", "uid-a");
  await turns();
  assert.equal(sent(), 1);
  next().found();
  await turns();
  assert.equal(sent(), 2);
  for (let i = 0; i < 3; i++) rereader.readLater("ws-a", "uid-a");
  next().found();
  await turns();
  assert.equal(sent(), 3);
  next().found();
  await turns();
  assert.equal(submitted.length, 3);
  assert.deepEqual(gets, []);
  rereader.readLater("ws-a", "uid-a");
  await turns();
  assert.equal(sent(), 4);
});

test("it is read anew even if it is asked for just as the one before ends", async () => {
  for (let delay = 0; delay < 20; delay++) {
    const { rereader, tell, next, sent } = setup();
    tell("a", 1);
    rereader.readLater("ws-a", "uid-a");
    await turns();
    next().found();
    for (let i = 0; i < delay; i++) await Promise.resolve();
    rereader.readLater("ws-a", "uid-a");
    await turns();
    assert.equal(sent(), 2, `after ${delay} microtasks`);
  }
});

test("where reading works now and then, it is not given up", async () => {
  const { rereader, tell, next, clock, sent, log } = setup();
  tell("a", 1);
  rereader.readLater("ws-a", "uid-a");
  for (let i = 1; i <= 15; i++) {
    await turns();
    if (i % 5 === 0) {
      rereader.readLater("ws-a", "uid-a");
      next().found();
    } else next().fail();
    await turns();
    clock.advance(60_000);
  }
  await turns();
  assert.equal(sent(), 16);
  assert.deepEqual(log.entries.filter(({ level }) => level === "error"), []);
});

test("after ten attempts that is told as an error, once, and it goes on once a minute until it works", async () => {
  const { rereader, tell, next, clock, sent, log } = setup();
  tell("a", 1);
  rereader.readLater("ws-a", "uid-a");
  for (let i = 0; i < 30; i++) {
    await turns();
    next().fail();
    await turns();
    assert.equal(log.entries.filter(({ level }) => level === "error").length, i < 9 ? 0 : 1, `attempt ${i + 1}`);
    clock.advance(60_000);
  }
  await turns();
  assert.equal(sent(), 31);
  assert.deepEqual(log.entries.filter(({ level }) => level === "error").map(({ message }) => message), ["could not read the pod for minutes, trying again until it works"]);
  assert.equal(log.entries.filter(({ level }) => level === "warn").length, 9);
});

test("it ends with the workspace that it is about; where the name alone is known, it goes on", async () => {
  const { rereader, tell, next, clock, sent, store, gets } = setup();
  tell("a", 1);
  rereader.readLater("ws-a", "uid-a");
  rereader.readLater("ws-b", "");
  await turns();
  next().fail();
  next().fail();
  await turns();
  store.gone("uid-a");
  clock.advance(60_000);
  await turns();
  assert.equal(sent(), 3);
  assert.deepEqual(gets.map(({ name }) => name), ["ws-b"]);
});

test("close gives up what is read, what waits for its turn, for another attempt or for a pod's end", async () => {
  const { rereader, tell, next, clock, gets, phases, log } = setup();
  for (const id of ["a", "b"]) tell(id, 1);
  const missing = rereader.read("ws-a", "uid-a");
  rereader.readLater("ws-b", "uid-b");
  await turns();
  next().missing();
  next().fail();
  await missing;
  await turns();
  const all = Array.from({ length: 10 }, (_, n) => rereader.read(`ws-${n}`, ""));
  const failed = Promise.all(all.map(async (read) => assert.rejects(read, { code: "UNAVAILABLE" })));
  await turns();
  rereader.close();
  await failed;
  assert.ok(gets.every(({ signal }) => signal.aborted));
  const attempts = gets.length;
  clock.advance(600_000);
  await turns();
  assert.equal(gets.length, attempts);
  assert.deepEqual(phases, [RUNNING, RUNNING]);
  assert.deepEqual(log.entries.filter(({ level }) => level === "error"), []);
});
