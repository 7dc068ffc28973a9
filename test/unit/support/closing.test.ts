/** What tests left open is closed at the end of their file. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

test("a file one of whose hooks fails before others have closed what they opened ends at once, as failed; what was closed is not closed again", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-closing-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "leaves.test.mjs");
  await writeFile(file, `
    import { createServer } from "node:net";
    import { after, test } from "node:test";
    import { closedAtLast } from ${JSON.stringify(new URL("../../support/closing.ts", import.meta.url).href)};
    const opened = (name, fails) => {
      const server = createServer().listen(0, "127.0.0.1");
      return closedAtLast(async () => {
        console.error("closing " + name);
        server.close();
        if (fails) throw new Error(name + " has shown a secret");
      });
    };
    const cluster = opened("cluster", false);
    after(() => cluster());
    test("leaves something open", (t) => {
      const [first, second, third] = [opened("first", true), opened("second", true), opened("third", false)];
      for (const close of [first, second, third]) t.after(() => close());
    });
  `);
  const env = { ...process.env };
  // Else it takes itself for a part of this run.
  delete env["NODE_TEST_CONTEXT"];
  const { code, out, err } = await new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    execFile(process.execPath, [file], { env, timeout: 60_000 }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, out: stdout, err: stderr }));
  });
  assert.equal(code, 1, `${out}${err}`);
  assert.deepEqual(err.match(/closing .*/g), ["closing first", "closing third", "closing second", "closing cluster"]);
  assert.match(out, /first has shown a secret/);
});
