/** Actions on pods: binding, eviction, and what needs containers that run. */
import type { ResourceName } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { ApiError, badRequest, conflict, methodNotAllowed, uidConflict } from "./errors.ts";
import { at, listOr, objectOr, textOr } from "./json.ts";
import { metaText, timestamp } from "./metadata.ts";
import { deletionOptions, isDryRun } from "./write-options.ts";
import type { ResourceRequest } from "./request.ts";
import type { ObjectStore } from "./store.ts";

/** Does the action of a pod's subresource. Throws ApiError. */
export function act(store: ObjectStore, request: ResourceRequest, body: JsonObject, now: number): void {
  if (request.subresource === "binding") bind(store, request, body, now);
  else if (request.subresource === "eviction") evict(store, request, body);
  else throw methodNotAllowed();
}

/** The condition of a pod that has its node. `now` is Unix milliseconds. */
export function scheduled(now: number): JsonObject {
  return { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: timestamp(now) };
}

function bind(store: ObjectStore, request: ResourceRequest, body: JsonObject, now: number): void {
  const { type, namespace, name } = request;
  if (metaText(body, "name") !== name) throw badRequest("name in URL does not match name in Binding object");
  const node = targetOf(body);
  const old = store.need(type, namespace, name);
  const uid = metaText(body, "uid");
  if (uid !== "" && uid !== old.object.metadata.uid) throw uidConflict(type, name, old.key, uid, old.object.metadata.uid);
  const refusal = (why: string): ApiError => conflict(`${type.plural}/binding`, type, name, why);
  if (old.object.metadata.deletionTimestamp !== undefined) throw refusal(`pod ${name} is being deleted, cannot be assigned to a host`);
  const known = textOr(at(old.object, "spec", "nodeName"));
  if (known !== "") throw refusal(`pod ${name} is already assigned to node "${known}"`);
  if (isDryRun(request)) return;
  const annotations = objectOr(at(body, "metadata", "annotations"));
  store.update("pods" satisfies ResourceName, namespace, name, (draft) => {
    const status = objectOr(draft["status"]);
    const others = listOr(status["conditions"]).filter((condition) => at(condition, "type") !== "PodScheduled");
    draft["spec"] = { ...objectOr(draft["spec"]), nodeName: node };
    draft["status"] = { ...status, conditions: [...others, scheduled(now)] };
    draft["metadata"] = { ...objectOr(draft["metadata"]), annotations: { ...objectOr(at(draft, "metadata", "annotations")), ...annotations } };
  });
}

function targetOf(binding: JsonObject): string {
  const kind = textOr(at(binding, "target", "kind"));
  if (kind !== "" && kind !== "Node") throw new ApiError(500, "", `target.kind: Unsupported value: ${JSON.stringify(kind)}: supported values: "Node", "<empty>"`);
  const name = textOr(at(binding, "target", "name"));
  if (name === "") throw new ApiError(500, "", "target.name: Required value");
  return name;
}

/** A deletion, as no disruption budgets exist here. */
function evict(store: ObjectStore, request: ResourceRequest, body: JsonObject): void {
  if (metaText(body, "name") !== request.name) throw badRequest("name in URL does not match name in Eviction object");
  const old = store.need(request.type, request.namespace, request.name);
  if (!isDryRun(request)) store.erase(old, deletionOptions(request, objectOr(body["deleteOptions"])));
}

/** What logs, exec, attach and port-forward are told. Throws ApiError 404 if there is no such pod, 400 otherwise. */
export function refuseStream(store: ObjectStore, { type, namespace, name, subresource }: ResourceRequest): never {
  const { object } = store.need(type, namespace, name);
  if (textOr(at(object, "spec", "nodeName")) === "") throw badRequest(`pod ${name} does not have a host assigned`);
  throw badRequest(`${subresource}: the containers of the built-in cluster do not run, they only seem to`);
}
