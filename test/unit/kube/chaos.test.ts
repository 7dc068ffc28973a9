/** The reflector against a server that fails at random: once it stops failing, whoever takes what it reads holds what the server holds. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { wsman } from "../../../src/gen/proto.js";
import { statusObject, type Answer } from "../../support/fake-apiserver.ts";
import type { PodState } from "../../support/pods.ts";
import { podOf, startCore } from "../pipeline/core.ts";
import { pod } from "./helpers.ts";
import { startBench, type Bench } from "./setup.ts";

const { STOPPED } = wsman.WorkspacePhase;

/** Numbers in [0, 1) from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An object as the server has it. */
interface Stored {
  readonly name: string;
  /** Which one of that name. */
  readonly uid: string;
  readonly version: string;
}

interface Change {
  readonly version: number;
  readonly line: string;
}

/** Items of a page. */
const pageItems = 4;

/** A small store with a history that is compacted, served with faults; pages of lists take their time, while the store changes. */
class FaultyStore {
  readonly objects = new Map<string, Stored>();
  readonly #random: () => number;
  readonly #json: (stored: Stored) => object;
  readonly #watchers = new Set<Answer>();
  /** By continue token, what a list has yet to bring. */
  readonly #pages = new Map<string, { readonly version: string; readonly rest: readonly Stored[] }>();
  /** What is answered later. */
  #waiting: (() => void)[] = [];
  #history: Change[] = [];
  #version = 100;
  #oldest = 100;
  #made = 0;
  faults = true;

  constructor(random: () => number, json: (stored: Stored) => object) {
    this.#random = random;
    this.#json = json;
  }

