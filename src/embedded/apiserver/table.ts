/** Other forms of objects: tables for kubectl, and their metadata alone. */
import type { JsonObject } from "../../domain/json.ts";
import { columnsOf } from "./columns.ts";
import { at } from "./json.ts";
import type { ResourceType } from "./resources.ts";
import type { Version } from "./version.ts";

/** What a row carries of its object. */
export type RowObject = "None" | "Metadata" | "Object";

/** Objects as a table. */
export function tableOf(type: ResourceType, versions: readonly Version[], metadata: JsonObject, now: number, include: RowObject, definitions = true): JsonObject {
  const columns = columnsOf(type.plural);
  const columnDefinitions = columns.map(({ name, priority }) => ({ name, type: "string", format: name === "Name" ? "name" : "", description: "", priority }));
  const rows = versions.map((version) => ({
    cells: columns.map((column) => column.cell(version.object, now)),
    ...completion(version),
    ...(include === "None" ? {} : { object: include === "Object" ? version.object : metadataOf(version) }),
  }));
  return { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata, columnDefinitions: definitions ? columnDefinitions : null, rows };
}

/** Pods that are done are greyed out. */
function completion({ type, object }: Version): JsonObject {
  const phase = type.plural === "pods" ? at(object, "status", "phase") : undefined;
  if (phase === "Succeeded") return { conditions: [{ type: "Completed", status: "True", reason: "Succeeded", message: "The pod has completed successfully." }] };
  if (phase === "Failed") return { conditions: [{ type: "Completed", status: "True", reason: "Failed", message: "The pod failed." }] };
  return {};
}

/** The object's metadata alone. */
export function metadataOf(version: Version): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: version.object.metadata };
}
