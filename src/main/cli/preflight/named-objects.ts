/** Checks of what the configuration names in the cluster: secrets, config maps, service accounts, classes of storage and of volume snapshots. */
import { messageOf } from "../../../domain/errors.ts";
import { asObject, objectAt, objectsAt, stringAt, textAt, type JsonObject } from "../../../domain/json.ts";
import { readPodTemplate } from "../../config/pod-template.ts";
import { snapshotRoot } from "../../lifecycle/snapshots.ts";
import { count, note, problem, warning, type Check, type Context, type Finding } from "./check.ts";
import { inNamespace } from "./cluster-view.ts";
import { usesClaims } from "./rights.ts";

/** An object that is named somewhere. */
interface Named {
  /** As in URLs. */
  readonly resource: string;
  readonly kind: string;
  readonly name: string;
  /** Where it is named, or what it is for. */
  readonly by: string;
  /** A pod starts without it. */
  readonly optional: boolean;
  /** API group of those that are in no namespace; undefined: it is in the namespace. */
  readonly clusterGroup?: string;
}

/** Objects that a configuration names; more are left out. */
const maxNamed = 500;

/** What pods need to start. */
export const namedObjects: Check = {
  name: "objects",
  title: "named objects",
  share: 2,
  async run(context) {
    const { named, unread } = await namedBy(context);
    const findings: Finding[] = unread.map((reason) => note(`${reason}: what it names was not looked at`));
    for (const one of named.slice(0, maxNamed)) findings.push(...(await findingsOf(one, context)));
    if (named.length > maxNamed) findings.push(note(`${named.length - maxNamed} more were not looked at`));
    return { summary: `${count(named.length, "secret, config map or the like is", "secrets, config maps and the like are")} named`, findings, data: { named: named.map(({ kind, name, by }) => ({ kind, name, by })) } };
  },
};

/** What is named, and what is wrong with templates that can not be read here. */
async function namedBy({ config: { manager } }: Context): Promise<{ readonly named: readonly Named[]; readonly unread: readonly string[] }> {
  const secret = (name: string, by: string, optional = false): Named => ({ resource: "secrets", kind: "Secret", name, by, optional });
  const all: Named[] = [{ resource: "serviceaccounts", kind: "ServiceAccount", name: "workspace", by: "the service account of every workspace", optional: false }];
  if (manager.caCertSecret !== undefined) all.push(secret(manager.caCertSecret, "manager.caCertSecret"));
  all.push(secret("builtin-registry-facade-cert", "mounted into image builds", true));
  const files = new Set(manager.workspaceClasses.flatMap(({ templates }) => Object.values(templates)).filter((file) => file !== undefined));
  const unread: string[] = [];
  for (const file of files) {
    const template = await readPodTemplate(file).catch((error: unknown) => void unread.push(messageOf(error)));
    all.push(...namedIn(objectAt(template, "spec"), file));
  }
  // The same, named twice.
  const named = [...new Map(all.toReversed().map((one) => [`${one.resource}/${one.name}`, one])).values()].toReversed();
  return { named, unread };
}

/** What a pod refers to, wherever in it. @param by the file. */
function namedIn(value: unknown, by: string): Named[] {
  if (Array.isArray(value)) return value.flatMap((item) => namedIn(item, by));
  const object = asObject(value);
  if (!object) return [];
  return Object.entries(object).flatMap(([key, member]) => [...namedAt(key, member, by), ...namedIn(member, by)]);
}

const secretKeys: ReadonlySet<string> = new Set(["secret", "secretRef", "secretKeyRef"]);
const configMapKeys: ReadonlySet<string> = new Set(["configMap", "configMapRef", "configMapKeyRef"]);
const plainNames: ReadonlyMap<string, Pick<Named, "resource" | "kind" | "clusterGroup">> = new Map([
  ["serviceAccountName", { resource: "serviceaccounts", kind: "ServiceAccount" }],
  ["priorityClassName", { resource: "priorityclasses", kind: "PriorityClass", clusterGroup: "scheduling.k8s.io" }],
  ["runtimeClassName", { resource: "runtimeclasses", kind: "RuntimeClass", clusterGroup: "node.k8s.io" }],
]);