  change(): void {
    const name = `p${Math.floor(this.#random() * 20)}`;
    const version = String(++this.#version);
    const known = this.objects.get(name);
    const type = known ? (this.#random() < 0.3 ? "DELETED" : "MODIFIED") : "ADDED";
    const stored = { name, uid: known?.uid ?? `${name}-${++this.#made}`, version };
    if (type === "DELETED") this.objects.delete(name);
    else this.objects.set(name, stored);
    const line = `${JSON.stringify({ type, object: this.#json(stored) })}\n`;
    this.#history.push({ version: this.#version, line });
    if (this.#history.length > 60) {
      this.#history = this.#history.slice(-30);
      this.#oldest = (this.#history[0]?.version ?? this.#version) - 1;
    }
    for (const watcher of this.#watchers) this.#send(watcher, line);
    this.#answerSome();
  }

  readonly handle = (answer: Answer): void => {
    if (this.faults && this.#random() < 0.12) return this.#refuse(answer);
    return answer.request.watch ? this.#watch(answer) : this.#list(answer);
  };

  #answerSome(): void {
    const due = this.#waiting.filter(() => this.#random() < 0.4);
    this.#waiting = this.#waiting.filter((answer) => !due.includes(answer));
    for (const answer of due) answer();
  }

  #refuse(answer: Answer): void {
    const kinds = [() => answer.reset(), () => answer.status(500, "InternalError"), () => answer.status(429, "TooManyRequests", { headers: { "retry-after": "1" } }), () => answer.status(410, "Expired"), () => answer.status(401, "Unauthorized"), () => answer.raw('{"metadata":{"resourceV').end(), () => undefined];
    kinds[Math.floor(this.#random() * kinds.length)]?.();
  }

  /** Pages of one moment, each sent later. */
  #list(answer: Answer): void {
    const { version, rest } = this.#pages.get(answer.request.query.get("continue") ?? "") ?? { version: String(this.#version), rest: [...this.objects.values()] };
    const token = String(this.#pages.size);
    this.#pages.set(token, { version, rest: rest.slice(pageItems) });
    const metadata = rest.length > pageItems ? { continue: token } : {};
    this.#waiting.push(() => answer.list(version, rest.slice(0, pageItems).map(this.#json), metadata));
    if (!this.faults) for (const send of this.#waiting.splice(0)) send();
  }

  #watch(answer: Answer): void {
    const from = Number(answer.request.query.get("resourceVersion"));
    if (from < this.#oldest) return answer.event("ERROR", statusObject(410, "Expired")).end();
    answer.open();
    for (const { version, line } of this.#history) if (version > from) answer.raw(line);
    this.#watchers.add(answer);
  }

  #send(watcher: Answer, line: string): void {
    const fate = this.faults ? this.#random() : 1;
    if (watcher.closed) this.#watchers.delete(watcher);
    else if (fate > 0.1) watcher.raw(line);
    else {
      this.#watchers.delete(watcher);
      if (fate < 0.02) watcher.raw(line.slice(0, 20)).end();
      else if (fate < 0.04) watcher.reset();
      else if (fate < 0.05) watcher.event("ERROR", statusObject(500, "InternalError"));
      else if (fate < 0.06) watcher.event("ERROR", statusObject(410, "Expired"));
      else if (fate < 0.07) watcher.raw("nonsense\n");
      else if (fate < 0.09) watcher.raw(line).bookmark(String(this.#version)).end();
      // Otherwise it falls silent for good.
    }
  }
}

/** Lets the store change, with and then without faults. @param same whether the sink holds what the store holds. */
async function live(bench: Bench, store: FaultyStore, same: () => boolean, pass: (ms: number) => void = () => {}): Promise<void> {
  for (let i = 0; i < 500; i++) {
    store.change();
    await new Promise((resolve) => setTimeout(resolve, 1));
    bench.clock.advance(150);
    pass(150);
  }
  store.faults = false;
  const whenSame = (): boolean => {
    pass(200);
    return same();
  };
  await bench.until(() => whenSame() && bench.server.watches.length > 0, "the same objects", 200);
  for (let i = 0; i < 10; i++) store.change();
  await bench.until(whenSame, "the same objects after more changes", 200);
  assert.ok(bench.server.requests.length < 2000, `${bench.server.requests.length} requests`);
}

describe("random faults", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`of seed ${seed} leave no difference behind`, async (t) => {
      const random = seeded(seed);
      const store = new FaultyStore(random, ({ name, version }) => pod(name, version));
      const bench = await startBench(t, { limits: { firstPageSize: 2, pageSize: 4, silenceMs: 3000, listIdleMs: 3000 }, prepare: (server) => void (server.handle = store.handle) });
      bench.sink.hold = () => (random() < 0.2 ? new Promise((resolve) => setTimeout(resolve, 1)) : undefined);
      await live(bench, store, () => isDeepStrictEqual(bench.sink.known, new Map([...store.objects].map(([name, { version }]) => [name, version]))));
      assert.ok(!bench.sink.calls.includes("item of no list"));
    });
  }
});

const states: readonly PodState[] = ["creating", "initializing", "running", "running", "stopping"];

/** What was told of each pod: STOPPED once and last, versions that rise. */
function checkTold(core: ReturnType<typeof startCore>): void {
  for (const own of Map.groupBy(core.told(), ({ metadata }) => metadata?.annotations?.["uid"] ?? "").values()) {
    const stopped = own.findIndex(({ phase }) => phase === STOPPED);
    assert.ok(stopped < 0 || stopped === own.length - 1, "STOPPED is the last word");
    const versions = own.map(({ statusVersion }) => BigInt(statusVersion?.toString() ?? "0"));
    assert.ok(versions.every((version, i) => i === 0 || version > (versions[i - 1] ?? 0n)), "versions rise");
  }
}

/** The whole way: reflector, pipeline, state. */
async function liveThrough(t: TestContext, seed: number): Promise<void> {
  const random = seeded(seed);
  const object = ({ name, uid, version }: Stored): object => podOf(name, states[Number(version) % states.length] ?? "running", Number(version), { uid, annotations: { "gitpod.io/annotation.uid": uid } });
  const store = new FaultyStore(random, object);
  const core = startCore({
    fetchPod: (name) => {
      const stored = store.objects.get(name.replace(/^ws-/, ""));
      return Promise.resolve(stored && Buffer.from(JSON.stringify(object(stored))));
    },
  });
  t.after(() => {
    core.rereader.close();
    core.pipeline.close();
  });
  const bench = await startBench(t, { sink: core.pipeline, limits: { firstPageSize: 2, pageSize: 4, silenceMs: 3000, listIdleMs: 3000 }, prepare: (server) => void (server.handle = store.handle) });
  const known = (): Map<string, string> => new Map([...core.store.registry.records()].map(({ uid, resourceVersion }) => [uid, resourceVersion]));
  const there = (): Map<string, string> => new Map([...store.objects.values()].map(({ uid, version }) => [uid, version]));
  await live(bench, store, () => isDeepStrictEqual(known(), there()), (ms) => core.clock.advance(ms));
  checkTold(core);
}

describe("random faults, through pipeline and state", () => {
  for (const seed of [11, 12, 13, 14]) test(`of seed ${seed} leave no difference behind, and break no rule on the way`, (t) => liveThrough(t, seed));
});
