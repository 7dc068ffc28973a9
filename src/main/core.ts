/** The core of the daemon: state, pipeline, hub and what calls work with, wired to each other. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../domain/clock.ts";
import type { Metrics } from "../metrics/registry.ts";
import { readPodTemplate } from "./config/pod-template.ts";
import { ContentLayers } from "./content/layers.ts";
import type { BoundedStorage } from "./content/bounded.ts";
import { openStorage } from "./content/open.ts";
import type { DaemonOptions } from "./daemon.ts";
import { Budget } from "./kube/budget.ts";
import type { KubeClient } from "./kube/client.ts";
import { EventRecorder } from "./kube/event-recorder.ts";
import { PodEventStore } from "./kube/events.ts";
import { KubeObjects } from "./kube/objects.ts";
import { podFetcher } from "./kube/pods.ts";
import { buildControl, type Control } from "./control.ts";
import { Activity } from "./lifecycle/activity.ts";
import { Creation, type Known } from "./lifecycle/creation.ts";
import { ImageSpecs } from "./lifecycle/image-specs.ts";
import { joinBuild } from "./lifecycle/joining.ts";
import { Sightings } from "./lifecycle/sightings.ts";
import { Snapshots } from "./lifecycle/snapshots.ts";
import { Starter } from "./lifecycle/start.ts";
import { Vacancies } from "./lifecycle/vacancies.ts";
import { WorkspaceWriter } from "./lifecycle/writer.ts";
import { Oddities } from "./oddities.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import type { WorkerPool } from "./pipeline/pool.ts";
import { Rederiver } from "./pipeline/rederive.ts";
import { Rereader } from "./pipeline/reread.ts";
import { Workspaces } from "./pipeline/workspaces.ts";
import type { Steering } from "./rpc/ports.ts";
import { StatusCache } from "./state/cache.ts";
import { stopReason, takeCensus } from "./state/census.ts";
import { Registry } from "./state/registry.ts";
import { decodeFrame, withHeaders } from "./state/frame.ts";
import { StateStore } from "./state/store.ts";
import type { VersionClock } from "./state/version.ts";
import { noNodeCaller } from "./shadow/silence.ts";
import type { StateHooks } from "./state/hooks.ts";
import { Hub } from "./subscriptions/hub.ts";
import { NodeDaemonClient } from "./wsdaemon/client.ts";
import type { TraceLog } from "./trace-log.ts";
import { GrpcCaller } from "./wsdaemon/grpc-caller.ts";
import { NodeDaemons } from "./wsdaemon/nodes.ts";

/** The parts that hold and change the state, and those that calls work with. */
export interface Core {
  readonly store: StateStore;
  readonly hub: Hub;
  readonly pipeline: Pipeline;
  readonly rereader: Rereader;
  readonly workspaces: Workspaces;
  readonly events: PodEventStore;
  readonly writer: WorkspaceWriter;
  readonly activity: Activity;
  readonly snapshots: Snapshots;
  readonly starter: Starter;
  readonly nodeDaemons: NodeDaemons;
  readonly nodes: NodeDaemonClient;
  readonly control: Control;
  readonly vacancies: Vacancies;
  readonly recorder: EventRecorder;
  readonly imageSpecs: ImageSpecs;
  /** Where contents are; undefined: none is configured. */
  readonly storage: BoundedStorage | undefined;
}

/** Who looks on. */
export interface Onlookers {
  /** Writes down what each status was derived from. */
  readonly trace?: TraceLog | undefined;
  /** Hears of every workspace that changes, and that goes. */
  readonly shadow?: Pick<StateHooks, "changed" | "forgotten"> | undefined;
}

