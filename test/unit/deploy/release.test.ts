/** A release: the versions agree, the changelog has its section, and the chart is packed as helm does it. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { sha256Of } from "../../../scripts/image/archive.ts";
import { notesOf, sectionsOf } from "../../../scripts/release/changelog.ts";
import { chartFiles, packChart } from "../../../scripts/release/chart.ts";
import { chartFolder, versionProblems } from "../../../scripts/release/versions.ts";
import { noHelm, runHelm } from "../../support/chart.ts";
import { entry } from "../../support/entry.ts";
import { entriesOf } from "../../support/tar.ts";

const epoch = 1_700_000_000;

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-release-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

test("versions agree: package.json, lock file, chart, changelog, wsmand --version", () => {
  assert.deepEqual(versionProblems(".", execFileSync(process.execPath, [entry, "--version"], { encoding: "utf8" })), []);
});

test("each place that names another version is told", (t) => {
  const folder = newFolder(t);
  write(folder, {
    "package.json": '{"version": "1.2.3"}',
    "package-lock.json": '{"version": "1.2.3", "packages": {"": {"version": "1.2.3"}}}',
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- x\n\n## 1.2.3 - 2030-01-01\n\n- y\n",
    [`${chartFolder}/Chart.yaml`]: 'version: 1.2.3\nappVersion: "1.2.3"\n',
    "deploy/image/Containerfile": "# podman build -t wsmand:1.2.3 .\nFROM scratch\n",
  });
  assert.deepEqual(versionProblems(folder, "wsmand 1.2.3 (Node.js 24.0.0)\n"), []);
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["package.json", '{"version": "1.2"}', /package\.json: "1\.2" is no version/],
    ["package-lock.json", '{"version": "1.2.3", "packages": {"": {"version": "1.2.2"}}}', /package-lock\.json, packages says 1\.2\.2, package\.json 1\.2\.3/],
    [`${chartFolder}/Chart.yaml`, "version: 1.2.3\n", /Chart\.yaml, appVersion says nothing/],
    ["deploy/image/Containerfile", "# podman build -t wsmand:1.2.1 .\nFROM scratch\n", /deploy\/image\/Containerfile says 1\.2\.1, package\.json 1\.2\.3/],
    ["CHANGELOG.md", "# Changelog\n\n## 1.2.2\n\n- y\n", /CHANGELOG\.md begins with 1\.2\.2/],
    ["CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 1.10.0\n\n- y\n", /section 1\.10\.0, which is newer than 1\.2\.3/],
  ];
  for (const [file, content, expected] of cases) {
    const before = readFileSync(join(folder, file), "utf8");
    writeFileSync(join(folder, file), content);
    const problems = versionProblems(folder, "wsmand 1.2.3 (Node.js 24.0.0)\n");
    assert.equal(problems.length, 1, String(problems));
    assert.match(problems[0] ?? "", expected);
    writeFileSync(join(folder, file), before);
  }
  assert.match(versionProblems(folder, "wsmand 1.2.4 (Node.js 24.0.0)\n").join(), /wsmand --version says 1\.2\.4/);
});

test("the notes of a release are its section of the changelog", () => {
  const changelog = "# Changelog\n\nNotes.\n\n## Unreleased\n\n- new\n\n## [1.1.0] - 2030-01-02\n\n- a\n  b\n\n### More\n\n- c\n\n## 1.0.0\n";
  assert.deepEqual(sectionsOf(changelog).map(({ title }) => title), ["Unreleased", "1.1.0", "1.0.0"]);
  assert.equal(notesOf(changelog, "1.1.0"), "- a\n  b\n\n### More\n\n- c");
  assert.throws(() => notesOf(changelog, "1.0.0"), /says nothing under "## 1\.0\.0"/);
  assert.throws(() => notesOf(changelog, "2.0.0"), /no section "## 2\.0\.0"/);
  assert.ok(sectionsOf(readFileSync("CHANGELOG.md", "utf8")).length > 0);
});

test("a chart is packed without what .helmignore names, with the same bytes wherever and whenever", async (t) => {
  const files = {
    "Chart.yaml": "name: small\nversion: 0.3.0\n", "values.yaml": "a: 1\n", "templates/a.yaml": "x", "templates/_h.tpl": "y", "files/rules/r.yaml": "r", "files/rules/r.test.yaml": "t",
    "ci/default-values.yaml": "c", "files/ci": "a file of that name", "old.tgz": "z", ".helmignore": "# what stays out\n*.tgz\nci/\nfiles/rules/*.test.yaml\n.git*\n", ".gitkeep": "",
  };
  const [one, other] = [newFolder(t), newFolder(t)];
  write(one, files);
  write(other, Object.fromEntries(Object.entries(files).toReversed()));
  const expected = [".helmignore", "Chart.yaml", "files/ci", "files/rules/r.yaml", "templates/_h.tpl", "templates/a.yaml", "values.yaml"];
  assert.deepEqual(chartFiles(one), expected);
  const packed = await packChart(one, epoch);
  assert.equal(packed.file, "small-0.3.0.tgz");
  assert.equal(sha256Of(packed.bytes), sha256Of((await packChart(other, epoch)).bytes));
  const entries = await entriesOf(gunzipSync(packed.bytes));
  assert.deepEqual(entries.map(({ name }) => name), expected.map((file) => `small/${file}`));
  assert.equal(entries.find(({ name }) => name === "small/Chart.yaml")?.text, files["Chart.yaml"]);
  write(one, { ".helmignore": "!kept\n" });
  await assert.rejects(packChart(one, epoch), /"!kept" can not be followed/);
  await assert.rejects(packChart(newFolder(t), epoch), /holds no chart/);
});

test("helm accepts the packed chart", { skip: (await noHelm()) ?? false }, async (t) => {
  const folder = newFolder(t);
  const { file, bytes } = await packChart(chartFolder, epoch);
  writeFileSync(join(folder, file), bytes);
  await runHelm("lint", join(folder, file));
});

test("a release asks for a tag that there is, and says so before it does anything", (t) => {
  const run = (...args: readonly string[]): ReturnType<typeof spawnSync> => spawnSync(process.execPath, ["scripts/release.ts", ...args, "--out", join(newFolder(t), "out")], { encoding: "utf8", timeout: 60_000 });
  const wrong = run("1.2.3");
  assert.deepEqual([wrong.status, /must be a tag such as v1\.2\.3/.test(String(wrong.stderr))], [2, true]);
  const missing = run("v9999.0.0");
  assert.equal(missing.status, 1);
  assert.match(String(missing.stderr), /error: there is no such tag: refs\/tags\/v9999\.0\.0/);
});

test("a tag's sources are checked before anything is installed", (t) => {
  const folder = newFolder(t);
  cpSync("scripts", join(folder, "scripts"), { recursive: true });
  cpSync("src", join(folder, "src"), { recursive: true });
  write(folder, { "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- x\n", "package.json": '{"type": "module"}' });
  const git = (...args: readonly string[]): void => void execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { stdio: "ignore" });
  git("init");
  git("add", "CHANGELOG.md", "package.json");
  git("commit", "-m", "one");
  git("tag", "v1.0.0");
  execFileSync("ln", ["-s", join(process.cwd(), "node_modules"), join(folder, "node_modules")]);
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "scripts/release.ts"), "v1.0.0", "--out", join(folder, "out")], { encoding: "utf8", timeout: 60_000 });
  assert.match(stderr, /error: CHANGELOG\.md has no section "## 1\.0\.0"/);
  assert.equal(status, 1);
  assert.equal(existsSync(join(folder, "out")), false);
});
