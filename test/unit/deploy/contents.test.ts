/** What the container image holds: production dependencies alone, all that the program loads, a licence for each, and a bill of materials that tells them all. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { asObject, objectAt, objectsAt, parseObject, stringAt, textAt } from "../../../src/domain/json.ts";
import { contentsOf, filesBelow } from "../../../scripts/image/contents.ts";
import { readBase } from "../../../scripts/image/base.ts";
import { changedFiles } from "../../../scripts/image/instead.ts";
import { licenceOf } from "../../../scripts/image/licences.ts";
import { productionOf } from "../../../scripts/image/lock.ts";
import { sbomOf, npmUrl } from "../../../scripts/image/sbom.ts";
import { appLimit, makeApp, places, sizeOf } from "../../../scripts/image/tree.ts";
import { featuresProgram } from "../../support/image-features.ts";

const root = ".";
const isInstalled = (path: string): boolean => existsSync(join(root, path, "package.json"));
const lock = objectAt(parseObject(readFileSync("package-lock.json")), "packages");
const base = readBase(root);
const epoch = 1_700_000_000;
const contents = contentsOf(root);
const { packages } = contents.production;
const bareImport = /(?:from|import\() ?"([^".][^"]*)"/g;

/** The program as the image has it, made once for all tests. */
let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "wsmand-image-test-"));
  makeApp(root, folder, base, epoch);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the production packages are those of the lock file that are not marked as of development", () => {
  const walked = productionOf(root, isInstalled).packages.map(({ path }) => path);
  const marked = Object.entries(lock ?? {}).filter(([path, entry]) => path !== "" && asObject(entry)?.["dev"] !== true && asObject(entry)?.["devOptional"] !== true && isInstalled(path)).map(([path]) => path);
  assert.deepEqual(walked.toSorted(), marked.toSorted());
});

test("the image holds no package of development, and none that only the load tool needs", () => {
  const names = new Set<string>();
  for (const { path, name } of packages) {
    names.add(name);
    assert.notEqual(asObject(lock?.[path])?.["dev"], true, path);
  }
  for (const left of ["autocannon", "uplot", "hdr-histogram-js", "typescript"]) assert.equal(names.has(left), false, left);
  assert.ok(names.size > 20);
  const held = new Set(readdirSync(join(folder, "app/node_modules"), { recursive: true, encoding: "utf8" }));
  assert.deepEqual([...held].filter((path) => /\.(?:d\.[cm]?ts|map|md)$/.test(path)), []);
  assert.equal(existsSync(join(folder, "app/dist/bench")), false);
});

test("all that the program imports is there, and loads", () => {
  const used = new Set<string>();
  for (const file of filesBelow(join(folder, "app/dist")).filter((name) => name.endsWith(".js"))) {
    for (const [, specifier = ""] of readFileSync(join(folder, "app/dist", file), "utf8").matchAll(bareImport)) used.add(specifier);
  }
  const names = [...used].filter((name) => !name.startsWith("node:") && !builtinModules.includes(name) && isPackage(name));
  assert.ok(names.includes("@aws-sdk/client-s3") && names.includes("@grpc/grpc-js"), "those that are loaded when they are needed, too");
  // The whole of it is left out; what is used of it is named file by file.
  const wanted = names.filter((name) => name !== "@kubernetes/client-node");
  writeFileSync(join(folder, "app/load.mjs"), `for (const name of ${JSON.stringify(wanted)}) await import(name);\nprocess.stdout.write("all");\nprocess.exit();\n`);
  const { stdout, stderr } = spawnSync(process.execPath, [join(folder, "app/load.mjs")], { encoding: "utf8", timeout: 60_000 });
  assert.equal(stdout, "all", stderr);
});

function emptyFolder(t: TestContext): string {
  const empty = mkdtempSync(join(tmpdir(), "wsmand-image-empty-"));
  t.after(() => rmSync(empty, { recursive: true, force: true }));
  return empty;
}

