/** Questions about the caller's rights: whoever gets in may do everything. */
import type { JsonObject } from "../../domain/json.ts";
import { objectOr } from "./json.ts";

/** Kinds of questions, by group and plural name. */
export const reviews: ReadonlyMap<string, string> = new Map([
  ["authorization.k8s.io/selfsubjectaccessreviews", "SelfSubjectAccessReview"],
  ["authorization.k8s.io/selfsubjectrulesreviews", "SelfSubjectRulesReview"],
  ["authentication.k8s.io/selfsubjectreviews", "SelfSubjectReview"],
]);

const path = /^\/apis\/([^/]+)\/v1\/([^/]+)$/;

/** The kind of question that is asked at a path; undefined if none is. */
export function reviewAt(pathname: string): string | undefined {
  const [, group = "", plural = ""] = path.exec(pathname) ?? [];
  return reviews.get(`${group}/${plural}`);
}

/** The answer to a question. */
export function review(kind: string, body: JsonObject): JsonObject {
  const group = kind === "SelfSubjectReview" ? "authentication.k8s.io" : "authorization.k8s.io";
  const spec = kind === "SelfSubjectReview" ? {} : { spec: objectOr(body["spec"]) };
  return { kind, apiVersion: `${group}/v1`, metadata: {}, ...spec, status: statusOf(kind) };
}

function statusOf(kind: string): JsonObject {
  if (kind === "SelfSubjectAccessReview") return { allowed: true };
  if (kind === "SelfSubjectReview") return { userInfo: { username: "admin", groups: ["system:masters", "system:authenticated"] } };
  const all = ["*"];
  return { resourceRules: [{ verbs: all, apiGroups: all, resources: all }], nonResourceRules: [{ verbs: all, nonResourceURLs: all }], incomplete: false };
}
