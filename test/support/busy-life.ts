/** A cluster where much happens, over and over, good and bad: so that every metric of the daemon has something to tell. */
import type { TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { sleep, systemClock } from "../../src/domain/clock.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { inPhase, startWholeCluster, type ActingDaemon, type WholeCluster } from "./whole-cluster.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;

/** Between waves: the cluster lives in the test's thread, and others want to have their turn. */
const pauseMs = 1_000;

/** A busy cluster and its daemon. */
export interface BusyLife {
  readonly whole: WholeCluster;
  readonly daemon: ActingDaemon;
  /** Lets no more begin, and waits for what has. Rejects with what went wrong. Idempotent. */
  stop(): Promise<void>;
}

/** Starts it; waves of workspaces come until it is stopped, at most 100. */
export async function startBusyLife(t: TestContext): Promise<BusyLife> {
  const whole = await startWholeCluster(t, { speed: 40, nodes: 2 });
  const { config } = await embeddedConfig();
  const workspaceClasses = config.manager.workspaceClasses.map((one) => ({ ...one, pvc: { size: "1Gi", snapshotClass: "snaps" } }));
  const daemon = await whole.daemon({
    manager: { workspaceClasses },
    options: {
      events: { enabled: true, instance: "test" },
      leaderElection: { enabled: true, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, identity: "test" },
      // Who asks for the same workspace a second time is refused.
      rateLimits: [{ method: "/wsman.WorkspaceManager/StartWorkspace", block: false, bucketSize: 1, refillInterval: 3_600_000, keyCacheSize: 10_000, key: "id" }],
    },
  });
  playSnapshotController(t, whole);
  whole.cluster.faults.add({ verbs: ["patch"], resources: ["pods"], percent: 5, code: 500 });
  const ending = new AbortController();
  const lives = (async () => {
    for (let wave = 0; wave < 100 && !ending.signal.aborted; wave++) {
      await liveOnce(whole, daemon, wave);
      await sleep(systemClock, pauseMs, ending.signal);
    }
  })();
  // Told by `stop`.
  lives.catch(() => {});
  const stop = async (): Promise<void> => {
    ending.abort();
    await lives;
  };
  return { whole, daemon, stop };
}

/** What a snapshot controller would do. */
function playSnapshotController(t: TestContext, { cluster: { store } }: WholeCluster): void {
  t.after(store.subscribe("volumesnapshots", (type, { metadata: { name } }) => {
    if (type !== "ADDED") return;
    setImmediate(() => {
      store.create("volumesnapshotcontents", { metadata: { name: `content-${name}` }, spec: {}, status: { snapshotHandle: `handle-${name}` } }, "");
      store.update("volumesnapshots", "default", name, (draft) => void (draft["status"] = { readyToUse: true, boundVolumeSnapshotContentName: `content-${name}` }));
    });
  }));
}

/** One of each: they live beside each other. */
async function liveOnce({ nodes, cluster }: WholeCluster, { start, stop, told, call, client }: ActingDaemon, wave: number): Promise<void> {
  const name = (what: string): string => `${what}-${wave}`;
  const [plain, large, prebuild, claimed] = [name("plain"), name("large"), name("prebuild"), name("claimed")];
  const [restored, lost, bad] = [name("restored"), name("lost"), name("bad")];
  nodes.faults.add({ method: "InitWorkspace", workspace: bad, code: code.INVALID_ARGUMENT, message: "no such repository" });
  nodes.faults.add({ method: "DisposeWorkspace", workspace: lost, code: code.DATA_LOSS, message: "disk full" });
  nodes.faults.add({ method: "BackupWorkspace", workspace: plain, code: code.UNAVAILABLE, message: "not now" });
  await Promise.all([
    start(plain), start(large, {}, { class: "large" }), start(prebuild, { type: "PREBUILD" }), start(claimed, {}, { featureFlags: ["PERSISTENT_VOLUME_CLAIM"] }),
    start(restored, {}, { initializer: { backup: { fromVolumeSnapshot: true } } }), start(lost), start(bad),
  ]);
  const running = [plain, large, prebuild, claimed, restored, lost];
  for (const id of running) await told(id, "runs", inPhase(RUNNING));
  await call("MarkActive", wsman.MarkActiveRequest.encode({ id: plain }).finish());
  await call("SetTimeout", wsman.SetTimeoutRequest.encode({ id: plain, duration: "60m" }).finish());
  await call("GetWorkspaces", new Uint8Array());
  // They fail, as they should.
  await client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id: "nobody" }).finish());
  await client.wsman("StartWorkspace", wsman.StartWorkspaceRequest.encode({ id: plain }).finish());
  await client.wsman("BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id: plain }).finish());
  // One that goes again.
  const passing = client.subscribe();
  await passing.headers;
  passing.call.cancel();
  if (wave % 5 === 0) {
    cluster.faults.expireHistory();
    cluster.faults.cutWatches("reset", "pods");
  }
  await Promise.all(running.map((id) => stop(id)));
  for (const id of [...running, bad]) await told(id, "has stopped", inPhase(STOPPED));
}