/** State, pipeline and hub: the way of a pod's bytes to the subscribers. */
export function buildCore(options: DaemonOptions, metrics: Metrics, versions: VersionClock, client: KubeClient, pool: WorkerPool, { trace, shadow }: Onlookers = {}): Core {
  const { clock, random, log, tracing } = options;
  const { subscriptions, workspaces } = metrics;
  const oddities = new Oddities(metrics.pipeline, log);
  const cache = new StatusCache(options.cache, metrics.cache);
  const store = new StateStore(new Registry(), cache, versions, {
    published(published) {
      subscriptions.published.add();
      const update = trace ? { ...published, objects: undefined } : published;
      trace?.published(published.frame, published.objects);
      hub.publish(tracing ? { ...update, frame: withHeaders(update.frame, tracing.published(update.facts.id)) } : update);
    },
    suppressed: () => subscriptions.suppressed.add(),
    started: ({ id, type, workspaceClass, createdAt }) => workspaces.started(type, workspaceClass, (clock.now() - createdAt) / 1000, id),
    stopped: (facts, neverRan) => workspaces.stopped(stopReason(facts), facts.type, facts.workspaceClass, neverRan),
    skipped: (result) => oddities.skipped(result),
    conflict: (id, podName) => oddities.conflict(id, podName),
    reread: (podName, uid) => rereader.readLater(podName, uid),
    changed: (record) => {
      sightings.changed(record);
      activity.changed(record);
      control.changed(record);
      shadow?.changed(record);
    },
    vacant: (record) => vacancies.add(record),
    forgotten: (record) => {
      control.forgotten(record);
      vacancies.remove(record);
      recorder.forget(record.uid);
      events.forget(record.uid);
      activity.forget(record);
      starter.forgotten(record);
      shadow?.forgotten(record);
    },
    strayed: (record) => control.strayed(record),
  });
  const rederiver = new Rederiver({ heldOf: (uid) => store.registry.byUid(uid)?.held, submit: (bytes) => pipeline.submit(bytes), log });
  const events = new PodEventStore({ clock, log, onChange: (uid) => rederiver.request(uid) });
  const pipeline = new Pipeline({
    pool,
    target: store,
    events,
    clock,
    log,
    hooks: {
      batch: (lines, busyMicros) => metrics.pipeline.batch(lines, busyMicros),
      atOnce: (lines) => metrics.pipeline.atOnce.add(lines),
      published: (ms) => metrics.pipeline.eventToPublish(ms / 1000),
      retried: () => metrics.pipeline.workerRestarts.add(),
      outdated: (uid) => rederiver.request(uid),
      unreadable: (uid) => store.unreadable(uid),
    },
  });
  const budget = new Budget({ ...options.kubernetes, clock });
  const objects = new KubeObjects({ client, budget, namespace: options.namespace, clock, random, onWaited: (verb, resource, seconds) => metrics.kube.throttled(verb, resource, seconds) });
  const sightings = new Sightings({ registry: store.registry, clock });
  const writer = new WorkspaceWriter({ objects, registry: store.registry, sightings, submit: (bytes) => pipeline.submit(bytes), clock, random });
  const activity = new Activity({ writer, persistIntervalMs: options.persistIntervalMs, timeouts: options.manager.timeouts, leads: () => control.leads(), clock, log });
  const rereader = new Rereader({ store, fetchPod: podFetcher(client, options.namespace), submit: (bytes) => pipeline.submit(bytes), clock, random, log });
  const hub = new Hub({
    clock,
    limits: options.subscriptions,
    hooks: {
      coalesced: () => subscriptions.coalesced.add(),
      ended(client, reason) {
        subscriptions.ended(reason);
        if (reason !== "shutdown") log.warn({ client, reason }, "a subscriber was ended");
      },
    },
    initial: {
      workspaces: () => store.registry.workspaces(),
      workspace: (id) => store.registry.byId(id),
      get sequence() {
        return store.sequence;
      },
      frame: (record) => rereader.frameToTell(record),
    },
  });
  bindGauges(metrics, { store, hub, pipeline }, clock);
  const snapshots = new Snapshots(options.manager, objects, clock);
  const starter = buildStarter(options, metrics, { objects, writer, snapshots, store, rereader });
  const { nodeDaemons, nodes } = buildNodes(options, metrics);
  const vacancies = new Vacancies({
    giveUp: (uid) => store.giveUp(uid),
    caughtUp: () => pipeline.settled(),
    look: (record) => rereader.findSuccessor(record),
    limitMs: options.manager.timeouts.initialization, clock, log,
  });
  const recorder = new EventRecorder({ ...options.events, objects, namespace: options.namespace, clock, random, log, onOutcome: (outcome, count) => metrics.kube.events(outcome, count) });
  const { storage, layers } = buildStorage(options);
  const control = buildControl(options, metrics, { store, objects, writer, nodes, rereader, client, layers, note: ({ uid, facts }, event) => recorder.record({ ...event, podName: facts.podName, uid }) });
  return { store, hub, pipeline, rereader, workspaces: new Workspaces(store, rereader), events, writer, activity, snapshots, starter, nodeDaemons, nodes, control, vacancies, recorder, imageSpecs: new ImageSpecs({ objects, layers }), storage };
}

