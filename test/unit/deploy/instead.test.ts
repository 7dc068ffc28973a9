/** What the image leaves out of libraries: statements with what needs them, and second copies of packages. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { shortJson, withoutModules } from "../../../scripts/image/instead.ts";
import type { LockedPackage } from "../../../scripts/image/lock.ts";
import { twinsOf } from "../../../scripts/image/twins.ts";

test("with a module go the statements that need it, and those that need these", () => {
  const program = [
    "const a = require('./a')", "const { b, c: d } = require('./left/out')", "class E extends d {}", "function f() { return new E() }", "exports.a = a", "exports.E = E", "exports.f = f", "exports.g = { h: require('./left/too') }", "exports.b = 1",
  ].join("\n");
  assert.equal(withoutModules(program, /^\.\/left\//), "const a = require('./a')\nexports.a = a\n");
  assert.equal(withoutModules(program, /^\.\/none\//), `${program}\n`);
});

test("of a package.json stays what Node.js reads, of other JSON everything", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-instead-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "a"));
  const manifest = { name: "a", version: "1.0.0", scripts: { test: "x" }, exports: { ".": { types: "./a.d.ts", browser: "./b.js", import: "./a.mjs", default: "./a.js" }, "./types": "./t.js" }, type: "module" };
  writeFileSync(join(folder, "a/package.json"), JSON.stringify(manifest, undefined, 2));
  writeFileSync(join(folder, "a/data.json"), "[\n  1,\n  { }\n]\n");
  assert.equal(shortJson(folder, "a/package.json"), '{"name":"a","version":"1.0.0","type":"module","exports":{".":{"import":"./a.mjs","default":"./a.js"},"./types":"./t.js"}}\n');
  assert.equal(shortJson(folder, "a/data.json"), "[1,{}]\n");
});

test("packages are the same if they and all that they depend on are", () => {
  const found = (path: string, version: string, ...dependsOn: readonly string[]): LockedPackage =>
    ({ path, name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length), version, license: "", integrity: version, dependsOn });
  const packages = [
    found("node_modules/a", "1", "node_modules/c"),
    found("node_modules/b/node_modules/a", "1", "node_modules/c"),
    found("node_modules/b", "1", "node_modules/b/node_modules/a"),
    found("node_modules/c", "1"),
    // Another version, another dependency, and a folder with a package in it.
    found("node_modules/d/node_modules/a", "2", "node_modules/c"),
    found("node_modules/e/node_modules/a", "1", "node_modules/e/node_modules/c"),
    found("node_modules/e/node_modules/c", "2"),
    found("node_modules/f/node_modules/a", "1", "node_modules/c"),
    found("node_modules/f/node_modules/a/node_modules/g", "1"),
  ];
  assert.deepEqual([...twinsOf(packages)], [["node_modules/b/node_modules/a", "node_modules/a"]]);
  const round = [found("node_modules/x", "1", "node_modules/y"), found("node_modules/y", "1", "node_modules/x"), found("node_modules/z/node_modules/x", "1", "node_modules/y")];
  assert.doesNotThrow(() => twinsOf(round), "what leads back to itself is no trouble");
});
