/** The replayer: it answers as an API server would whose pods change by a plan, and keeps nothing waiting beyond its bounds. */
import { afterEach, describe, test } from "node:test";
import assert from "node:assert/strict";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { systemClock } from "../../../../src/domain/clock.ts";
import { makeWorkspacePod } from "../../../../src/embedded/demo/pods.ts";
import { Replay, replayedId } from "../../../../src/embedded/replay/index.ts";
import type { ReplayPlan } from "../../../../src/embedded/replay/index.ts";
import { until } from "../../../support/until.ts";

const stampAnnotation = "gitpod.io/annotation.bench";
const podSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), resourceVersion: z.string(), annotations: z.record(z.string(), z.string()) }),
  status: z.object({ phase: z.string() }),
});
const listSchema = z.object({ kind: z.literal("PodList"), metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional(), remainingItemCount: z.number().optional() }), items: z.array(podSchema) });
const lineSchema = z.object({ type: z.string(), object: podSchema.extend({ kind: z.literal("Pod") }) });
const path = "/api/v1/namespaces/default/pods";
const never = new AbortController().signal;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function started(count: number, size = 0): Promise<Replay> {
  const replay = await Replay.start({ count, size, namespace: "default", stampAnnotation, clock: systemClock });
  closers.push(() => replay.close());
  return replay;
}

/** A plan that begins now. */
function planOf(base: number, total: number, workspaces: number, interval = 0, first = 0): ReplayPlan {
  return { base, total, workspaces, first, interval, startAt: systemClock.monotonic() };
}

function request(replay: Replay, query: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(`${replay.url}${query}`, { agent: false }, resolve).once("error", reject));
}

async function json(replay: Replay, query: string): Promise<{ readonly code: number | undefined; readonly text: string }> {
  const response = await request(replay, query);
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { code: response.statusCode, text };
}

async function list(replay: Replay, query = ""): Promise<z.infer<typeof listSchema>> {
  return listSchema.parse(JSON.parse((await json(replay, path + query)).text));
}

interface Seen {
  readonly type: string;
  readonly name: string;
  readonly version: number;
  readonly stamp: number;
}

const seenIn = (pod: z.infer<typeof podSchema>): Omit<Seen, "type"> => ({ name: pod.metadata.name, version: Number(pod.metadata.resourceVersion), stamp: Number(pod.metadata.annotations[stampAnnotation]) });

/** Watches; the lines so far. */
async function watch(replay: Replay, query = ""): Promise<{ readonly lines: readonly Seen[]; readonly response: IncomingMessage }> {
  const response = await request(replay, `${path}?watch=1${query}`);
  closers.push(() => void response.destroy());
  const lines: Seen[] = [];
  let rest = "";
  response.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const { type, object } = lineSchema.parse(JSON.parse(part));
      lines.push({ type, ...seenIn(object) });
    }
  });
  return { lines, response };
}

const nameOf = (index: number): string => `ws-${replayedId(index)}`;

describe("a plan", () => {
  test("begins with the pod that it names, goes round, and lists show what became of each", async () => {
    const replay = await started(4);
    const { metadata } = await list(replay);
    const { lines } = await watch(replay, `&resourceVersion=${metadata.resourceVersion}`);
    await replay.play(planOf(100, 2, 4), never);
    await replay.play(planOf(200, 5, 4, 0, 2), never);
    await until("all changes", () => lines.length === 7);
    assert.deepEqual(lines.map(({ name, stamp }) => [name, stamp]), [[0, 100], [1, 101], [2, 200], [3, 201], [0, 202], [1, 203], [2, 204]].map(([pod = 0, stamp]) => [nameOf(pod), stamp]));
    const { items } = await list(replay);
    assert.deepEqual(items.map((pod) => seenIn(pod).stamp), [202, 203, 204, 201]);
  });
});

