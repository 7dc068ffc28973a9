/** The reflector against a server that fails at random: once it stops failing, the sink holds what the server holds. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { statusObject, type Answer } from "../../support/fake-apiserver.ts";
import { pod } from "./helpers.ts";
import { startBench } from "./setup.ts";

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

interface Change {
  readonly version: number;
  readonly line: string;
}

/** A small store with a history that is compacted, served with faults. */
class FaultyStore {
  readonly objects = new Map<string, string>();
  readonly #random: () => number;
  readonly #watchers = new Set<Answer>();
  #history: Change[] = [];
  #version = 100;
  #oldest = 100;
  faults = true;

  constructor(random: () => number) {
    this.#random = random;
  }

  change(): void {
    const name = `p${Math.floor(this.#random() * 20)}`;
    const version = String(++this.#version);
    const type = this.objects.has(name) ? (this.#random() < 0.3 ? "DELETED" : "MODIFIED") : "ADDED";
    if (type === "DELETED") this.objects.delete(name);
    else this.objects.set(name, version);
    const line = `${JSON.stringify({ type, object: pod(name, version) })}\n`;
    this.#history.push({ version: this.#version, line });
    if (this.#history.length > 40) {
      this.#history = this.#history.slice(-20);
      this.#oldest = (this.#history[0]?.version ?? this.#version) - 1;
    }
    for (const watcher of this.#watchers) this.#send(watcher, line);
  }

  readonly handle = (answer: Answer): void => {
    if (this.faults && this.#random() < 0.25) return this.#refuse(answer);
    return answer.request.watch ? this.#watch(answer) : this.#list(answer);
  };

  #refuse(answer: Answer): void {
    const kinds = [() => answer.reset(), () => answer.status(500, "InternalError"), () => answer.status(429, "TooManyRequests", { headers: { "retry-after": "1" } }), () => answer.status(410, "Expired"), () => answer.status(401, "Unauthorized"), () => answer.raw('{"metadata":{"resourceV').end(), () => undefined];
    kinds[Math.floor(this.#random() * kinds.length)]?.();
  }

  /** Two pages, both of this moment: the second's content travels in its token. */
  #list(answer: Answer): void {
    const token = answer.request.query.get("continue");
    if (token !== null) {
      const page: unknown = JSON.parse(token);
      assert.ok(Array.isArray(page));
      const [version, ...items] = page.map(String);
      return answer.list(version ?? "", items.map((item) => pod(item.split("=")[0] ?? "", item.split("=")[1] ?? "")));
    }
    const all = [...this.objects].map(([name, version]) => `${name}=${version}`);
    const rest = JSON.stringify([String(this.#version), ...all.slice(5)]);
    return answer.list(String(this.#version), all.slice(0, 5).map((item) => pod(item.split("=")[0] ?? "", item.split("=")[1] ?? "")), { continue: rest });
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
    else if (fate > 0.15) watcher.raw(line);
    else {
      this.#watchers.delete(watcher);
      if (fate < 0.03) watcher.raw(line.slice(0, 20)).end();
      else if (fate < 0.06) watcher.reset();
      else if (fate < 0.08) watcher.event("ERROR", statusObject(500, "InternalError"));
      else if (fate < 0.1) watcher.raw("nonsense\n");
      else if (fate < 0.13) watcher.raw(line).bookmark(String(this.#version)).end();
      // Otherwise it falls silent for good.
    }
  }
}

describe("random faults", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`of seed ${seed} leave no difference behind`, async (t) => {
      const random = seeded(seed);
      const store = new FaultyStore(random);
      const bench = await startBench(t, { prepare: (server) => void (server.handle = store.handle) });
      bench.sink.hold = () => (random() < 0.2 ? new Promise((resolve) => setTimeout(resolve, 1)) : undefined);
      for (let i = 0; i < 300; i++) {
        store.change();
        await new Promise((resolve) => setTimeout(resolve, 1));
        bench.clock.advance(150);
      }
      store.faults = false;
      const same = (): boolean => isDeepStrictEqual(new Map(bench.sink.known), store.objects);
      await bench.until(() => same() && bench.server.watches.length > 0, "the same objects", 200);
      for (let i = 0; i < 10; i++) store.change();
      await bench.until(same, "the same objects after more changes", 200);
      assert.ok(bench.server.requests.length < 2000, `${bench.server.requests.length} requests`);
    });
  }
});