function buildNodes({ manager, tracing, clock, surroundings, shadow }: DaemonOptions, metrics: Metrics): Pick<Core, "nodeDaemons" | "nodes"> {
  const nodeDaemons = new NodeDaemons((ip) => nodes.drop(ip));
  const calling = surroundings?.nodeCaller ?? new GrpcCaller({ tls: manager.wsdaemon.tls, observers: { metrics: metrics.rpcClient, tracing, clock } });
  const caller = shadow ? noNodeCaller : calling;
  const nodes = new NodeDaemonClient({ port: manager.wsdaemon.port, ipOn: (node) => nodeDaemons.ipOn(node), caller });
  return { nodeDaemons, nodes };
}

function buildStorage({ storage: config, clock, log }: DaemonOptions): Pick<Core, "storage"> & { readonly layers: ContentLayers | undefined } {
  const storage = config && openStorage(config, clock);
  const layers = config && storage && new ContentLayers({ storage, config, clock, log });
  return { storage, layers };
}

function buildStarter({ manager, seccompField, surroundings, clock, log }: DaemonOptions, metrics: Metrics, { objects, writer, snapshots, store, rereader }: Pick<Core, "writer" | "snapshots" | "store" | "rereader"> & { readonly objects: KubeObjects }): Starter {
  const known = (id: string): Known => ({ uid: store.registry.byId(id)?.uid, ownerToken: tokenIn(store.cache.peek(id)) });
  const creation = new Creation({ manager, seccompField, objects, snapshots, clock, log, seen: (pod) => writer.seen(pod), known, onCreated: (type, workspaceClass) => metrics.workspaces.created(type, workspaceClass), readTemplate: readPodTemplate });
  return new Starter({ creation, clock, randomBytes: surroundings?.randomBytes ?? randomBytes, registry: store.registry, frameOf: (record) => rereader.frame(record), known, join: (record, signal) => joinBuild(objects, record, signal) });
}

function tokenIn(frame: Buffer | undefined): string | undefined {
  return frame && (decodeFrame(frame).auth?.ownerToken ?? undefined);
}

/** What the calls that change something work with. */
export function steeringOf({ manager }: DaemonOptions, { writer, activity, starter, snapshots, nodes, imageSpecs }: Core): Steering {
  return { writer, activity, starter, snapshots, nodes, imageSpecs, urls: manager };
}

function bindGauges(metrics: Metrics, core: Pick<Core, "store" | "hub" | "pipeline">, clock: Clock): void {
  const { cache, registry } = core.store;
  metrics.workspaces.source(oncePerTurn(() => takeCensus(registry, clock.now())));
  metrics.pipeline.queueDepth(() => core.pipeline.depth);
  metrics.cache.size(() => ({ bytes: cache.bytes, entries: cache.entries }));
  metrics.subscriptions.queues(function* queues() {
    for (const { client, pending } of core.hub.levels()) yield [client, pending] as const;
  });
}

/** Several gauges read the same count at a scrape. */
function oncePerTurn<T>(read: () => T): () => T {
  let last: { readonly value: T } | undefined;
  return () => {
    if (!last) {
      last = { value: read() };
      setImmediate(() => {
        last = undefined;
      });
    }
    return last.value;
  };
}
