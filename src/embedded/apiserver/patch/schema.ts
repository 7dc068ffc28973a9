/** How strategic merge patch treats each list: by merge key, as a set, or as a whole. The paths are those of the Kubernetes API. */

/** A list's treatment. */
export interface ListRule {
  /** Member that tells the items apart; undefined for a list of plain values that is merged as a set. */
  readonly mergeKey: string | undefined;
}

/** Rules for objects of one kind, looked up by path. */
export interface PatchSchema {
  /** The rule of the list at the path; undefined: the patch replaces it. */
  list(path: string): ListRule | undefined;
}

const container = { env: "name", ports: "containerPort", volumeMounts: "mountPath", volumeDevices: "devicePath", "resources.claims": undefined } as const;
const containers = ["spec.containers", "spec.initContainers", "spec.ephemeralContainers"];

const lists = new Map<string, string | undefined>([
  ["metadata.finalizers", undefined], ["metadata.ownerReferences", "uid"],
  ...containers.flatMap((list): [string, string | undefined][] => [[list, "name"], ...Object.entries(container).map(([name, key]): [string, string | undefined] => [`${list}.${name}`, key])]),
  ["spec.volumes", "name"], ["spec.imagePullSecrets", "name"], ["spec.hostAliases", "ip"], ["spec.topologySpreadConstraints", "topologyKey"], ["spec.resourceClaims", "name"], ["spec.schedulingGates", "name"],
  ["status.conditions", "type"], ["status.podIPs", "ip"], ["status.hostIPs", "ip"], ["status.addresses", "type"], ["status.resourceClaimStatuses", "name"],
  ["spec.ports", "port"], ["spec.podCIDRs", undefined], ["secrets", "name"], ["imagePullSecrets", "name"],
]);
const setLists = new Set(["metadata.finalizers", "spec.podCIDRs"]);

/** The rules; lists that are in no row are replaced. */
export const patchSchema: PatchSchema = {
  list(path) {
    const mergeKey = lists.get(path);
    return mergeKey === undefined && !setLists.has(path) ? undefined : { mergeKey };
  },
};
