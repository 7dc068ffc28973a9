/** What the API server fills in when an object is created or changed: the part that clients see. */
import type { ResourceName } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { qosClass } from "./qos.ts";
import { at, isObject, listOr, objectOr, put, textOr, without } from "./json.ts";
import type { Json } from "./json.ts";
import type { ResourceType } from "./resources.ts";

const defaulting: Readonly<Partial<Record<ResourceName, (object: JsonObject) => JsonObject>>> = {
  pods: defaultPod,
  secrets: defaultSecret,
  events: (object) => ({ firstTimestamp: null, lastTimestamp: null, source: {}, eventTime: null, reportingComponent: "", reportingInstance: "", ...object }),
  persistentvolumeclaims: (object) => ({ ...object, spec: { volumeMode: "Filesystem", ...objectOr(object["spec"]) } }),
  services: (object) => ({ ...object, spec: defaultServiceSpec(objectOr(object["spec"])) }),
};

/** What is set once, when clients create an object; a status that they may not set is left out. */
const creating: Readonly<Partial<Record<ResourceName, (object: JsonObject) => JsonObject>>> = {
  pods: (pod) => ({ ...pod, status: { phase: "Pending", qosClass: qosClass(objectOr(pod["spec"])) } }),
  namespaces: newNamespace,
  nodes: newNode,
  // A controller takes the finalizer off once no pod uses the claim.
  persistentvolumeclaims: (claim) => ({ ...claim, metadata: withFinalizer(objectOr(claim["metadata"]), "kubernetes.io/pvc-protection"), status: { phase: "Pending" } }),
  services: (service) => ({ ...service, status: { loadBalancer: {} } }),
  volumesnapshots: (object) => without(object, "status"),
  volumesnapshotcontents: (object) => without(object, "status"),
};

/** The object with defaults set. */
export function withDefaults(type: ResourceType, object: JsonObject): JsonObject {
  return defaulting[type.plural]?.(object) ?? object;
}

/** The object as it is created. */
export function asNew(type: ResourceType, object: JsonObject): JsonObject {
  const full = withDefaults(type, object);
  return creating[type.plural]?.(full) ?? full;
}

function newNamespace(object: JsonObject): JsonObject {
  const metadata = objectOr(object["metadata"]);
  const labels = { ...objectOr(metadata["labels"]), "kubernetes.io/metadata.name": metadata["name"] };
  return { ...object, metadata: { ...metadata, labels }, spec: { finalizers: ["kubernetes"], ...objectOr(object["spec"]) }, status: { phase: "Active" } };
}

const nodeInfo = { machineID: "", systemUUID: "", bootID: "", kernelVersion: "", osImage: "", containerRuntimeVersion: "", kubeletVersion: "", kubeProxyVersion: "", operatingSystem: "", architecture: "" };
const notReady = "node.kubernetes.io/not-ready";

/** A node takes no pods until its kubelet has told that it is ready. */
function newNode(node: JsonObject): JsonObject {
  const spec = objectOr(node["spec"]);
  const taints = listOr(spec["taints"]);
  const tainted = taints.some((taint) => at(taint, "key") === notReady) ? taints : [...taints, { key: notReady, effect: "NoSchedule" }];
  const status = objectOr(node["status"]);
  return { ...node, spec: { ...spec, taints: tainted }, status: { ...status, daemonEndpoints: { kubeletEndpoint: { Port: 0 } }, nodeInfo: { ...nodeInfo, ...objectOr(status["nodeInfo"]) } } };
}

function withFinalizer(metadata: JsonObject, finalizer: string): JsonObject {
  const finalizers = listOr(metadata["finalizers"]);
  return finalizers.includes(finalizer) ? metadata : { ...metadata, finalizers: [...finalizers, finalizer] };
}

function defaultServiceSpec(spec: JsonObject): JsonObject {
  const ports = listOr(spec["ports"]).map((port) => (isObject(port) ? { protocol: "TCP", ...port, targetPort: port["targetPort"] ?? port["port"] } : port));
  return { ...spec, ports, type: spec["type"] ?? "ClusterIP", sessionAffinity: spec["sessionAffinity"] ?? "None" };
}

/** A secret's stringData becomes data, also when it is changed. */
export function defaultSecret(object: JsonObject): JsonObject {
  const strings = object["stringData"];
  const type = textOr(object["type"]) || "Opaque";
  if (!isObject(strings)) return object["type"] === type ? object : { ...object, type };
  const data: Json = { ...objectOr(object["data"]) };
  for (const [name, value] of Object.entries(strings)) put(data, name, Buffer.from(textOr(value)).toString("base64"));
  return { ...without(without(object, "stringData"), "type"), data, type };
}

