/** Recorded pods of the Go daemon, where they are at hand. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { record, text, texts, type Json } from "../../src/embedded/kubelet/json.ts";
import { labels } from "../../src/domain/names.ts";

/** Where recorded cases are, if they are there: beside the repository, or where WSMAND_TEST_CASES says. */
const casesFolder = process.env["WSMAND_TEST_CASES"] ?? fileURLToPath(new URL("../../../shared/conformance/cases", import.meta.url));
/** Why they can not be tried; undefined: they can. */
export const noCases = existsSync(casesFolder) ? undefined : "there are no recorded pods beside the repository, and WSMAND_TEST_CASES names none";

/** Files of cases with a pod and its Events. */
export function recordedCases(): readonly string[] {
  return ["status", "timeout"].flatMap((kind) => readdirSync(join(casesFolder, kind)).filter((name) => name.endsWith(".json")).toSorted().map((name) => join(casesFolder, kind, name)));
}

/** A pod as it was recorded, under another ID. */
export function renamed(recorded: Json, id: string): Json {
  const known = text(record(record(recorded["metadata"])["labels"])[labels.workspaceId]);
  return record(JSON.parse(known === "" ? JSON.stringify(recorded) : JSON.stringify(recorded).replaceAll(known, id)));
}

/** A recorded pod as a cluster takes it: without what the cluster gives itself, and what nobody there would take away again. @param node in place of the one that it was on. */
export function plantable(recorded: Json, { namespace, node, held }: { readonly namespace: string; readonly node: string; readonly held?: string | undefined }): Json {
  const metadata = record(recorded["metadata"]);
  const spec = record(recorded["spec"]);
  const { uid: _u, resourceVersion: _r, creationTimestamp: _c, deletionTimestamp: _d, deletionGracePeriodSeconds: _g, selfLink: _s, ...rest } = metadata;
  // Other controllers' finalizers have nobody here who takes them away.
  const own = texts(metadata["finalizers"]).filter((name) => name.startsWith("gitpod.io/"));
  const finalizers = held === undefined ? own : [...own, held];
  return { ...recorded, metadata: { ...rest, namespace, finalizers }, spec: { ...spec, ...(text(spec["nodeName"]) !== "" && { nodeName: node }) } };
}