function namedAt(key: string, value: unknown, by: string): Named[] {
  const plain = plainNames.get(key);
  if (plain && typeof value === "string" && value !== "") return [{ ...plain, name: value, by, optional: false }];
  if (key === "imagePullSecrets" && Array.isArray(value)) return value.flatMap((item: unknown) => secretOf(asObject(item), by));
  const object = asObject(value);
  if (secretKeys.has(key)) return secretOf(object, by);
  const name = stringAt(object, "name");
  if (!configMapKeys.has(key) || name === undefined) return [];
  return [{ resource: "configmaps", kind: "ConfigMap", name, by, optional: object?.["optional"] === true }];
}

function secretOf(object: JsonObject | undefined, by: string): Named[] {
  const name = stringAt(object, "secretName") ?? stringAt(object, "name");
  return name === undefined ? [] : [{ resource: "secrets", kind: "Secret", name, by, optional: object?.["optional"] === true }];
}

async function findingsOf({ resource, kind, name, by, optional, clusterGroup }: Named, { config, cluster, signal }: Context): Promise<Finding[]> {
  const path = clusterGroup === undefined ? inNamespace(config.manager.namespace, resource, name) : `/apis/${clusterGroup}/v1/${resource}/${encodeURIComponent(name)}`;
  const found = await cluster.lookForName(path, signal);
  if (found === "missing") return [(optional ? warning : problem)(`${kind} ${name} is not there (${by})`)];
  return found === "forbidden" ? [note(`${kind} ${name} can not be looked at (${by}); the daemon need not, either`)] : [];
}

/** What claims and their backups need. */
export const storageClasses: Check = {
  name: "storage",
  title: "volume claims",
  share: 1,
  async run(context) {
    const { config, cluster, signal } = context;
    const found = await cluster.look(snapshotRoot, signal);
    const kinds = typeof found === "string" ? [] : objectsAt(found.found, "resources").map((resource) => textAt(resource, "name"));
    const has = kinds.includes("volumesnapshots");
    const used = usesClaims(config);
    const findings: Finding[] = [];
    if (used && !has) findings.push(problem(`the cluster has no volume snapshots (custom resources of ${snapshotRoot.slice("/apis/".length)}): workspaces with claims can not be backed up`));
    for (const [of, path, by] of classesOf(context, has)) {
      const look = await cluster.look(path, signal);
      if (look === "missing") findings.push(problem(`${of} is not there (${by})`));
      if (look === "forbidden") findings.push(note(`${of} can not be looked at (${by})`));
    }
    const words = has ? "the cluster has volume snapshots" : "the cluster has no volume snapshots";
    return { summary: used ? words : `${words}; no class asks for claims`, findings, data: { volumeSnapshots: has } };
  },
};

/** Each once. */
function* classesOf({ config: { manager } }: Context, hasSnapshots: boolean): Generator<readonly [of: string, path: string, by: string]> {
  const known = new Set<string>();
  const isNew = (of: string): boolean => !known.has(of) && known.add(of).has(of);
  for (const { id, pvc: { storageClass, snapshotClass } } of manager.workspaceClasses) {
    const by = `class ${id}`;
    if (storageClass !== undefined && isNew(`StorageClass ${storageClass}`)) yield [`StorageClass ${storageClass}`, `/apis/storage.k8s.io/v1/storageclasses/${encodeURIComponent(storageClass)}`, by];
    if (!hasSnapshots || snapshotClass === undefined) continue;
    if (isNew(`VolumeSnapshotClass ${snapshotClass}`)) yield [`VolumeSnapshotClass ${snapshotClass}`, `${snapshotRoot}/volumesnapshotclasses/${encodeURIComponent(snapshotClass)}`, by];
  }
}
