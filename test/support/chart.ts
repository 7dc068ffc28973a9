/** The chart, for tests: its files, and helm where it is installed. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse, parseAllDocuments } from "yaml";
import { record, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";

/** Its folder. */
export const chartFolder = fileURLToPath(new URL("../../deploy/helm/wsmand/", import.meta.url));
/** Sets of values that it is rendered with, in ci/. */
export const valueSets = ["default", "full", "beside", "no-snapshots"] as const;
export type ValueSet = (typeof valueSets)[number];

/** The helm that tests run. */
export const helm = process.env["WSMAND_TEST_HELM"] || "helm";
const timeoutMs = 60_000;

/** Why helm can not be used; undefined: it can. */
export async function noHelm(): Promise<string | undefined> {
  try {
    await runHelm("version");
    return undefined;
  } catch {
    return `helm can not be run (${helm}): install it, or set WSMAND_TEST_HELM to its path`;
  }
}

/** Runs helm; gives its standard output. Rejects with what it says if it fails. */
export async function runHelm(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(helm, args, { timeout: timeoutMs, maxBuffer: 64 << 20 });
  return stdout;
}

/** Path of a set of values. */
export function valuesFile(set: ValueSet): string {
  return `${chartFolder}ci/${set}-values.yaml`;
}

/** What a file of the chart says. */
export async function chartFile(name: string): Promise<Json> {
  return record(parse(await readFile(`${chartFolder}${name}`, "utf8")));
}

/** Flags that render the chart with a set of values, and further flags. */
function renderFlags(set: ValueSet, namespace: string, ...more: readonly string[]): readonly string[] {
  return ["--namespace", namespace, "--kube-version", "1.34.3", "--values", valuesFile(set), ...more];
}

/** The objects that it makes with a set of values, as release "wsmand". Rejects with what helm says. */
export async function rendered(set: ValueSet, namespace: string, ...more: readonly string[]): Promise<readonly Json[]> {
  return objectsIn(await runHelm("template", "wsmand", chartFolder, ...renderFlags(set, namespace, ...more)));
}

/** An object of a kind. Throws if there is none. */
export function objectOf(objects: readonly Json[], kind: string, name?: string): Json {
  const found = objects.find((object) => object["kind"] === kind && (name === undefined || record(object["metadata"])["name"] === name));
  if (!found) throw new Error(`there is no ${kind}`);
  return found;
}

/** Objects in a text of YAML documents. @throws Error if one can not be read. */
export function objectsIn(manifests: string): readonly Json[] {
  return parseAllDocuments(manifests, { version: "1.1", merge: false }).flatMap((document) => {
    if (document.errors[0]) throw document.errors[0];
    const object: unknown = document.toJS();
    return object === null ? [] : [record(object)];
  });
}

/** Kind and name, as "Role wsmand". */
export function nameOf(object: Json): string {
  return `${text(object["kind"])} ${text(record(object["metadata"])["name"])}`;
}
