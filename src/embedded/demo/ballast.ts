/** What makes real pods heavy: managed fields, and long environment variables to reach a given size. */
import { isRecord } from "../kubelet/json.ts";
import { hex } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";
import type { WorkspacePod } from "./pods.ts";

/** Managed fields such as the API server keeps for the pod's metadata, spec and status. */
export function managedFields(pod: WorkspacePod, time: string): readonly object[] {
  const entry = (manager: string, fieldsV1: unknown, subresource?: string): object => ({ manager, operation: "Update", apiVersion: "v1", time, fieldsType: "FieldsV1", fieldsV1, ...(subresource === undefined ? {} : { subresource }) });
  const metadata = { "f:annotations": fieldsOf(pod.metadata.annotations), "f:labels": fieldsOf(pod.metadata.labels), "f:finalizers": { ".": {} } };
  const made = entry("ws-manager", { "f:metadata": metadata, "f:spec": fieldsOf(pod.spec) });
  return pod.status ? [made, entry("kubelet", { "f:status": fieldsOf(pod.status) }, "status")] : [made];
}

function fieldsOf(value: unknown): object {
  if (Array.isArray(value)) return Object.fromEntries(value.filter(isRecord).map((item) => [`k:${JSON.stringify({ name: item["name"] ?? item["key"] ?? item["type"] })}`, { ".": {}, ...fieldsOf(item) }]));
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [`f:${key}`, fieldsOf(member)]));
}

/**
 * Adds an environment variable so long that the pod has just this many bytes as JSON. A pod that is longer already stays as it is.
 * @param filling the variable's value, of so many bytes.
 */
export function grow(pod: WorkspacePod, size: number, filling: (length: number) => string): void {
  const filler = { name: "GITPOD_RESOLVED_EXTENSIONS", value: "" };
  const containers = pod.spec["containers"];
  const first: unknown = Array.isArray(containers) ? containers[0] : undefined;
  if (!isRecord(first) || !Array.isArray(first["env"])) return;
  const bare: readonly unknown[] = first["env"];
  first["env"] = [...bare, filler];
  const missing = size - Buffer.byteLength(JSON.stringify(pod));
  if (missing < 0) first["env"] = bare;
  else filler.value = filling(missing);
}

/** Names and versions of editor extensions: what fills large pods in practice. Holds nothing that JSON escapes. */
export function extensions(length: number, random: Random): string {
  let list = "";
  while (list.length < length) list += `vscode.extension-${hex(random, 4)}@1.${Math.floor(random() * 90)}.0:${hex(random, 32)} `;
  return list.slice(0, length);
}
