/** The daemon's heap: its young generation has its size again under load, also after V8 has shrunk it at rest. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { suite, test } from "node:test";

const module = new URL("../../src/main/heap.ts", import.meta.url).href;
/** Tells the sizes in MiB: once shaped, at rest, under load. In a process of its own: flags are the whole process'. */
const program = `
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { setTimeout as sleep } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import { shapeHeap } from ${JSON.stringify(module)};
const size = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size / 1024 / 1024;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
shapeHeap();
const sizes = [size()];
for (const end = Date.now() + 20_000; size() >= 8 && Date.now() < end; collect()) await sleep(500);
sizes.push(size());
let kept = [];
for (const end = Date.now() + 20_000; size() < 8 && Date.now() < end; await sleep(1)) {
  for (let i = 0; i < 60; i++) kept.push(Array.from({ length: 1024 }, (_, j) => j));
  if (kept.length > 1500) kept = [];
}
sizes.push(size());
console.log(JSON.stringify(sizes));
`;

suite("heap", () => {
  test("the young generation grows again after it was shrunk at rest", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { timeout: 60_000 });
    const sizes: unknown = JSON.parse(stdout);
    assert.ok(Array.isArray(sizes));
    const [shaped, rest, load] = sizes.map(Number);
    assert.equal(shaped, 8);
    assert.ok(rest !== undefined && rest < 8, `shrunk at rest to ${rest} MiB`);
    assert.ok(load !== undefined && load >= 8, `under load ${load} MiB`);
  });
});
