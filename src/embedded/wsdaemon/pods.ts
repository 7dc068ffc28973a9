/** What the pods of node daemons look like: as those of a DaemonSet, found by labels, node and IP (spec: lifecycle, "Content initialization"). */
import { asNew } from "../apiserver/defaults.ts";
import { typeOf } from "../apiserver/resources.ts";
import type { KubeObject } from "../contract.ts";
import { addressAnnotation } from "../kubelet/agent.ts";
import { record, records } from "../kubelet/json.ts";

/** Name of a node's daemon. */
export function daemonPodName(node: string): string {
  return `ws-daemon-${node}`;
}

const trouble = "node.kubernetes.io/";

/** The pod, to be created. */
export function daemonPod({ node, namespace, host, port }: { readonly node: string; readonly namespace: string; readonly host: string; readonly port: number }): object {
  return asNew(typeOf("pods"), {
    apiVersion: "v1", kind: "Pod",
    metadata: { name: daemonPodName(node), namespace, labels: { app: "gitpod", component: "ws-daemon" }, annotations: { [addressAnnotation]: host } },
    spec: {
      nodeName: node, restartPolicy: "Always", terminationGracePeriodSeconds: 30, automountServiceAccountToken: false,
      // A real one is on its node before any pod needs it.
      containers: [{ name: "ws-daemon", image: "embedded.wsmand.dev/ws-daemon:embedded", imagePullPolicy: "Never", ports: [{ name: "rpc", containerPort: port }] }],
      // Those of a DaemonSet stay on nodes that are in trouble.
      tolerations: [
        ...["not-ready", "unreachable"].map((name) => ({ key: `${trouble}${name}`, operator: "Exists", effect: "NoExecute" })),
        ...["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((name) => ({ key: `${trouble}${name}`, operator: "Exists", effect: "NoSchedule" })),
      ],
    },
  });
}

/** Whether a pod is ready. */
export function isReady(pod: KubeObject): boolean {
  return records(record(pod["status"])["conditions"]).some((condition) => condition["type"] === "Ready" && condition["status"] === "True");
}
