/** What is made of a build says truly of which commit it is: no build that is older than the sources, and a word where files were changed. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test, type TestContext } from "node:test";
import { builtEntry, refuseOldBuild } from "../../../scripts/built.ts";
import { revisionOf } from "../../../scripts/image/whole.ts";

/** A folder with files that are as old as their order says. */
function folderOf(t: TestContext, ...files: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-built-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const part of ["src", "proto"]) mkdirSync(join(folder, part));
  for (const [i, file] of files.entries()) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), "x");
    utimesSync(join(folder, file), 1_700_000_000 + i, 1_700_000_000 + i);
  }
  return folder;
}

test("a build that is newer than all sources is taken, whatever else is newer", (t) => {
  refuseOldBuild(folderOf(t, "src/main/run.ts", "proto/core.proto", builtEntry, "src/README.md", "proto/notes"));
});

test("a source that is newer than the build is named, and so is a build that is not there", (t) => {
  assert.throws(() => refuseOldBuild(folderOf(t, builtEntry, "src/main/run.ts")), { message: "dist/ is older than src/main/run.ts: npm run build first" });
  assert.throws(() => refuseOldBuild(folderOf(t, builtEntry, "proto/core.proto")), { message: "dist/ is older than proto/core.proto: npm run build first" });
  assert.throws(() => refuseOldBuild(folderOf(t, "src/main/run.ts")), { message: "dist/ holds no build: npm run build first" });
});

test("neither tree nor archive is made of an old build, nor an archive of an old tree", (t) => {
  const root = folderOf(t, builtEntry);
  for (const part of ["scripts", "src", "package.json"]) cpSync(part, join(root, part), { recursive: true });
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  const said = (step: string): string => spawnSync(process.execPath, ["scripts/image.ts", step], { cwd: root, encoding: "utf8" }).stderr;
  for (const step of ["tree", "archive"]) assert.match(said(step), /^error: dist\/ is older than src\/.*\.ts: npm run build first\n$/, step);
  utimesSync(join(root, builtEntry), new Date(), new Date());
  assert.match(said("archive"), /^error: .*image-out holds no tree: step tree comes first\n$/);
  const inTree = join(root, "image-out/app/app", builtEntry);
  mkdirSync(join(inTree, ".."), { recursive: true });
  writeFileSync(inTree, "");
  utimesSync(inTree, 1_700_000_000, 1_700_000_000);
  assert.match(said("archive"), /^error: the tree in .*image-out is older than dist\/: step tree comes first\n$/);
});

test("the revision is the commit's, and says so where files of it were changed", (t) => {
  const root = folderOf(t, "src/one.ts");
  assert.equal(revisionOf(root), "unknown");
  const git = (...args: readonly string[]): string => execFileSync("git", ["-C", root, "-c", "user.name=x", "-c", "user.email=x@example.com", ...args], { encoding: "utf8" }).trim();
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "--message", "one");
  const commit = git("rev-parse", "HEAD");
  writeFileSync(join(root, "of-no-commit"), "");
  assert.equal(revisionOf(root), commit);
  writeFileSync(join(root, "src/one.ts"), "changed");
  assert.equal(revisionOf(root), `${commit}-dirty`);
});
