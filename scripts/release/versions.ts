/** Whether all that names the version names the same one. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { asObject, objectAt, parseObject, stringAt } from "../../src/domain/json.ts";
import { sectionsOf } from "./changelog.ts";

/** The chart, relative to the root. */
export const chartFolder = "deploy/helm/wsmand";

/**
 * What does not agree with the version in package.json; empty if all does.
 * @param told what `wsmand --version` prints.
 */
export function versionProblems(root: string, told: string): readonly string[] {
  const version = stringAt(readJson(root, "package.json"), "version") ?? "";
  if (!/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version)) return [`package.json: ${JSON.stringify(version)} is no version`];
  const lock = readJson(root, "package-lock.json");
  const named: [string, string | undefined][] = [
    ["package-lock.json", stringAt(lock, "version")],
    ["package-lock.json, packages", stringAt(objectAt(objectAt(lock, "packages"), ""), "version")],
    ["wsmand --version", /^wsmand (\S+)/.exec(told)?.[1]],
    ...chartVersions(root),
    ...imageVersions(root),
  ];
  const differing = named.filter(([, found]) => found !== version).map(([where, found]) => `${where} says ${found ?? "nothing"}, package.json ${version}`);
  return [...differing, ...changelogProblems(readFileSync(join(root, "CHANGELOG.md"), "utf8"), version)];
}

function chartVersions(root: string): readonly [string, string | undefined][] {
  const file = join(root, chartFolder, "Chart.yaml");
  if (!existsSync(file)) return [];
  const chart = asObject(parse(readFileSync(file, "utf8")));
  return ["version", "appVersion"].map((key) => [`Chart.yaml, ${key}`, stringAt(chart, key)]);
}

/** Names of the image in its recipe. */
function imageVersions(root: string): readonly [string, string | undefined][] {
  const file = join(root, "deploy/image/Containerfile");
  if (!existsSync(file)) return [];
  return [...readFileSync(file, "utf8").matchAll(/\bwsmand:(\d[\w.-]*)/g)].map(([, version]) => ["deploy/image/Containerfile", version]);
}

/** The newest section is the version's own or, before it is released, one without a version; no released version is newer than that of package.json. */
function changelogProblems(changelog: string, version: string): readonly string[] {
  const [first, ...others] = sectionsOf(changelog);
  if (first === undefined) return ["CHANGELOG.md has no sections"];
  const released = [first, ...others].filter(({ title }) => title !== "Unreleased").map(({ title }) => title);
  return [
    ...(first.title === "Unreleased" || first.title === version ? [] : [`CHANGELOG.md begins with ${first.title}, package.json says ${version}`]),
    ...released.filter((title) => isNewer(title, version)).map((title) => `CHANGELOG.md has a section ${title}, which is newer than ${version} in package.json`),
  ];
}

function isNewer(a: string, b: string): boolean {
  const numbers = (text: string): readonly number[] => (text.split("-")[0] ?? "").split(".").map(Number);
  const [of, than] = [numbers(a), numbers(b)];
  const at = of.findIndex((number, i) => number !== than[i]);
  return at >= 0 && (of[at] ?? 0) > (than[at] ?? 0);
}

function readJson(root: string, file: string): ReturnType<typeof parseObject> {
  return parseObject(readFileSync(join(root, file)));
}