describe("a list of the replayer", () => {
  test("has every pod, of the size asked for, as makeWorkspacePod makes them", async () => {
    const replay = await started(3, 20_000);
    const { text } = await json(replay, `${path}/${nameOf(1)}`);
    assert.equal(text.length, 20_000);
    const { metadata, spec, status } = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
    const made = makeWorkspacePod({ id: replayedId(1), phase: "running", size: 0, annotations: { [stampAnnotation]: "0000000000" } });
    assert.deepEqual({ ...z.object({}).loose().parse(metadata), managedFields: 0 }, { ...made.metadata, uid: "00000000-0000-4000-8000-000000000001", resourceVersion: "1000000000", managedFields: 0 });
    assert.deepEqual(status, made.status);
    assert.deepEqual(Object.keys(z.object({}).loose().parse(spec)), Object.keys(made.spec));
    const { items, metadata: listed } = await list(replay);
    assert.deepEqual(items.map(({ metadata: { name } }) => name), [0, 1, 2].map(nameOf));
    assert.equal(listed.continue, undefined);
  });

  test("comes in pages, its metadata before the items", async () => {
    const replay = await started(5);
    const first = await list(replay, "?limit=2");
    assert.equal(first.metadata.remainingItemCount, 3);
    const second = await list(replay, `?limit=2&continue=${first.metadata.continue}`);
    const third = await list(replay, `?limit=2&continue=${second.metadata.continue}`);
    assert.deepEqual([first, second, third].map(({ items }) => items.length), [2, 2, 1]);
    assert.deepEqual([...first.items, ...second.items, ...third.items].map(({ metadata }) => metadata.name), [0, 1, 2, 3, 4].map(nameOf));
    assert.equal(third.metadata.continue, undefined);
    const { text } = await json(replay, `${path}?limit=2`);
    assert.ok(text.indexOf('"metadata"') < text.indexOf('"items"'));
  });

  test("shows one version on all its pages, whatever changes meanwhile", async () => {
    const replay = await started(4);
    await replay.play(planOf(100, 6, 4), never);
    const first = await list(replay, "?limit=2");
    await replay.play(planOf(200, 4, 4), never);
    const second = await list(replay, `?limit=2&continue=${first.metadata.continue}`);
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    assert.deepEqual([...first.items, ...second.items].map((pod) => seenIn(pod).stamp), [104, 105, 102, 103]);
    assert.deepEqual((await list(replay)).items.map((pod) => seenIn(pod).stamp), [200, 201, 202, 203]);
  });

  test("is as long as it is: larger than any buffer, and empty", async () => {
    const replay = await started(60, 20_000);
    assert.equal((await list(replay)).items.length, 60);
    assert.deepEqual((await list(replay, "?continue=1000000000-60")).items, []);
  });
});