const evictionTolerations = ["not-ready", "unreachable"].map((condition) => ({ key: `node.kubernetes.io/${condition}`, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }));

function defaultPod(object: JsonObject): JsonObject {
  const given = objectOr(object["spec"]);
  const spec: Json = {
    ...given,
    ...lists(given, "volumes", defaultVolume), ...lists(given, "initContainers", defaultContainer), ...lists(given, "containers", defaultContainer),
    restartPolicy: given["restartPolicy"] ?? "Always",
    terminationGracePeriodSeconds: grace(given["terminationGracePeriodSeconds"]),
    dnsPolicy: given["dnsPolicy"] ?? "ClusterFirst",
    ...accountOf(given),
    securityContext: given["securityContext"] ?? {},
    schedulerName: given["schedulerName"] ?? "default-scheduler",
    tolerations: tolerations(listOr(given["tolerations"])),
    priority: given["priority"] ?? 0,
    enableServiceLinks: given["enableServiceLinks"] ?? true,
    preemptionPolicy: given["preemptionPolicy"] ?? "PreemptLowerPriority",
  };
  return { ...object, spec };
}

function grace(seconds: unknown): unknown {
  return typeof seconds === "number" && seconds < 0 ? 1 : (seconds ?? 30);
}

function accountOf(spec: JsonObject): JsonObject {
  const account = spec["serviceAccountName"] ?? spec["serviceAccount"];
  return account === undefined ? {} : { serviceAccountName: account, serviceAccount: account };
}

/** Pods stay for five minutes on a node that is lost, unless they say otherwise. */
function tolerations(given: readonly unknown[]): readonly unknown[] {
  const says = (key: string): boolean => given.some((toleration) => isObject(toleration) && (toleration["key"] === key || (toleration["key"] ?? "") === "") && (toleration["effect"] ?? "NoExecute") === "NoExecute");
  return [...given, ...evictionTolerations.filter(({ key }) => !says(key))];
}

function lists(spec: JsonObject, name: string, fill: (item: JsonObject) => JsonObject): JsonObject {
  const list = spec[name];
  return Array.isArray(list) ? { [name]: list.map((item: unknown) => (isObject(item) ? fill(item) : item)) } : {};
}

function defaultVolume(volume: JsonObject): JsonObject {
  const { hostPath, secret, configMap } = volume;
  return {
    ...volume,
    ...(isObject(hostPath) ? { hostPath: { type: "", ...hostPath } } : {}),
    ...(isObject(secret) ? { secret: { defaultMode: 420, ...secret } } : {}),
    ...(isObject(configMap) ? { configMap: { defaultMode: 420, ...configMap } } : {}),
  };
}

function defaultContainer(container: JsonObject): JsonObject {
  const limits = quantities(at(container, "resources", "limits"));
  const requests = { ...limits, ...quantities(at(container, "resources", "requests")) };
  const resources = { ...objectOr(container["resources"]), ...(Object.keys(limits).length === 0 ? {} : { limits }), ...(Object.keys(requests).length === 0 ? {} : { requests }) };
  const image = textOr(container["image"]);
  const latest = !/[:@]/.test(image.slice(image.lastIndexOf("/") + 1)) || image.endsWith(":latest");
  return {
    ...container,
    ...lists(container, "ports", (port) => ({ ...port, protocol: port["protocol"] ?? "TCP" })),
    resources,
    ...probe(container, "livenessProbe"), ...probe(container, "readinessProbe"), ...probe(container, "startupProbe"),
    terminationMessagePath: container["terminationMessagePath"] ?? "/dev/termination-log",
    terminationMessagePolicy: container["terminationMessagePolicy"] ?? "File",
    imagePullPolicy: container["imagePullPolicy"] ?? (latest ? "Always" : "IfNotPresent"),
  };
}

/** Quantities are texts, also where they came as numbers. */
function quantities(list: unknown): JsonObject {
  const result: Json = {};
  for (const [name, value] of Object.entries(objectOr(list))) put(result, name, typeof value === "number" ? String(value) : value);
  return result;
}

function probe(container: JsonObject, name: string): JsonObject {
  const given = container[name];
  if (!isObject(given)) return {};
  const get = given["httpGet"];
  const handler = isObject(get) ? { httpGet: { ...get, scheme: get["scheme"] ?? "HTTP" } } : {};
  return { [name]: { ...given, ...handler, timeoutSeconds: given["timeoutSeconds"] ?? 1, periodSeconds: given["periodSeconds"] ?? 10, successThreshold: given["successThreshold"] ?? 1, failureThreshold: given["failureThreshold"] ?? 3 } };
}
