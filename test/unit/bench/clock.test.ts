/** Tests of the clock that all processes of a measurement share. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { machineNow } from "../../../src/bench/load/clock.ts";

test("a process that starts later reads the same clock", async () => {
  const module = fileURLToPath(new URL("../../../src/bench/load/clock.ts", import.meta.url));
  const before = machineNow();
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", `import { machineNow } from ${JSON.stringify(module)}; console.log(machineNow(), Number(process.hrtime.bigint()) / 1e6)`]);
  const after = machineNow();
  const [there = 0, machine = 0] = stdout.split(" ").map(Number);
  assert.ok(there >= before && there <= after, `${before} ${there} ${after}`);
  assert.ok(there <= machine, "the other process' clock ran ahead of the machine's");
});
