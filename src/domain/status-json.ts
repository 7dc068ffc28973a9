/** Statuses as people read them. */
import { wsman } from "../gen/proto.js";
import { asObject, type JsonObject } from "./json.ts";
import { formatRfc3339 } from "./rfc3339.ts";

/** A WorkspaceStatus as proto3 JSON: enums by name, 64-bit integers as strings, timestamps as RFC 3339. */
export function statusToJson(status: wsman.WorkspaceStatus.$Properties): JsonObject {
  const object: JsonObject = wsman.WorkspaceStatus.toObject(wsman.WorkspaceStatus.create(status), { enums: String, longs: String, bytes: String });
  const metadata = withTime(asObject(object["metadata"]), "startedAt", status.metadata?.startedAt);
  const conditions = withTime(asObject(object["conditions"]), "firstUserActivity", status.conditions?.firstUserActivity);
  return { ...object, ...(metadata && { metadata }), ...(conditions && { conditions }) };
}

/** A status as JSON without its secret, the owner token. */
export function withoutSecrets(status: JsonObject): JsonObject {
  const auth = asObject(status["auth"]);
  if (!auth) return status;
  const { ownerToken: _hidden, ...rest } = auth;
  return { ...status, auth: rest };
}

type Timestamp = NonNullable<wsman.WorkspaceConditions.$Properties["firstUserActivity"]>;

function withTime(parent: JsonObject | undefined, key: string, time: Timestamp | null | undefined): JsonObject | undefined {
  if (!parent || !time) return parent;
  return { ...parent, [key]: formatRfc3339({ seconds: Number(time.seconds ?? 0), nanos: time.nanos ?? 0 }) };
}