describe("a watch of the replayer", () => {
  test("brings every change after its version, once and in order", async () => {
    const replay = await started(3);
    const { metadata } = await list(replay);
    const { lines } = await watch(replay, `&resourceVersion=${metadata.resourceVersion}`);
    assert.equal(await replay.play(planOf(7, 5, 3), never), 5);
    await until("all changes", () => lines.length >= 5);
    const first = Number(metadata.resourceVersion) + 1;
    assert.deepEqual(lines, [0, 1, 2, 3, 4].map((n) => ({ type: "MODIFIED", name: nameOf(n % 3), version: first + n, stamp: 7 + n })));
  });

  test("from an earlier version brings what was before it began, across plans", async () => {
    const replay = await started(3);
    const { metadata } = await list(replay);
    await replay.play(planOf(0, 4, 3), never);
    await replay.play(planOf(50, 3, 2), never);
    const { lines } = await watch(replay, `&resourceVersion=${Number(metadata.resourceVersion) + 2}`);
    await until("the rest", () => lines.length >= 5);
    assert.deepEqual(lines.map(({ stamp }) => stamp), [2, 3, 50, 51, 52]);
    assert.deepEqual(lines.map(({ name }) => name), [2, 0, 0, 1, 0].map(nameOf));
  });

  test("without a version introduces all pods first", async () => {
    const replay = await started(3);
    await replay.play(planOf(10, 1, 3), never);
    const { lines } = await watch(replay);
    await replay.play(planOf(20, 1, 3), never);
    await until("all", () => lines.length >= 4);
    assert.deepEqual(lines.map(({ type, stamp }) => [type, stamp]), [["ADDED", 10], ["ADDED", 0], ["ADDED", 0], ["MODIFIED", 20]]);
  });

  test("shows what lists and reads show as well", async () => {
    const replay = await started(2);
    await replay.play(planOf(10, 3, 2), never);
    const { text } = await json(replay, `${path}/${nameOf(0)}`);
    assert.equal(seenIn(podSchema.parse(JSON.parse(text))).stamp, 12);
  });

  test("from a version that is forgotten, or yet to come, is refused; so is what the replayer does not serve", async () => {
    const replay = await started(1);
    const { metadata } = await list(replay);
    for (let i = 0; i < 110; i++) await replay.play(planOf(i * 2, 2, 1), never);
    const code = async (query: string): Promise<number | undefined> => (await json(replay, query)).code;
    assert.equal(await code(`${path}?watch=1&resourceVersion=${metadata.resourceVersion}`), 410);
    assert.equal(await code(`${path}?continue=${metadata.resourceVersion}-0`), 410);
    assert.equal(await code(`${path}?watch=1&resourceVersion=${Number(metadata.resourceVersion) + 1000}`), 504);
    assert.equal(await code(`${path}?watch=1&resourceVersion=x`), 400);
    assert.equal(await code(`${path}/nobody`), 404);
    assert.equal(await code("/api/v1/nodes"), 404);
    assert.deepEqual((await list(replay)).items.map((pod) => seenIn(pod).stamp), [219]);
  });

  test("whose client does not read holds the plan back, and keeps no more than a buffer waiting", async () => {
    const replay = await started(10, 20_000);
    const { lines } = await watch(replay, "&resourceVersion=1000000000");
    const stuck = await watch(replay, "&resourceVersion=1000000000");
    stuck.response.pause();
    let made = 0;
    const done = replay.play(planOf(0, 4000, 10), never, (now) => (made = now));
    await until("the plan to stand still", async () => {
      const before = made;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return before > 0 && made === before;
    });
    assert.ok(made < 4000, `${made}`);
    assert.ok(replay.waiting <= 2 * 260 * 1024, `${replay.waiting}`);
    await until("the other watch to have what was made", () => lines.length === made);
    stuck.response.destroy();
    assert.equal(await done, 4000);
    await until("all changes", () => lines.length === 4000);
    assert.ok(lines.every(({ stamp }, i) => stamp === i));
  });

  test("of a plan with a rate brings changes when they are due", async () => {
    const replay = await started(2);
    const { lines } = await watch(replay, "&resourceVersion=1000000000");
    const begun = performance.now();
    await replay.play(planOf(0, 11, 2, 20), never);
    const took = performance.now() - begun;
    assert.ok(took >= 195, `${took}`);
    await until("all changes", () => lines.length === 11);
  });

  test("sees no more changes than were made when a plan is stopped", async () => {
    const replay = await started(2);
    const { lines } = await watch(replay, "&resourceVersion=1000000000");
    const stop = new AbortController();
    const done = replay.play(planOf(0, 1000, 2, 20), stop.signal);
    await until("some changes", () => lines.length > 2);
    stop.abort();
    const made = await done;
    assert.ok(made > 2 && made < 1000);
    await replay.play(planOf(5000, 1, 2), never);
    await until("the next plan", () => lines.at(-1)?.stamp === 5000);
    assert.equal(lines.length, made + 1);
  });
});

test("who selects other pods by their labels finds none, and is told of no change", async () => {
  const replay = await started(3);
  const other = "labelSelector=component%3Dws-daemon";
  const nodes = await list(replay, `?${other}`);
  assert.deepEqual(nodes.items, []);
  const ofNodes = await watch(replay, `&${other}&resourceVersion=${nodes.metadata.resourceVersion}`);
  const ofWorkspaces = await watch(replay, `&labelSelector=component%3Dworkspace&resourceVersion=${nodes.metadata.resourceVersion}`);
  assert.equal(await replay.play(planOf(0, 9, 3), never), 9);
  await until("the changes", () => ofWorkspaces.lines.length === 9);
  assert.deepEqual(ofNodes.lines, []);
  assert.equal((await json(replay, `${path}?labelSelector=${encodeURIComponent("a in")}`)).code, 400);
});

test("Events: none, and a watch that stays open", async () => {
  const replay = await started(1);
  const { text } = await json(replay, "/api/v1/namespaces/default/events?limit=500");
  assert.deepEqual(z.object({ items: z.array(z.unknown()) }).parse(JSON.parse(text)).items, []);
  const response = await request(replay, "/api/v1/namespaces/default/events?watch=1");
  assert.equal(response.statusCode, 200);
  response.destroy();
});
