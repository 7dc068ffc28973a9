/** Packs the chart as `helm package` does, without helm: a gzipped tar of its files, in a folder with its name. Equal files give equal bytes. */
import { existsSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { parse } from "yaml";
import { asObject, textAt } from "../../src/domain/json.ts";
import { gzipOf, tarOf } from "../image/archive.ts";
import { filesBelow } from "../image/contents.ts";

/** A packed chart. */
export interface ChartPackage {
  /** As helm names it: NAME-VERSION.tgz. */
  readonly file: string;
  readonly bytes: Buffer;
}

/** Packs a chart. @param epoch seconds since 1970, of all files. @throws Error if the folder holds no chart. */
export async function packChart(folder: string, epoch: number): Promise<ChartPackage> {
  const chartFile = join(folder, "Chart.yaml");
  if (!existsSync(chartFile)) throw new Error(`${folder} holds no chart: there is no Chart.yaml`);
  const chart = asObject(parse(readFileSync(chartFile, "utf8")));
  const [name, version] = [textAt(chart, "name"), textAt(chart, "version")];
  if (name === "" || version === "") throw new Error(`${chartFile}: name or version is missing`);
  const entries = chartFiles(folder).map((file) => ({ name: `${name}/${file}`, content: { file: join(folder, file) }, mode: 0o644 }));
  return { file: `${name}-${version}.tgz`, bytes: gzipOf(await tarOf(entries, epoch)) };
}

/** The files that belong to the chart: all but those that .helmignore names. */
export function chartFiles(folder: string): readonly string[] {
  const rules = readRules(join(folder, ".helmignore"));
  return filesBelow(folder).filter((file) => !isIgnored(file, rules));
}

interface Rule {
  readonly pattern: string;
  /** It is about folders alone. */
  readonly folders: boolean;
  /** It is about whole paths, not about names. */
  readonly path: boolean;
}

function readRules(file: string): readonly Rule[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    if (line.startsWith("!") || line.includes("**")) throw new Error(`${file}: ${JSON.stringify(line)} can not be followed here, only names and paths with * can`);
    const pattern = line.replace(/\/$/, "");
    return { pattern: pattern.replace(/^\//, ""), folders: line.endsWith("/"), path: pattern.includes("/") };
  });
}

/** Whether a rule is about a file or about a folder that it is in. */
function isIgnored(file: string, rules: readonly Rule[]): boolean {
  const parts = file.split("/");
  return parts.some((name, i) => {
    const path = parts.slice(0, i + 1).join("/");
    const isFolder = i < parts.length - 1;
    return rules.some((rule) => (isFolder || !rule.folders) && matchesGlob(rule.path ? path : name, rule.pattern));
  });
}
