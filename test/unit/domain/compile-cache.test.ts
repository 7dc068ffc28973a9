/** Compiled code that is kept: where it is written, and that nobody notices where it can not be. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { withCompiledCode } from "../../../src/domain/compile-cache.ts";

const source = new URL("../../../src/domain/compile-cache.ts", import.meta.url).href;
const later = new URL("../../../src/domain/duration.ts", import.meta.url).href;

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-compiled-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a process that keeps its code in a folder; gives all that it prints. */
async function runKeeping(where: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { NODE_COMPILE_CACHE: _, ...inherited } = process.env;
  const code = `const { keepCompiledCode } = await import(${JSON.stringify(source)}); keepCompiledCode(${JSON.stringify(where)}); await import(${JSON.stringify(later)});`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { env: { ...inherited, ...env } });
  return stdout + stderr;
}

test("compiled code is written where it is to be kept", async (t) => {
  const where = join(await folderFor(t), "deep", "kept");
  assert.equal(await runKeeping(where), "");
  assert.ok(existsSync(where));
});

test("where nothing can be written nobody is told", async (t) => {
  const file = join(await folderFor(t), "file");
  await writeFile(file, "");
  assert.equal(await runKeeping(join(file, "kept")), "");
});

test("the folder that the user names is taken, and none where it is turned off", async (t) => {
  const folder = await folderFor(t);
  const [ours, theirs] = [join(folder, "ours"), join(folder, "theirs")];
  assert.equal(await runKeeping(ours, { NODE_COMPILE_CACHE: theirs }), "");
  assert.deepEqual([existsSync(ours), existsSync(theirs)], [false, true]);
  assert.equal(await runKeeping(ours, { NODE_DISABLE_COMPILE_CACHE: "1" }), "");
  assert.equal(existsSync(ours), false);
  assert.equal(withCompiledCode({ NODE_COMPILE_CACHE: theirs })["NODE_COMPILE_CACHE"], theirs);
});
