/** Which nodes a pod may be placed on by its node selector, required node affinity and tolerations. */
import { ownText, record, records, text, texts } from "./json.ts";
import type { Json } from "./json.ts";

/** A taint of a node. */
export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

/** What is asked of a node: labels and name. */
export interface NodeTraits {
  readonly name: string;
  readonly labels: Json;
  readonly taints: readonly Taint[];
}

/** Whether the pod's node selector and required node affinity accept the node: any of the terms, all expressions of it. */
export function matchesAffinity(spec: Json, node: NodeTraits): boolean {
  const selector = record(spec["nodeSelector"]);
  for (const key of Object.keys(selector)) if (ownText(node.labels, key) !== selector[key]) return false;
  const required = record(record(spec["affinity"])["nodeAffinity"])["requiredDuringSchedulingIgnoredDuringExecution"];
  if (required === undefined || required === null) return true;
  return records(record(required)["nodeSelectorTerms"]).some((term) => matchesTerm(term, node));
}

function matchesTerm(term: Json, node: NodeTraits): boolean {
  const expressions = records(term["matchExpressions"]);
  const fields = records(term["matchFields"]);
  if (expressions.length + fields.length === 0) return false;
  return expressions.every((expression) => matchesExpression(expression, node.labels)) && fields.every((field) => matchesExpression(field, { "metadata.name": node.name }));
}

type Operator = (value: string | undefined, values: readonly string[]) => boolean;

const operators: ReadonlyMap<unknown, Operator> = new Map<unknown, Operator>([
  ["Exists", (value) => value !== undefined],
  ["DoesNotExist", (value) => value === undefined],
  ["In", (value, values) => value !== undefined && values.includes(value)],
  ["NotIn", (value, values) => value === undefined || !values.includes(value)],
  ["Gt", (value, values) => value !== undefined && Number(value) > Number(values[0])],
  ["Lt", (value, values) => value !== undefined && Number(value) < Number(values[0])],
]);

function matchesExpression(expression: Json, labels: Json): boolean {
  const operator = operators.get(expression["operator"]);
  return operator !== undefined && operator(ownText(labels, text(expression["key"])), texts(expression["values"]));
}

/** The first taint that keeps the pod off the node; undefined if all are tolerated. */
export function untoleratedTaint(spec: Json, node: NodeTraits): Taint | undefined {
  const tolerations = records(spec["tolerations"]);
  return node.taints.find((taint) => taint.effect !== "PreferNoSchedule" && !tolerations.some((toleration) => tolerates(toleration, taint)));
}

/** Whether a toleration covers a taint. */
export function tolerates(toleration: Json, taint: Taint): boolean {
  const effect = text(toleration["effect"]);
  if (effect !== "" && effect !== taint.effect) return false;
  const key = text(toleration["key"]);
  if (key !== "" && key !== taint.key) return false;
  if (toleration["operator"] === "Exists") return true;
  return key !== "" && text(toleration["value"]) === taint.value;
}
