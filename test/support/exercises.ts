/** Short pieces of the daemon's life, which together need every right that it has on the API server. */
import assert from "node:assert/strict";
import { status as code } from "@grpc/grpc-js";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { annotations, labels } from "../../src/domain/names.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { registryfacade, wsman } from "../../src/gen/proto.js";
import type { DaemonOptions } from "../../src/main/daemon.ts";
import { Budget } from "../../src/main/kube/budget.ts";
import type { KubeClient } from "../../src/main/kube/client.ts";
import { EventRecorder, type EventOutcome } from "../../src/main/kube/event-recorder.ts";
import { KubeObjects } from "../../src/main/kube/objects.ts";
import { leaseName } from "../../src/main/lifecycle/lease.ts";
import { snapshotGroup, snapshotRoot } from "../../src/main/lifecycle/snapshots.ts";
import type { TestClient } from "./grpc-client.ts";
import { metaOf, patches, simplePod, type KubeApi } from "./kube-api.ts";
import type { Player } from "./player.ts";
import { podIn } from "./pods.ts";
import { until } from "./until.ts";
import { assertOk, calls, claimsOf, managerWithClaims, podsOf, request, started } from "./workspace-calls.ts";

/** Where one happens. */
export interface ExercisePlace {
  /** With all rights, as those have who are not the daemon. */
  readonly api: KubeApi;
  readonly player: Player;
  /** How long anything may take, milliseconds. */
  readonly within: number;
  /** What was asked of the API server with the daemon's rights, and its answers' codes: "get pods", "200". */
  readonly asked: readonly { readonly right: string; readonly code: string }[];
  /** Starts a daemon; it need not be able to learn anything. */
  readonly daemon: (options?: Partial<DaemonOptions>) => Promise<TestClient>;
  /** For parts of a daemon. */
  readonly client: () => KubeClient;
}

/** One of them. */
export interface Exercise {
  readonly name: string;
  /** The rights without which it can not be done, as "get pods". */
  readonly needs: readonly string[];
  /** Rejects if it is not done in time. */
  readonly run: (place: ExercisePlace) => Promise<void>;
}

const claimed = { featureFlags: ["PERSISTENT_VOLUME_CLAIM"] };
/** There is no scheduler or kubelet that would have to be waited for. */
const noted = { annotations: { [annotations.attemptingToCreate]: undefined } };

