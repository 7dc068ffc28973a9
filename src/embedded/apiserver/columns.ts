/** What kubectl shows of each resource: the columns of its tables. */
import type { KubeObject, ResourceName } from "../contract.ts";
import { at, isObject, listOr, objectOr, textOr } from "./json.ts";
import { podReady, podRestarts, podStatus } from "./pod-status.ts";

/** A column: shown always (priority 0) or with `-o wide` (1). */
export interface Column {
  readonly name: string;
  readonly priority: 0 | 1;
  /** The cell; `now` is Unix milliseconds. */
  cell(object: KubeObject, now: number): string | number;
}

const none = "<none>";
const unknown = "<unknown>";

function column(name: string, cell: Column["cell"], priority: 0 | 1 = 0): Column {
  return { name, priority, cell };
}

/** A column with the text at a path. */
function path(name: string, members: readonly string[], otherwise = "", priority: 0 | 1 = 0): Column {
  return column(name, (object) => textOr(at(object, ...members)) || otherwise, priority);
}

const nameColumn = column("Name", (object) => object.metadata.name);
const age = column("Age", (object, now) => since(object.metadata.creationTimestamp, now));
const count = (name: string, member: string): Column => column(name, (object) => Object.keys(objectOr(object[member])).length);

const columns: Readonly<Record<ResourceName, readonly Column[]>> = {
  pods: [
    nameColumn, column("Ready", podReady), column("Status", podStatus), column("Restarts", (pod, now) => restarts(pod, now)), age,
    path("IP", ["status", "podIP"], none, 1), path("Node", ["spec", "nodeName"], none, 1), path("Nominated Node", ["status", "nominatedNodeName"], none, 1), column("Readiness Gates", () => none, 1),
  ],
  nodes: [
    nameColumn, column("Status", nodeStatus), column("Roles", nodeRoles), age, path("Version", ["status", "nodeInfo", "kubeletVersion"]),
    column("Internal-IP", (node) => address(node, "InternalIP"), 1), column("External-IP", (node) => address(node, "ExternalIP"), 1),
    path("OS-Image", ["status", "nodeInfo", "osImage"], unknown, 1), path("Kernel-Version", ["status", "nodeInfo", "kernelVersion"], unknown, 1), path("Container-Runtime", ["status", "nodeInfo", "containerRuntimeVersion"], unknown, 1),
  ],
  events: [
    column("Last Seen", (event, now) => since(textOr(event["lastTimestamp"]) || textOr(event["eventTime"]) || textOr(event["firstTimestamp"]), now)), path("Type", ["type"]), path("Reason", ["reason"]),
    column("Object", (event) => `${textOr(at(event, "involvedObject", "kind")).toLowerCase()}/${textOr(at(event, "involvedObject", "name"))}`),
    path("Subobject", ["involvedObject", "fieldPath"], "", 1), column("Source", eventSource, 1), column("Message", (event) => textOr(event["message"]).trim()),
    column("First Seen", (event, now) => since(textOr(event["firstTimestamp"]) || textOr(event["eventTime"]), now), 1), column("Count", (event) => (typeof event["count"] === "number" ? event["count"] : 1), 1), { ...nameColumn, priority: 1 },
  ],
  secrets: [nameColumn, path("Type", ["type"]), count("Data", "data"), age],
  configmaps: [nameColumn, column("Data", (map) => Object.keys(objectOr(map["data"])).length + Object.keys(objectOr(map["binaryData"])).length), age],
  persistentvolumeclaims: [
    nameColumn, column("Status", (claim) => (claim.metadata.deletionTimestamp === undefined ? textOr(at(claim, "status", "phase")) : "Terminating")), path("Volume", ["spec", "volumeName"]),
    column("Capacity", (claim) => (hasVolume(claim) ? textOr(at(claim, "status", "capacity", "storage")) : "")),
    column("Access Modes", (claim) => (hasVolume(claim) ? listOr(at(claim, "status", "accessModes")).map((mode) => accessModes.get(mode) ?? "").join(",") : "")),
    path("StorageClass", ["spec", "storageClassName"]), path("VolumeAttributesClass", ["spec", "volumeAttributesClassName"], "<unset>"), age, path("VolumeMode", ["spec", "volumeMode"], "", 1),
  ],
  namespaces: [nameColumn, path("Status", ["status", "phase"]), age],
  serviceaccounts: [nameColumn, column("Secrets", (account) => listOr(account["secrets"]).length), age],
  services: [
    nameColumn, path("Type", ["spec", "type"]), path("Cluster-IP", ["spec", "clusterIP"], none), path("External-IP", ["spec", "externalName"], none), column("Port(s)", ports), age,
    column("Selector", (service) => Object.entries(objectOr(at(service, "spec", "selector"))).map(([key, value]) => `${key}=${textOr(value)}`).join(",") || none, 1),
  ],
  endpoints: [nameColumn, column("Endpoints", endpoints), age],
  leases: [nameColumn, path("Holder", ["spec", "holderIdentity"]), age],
  volumesnapshots: [
    nameColumn, column("ReadyToUse", (snapshot) => truth(at(snapshot, "status", "readyToUse"))), path("SourcePVC", ["spec", "source", "persistentVolumeClaimName"]), path("SourceSnapshotContent", ["spec", "source", "volumeSnapshotContentName"]),
    path("RestoreSize", ["status", "restoreSize"]), path("SnapshotClass", ["spec", "volumeSnapshotClassName"]), path("SnapshotContent", ["status", "boundVolumeSnapshotContentName"]), age,
  ],
  volumesnapshotcontents: [
    nameColumn, column("ReadyToUse", (content) => truth(at(content, "status", "readyToUse"))), path("DeletionPolicy", ["spec", "deletionPolicy"]), path("Driver", ["spec", "driver"]),
    path("VolumeSnapshotClass", ["spec", "volumeSnapshotClassName"]), path("VolumeSnapshot", ["spec", "volumeSnapshotRef", "name"]), path("VolumeSnapshotNamespace", ["spec", "volumeSnapshotRef", "namespace"]), age,
  ],
  volumesnapshotclasses: [nameColumn, path("Driver", ["driver"]), path("DeletionPolicy", ["deletionPolicy"]), age],
};

