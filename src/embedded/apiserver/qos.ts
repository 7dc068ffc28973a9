/** A pod's quality of service class, from what its containers ask for. */
import type { JsonObject } from "../../domain/json.ts";
import { at, listOr, objectOr, textOr } from "./json.ts";

/** BestEffort without requests, Guaranteed if all containers have equal requests and limits of cpu and memory, else Burstable. */
export function qosClass(spec: JsonObject): "BestEffort" | "Burstable" | "Guaranteed" {
  const resources = [...listOr(spec["containers"]), ...listOr(spec["initContainers"])].map((container) => {
    const limits = objectOr(at(container, "resources", "limits"));
    return { limits, requests: { ...limits, ...objectOr(at(container, "resources", "requests")) } };
  });
  const asks = (list: JsonObject, name: string): boolean => !/^0*(\.0*)?[a-zA-Z]*$/.test(quantity(list, name));
  if (!resources.some(({ requests }) => asks(requests, "cpu") || asks(requests, "memory"))) return "BestEffort";
  const guaranteed = resources.every(({ limits, requests }) => ["cpu", "memory"].every((name) => asks(limits, name) && quantity(limits, name) === quantity(requests, name)));
  return guaranteed ? "Guaranteed" : "Burstable";
}

function quantity(list: JsonObject, name: string): string {
  const value = list[name];
  return typeof value === "number" ? String(value) : textOr(value);
}
