/** Leader election: who leads when, and that no two ever do at the same moment, whatever happens to requests, processes, machines and clocks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom } from "../../../src/embedded/kubelet/index.ts";
import { electionIdentity } from "../../../src/main/lifecycle/leader.ts";
import { microTime } from "../../../src/main/lifecycle/lease.ts";
import { momentOf, Term } from "../../../src/main/lifecycle/term.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../kube/helpers.ts";
import { Elector, electionWorld, specOf, type Fate } from "./election-world.ts";
import { Machine } from "../../support/machine.ts";

const quick = (): Fate => ({ there: 5, back: 5 });
/** A Lease as a Go manager writes it. */
const goLease = (time: number, more: object = {}) => ({ holderIdentity: "ws-manager-7d9_5f0c", leaseDurationSeconds: 15, acquireTime: microTime(time), renewTime: microTime(time), leaseTransitions: 3, ...more });

test("the first one makes the Lease and leads; the others wait, and one of them takes over within the period after it was given back", async () => {
  const { time, server, pass, until } = electionWorld();
  const electors = ["a", "b", "c"].map((name, i) => new Elector(name, new Machine(time, i * 1e9), server, quick, { random: () => [0.1, 0.5, 0.999][i] ?? 0 }).start());
  const leading = (): readonly Elector[] => electors.filter((elector) => elector.acts);
  await until("one leads", () => leading().length > 0, 100);
  await pass(30_000, () => assert.equal(leading().length, 1));
  const [first] = leading();
  assert.ok(first);
  assert.deepEqual([server.holder, specOf(server)["leaseDurationSeconds"], specOf(server)["leaseTransitions"]], [first.leader.holder, 15, 0]);
  assert.match(String(specOf(server)["renewTime"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.notEqual(specOf(server)["renewTime"], specOf(server)["acquireTime"]);
  const left = first.leave();
  const took = await until("another one leads", () => leading().some((elector) => elector !== first));
  await left;
  assert.ok(took <= 2_000, `took over after ${took} ms`);
  assert.equal(specOf(server)["leaseTransitions"], 1);
  assert.equal(first.leader.leads(), false);
  await Promise.all([...electors.map((elector) => elector.leave()), pass(1_000)]);
  assert.equal(server.holder, "");
  assert.equal(specOf(server)["leaseDurationSeconds"], 1);
});

test("what it costs: a leader and a follower ask once in seven tenths of the period or more", async () => {
  const { time, server, pass } = electionWorld();
  const electors = ["a", "b"].map((name) => new Elector(name, new Machine(time, 0), server, quick, { random: () => 0 }).start());
  await pass(1_000);
  server.requests.length = 0;
  await pass(140_000);
  const count = (method: string): number => server.requests.filter((each) => each === method).length;
  assert.ok(Math.abs(count("GET") - 100) <= 1 && Math.abs(count("PATCH") - 100) <= 1 && count("POST") === 0, JSON.stringify([count("GET"), count("PATCH")]));
  await Promise.all([...electors.map((elector) => elector.leave()), pass(1_000)]);
});

test("a manager of another make that holds the Lease is respected for as long as it renews, and its Lease is taken when it has been silent for as long as it said, by our own clock", async () => {
  const { time, server, pass, until } = electionWorld();
  // Its clock is years behind, which does not matter.
  const renew = (): void => server.put(goLease(time.now() - 1e11, { holderIdentity: "ws-manager-7d9_5f0c" }));
  renew();
  const elector = new Elector("ours", new Machine(time, 0), server, quick).start();
  for (let i = 0; i < 20; i++) {
    await pass(2_000, () => assert.equal(elector.acts, false));
    renew();
  }
  const took = await until("we lead", () => elector.acts);
  assert.ok(took >= 15_000 && took <= 15_000 + 2 * 2_000, `took the Lease after ${took} ms`);
  assert.equal(specOf(server)["leaseTransitions"], 4);
  await Promise.all([elector.leave(), pass(1_000)]);
});

test("a Lease that another manager gives back is taken at once; one that says no duration lasts as long as ours; one that lasts longer is waited for", async () => {
  for (const [more, least, most] of [[{ holderIdentity: "", leaseDurationSeconds: 1 }, 0, 100], [{ leaseDurationSeconds: undefined }, 15_000, 17_000], [{ leaseDurationSeconds: 60 }, 60_000, 62_000]] as const) {
    const { time, server, pass, until } = electionWorld();
    server.put(goLease(time.now(), more));
    const elector = new Elector("ours", new Machine(time, 0), server, quick).start();
    const took = await until("we lead", () => elector.acts, 100_000);
    assert.ok(took >= least && took <= most, `${took} ms`);
    await Promise.all([elector.leave(), pass(1_000)]);
  }
});

test("a leader that was stopped for longer than its deadline knows it at its first question, before any timer has fired", async () => {
  for (const asleep of [false, true]) {
    const { time, server, pass, until } = electionWorld();
    const [a, b] = ["a", "b"].map((name) => new Elector(name, new Machine(time, 0), server, quick));
    assert.ok(a && b);
    a.start();
    await until("a leads", () => a.acts);
    b.start();
    a.machine.stop(asleep);
    await until("b leads", () => b.acts);
    let asked: boolean | undefined;
    a.machine.goOn(() => {
      asked = a.leader.leads();
      assert.ok(a.terms[0]?.aborted, "the signal aborts with the answer");
    });
    assert.equal(asked, false, asleep ? "machine asleep" : "process stopped");
    await pass(30_000, () => assert.equal(a.acts, false));
    await Promise.all([a.leave(), b.leave(), pass(1_000)]);
  }
});

test("the lead ends before others may take it when the API server can not be reached, with its signal, and begins anew when it can", async () => {
  const { time, server, pass, until } = electionWorld();
  let cut = false;
  const log = new RecordingLog();
  const elector = new Elector("a", new Machine(time, 0), server, () => (cut ? { there: Infinity, back: 0 } : quick()), { log }).start();
  await until("it leads", () => elector.acts);
  const acquired = specOf(server)["acquireTime"];
  await pass(10_000);
  assert.equal(specOf(server)["acquireTime"], acquired, "a renewal begins nothing");
  cut = true;
  const lasted = await until("it leads no more", () => elector.terms[0]?.aborted === true);
  assert.ok(lasted > 7_000 && lasted <= 10_000, `${lasted} ms`);
  await pass(60_000, () => assert.equal(elector.acts, false));
  assert.equal(log.entries.filter(({ message }) => message.includes("does not get at its Lease")).length, 1);
  cut = false;
  await until("it leads again", () => elector.acts, 15_000);
  assert.equal(elector.terms.length, 2);
  const again = Date.parse(String(specOf(server)["acquireTime"]));
  assert.ok(again > time.now() - 5_000, "the Lease says since when it leads, though nobody else had it in between");
  assert.deepEqual([log.entries.filter(({ message }) => message.includes("works again")).length, specOf(server)["leaseTransitions"]], [1, 0]);
  await Promise.all([elector.leave(), pass(1_000)]);
});

test("however late its answer comes, a renewal gives the lead for less than the Lease lasts from when it was sent", async () => {
  const { time, server, pass, until } = electionWorld();
  let fate = quick();
  const elector = new Elector("a", new Machine(time, 0), server, () => fate).start();
  await until("it leads", () => elector.acts);
  const renewed = specOf(server)["renewTime"];
  fate = { there: 0, back: 5_500 };
  await until("it is renewed", () => specOf(server)["renewTime"] !== renewed);
  fate = { there: Infinity, back: 0 };
  const lasted = await until("it leads no more", () => !elector.acts);
  assert.ok(lasted > 13_400 && lasted <= 13_500, `${lasted} ms`);
  await Promise.all([elector.leave(), pass(20_000)]);
});

test("a term that is over stays so, whatever is renewed, and tells it once", () => {
  const clock = new FakeClock();
  const ends: string[] = [];
  const term = new Term({ clock, renewed: momentOf(clock), lastsMs: 10_000, limitMs: 15_000, onEnded: (reason) => void ends.push(reason) });
  clock.advance(9_000);
  term.renew(momentOf(clock));
  clock.advance(9_999);
  assert.equal(term.goesOn(), true);
  clock.advance(1);
  assert.equal(term.signal.aborted, true);
  term.renew(momentOf(clock));
  term.end("again");
  assert.deepEqual([term.goesOn(), ends], [false, ["the Lease could not be renewed in time"]]);
});

test("one that is not allowed to use the Lease does not lead, says so now and then, and tries on", async () => {
  const { time, server, pass, until } = electionWorld();
  let status: number | undefined = 403;
  const log = new RecordingLog();
  const elector = new Elector("a", new Machine(time, 0), server, () => ({ there: 5, back: 5, ...(status !== undefined && { status }) }), { log }).start();
  await pass(700_000, () => assert.equal(elector.acts, false), 200);
  assert.equal(log.entries.filter(({ level, fields }) => level === "warn" && "status" in fields && fields.status === 403).length, 3);
  status = undefined;
  await until("it leads", () => elector.acts, 3_000);
  await Promise.all([elector.leave(), pass(1_000)]);
});

test("answers that take more than half the deadline keep the lead; an answer that is lost costs one more look", async () => {
  const { time, server, pass, until } = electionWorld();
  let fate = quick();
  const elector = new Elector("a", new Machine(time, 0), server, () => fate).start();
  await until("it leads", () => elector.acts);
  for (const back of [4_900, 5_800]) {
    fate = { there: 100, back };
    await pass(60_000, () => assert.equal(elector.acts, true));
  }
  let lost = 0;
  fate = quick();
  await pass(5_000);
  fate = { there: 5, back: Infinity };
  lost = server.requests.length;
  await until("a request is there", () => server.requests.length > lost, 3_000);
  fate = quick();
  await pass(30_000, () => assert.equal(elector.acts, true));
  assert.equal(elector.terms.length, 1);
  await Promise.all([elector.leave(), pass(1_000)]);
});

test("the wall clock being set, by more than the deadline, ends the term, and it is ours again with the next request", async () => {
  for (const jump of [3_600_000, -3_600_000]) {
    const { time, server, pass, until } = electionWorld();
    const elector = new Elector("a", new Machine(time, 0), server, quick).start();
    await until("it leads", () => elector.acts);
    await pass(100);
    elector.machine.shift(jump);
    assert.equal(elector.acts, false);
    await until("it leads again", () => elector.acts, 2_000);
    // Small corrections do nothing.
    elector.machine.shift(-300);
    assert.equal(elector.acts, true);
    await Promise.all([elector.leave(), pass(1_000)]);
  }
});

test("what runs is finished while the lead goes on, for as long as it may take, and only then the Lease is given back", async () => {
  const { time, server, pass, until } = electionWorld();
  const work = Promise.withResolvers<void>();
  const elector = new Elector("a", new Machine(time, 0), server, quick, { finish: () => work.promise }).start();
  await until("it leads", () => elector.acts);
  const leaving = elector.leave();
  await pass(25_000, () => assert.equal(elector.acts, true));
  assert.equal(elector.terms[0]?.aborted, false);
  work.resolve();
  await until("it is given back", () => server.holder === "", 100);
  assert.equal(elector.terms[0]?.aborted, true);
  await leaving;

  const hanging = new Elector("b", new Machine(time, 0), server, quick, { finish: () => new Promise(() => {}) }).start();
  await until("it leads", () => hanging.acts);
  void hanging.leave();
  await pass(29_000, () => assert.equal(hanging.acts, true));
  await until("it ends nevertheless", () => hanging.ended, 2_000);
  assert.equal(server.holder, "");
});

test("a new term waits until what ran in the last one has stopped, but not for longer than a Lease lasts", async () => {
  const { time, server, pass, until } = electionWorld();
  let cut = false;
  const stopped = Promise.withResolvers<void>();
  let stopping = () => stopped.promise;
  const elector = new Elector("a", new Machine(time, 0), server, () => (cut ? { there: Infinity, back: 0 } : quick()), { stopped: () => stopping() }).start();
  await until("it leads", () => elector.acts);
  cut = true;
  await until("it leads no more", () => !elector.acts);
  cut = false;
  await pass(10_000, () => assert.equal(elector.acts, false));
  stopped.resolve();
  await until("it leads again", () => elector.acts, 8_000);
  stopping = () => new Promise(() => {});
  cut = true;
  await until("it leads no more", () => !elector.acts);
  cut = false;
  const took = await until("it leads again", () => elector.acts, 40_000);
  assert.ok(took >= 10_000, `${took} ms`);
  const left = elector.leave();
  await Promise.all([left, pass(20_000)]);
});

test("a Lease that is deleted is made again by its holder; the others, who know that there was one, do not take it meanwhile", async () => {
  const { time, server, pass, until } = electionWorld();
  const [a, b] = ["a", "b"].map((name) => new Elector(name, new Machine(time, 0), server, quick, { random: () => (name === "a" ? 0.99 : 0) }));
  assert.ok(a && b);
  a.start();
  await until("a leads", () => a.acts);
  b.start();
  for (let i = 0; i < 10; i++) {
    await pass(2_000 + i * 100);
    server.lease = undefined;
    await pass(5_000, () => assert.deepEqual([a.acts, b.acts], [true, false]));
  }
  await Promise.all([a.leave(), b.leave(), pass(1_000)]);
});

test("a Lease that is missing after there was one, and whose holder is gone, is made anew, and the lead begins when nobody can believe any more to have it", async () => {
  const { time, server, pass, until } = electionWorld();
  server.put(goLease(time.now()));
  const elector = new Elector("a", new Machine(time, 0), server, quick).start();
  await pass(3_000);
  server.lease = undefined;
  await until("it is claimed", () => server.holder === "a", 8_000);
  const took = await until("it leads", () => elector.acts, 40_000);
  assert.ok(took >= 15_000 && took <= 17_000, `${took} ms`);
  await Promise.all([elector.leave(), pass(1_000)]);
});

test("a Lease that somebody else has taken, by hand, ends the lead at the next look", async () => {
  for (const holderIdentity of ["someone", ""]) {
    const { time, server, pass, until } = electionWorld();
    const elector = new Elector("a", new Machine(time, 0), server, quick).start();
    await until("it leads", () => elector.acts);
    server.put({ ...specOf(server), holderIdentity });
    await until("it leads no more", () => elector.terms[0]?.aborted === true, 2_000);
    await Promise.all([elector.leave(), pass(1_000)]);
    assert.equal(server.holder, holderIdentity);
  }
});

test("one that leaves while it is about to take the lead gives back what it may have got", async () => {
  const { time, server, pass } = electionWorld();
  const elector = new Elector("a", new Machine(time, 0), server, (method) => ({ there: 5, back: method === "POST" ? 500 : 5 })).start();
  await pass(100);
  assert.equal(server.holder, "a");
  await Promise.all([elector.leave(), pass(1_000)]);
  assert.deepEqual([server.holder, elector.terms.length], ["", 0]);
});

test("without election one leads from the beginning to the end, and asks nothing", async () => {
  const { time, server, pass } = electionWorld();
  let finished = false;
  const elector = new Elector("a", new Machine(time, 0), server, quick, { enabled: false, finish: async () => void (finished = true) }).start();
  assert.equal(elector.leader.leads(), true);
  elector.machine.shift(1e9);
  await pass(100_000, () => assert.equal(elector.acts, true), 1_000);
  await elector.leave();
  assert.deepEqual([elector.leader.leads(), elector.terms[0]?.aborted, finished, server.requests], [false, true, true, []]);
});

test("an identity says where a process runs, and is its own", () => {
  assert.equal(electionIdentity("ws-manager-0", "abc"), "ws-manager-0_abc");
});

test("never do two act at the same moment, and in the end one does: random delays, losses, refusals, partitions, stops, sleep, clocks that are wrong and are set", async () => {
  let terms = 0;
  let handovers = 0;
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1 }), async (seed) => {
    const random = seededRandom(seed);
    const { time, server, pass, until } = electionWorld();
    const between = (least: number, most: number): number => least + random() * (most - least);
    let calm = false;
    const electors = Array.from({ length: 3 }, (_, i) => {
      const machine = new Machine(time, Math.round(between(-1e9, 1e9)));
      let cutUntil = 0;
      const fateOf = (): Fate => {
        if (calm) return { there: 5, back: 5 };
        if (cutUntil > time.monotonic()) return random() < 0.5 ? { there: Infinity, back: 0 } : { there: cutUntil - time.monotonic() + between(0, 100), back: 1 };
        const chance = random();
        if (chance < 0.05) return { there: between(0, 12_000), back: between(0, 12_000) };
        if (chance < 0.1) return { there: between(0, 100), back: Infinity };
        if (chance < 0.15) return { there: 1, back: 1, status: [429, 500, 503, 403][Math.floor(random() * 4)] ?? 500 };
        return { there: between(0, 50), back: between(0, 50) };
      };
      const elector = new Elector(`${i}`, machine, server, fateOf, { random, ...(random() < 0.3 && { stopped: () => new Promise<void>((resolve) => void machine.timer(between(0, 3_000), resolve)) }) }).start();
      return Object.assign(elector, { cut: (ms: number) => { cutUntil = time.monotonic() + ms; } });
    });
    const check = (): void => {
      const acting = electors.filter((elector) => elector.acts);
      assert.ok(acting.length <= 1, `seed ${seed}: ${acting.length} act at ${time.monotonic()}`);
    };
    const wake = (elector: Elector): void => elector.machine.goOn(check);
    // Each has had a look, as after some seconds of life.
    calm = true;
    await pass(3_000, check);
    calm = false;
    for (let i = 0; i < 25; i++) {
      const elector = electors[Math.floor(random() * electors.length)];
      assert.ok(elector);
      // More often the one that leads.
      const victim = random() < 0.5 ? (electors.find((each) => each.acts) ?? elector) : elector;
      const kind = random();
      const ms = between(100, 25_000);
      if (kind < 0.3) victim.cut(ms);
      else if (kind < 0.6 && victim.machine.runs) {
        victim.machine.stop(random() < 0.5);
        time.timer(ms, () => wake(victim));
      } else if (kind < 0.7 && victim.machine.runs) victim.machine.shift(Math.round(between(-60_000, 60_000)));
      else if (kind < 0.75) server.lease = undefined;
      await pass(between(50, 8_000), check, 25);
    }
    calm = true;
    for (const elector of electors) wake(elector);
    await until("one acts", () => electors.some((elector) => elector.acts), 45_000);
    await pass(20_000, check, 25);
    for (const elector of electors) {
      const others = electors.filter((each) => each !== elector && !each.ended);
      const led = elector.acts;
      void elector.leave();
      await until(`seed ${seed}: it has left`, () => elector.ended, 10_000);
      check();
      if (!led || others.length === 0) continue;
      await until(`seed ${seed}: another one leads`, () => others.some((each) => each.acts), 2_000);
      handovers++;
    }
    terms += electors.reduce((sum, elector) => sum + elector.terms.length, 0);
  }), { numRuns: 20 });
  // It would be no test if nobody ever led, or the lead never changed.
  assert.ok(terms > 20 * 3 && handovers >= 10, `${terms} terms, ${handovers} handovers`);
});
