/** The base that images are built on where no registry is at hand: made once, and made again if the first time it was cut off. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeBuildBase } from "../../../scripts/image/builder.ts";

test("a root file system that was cut off is no base: the next time it is made anew", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-builder-"));
  const path = process.env["PATH"] ?? "";
  t.after(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true, force: true });
  });
  const [bin, work, log] = [join(folder, "bin"), join(folder, "work"), join(folder, "log")];
  mkdirSync(bin);
  const program = (name: string, body: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} "$@" >>${log}\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  process.env["PATH"] = `${bin}:${path}`;
  // As buildah does: the name of a container for "from"; of images there are none until one is committed.
  program("buildah", `case "$1" in from) echo made ;; add) cat "$4" >${folder}/added ;; commit) echo "$4" >${folder}/image ;; images) cat ${folder}/image 2>/dev/null || true ;; esac`);
  program("mmdebstrap", "printf half >$3; exit 1");
  assert.throws(() => makeBuildBase("bookworm", work), /mmdebstrap/);
  assert.equal(existsSync(join(folder, "added")), false);

  program("mmdebstrap", "printf whole >$3");
  assert.equal(makeBuildBase("bookworm", work), "localhost/wsmand-build-base:bookworm");
  assert.equal(readFileSync(join(folder, "added"), "utf8"), "whole");
  const sources = readFileSync(log, "utf8").split("\n").findLast((line) => line.startsWith("mmdebstrap")) ?? "";
  for (const suite of ["bookworm main", "bookworm-updates main", "bookworm-security main"]) assert.ok(sources.includes(` ${suite}`), `${suite} in ${sources}`);

  // It is there now: nothing is made, and no container is left.
  program("mmdebstrap", "exit 1");
  assert.equal(makeBuildBase("bookworm", work), "localhost/wsmand-build-base:bookworm");
  const calls = readFileSync(log, "utf8").split("\n");
  assert.deepEqual(["buildah from", "buildah rm made"].map((call) => calls.filter((line) => line.startsWith(call)).length), [1, 1]);
});