/** All. */
export const exercises: readonly Exercise[] = [
  {
    name: "statuses tell of pods and their Events, those from before and those that come",
    needs: ["list pods", "watch pods", "list events", "watch events"],
    run: async ({ player, daemon, within }) => {
      const fails = (pod: string): Promise<unknown> => player.event(pod, "FailedMount", 'MountVolume.SetUp failed for volume "vol-this-workspace"');
      await fails(await player.play(podIn("scheduled", "before", noted)));
      const client = await daemon();
      const failed = async (id: string): Promise<boolean> => (await described(client, id))?.conditions?.failed === "cannot mount workspace";
      await until("one from before is told, with its Event", () => failed("before"), within);
      const after = await player.play(podIn("scheduled", "after", noted));
      await until("one that comes is told", async () => (await described(client, "after")) !== undefined, within);
      await fails(after);
      await until("its Event is told", () => failed("after"), within);
    },
  },
  {
    name: "a leader takes the Lease and renews it",
    needs: ["get leases", "create leases", "patch leases"],
    run: async ({ api, daemon, within }) => {
      await daemon({ lifecycle: true, leaderElection: { enabled: true, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 200, identity: "one" } });
      const times = new Set<unknown>();
      await until("it is renewed", async () => {
        const { code, body } = await api.send("GET", api.path("leases", leaseName));
        if (code === 200) times.add(record(body["spec"])["renewTime"]);
        return times.size > 1;
      }, within);
    },
  },
  {
    name: "a workspace with a volume claim starts, and ends with nothing left",
    needs: ["create pods", "patch pods", "delete pods", "create persistentvolumeclaims", "delete persistentvolumeclaims"],
    run: async ({ api, daemon, within }) => {
      const client = await daemon({ lifecycle: true, manager: await managerWithClaims(api.namespace) });
      await until("it knows the workspaces", () => knows(client), within);
      await started(client, request({}, claimed));
      assertOk(await calls.stop(client));
      await until("the pod is gone", async () => (await podsOf(api)).length === 0, within);
      await until("the claim is gone, or on its way", async () => (await claimsOf(api)).length === 0, within);
    },
  },
  {
    name: "a volume claim that is there is used",
    needs: ["get persistentvolumeclaims"],
    run: async ({ api, daemon, within }) => {
      await api.create("persistentvolumeclaims", { metadata: { name: "ws-instance-1" }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } });
      const client = await daemon({ manager: await managerWithClaims(api.namespace) });
      await until("it knows the workspaces", () => knows(client), within);
      await started(client, request({}, claimed));
    },
  },
  {
    name: "a workspace's image spec is read from its pod",
    needs: ["get pods"],
    run: async ({ player, daemon, within }) => {
      const client = await daemon();
      await player.play(podIn("running", "one"));
      await until("it is known", async () => (await described(client, "one")) !== undefined, within);
      assertOk(await client.unary("/registryfacade.SpecProvider/GetImageSpec", registryfacade.GetImageSpecRequest.encode({ id: "one" }).finish()));
    },
  },
  {
    name: "a Kubernetes Event is written, and counted up when the same happens again",
    needs: ["create events", "patch events"],
    run: async ({ api, client, within }) => {
      const outcomes: EventOutcome[] = [];
      const common = { namespace: api.namespace, clock: systemClock, random: Math.random };
      const objects = new KubeObjects({ ...common, client: client(), budget: new Budget({ qps: 100, burst: 100, clock: systemClock }) });
      const recorder = new EventRecorder({ ...common, enabled: true, objects, instance: "one", log: silentLog, onOutcome: (outcome) => void outcomes.push(outcome) });
      const uid = String(metaOf(await api.create("pods", simplePod("ws-one")))["uid"]);
      for (const count of [1, 2]) {
        recorder.record({ podName: "ws-one", uid, type: "Normal", reason: "Started", message: "it runs" });
        await until("it was tried", () => outcomes.length === count, within);
      }
      await recorder.close(1_000);
      assert.deepEqual(outcomes, ["written", "written"]);
    },
  },
  {
    name: "a volume snapshot is restored for a workspace that starts from it, and deleted",
    needs: ["get volumesnapshots", "create volumesnapshots", "delete volumesnapshots", "get volumesnapshotclasses", "create volumesnapshotcontents"],
    run: async ({ api, daemon, within }) => {
      const client = await daemon({ manager: await managerWithClaims(api.namespace) });
      await until("it knows the workspaces", () => knows(client), within);
      // Its content is the cluster's, and no other namespace's.
      const name = `${api.namespace}-restored`;
      await started(client, request({}, { ...claimed, volumeSnapshot: { volumeSnapshotName: name, volumeSnapshotHandle: "handle" } }));
      // As the snapshot controller does it, before which it is not deleted.
      await api.patch(`${api.path("volumesnapshots", name)}/status`, { status: { readyToUse: true } });
      assertOk(await client.wsman("DeleteVolumeSnapshot", wsman.DeleteVolumeSnapshotRequest.encode({ id: name }).finish()));
    },
  },
  {
    name: "the volume of a workspace that has ended is kept in a snapshot",
    needs: ["list volumesnapshots", "watch volumesnapshots", "get volumesnapshotcontents"],
    run: async ({ api, player, daemon, asked, within }) => {
      const client = await daemon({ lifecycle: true, manager: await managerWithClaims(api.namespace) });
      await until("it knows the workspaces", () => knows(client), within);
      const pod = await player.play(podIn("completed", "one", { labels: { [labels.pvcFeature]: "true" } }));
      // It is looked at once, and then waited for; what is told before the list is no test of the watch.
      const has = (right: string): boolean => asked.some((each) => each.right === right);
      await until("the snapshot is waited for", () => has("get volumesnapshots") && (has("watch volumesnapshots") || asked.some((each) => each.right === "list volumesnapshots" && each.code === "403")), within);
      await becomesReady(api, "one");
      await until("its name is noted", async () => record(metaOf((await player.pod(pod)) ?? {})["annotations"])[annotations.volumeSnapshot] !== undefined, within);
    },
  },
];

async function becomesReady(api: KubeApi, name: string): Promise<void> {
  const content = `${api.namespace}-${name}`;
  const spec = { deletionPolicy: "Delete", driver: "disk.example", source: { volumeHandle: "volume" }, volumeSnapshotRef: { name, namespace: api.namespace } };
  await api.ok("POST", `${snapshotRoot}/volumesnapshotcontents`, { apiVersion: `${snapshotGroup}/v1`, kind: "VolumeSnapshotContent", metadata: { name: content }, spec });
  await api.ok("PATCH", `${snapshotRoot}/volumesnapshotcontents/${content}/status`, { status: { snapshotHandle: "handle" } }, { contentType: patches.merge });
  await api.ok("PATCH", `${api.path("volumesnapshots", name)}/status`, { status: { readyToUse: true, boundVolumeSnapshotContentName: content } }, { contentType: patches.merge });
}

async function knows(client: TestClient): Promise<boolean> {
  return (await client.wsman("GetWorkspaces")).code === code.OK;
}

async function described(client: TestClient, id: string): Promise<wsman.WorkspaceStatus.$Properties | undefined> {
  const { code: got, response } = await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish());
  return got === code.OK ? (wsman.DescribeWorkspaceResponse.decode(response).status ?? undefined) : undefined;
}
