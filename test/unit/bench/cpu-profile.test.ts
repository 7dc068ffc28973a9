/** What is told of a CPU profile: shares of the busy time, with native code at the place that called it. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CpuProfiles } from "../../../src/bench/parts/cpu-prof.ts";
import { summarizeProfile } from "../../../src/bench/report/cpu-profile.ts";

const node = (id: number, functionName: string, url = "", children: readonly number[] = []): object => ({ id, callFrame: { functionName, url, lineNumber: 9 }, children });

/** 100 us each of: waiting, a collection, the engine, our write, writev beneath it, a package's send, its wait for a task. */
const profile = JSON.stringify({
  nodes: [
    node(1, "(root)", "", [2, 3, 4, 5, 7]), node(2, "(idle)"), node(3, "(garbage collector)"), node(4, "(program)"),
    node(5, "write", "file:///x/dist/main/rpc/streams.js", [6]), node(6, "writev"),
    node(7, "", "file:///x/node_modules/@a/b/dist/send.js", [8]), node(8, "atomicsWaitLoop", "file:///x/node_modules/piscina/dist/worker.js"),
  ],
  samples: [2, 3, 4, 5, 6, 7, 8, 2],
  timeDeltas: [5000, 100, 100, 100, 100, 100, 100, 100],
});

test("the busy time is told without waits, each part as its share of it", () => {
  const { seconds, busySeconds, places } = summarizeProfile(profile);
  assert.deepEqual([seconds, busySeconds], [700 / 1e6, 500 / 1e6]);
  assert.deepEqual(Object.fromEntries(places.map(({ name, share }) => [name, share])), { "main/rpc": 0.4, "garbage collection": 0.2, "the engine, and what it can not name": 0.2, "@a/b": 0.2 });
  assert.equal(places[0]?.name, "main/rpc");
});

test("a function is told with its file and line, native code with the place that called it", () => {
  const names = summarizeProfile(profile).functions.map(({ name }) => name);
  assert.deepEqual(names.toSorted(), ["(nameless), @a/b send.js:10", "garbage collection", "the engine, and what it can not name", "write, main/rpc streams.js:10", "writev, native, for main/rpc"]);
});

test("a profile of a thread that did nothing has no shares", () => {
  assert.deepEqual(summarizeProfile(JSON.stringify({ nodes: [node(1, "(idle)")], samples: [1, 1], timeDeltas: [0, 100] })), { seconds: 100 / 1e6, busySeconds: 0, places: [], functions: [] });
});

test("a function that is named like what all objects have is one like others", () => {
  const { places, functions } = summarizeProfile(JSON.stringify({ nodes: [node(1, "toString", "file:///x/dist/domain/a.js", [2]), node(2, "utf8Slice")], samples: [1, 2, 1], timeDeltas: [0, 100, 100] }));
  assert.deepEqual([places, functions.map(({ name }) => name)], [[{ name: "domain", share: 1 }], ["toString, domain a.js:10", "utf8Slice, native, for domain"]]);
});

test("profiles are told once each, those that were there before not at all, and a folder that can not be made is told with its flag", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-profiles-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "daemon"));
  await writeFile(join(folder, "daemon", "old.cpuprofile"), profile);
  const profiles = await CpuProfiles.open(folder);
  assert.deepEqual(await profiles.summary(), []);
  await writeFile(join(folder, "daemon", "CPU.20261127.090305.10941.1.001.cpuprofile"), profile);
  const [first, ...rest] = await profiles.summary();
  assert.equal(first, `daemon, worker thread 1: busy 0.0 s of 0.0 s (${join(folder, "daemon", "CPU.20261127.090305.10941.1.001.cpuprofile")})`);
  assert.ok(rest.some((line) => line.trim() === "40.0 %  main/rpc"));
  assert.deepEqual(await profiles.summary(), []);
  await assert.rejects(CpuProfiles.open(join(folder, "daemon", "old.cpuprofile", "x")), /^Error: --cpu-prof: the folder ".*" can not be made: a part of the path is no directory$/);
  await assert.rejects(CpuProfiles.open(join(folder, "daemon", "old.cpuprofile")), /can not be made: there is something else of that name$/);
  await assert.rejects(CpuProfiles.open(join(folder, "no", "x")), /can not be made: its folder is not there$/);
  await assert.rejects(CpuProfiles.open("/proc/x"), /can not be made/);
});