/** The columns of a resource. */
export function columnsOf(resource: ResourceName): readonly Column[] {
  return columns[resource];
}

const accessModes: ReadonlyMap<unknown, string> = new Map([["ReadWriteOnce", "RWO"], ["ReadOnlyMany", "ROX"], ["ReadWriteMany", "RWX"], ["ReadWriteOncePod", "RWOP"]]);

function hasVolume(claim: KubeObject): boolean {
  return textOr(at(claim, "spec", "volumeName")) !== "";
}

function truth(value: unknown): string {
  return typeof value === "boolean" ? String(value) : "";
}

function restarts(pod: KubeObject, now: number): string {
  const { count, last } = podRestarts(pod);
  return last === undefined || count === 0 ? String(count) : `${count} (${since(last, now)} ago)`;
}

function nodeStatus(node: KubeObject): string {
  const ready = listOr(at(node, "status", "conditions")).find((condition) => at(condition, "type") === "Ready");
  const status = ready === undefined ? "Unknown" : at(ready, "status") === "True" ? "Ready" : "NotReady";
  return at(node, "spec", "unschedulable") === true ? `${status},SchedulingDisabled` : status;
}

function nodeRoles(node: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(node.metadata.labels ?? {}).filter((label) => label.startsWith(prefix)).map((label) => label.slice(prefix.length));
  return roles.sort().join(",") || none;
}

function address(node: KubeObject, type: string): string {
  const found = listOr(at(node, "status", "addresses")).find((entry) => at(entry, "type") === type);
  return textOr(at(found, "address")) || none;
}

function eventSource(event: KubeObject): string {
  const host = textOr(at(event, "source", "host"));
  const component = textOr(at(event, "source", "component")) || textOr(event["reportingComponent"]);
  return host === "" ? component : `${component}, ${host}`;
}

function ports(service: KubeObject): string {
  const shown = listOr(at(service, "spec", "ports")).filter(isObject).map((port) => `${String(Number(port["port"]))}/${textOr(port["protocol"], "TCP")}`);
  return shown.join(",") || none;
}

function endpoints(object: KubeObject): string {
  const all = listOr(object["subsets"]).flatMap((subset) =>
    listOr(at(subset, "addresses")).flatMap((entry) => listOr(at(subset, "ports")).map((port) => `${textOr(at(entry, "ip"))}:${String(Number(at(port, "port")))}`)));
  if (all.length === 0) return none;
  return all.length > 3 ? `${all.slice(0, 3).join(",")} + ${all.length - 3} more...` : all.join(",");
}

/** How long ago, as kubectl writes it. */
function since(time: string, now: number): string {
  const then = Date.parse(time);
  return Number.isNaN(then) ? unknown : humanDuration(now - then);
}

/** A duration in at most two units. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  return longDuration(Math.trunc(minutes / 60), minutes % 60);
}

function longDuration(hours: number, minutes: number): string {
  if (hours < 8) return two(hours, "h", minutes, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 192) return two(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  const years = Math.trunc(days / 365);
  return years < 8 ? two(years, "y", days % 365, "d") : `${years}y`;
}

function two(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`;
}
