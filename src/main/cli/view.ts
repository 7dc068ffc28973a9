/** Statuses as people read them: the few things of each that tables and lines show. */
import type { JsonObject } from "../../domain/json.ts";
import { wsman } from "../../gen/proto.js";
import { statusToJson, withoutSecrets } from "../../domain/status-json.ts";
import { sanitize } from "./text.ts";

/** A workspace, ready to be shown: every text is sanitized. */
export interface WorkspaceView {
  readonly id: string;
  readonly owner: string;
  readonly metaId: string;
  readonly type: string;
  readonly phase: string;
  /** Unix milliseconds; undefined if not told. */
  readonly startedAt: number | undefined;
  readonly node: string;
  readonly workspaceClass: string;
  /** What is to be said about it: a failure, a timeout, or the server's message. */
  readonly note: string;
  readonly failed: boolean;
}

/** Name of a phase; a number that no phase has stays a number. */
export function phaseName(phase: number): string {
  return nameOf(wsman.WorkspacePhase, phase);
}

function nameOf(names: object, value: number): string {
  return Object.entries(names).find(([, number]) => number === value)?.[0] ?? String(value);
}

/** What is shown of a status. */
export function viewOf(status: wsman.WorkspaceStatus): WorkspaceView {
  const metadata = wsman.WorkspaceMetadata.create(status.metadata ?? {});
  const spec = wsman.WorkspaceSpec.create(status.spec ?? {});
  const { failed, timeout } = wsman.WorkspaceConditions.create(status.conditions ?? {});
  return {
    id: sanitize(status.id),
    owner: sanitize(metadata.owner),
    metaId: sanitize(metadata.metaId),
    type: nameOf(wsman.WorkspaceType, spec.type),
    phase: phaseName(status.phase),
    startedAt: metadata.startedAt ? Number(metadata.startedAt.seconds ?? 0) * 1000 : undefined,
    node: sanitize(status.runtime?.nodeName ?? ""),
    workspaceClass: sanitize(spec.class),
    note: sanitize(failed === "" ? timeout || status.message : `failed: ${failed}`),
    failed: failed !== "",
  };
}

/** The status as proto3 JSON. The owner token is a secret: it is left out unless asked for. */
export function jsonOf(status: wsman.WorkspaceStatus, showSecrets: boolean): JsonObject {
  const json = statusToJson(status);
  return showSecrets ? json : withoutSecrets(json);
}

/** status_version; those of one workspace can be compared. */
export function versionOf(status: wsman.WorkspaceStatus): bigint {
  return BigInt(status.statusVersion.toString());
}
