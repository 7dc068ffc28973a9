/** The daemon's rights, as the chart grants them: on a real API server test daemons are service accounts that have these, and no others. */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { KubeApi, type Answer } from "./kube-api.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { keepSecret } from "./secrets.ts";
import { until } from "./until.ts";

/** A rule of RBAC. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** Rules of a Role in the workspaces' namespace, and of a ClusterRole. */
export interface Rights {
  readonly namespace: readonly PolicyRule[];
  readonly cluster: readonly PolicyRule[];
}

const file = new URL("../../deploy/helm/wsmand/files/rbac.yaml", import.meta.url);
const account = "wsmand";
const rbac = "/apis/rbac.authorization.k8s.io/v1";
/** Tests that would do otherwise than with the chart's rights name it: "all". */
const isLimited = process.env["WSMAND_TEST_RIGHTS"] !== "all";

/** What stands in the chart's files/rbac.yaml. @throws Error if that is no list of rules where there should be one. */
export async function chartRights(): Promise<Rights> {
  const all = record(parse(await readFile(file, "utf8")));
  const snapshots = record(all["snapshots"]);
  return { namespace: [...rulesIn(all["namespace"]), ...rulesIn(snapshots["namespace"])], cluster: rulesIn(snapshots["cluster"]) };
}

/** Rules as they stand in a role. @throws Error if they are none. */
export function rulesIn(value: unknown): readonly PolicyRule[] {
  const rules = records(value);
  if (rules.length === 0) throw new Error("there are no rules");
  return rules.map((rule) => {
    const names = rule["resourceNames"];
    return { apiGroups: filled(rule["apiGroups"]), resources: filled(rule["resources"]), ...(names !== undefined && { resourceNames: filled(names) }), verbs: filled(rule["verbs"]) };
  });
}

function filled(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) throw new Error("a rule has an empty list, or none");
  return value.map((each: unknown) => text(each));
}

/** Makes the service account of a namespace, unless it is there, with these rights and no others. Gives a token of it, once the rights count. */
async function grant(api: KubeApi, rights: Rights): Promise<string> {
  const { namespace } = api;
  const subjects = [{ kind: "ServiceAccount", name: account, namespace }];
  const bound = (kind: string, name: string): Json => ({ metadata: { name }, roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name }, subjects });
  const wide = `${account}-${namespace}`;
  const make = async (path: string, object: object): Promise<void> => check(await api.send("POST", path, object), 201, 409);
  await make(api.path("serviceaccounts"), { metadata: { name: account } });
  await make(`${rbac}/namespaces/${namespace}/roles`, { metadata: { name: account }, rules: rights.namespace });
  await make(`${rbac}/namespaces/${namespace}/rolebindings`, bound("Role", account));
  await make(`${rbac}/clusterroles`, { metadata: { name: wide }, rules: rights.cluster });
  await make(`${rbac}/clusterrolebindings`, bound("ClusterRole", wide));
  const answer = await api.ok("POST", `${api.path("serviceaccounts", account)}/token`, { spec: { expirationSeconds: 7200 } });
  const token = text(record(answer["status"])["token"]);
  if (token === "") throw new Error("the API server gave no token");
  keepSecret("the token of the daemon's service account", token);
  for (const [rule, within] of [[rights.namespace.at(-1), namespace], [rights.cluster.at(-1), ""]] as const) {
    if (rule) await until(`${rule.verbs.join()} ${rule.resources.join()} is allowed`, () => isAllowed(api, rule, within));
  }
  return token;
}

async function isAllowed(api: KubeApi, rule: PolicyRule, namespace: string): Promise<boolean> {
  const resourceAttributes = { namespace, verb: rule.verbs[0], group: rule.apiGroups[0], resource: rule.resources[0], name: rule.resourceNames?.[0] ?? "" };
  const user = `system:serviceaccount:${api.namespace}:${account}`;
  const review = await api.ok("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", { spec: { user, resourceAttributes } });
  return record(review["status"])["allowed"] === true;
}

function check({ code, text: said }: Answer, ...good: readonly number[]): void {
  if (!good.includes(code)) throw new Error(`the API server answered ${code}: ${said}`);
}

/** Text of a kubeconfig with another token, and nothing else by which its user may be known. @throws Error if it is none. */
function withToken(kubeconfig: string, token: string): string {
  const config = record(parse(kubeconfig));
  const users = records(config["users"]);
  if (users.length === 0) throw new Error("there is no user in that kubeconfig");
  return stringify({ ...config, users: users.map(({ name }) => ({ name, user: { token } })) });
}

/** Clusters whose daemons are limited: folders for kubeconfigs, by the path of the one with all rights. */
const folders = new Map<string, string>();
/** Kubeconfigs that were made, by that path and the namespace. */
const made = new Map<string, Promise<string>>();

/** From now on daemons on this cluster have the chart's rights only, unless WSMAND_TEST_RIGHTS is "all". Gives the way to clean up. */
export function limitDaemons(kubeconfig: string): () => void {
  if (!isLimited) return () => {};
  const folder = mkdtempSync(join(tmpdir(), "wsmand-rights-"));
  folders.set(kubeconfig, folder);
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", clean);
  return () => {
    process.off("exit", clean);
    folders.delete(kubeconfig);
    clean();
  };
}

/** The kubeconfig by which a daemon for that namespace, which is there, comes to a cluster: on a real API server one with the rights that the chart gives it, elsewhere the same. */
export function daemonKubeconfig(kubeconfig: string, namespace: string): Promise<string> {
  const folder = folders.get(kubeconfig);
  if (folder === undefined) return Promise.resolve(kubeconfig);
  const key = JSON.stringify([kubeconfig, namespace]);
  const known = made.get(key) ?? chartRights().then((rights) => limitedKubeconfig(kubeconfig, namespace, rights, join(folder, namespace)));
  made.set(key, known);
  return known;
}

/** Makes a kubeconfig, at a path, by which a service account of that namespace has these rights and no others. Gives the path. */
export async function limitedKubeconfig(kubeconfig: string, namespace: string, rights: Rights, path: string): Promise<string> {
  const api = new KubeApi(await readKubeconfig(kubeconfig), namespace);
  try {
    const token = await grant(api, rights);
    await writeFile(path, withToken(await readFile(kubeconfig, "utf8"), token), { mode: 0o600 });
  } finally {
    await api.close();
  }
  return path;
}
