/** Check of the rights: each thing that the daemon asks of the API server, one question each. */
import { objectAt } from "../../../domain/json.ts";
import type { Config } from "../../config/index.ts";
import { leaseName } from "../../lifecycle/lease.ts";
import { note, problem, count, type Check, type Context, type Finding } from "./check.ts";
import { isForbidden } from "./cluster-view.ts";

/** A resource and what is done with it. */
export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  readonly namespaced: boolean;
  /** The only object of that resource it is done with; default: any. */
  readonly name?: string;
  /** What it is for. */
  readonly use: string;
  /** Whether a configuration needs it. */
  readonly needed: (config: Config) => boolean;
}

const always = (): boolean => true;
const elects = ({ wsmand }: Config): boolean => wsmand.lifecycle.enabled && wsmand.leaderElection.enabled;
const reading: ReadonlySet<string> = new Set(["get", "list", "watch"]);

/** Whether classes ask for volume claims. */
export function usesClaims({ manager }: Config): boolean {
  return manager.workspaceClasses.some(({ pvc }) => Object.values(pvc).some((value) => value !== undefined));
}

/** All rights, as examples/role.yaml has them. */
export const rightsNeeded: readonly Right[] = [
  { group: "", resource: "pods", verbs: ["get", "list", "watch", "create", "patch", "delete"], namespaced: true, use: "workspaces", needed: always },
  { group: "", resource: "events", verbs: ["list", "watch"], namespaced: true, use: "statuses that depend on Events", needed: always },
  { group: "", resource: "events", verbs: ["create", "patch"], namespaced: true, use: "Events on workspace pods (wsmand.events)", needed: ({ wsmand }) => wsmand.events.enabled },
  { group: "coordination.k8s.io", resource: "leases", verbs: ["create"], namespaced: true, use: "the election of a leader", needed: elects },
  { group: "coordination.k8s.io", resource: "leases", verbs: ["get", "patch"], namespaced: true, name: leaseName, use: "the election of a leader", needed: elects },
  { group: "", resource: "persistentvolumeclaims", verbs: ["get", "create", "delete"], namespaced: true, use: "workspaces with volume claims", needed: usesClaims },
  { group: "snapshot.storage.k8s.io", resource: "volumesnapshots", verbs: ["get", "list", "watch", "create", "delete"], namespaced: true, use: "backups of volume claims", needed: usesClaims },
  { group: "snapshot.storage.k8s.io", resource: "volumesnapshotclasses", verbs: ["get"], namespaced: false, use: "restoring volume snapshots", needed: usesClaims },
  { group: "snapshot.storage.k8s.io", resource: "volumesnapshotcontents", verbs: ["get", "create"], namespaced: false, use: "restoring volume snapshots", needed: usesClaims },
];

/** Questions at once. */
const atOnce = 8;

interface Question {
  readonly right: Right;
  readonly verb: string;
}

/** The check. */
export const rights: Check = {
  name: "rights",
  title: "rights",
  share: 2,
  async run(context) {
    const { config, user } = context;
    const questions = rightsNeeded.flatMap((right) => right.verbs.map((verb) => ({ right, verb })));
    const missing: Question[] = [];
    for (let i = 0; i < questions.length; i += atOnce) {
      const some = questions.slice(i, i + atOnce);
      const answers = await Promise.all(some.map((question) => isAllowed(question, context)));
      missing.push(...some.filter((_, at) => !answers[at]));
    }
    const findings = rightsNeeded.flatMap((right) => findingsOf(right, missing, config));
    const shadowMisses = missing.some(({ right, verb }) => right.needed(config) && reading.has(verb) && (right.resource === "pods" || right.resource === "events"));
    if (findings.some(({ verdict }) => verdict === "problem")) findings.push(note(shadowMisses ? "they are not enough for --shadow, either" : "they are enough for --shadow"));
    const whose = user ?? "who runs this check (--as asks for somebody else, such as the daemon's service account)";
    return { summary: `${questions.length - missing.length} of ${questions.length}, of ${whose}`, findings, data: { missing: missing.map(({ right: { group, resource }, verb }) => ({ group, resource, verb })) } };
  },
};

async function isAllowed({ right: { group, resource, namespaced, name }, verb }: Question, { cluster, config, signal, user }: Context): Promise<boolean> {
  const attributes = { group, resource, verb, ...(name !== undefined && { name }), ...(namespaced && { namespace: config.manager.namespace }) };
  const body = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: { resourceAttributes: attributes } };
  try {
    const answer = await cluster.ask("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, signal, user);
    return objectAt(answer, "status")?.["allowed"] === true;
  } catch (error) {
    if (user !== undefined && isForbidden(error)) throw new Error(`who runs this check may not ask as ${user} (--as needs the right to impersonate)`, { cause: error });
    throw error;
  }
}

function findingsOf(right: Right, missing: readonly Question[], config: Config): Finding[] {
  const verbs = missing.filter((question) => question.right === right).map(({ verb }) => verb);
  if (verbs.length === 0) return [];
  const of = right.group === "" ? right.resource : `${right.resource}.${right.group}`;
  const text = `${count(verbs.length, "right")} missing on ${of}: ${verbs.join(", ")}, for ${right.use}`;
  return [right.needed(config) ? problem(text) : note(`${text}, which this configuration does not use`)];
}