/** Whether a word that looks like an import is one: its package is installed here. */
function isPackage(specifier: string): boolean {
  return existsSync(join("node_modules", ...specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1), "package.json"));
}

test("what is loaded only when it is needed works: storages, reflection, tracing, credential plugins", (t) => {
  const place = mkdtempSync(join(tmpdir(), "wsmand-image-features-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  writeFileSync(join(folder, "app/features.mjs"), featuresProgram);
  const { stdout, stderr } = spawnSync(process.execPath, [join(folder, "app/features.mjs"), place], { encoding: "utf8", timeout: 60_000 });
  rmSync(join(folder, "app/features.mjs"));
  const found = asObject(JSON.parse(stdout || "{}"));
  assert.deepEqual([found?.["s3"], found?.["s3Link"], found?.["gcloud"], found?.["gcloudLink"], found?.["undici"]], ["text/plain", true, "text/gcs", true, "body"], stderr);
  assert.ok(Number(found?.["reflection"]) > 0, "methods of reflection");
  assert.match(textAt(found, "plugin"), /made-up/);
  const seen = found?.["seen"];
  assert.ok(Array.isArray(seen) && seen.includes("POST /v1/traces") && seen.includes("HEAD /bucket/object"), String(seen));
});

test("libraries find in the shortened ones what they use of them", () => {
  const telemetry = createRequire(join(folder, "app/load.mjs"));
  const conventions: unknown = telemetry("@opentelemetry/semantic-conventions");
  const used = filesBelow(join(folder, "app/node_modules/@opentelemetry")).filter((file) => file.endsWith(".js"))
    .flatMap((file) => [...readFileSync(join(folder, "app/node_modules/@opentelemetry", file), "utf8").matchAll(/semantic_conventions_1\.(\w+)/g)].map(([, name = ""]) => name));
  assert.ok(used.length > 5);
  for (const name of used) assert.ok(asObject(conventions)?.[name] !== undefined, name);
  for (const file of changedFiles()) assert.ok(contents.files.includes(file), `${file} is in the image, or needs no change`);
});

test("a package that is installed several times in one version is there once", () => {
  assert.ok(contents.links.size > 0);
  for (const [place, target] of contents.links) {
    assert.equal(readFileSync(join(root, place, "package.json"), "utf8"), readFileSync(join(root, target, "package.json"), "utf8"));
    assert.equal(realpathSync(join(folder, "app", place)), realpathSync(join(folder, "app", target)));
  }
});

test("the program takes no more of the image than is left of it", (t) => {
  const { layers, app } = sizeOf({ base: emptyFolder(t), app: folder });
  assert.ok(layers <= appLimit, `${app} bytes of files, ${layers} as a layer; at most ${appLimit}`);
});

test("the program of the image runs, tells its version, and says what it does not have", () => {
  const entry = join(folder, "app/dist/main/index.js");
  assert.match(readFileSync(entry, "utf8"), /^#!\/usr\/bin\/node\n/, "the kernel finds Node.js without a shell");
  const { version } = contents.production;
  assert.match(execFileSync(process.execPath, [entry, "--version"], { encoding: "utf8" }), new RegExp(`^wsmand ${version.replaceAll(".", "\\.")} \\(Node`));
  const bench = spawnSync(process.execPath, [entry, "bench", "stream"], { encoding: "utf8" });
  assert.deepEqual([bench.status, bench.stderr.split("\n")[0]], [1, "error: the load tool is not part of this installation"]);
});

test("each package has the text of its licence in the image, and one that holds none gets that of the licence that it declares", () => {
  for (const found of packages) {
    const { expression, files } = licenceOf(root, found);
    assert.notEqual(expression, "", found.name);
    const at = join(folder, places.licences, "npm", `${found.name}@${found.version}`);
    assert.deepEqual(readdirSync(at).toSorted(), files.map(({ name }) => name).toSorted());
    for (const { name, text } of files) assert.ok(text.trim().length > 100, `${found.name}: ${name}`);
  }
  const index = readFileSync(join(folder, places.licences, "npm.tsv"), "utf8").trim().split("\n").slice(1);
  assert.equal(index.length, new Set(packages.map(({ name, version }) => `${name} ${version}`)).size);
});

test("a package without a licence text whose licence nobody knows is refused", (t) => {
  const place = mkdtempSync(join(tmpdir(), "wsmand-licence-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const one = { path: "node_modules/one", name: "one", version: "1.0.0", license: "Secret-1.0", integrity: "", dependsOn: [] };
  mkdirSync(join(place, one.path), { recursive: true });
  writeFileSync(join(place, one.path, "package.json"), JSON.stringify({ author: { name: "Someone" } }));
  assert.throws(() => licenceOf(place, one), /one 1\.0\.0 holds no licence text, and its licence Secret-1\.0 has no text here/);
  assert.match(licenceOf(place, { ...one, license: "MIT" }).files[0]?.text ?? "", /Copyright \(c\) Someone/);
  cpSync("LICENSE", join(place, one.path, "LICENSE"));
  assert.deepEqual(licenceOf(place, one).files.map(({ name }) => name), ["LICENSE"]);
});

test("the bill of materials tells Node.js, every Debian package and every npm package of the image, with digests, and nothing else", () => {
  const sbom = parseObject(readFileSync(join(folder, places.sbom)));
  assert.deepEqual([stringAt(sbom, "bomFormat"), stringAt(sbom, "specVersion")], ["CycloneDX", "1.5"]);
  const components = objectsAt(sbom, "components");
  const { dependsOn } = contents.production;
  const expected = [npmUrl(base.node.name, base.node.version), ...base.debian.map(({ name }) => name), ...packages.map(({ name, version }) => npmUrl(name, version))];
  const told = components.map((one) => (textAt(one, "purl").startsWith("pkg:deb/") ? textAt(one, "name") : textAt(one, "purl")));
  assert.deepEqual(told.toSorted(), [...new Set(expected)].toSorted());
  for (const one of components) assert.match(textAt(objectsAt(one, "hashes")[0], "content"), /^[0-9a-f]{64,128}$/, textAt(one, "purl"));
  const refs = new Set(components.map((one) => textAt(one, "bom-ref")));
  assert.equal(refs.size, components.length);
  const own = objectsAt(sbom, "dependencies")[0]?.["dependsOn"];
  assert.ok(Array.isArray(own) && own.length === dependsOn.length + base.debian.length + 1);
  for (const one of objectsAt(sbom, "dependencies").slice(1)) {
    const needs: unknown = one["dependsOn"];
    assert.ok(refs.has(textAt(one, "ref")) && Array.isArray(needs) && needs.every((ref) => refs.has(String(ref))), textAt(one, "ref"));
  }
});

test("the same packages give the same bill of materials, another time or package another number", () => {
  const make = (at: number, some = packages): string => JSON.stringify(sbomOf({ ...contents.production, packages: some }, base, "Apache-2.0", at, ({ license }) => license));
  assert.equal(make(epoch), make(epoch));
  const serial = (text: string): string => textAt(asObject(JSON.parse(text)), "serialNumber");
  assert.match(serial(make(epoch)), /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set([make(epoch), make(epoch + 1), make(epoch, packages.slice(1))].map((text) => serial(text))).size, 3);
});

test("Node.js is pinned by digest, in the version of the lock file, and each Debian package as well", () => {
  assert.equal(base.node.version, stringAt(objectAt(lock, "node_modules/node"), "version"), "npm run image -- refresh pins it");
  assert.match(base.node.integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
  assert.ok(base.debian.length > 3);
  for (const { name, version, sha256, files } of base.debian) {
    assert.match(sha256, /^[0-9a-f]{64}$/, name);
    assert.match(version, /^\d/, name);
    for (const file of files) assert.match(file, /^[^/]/, `${name}: paths begin without a slash`);
  }
  assert.equal(createHash("sha512").digest("base64").length, base.node.integrity.length - "sha512-".length);
});
