/** Options of requests that change something, as the API checks them. */
import type { JsonObject } from "../../domain/json.ts";
import { forbidden, invalidOptions, unsupported } from "./errors.ts";
import { listOr, objectOr } from "./json.ts";
import type { ResourceRequest } from "./request.ts";
import type { DeletionOptions } from "./store.ts";

const kinds: Readonly<Partial<Record<ResourceRequest["verb"], string>>> = { create: "CreateOptions", update: "UpdateOptions", patch: "PatchOptions", delete: "DeleteOptions", deletecollection: "DeleteOptions" };

/** Checks what the query asks for. `applies`: the request is a server-side apply. Throws ApiError 422. */
export function checkWriteOptions({ verb, query }: ResourceRequest, applies = false): void {
  const kind = kinds[verb] ?? "";
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  if (dryRun.some((value) => value !== "All")) throw invalidOptions(kind, unsupported("dryRun", dryRun, ["All"]));
  if (verb === "patch" && query.has("force") && !applies) throw invalidOptions(kind, forbidden("force", "may not be specified for non-apply patch"));
}

/** Whether nothing is to be stored. */
export function isDryRun({ query }: ResourceRequest, options: JsonObject = {}): boolean {
  return query.getAll("dryRun").includes("All") || listOr(options["dryRun"]).includes("All");
}

const propagations = ["Foreground", "Background", "Orphan", "nil"];

function checkPropagation(policy: unknown): void {
  if (typeof policy !== "string" || !propagations.includes(policy)) throw invalidOptions("DeleteOptions", unsupported("propagationPolicy", policy, propagations));
}

/** Grace period and preconditions of a deletion; what the query says counts if the body says nothing. Throws ApiError 422. */
export function deletionOptions({ query }: ResourceRequest, options: JsonObject): DeletionOptions {
  checkPropagation(options["propagationPolicy"] ?? query.get("propagationPolicy") ?? "nil");
  const inQuery = query.get("gracePeriodSeconds");
  const grace = options["gracePeriodSeconds"] ?? (inQuery === null || !/^-?\d+$/.test(inQuery) ? undefined : Number(inQuery));
  const { uid, resourceVersion } = objectOr(options["preconditions"]);
  return {
    gracePeriodSeconds: typeof grace === "number" && Number.isSafeInteger(grace) ? grace : undefined,
    uid: typeof uid === "string" ? uid : undefined,
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : undefined,
  };
}
