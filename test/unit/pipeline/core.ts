/** The core wired as the daemon wires it, in one thread: workers answer when a test lets them, pods are read from where it says, time passes when it says. */
import { silentLog } from "../../../src/domain/log.ts";
import type { SkippedResult } from "../../../src/domain/messages.ts";
import type { EventReason } from "../../../src/domain/names.ts";
import { PodEventStore } from "../../../src/main/kube/events.ts";
import { Vacancies } from "../../../src/main/lifecycle/vacancies.ts";
import { Pipeline } from "../../../src/main/pipeline/pipeline.ts";
import { Rederiver } from "../../../src/main/pipeline/rederive.ts";
import { Rereader, type FetchPod } from "../../../src/main/pipeline/reread.ts";
import { Workspaces } from "../../../src/main/pipeline/workspaces.ts";
import { StatusCache, type CacheLimits } from "../../../src/main/state/cache.ts";
import { decodeFrame, type Status } from "../../../src/main/state/frame.ts";
import { Registry } from "../../../src/main/state/registry.ts";
import type { Update } from "../../../src/main/state/hooks.ts";
import { StateStore } from "../../../src/main/state/store.ts";
import { VersionClock } from "../../../src/main/state/version.ts";
import { Hub } from "../../../src/main/subscriptions/hub.ts";
import { podIn, type PodState, type WorkspacePod, type WorkspacePodOptions } from "../../support/pods.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { HeldPool } from "./held-pool.ts";

/** What a test may choose. */
export interface CoreOptions {
  readonly cache?: CacheLimits;
  /** Default: there is no pod of any name. */
  readonly fetchPod?: FetchPod;
  /** So long after its creation (ms) a workspace must have got a place. Default: it may take for ever. */
  readonly initializationMs?: number;
}

/** Pods in, updates out. */
export interface Core {
  readonly clock: VirtualClock;
  readonly pool: HeldPool;
  readonly store: StateStore;
  readonly events: PodEventStore;
  readonly pipeline: Pipeline;
  readonly rereader: Rereader;
  readonly hub: Hub;
  readonly workspaces: Workspaces;
  readonly published: Update[];
  readonly skipped: SkippedResult[];
  /** What was published, decoded. */
  told(): Status[];
}

/** Puts the core together. */
export function startCore(options: CoreOptions = {}): Core {
  const [clock, pool] = [new VirtualClock(), new HeldPool()];
  const [published, skipped] = [new Array<Update>(), new Array<SkippedResult>()];
  const random = (): number => 0.5;
  const store = new StateStore(new Registry(), new StatusCache(options.cache ?? { maxEntries: 1000, maxBytes: 1e7 }), new VersionClock(clock), {
    published(update) {
      published.push(update);
      hub.publish(update);
    },
    suppressed() {},
    started() {},
    stopped() {},
    skipped: (result) => skipped.push(result),
    conflict() {},
    reread: (podName, uid) => rereader.readLater(podName, uid),
    changed() {},
    vacant: (record) => vacancies?.add(record),
    forgotten: (record) => {
      events.forget(record.uid);
      vacancies?.remove(record);
    },
    strayed() {},
  });
  const submit = (bytes: Uint8Array): Promise<Buffer | undefined> => pipeline.submit(bytes);
  const rederiver = new Rederiver({ heldOf: (uid) => store.registry.byUid(uid)?.held, submit, log: silentLog });
  const events = new PodEventStore({ clock, log: silentLog, onChange: (uid) => rederiver.request(uid) });
  const hooks = { batch() {}, atOnce() {}, published() {}, retried() {}, outdated: (uid: string) => rederiver.request(uid), unreadable: (uid: string) => store.unreadable(uid) };
  const pipeline = new Pipeline({ pool, target: store, events, clock, log: silentLog, hooks });
  const fetchPod = options.fetchPod ?? (() => Promise.resolve(undefined));
  const rereader = new Rereader({ store, fetchPod, submit, clock, random, log: silentLog });
  const { initializationMs } = options;
  const vacancies = initializationMs === undefined ? undefined : new Vacancies({
    giveUp: (uid) => store.giveUp(uid), caughtUp: () => pipeline.settled(), look: (record) => rereader.findSuccessor(record), limitMs: initializationMs, clock, log: silentLog,
  });
  const initial = {
    workspaces: () => store.registry.workspaces(),
    workspace: (id: string) => store.registry.byId(id),
    get sequence() {
      return store.sequence;
    },
    frame: rereader.frameToTell.bind(rereader),
  };
  const hub = new Hub({ clock, limits: { stallTimeoutMs: 300_000, maxBacklog: 100_000 }, hooks: { coalesced() {}, ended() {} }, initial });
  const told = (): Status[] => published.map(({ frame }) => decodeFrame(frame));
  return { clock, pool, store, events, pipeline, rereader, hub, workspaces: new Workspaces(store, rereader), published, skipped, told };
}

/** A few turns of the event loop: whatever can go on without time passing has gone on. */
export async function turns(count = 8): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/** A value as the API server writes it. */
export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** A workspace's pod as the API server hands it out: its uid stands where the API server writes it. */
export function podOf(id: string, phase: PodState, resourceVersion: number, options: Omit<WorkspacePodOptions, "id" | "phase"> & { readonly uid?: string } = {}): WorkspacePod {
  const { uid = `uid-${id}`, ...rest } = options;
  const pod = podIn(phase, id, rest);
  const { name, namespace, ...metadata } = pod.metadata;
  return { ...pod, metadata: { name, namespace, uid, resourceVersion: String(resourceVersion), ...metadata } };
}

/** A line of a watch. */
export function change(type: "ADDED" | "MODIFIED" | "DELETED", object: object): Buffer {
  return json({ type, object });
}

/** A FailedMount Event, or another, of the pod with this uid. */
export function eventOf(podUid: string, message = "no such volume", reason: EventReason = "FailedMount", uid = `event-${podUid}-${reason}`): object {
  return { metadata: { uid, resourceVersion: "1" }, involvedObject: { kind: "Pod", uid: podUid }, reason, message, lastTimestamp: "2026-03-01T10:01:00Z" };
}
