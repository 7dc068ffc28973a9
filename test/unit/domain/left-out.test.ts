/** Parts that an installation may leave out. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ifInstalled } from "../../../src/domain/left-out.ts";

test("a part that is there is loaded; one that is not there, or needs something that is not there, is none; one that fails, fails", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-part-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const load = (name: string): (() => Promise<unknown>) => (): Promise<unknown> => import(join(folder, name));
  writeFileSync(join(folder, "there.mjs"), "export default 1;");
  writeFileSync(join(folder, "half.mjs"), 'import "no-such-package";');
  writeFileSync(join(folder, "broken.mjs"), 'throw new Error("broken");');
  assert.notEqual(await ifInstalled(load("there.mjs")), undefined);
  assert.equal(await ifInstalled(load("not-there.mjs")), undefined);
  assert.equal(await ifInstalled(load("half.mjs")), undefined);
  await assert.rejects(ifInstalled(load("broken.mjs")), /^Error: broken$/);
});
