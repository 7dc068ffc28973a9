/** The lifecycle controller, wired to the core. */
import type { Clock } from "../domain/clock.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { ContentLayers } from "./content/layers.ts";
import type { DaemonOptions } from "./daemon.ts";
import type { KubeClient } from "./kube/client.ts";
import type { KubeObjects } from "./kube/objects.ts";
import { Reflector, type ReflectorHooks } from "./kube/reflector.ts";
import type { ReflectorSink } from "./kube/sink.ts";
import type { Note, Term } from "./lifecycle/acting.ts";
import { Content } from "./lifecycle/content.ts";
import { Controller } from "./lifecycle/controller.ts";
import { Deadlines } from "./lifecycle/deadlines.ts";
import { Finalization } from "./lifecycle/finalization.ts";
import { holdMsOf } from "./lifecycle/hold-time.ts";
import { PodWriter } from "./lifecycle/pod-writer.ts";
import { ReadyProbe } from "./lifecycle/probe.ts";
import { QuickActions } from "./lifecycle/quick-actions.ts";
import { Recreation } from "./lifecycle/recreation.ts";
import { SnapshotWatch } from "./lifecycle/snapshot-watch.ts";
import { snapshotsPath } from "./lifecycle/snapshots.ts";
import { VolumeSnapshots } from "./lifecycle/volume-snapshots.ts";
import type { WorkspaceWriter } from "./lifecycle/writer.ts";
import type { Rereader } from "./pipeline/reread.ts";
import { decodeFrame } from "./state/frame.ts";
import type { WorkspaceRecord } from "./state/registry.ts";
import type { StateStore } from "./state/store.ts";
import type { NodeDaemonClient } from "./wsdaemon/client.ts";

/** What it works with. */
export interface ControlParts {
  readonly store: StateStore;
  readonly objects: KubeObjects;
  readonly writer: Pick<WorkspaceWriter, "derived">;
  readonly nodes: NodeDaemonClient;
  readonly rereader: Rereader;
  readonly client: KubeClient;
  /** Undefined: no storage is configured. */
  readonly layers: Pick<ContentLayers, "manifestOf"> | undefined;
  /** Tells people what was done to a workspace. */
  readonly note: Note;
}

/** The controller, and its end. */
export interface Control {
  /** Acts from now on, until the term ends. */
  lead(term: Term): void;
  /** Whether it acts at this moment. */
  leads(): boolean;
  /** The state has taken something new over. */
  changed(record: WorkspaceRecord): void;
  forgotten(record: WorkspaceRecord): void;
  strayed(record: WorkspaceRecord): void;
  /** Acts no more; pods that are being made are made, if that can be had within so long (ms). */
  close(withinMs: number): Promise<void>;
}

/** The wall clock is looked at no less often than this, milliseconds, however rare heartbeats are; and no more often. */
const [maxRecheckMs, minRecheckMs] = [30_000, 1_000];

/** Puts it together; it acts once it leads. */
export function buildControl(options: DaemonOptions, metrics: Metrics, { store, objects, writer, nodes, rereader, client, layers, note }: ControlParts): Control {
  const { manager, clock, random, log, persistIntervalMs, surroundings } = options;
  const { timeouts, dryRun } = manager;
  const seen = (pod: Uint8Array): Promise<void> => writer.derived(pod);
  const pods = new PodWriter({ objects, seen, dryRun });
  const probe = new ReadyProbe({ disabled: manager.initProbe.disabled, timeoutMs: manager.initProbe.timeout, clock, ask: surroundings?.ask });
  const content = new Content({
    nodes, probe, writer: pods, classes: manager.workspaceClasses, metrics: metrics.lifecycle, note, clock, random, log,
    urlOf: async (record) => {
      const frame = await rereader.frame(record);
      return frame && (decodeFrame(frame).spec?.url ?? undefined);
    },
    manifestOf: async (workspace, signal) => layers?.manifestOf(workspace, signal),
    reread: ({ facts, uid }) => rereader.read(facts.podName, uid),
  });
  const reflect = (sink: ReflectorSink, signal: AbortSignal): Promise<void> => new Reflector({ client, path: snapshotsPath(options.namespace), sink, clock, random, log, hooks: watchHooks(metrics, clock) }).run(signal);
  const watch = new SnapshotWatch({ reflect, clock });
  const volumeSnapshots = new VolumeSnapshots({ manager, objects, watch, clock, log });
  const finalization = new Finalization({ writer: pods, objects, nodes, volumeSnapshots, limitMs: timeouts.contentFinalization, metrics: metrics.lifecycle, note, clock, random, log });
  const recreation = new Recreation({
    objects, seen, limitMs: timeouts.initialization, dryRun, note, clock, random, log,
    isAwaited: (uid) => store.registry.byUid(uid) !== undefined,
    dropped: (record, placeholder) => store.dropped(record, placeholder),
    giveUp: (uid) => store.giveUp(uid),
  });
  const due = new Deadlines({
    clock, log,
    recheckMs: Math.min(maxRecheckMs, Math.max(minRecheckMs, manager.heartbeatInterval / 2)),
    onDue: (uid) => controller.due(uid),
    onJump: (byMs) => controller.jumped(byMs),
    onPause: (lateMs) => controller.paused(lateMs),
  });
  const gaveUp = (record: WorkspaceRecord, status: string): void => finalization.gaveUp(record, status);
  const quick = new QuickActions({ writer: pods, placeholders: recreation, declareStopped: (uid) => store.declareStopped(uid), gaveUp, log });
  const controller = new Controller({
    quick, content, finalization, recreation, registry: store.registry, persistIntervalMs, clock, random, log,
    holdMs: holdMsOf(manager),
    timeouts: { registry: store.registry, writer: pods, objects, seen, due, timeouts, note, gaveUp, clock, log },
  });
  return {
    lead: (term) => controller.lead(term),
    leads: () => controller.leads,
    changed: (record) => controller.changed(record),
    forgotten: (record) => controller.forgotten(record),
    strayed: (record) => controller.strayed(record),
    close: async (withinMs) => {
      controller.close();
      due.close();
      await recreation.close(withinMs);
      await probe.close();
      await watch.close();
    },
  };
}

function watchHooks({ kube }: Metrics, clock: Clock): ReflectorHooks {
  const name = "volumesnapshots";
  return {
    onListed: (seconds) => kube.listed(name, seconds, clock.now()),
    onRelist: (reason) => kube.relisted(name, reason),
    onWatchRestart: (reason) => kube.watchRestarted(name, reason),
  };
}
