/** One workspace in a small world of its own: its pod, a kubelet that does as it likes, a node daemon, and a controller that may die at any moment. On a virtual clock. */
import { RemoteError } from "../../../src/domain/errors.ts";
import { parseObject } from "../../../src/domain/json.ts";
import { silentLog } from "../../../src/domain/log.ts";
import { placeholderName } from "../../../src/domain/placeholder.ts";
import { formatRfc3339 } from "../../../src/domain/rfc3339.ts";
import { wsdaemon, wsman } from "../../../src/gen/proto.js";
import { KubeError } from "../../../src/main/kube/errors.ts";
import type { AnnotationPatch, KubeObjects, Wish } from "../../../src/main/kube/objects.ts";
import { Content } from "../../../src/main/lifecycle/content.ts";
import { Controller } from "../../../src/main/lifecycle/controller.ts";
import { Deadlines } from "../../../src/main/lifecycle/deadlines.ts";
import { Finalization } from "../../../src/main/lifecycle/finalization.ts";
import { PodWriter } from "../../../src/main/lifecycle/pod-writer.ts";
import { QuickActions } from "../../../src/main/lifecycle/quick-actions.ts";
import { Recreation } from "../../../src/main/lifecycle/recreation.ts";
import { Vacancies } from "../../../src/main/lifecycle/vacancies.ts";
import { StatusCache } from "../../../src/main/state/cache.ts";
import { decodeFrame } from "../../../src/main/state/frame.ts";
import { Registry } from "../../../src/main/state/registry.ts";
import { StateStore } from "../../../src/main/state/store.ts";
import { VersionClock } from "../../../src/main/state/version.ts";
import { processBatch } from "../../../src/workers/batch.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { config, type RawPod } from "../workers/pods.ts";

const minute = 60_000;
export const timeouts = {
  startup: 60 * minute, initialization: 30 * minute, regularWorkspace: 30 * minute, maxLifetime: 2160 * minute, headlessWorkspace: 60 * minute, afterClose: 2 * minute, contentFinalization: 55 * minute,
  stopping: 60 * minute, interrupted: 5 * minute,
};
const finalizer = "gitpod.io/finalizer";
const podName = "ws-one";

/** A process. */
interface Life {
  readonly store: StateStore;
  readonly controller: Controller;
  readonly deadlines: Deadlines;
  readonly vacancies: Vacancies;
  readonly ending: AbortController;
}

/** The world. */
export class World {
  readonly clock = new VirtualClock();
  /** By name: the workspace's, and the placeholder that may stand for it. */
  readonly #pods = new Map<string, RawPod>();
  /** What went on that others can see, in order. */
  readonly phases: wsman.WorkspacePhase[] = [];
  readonly failures: string[] = [];
  /** Backups that were made, disposals that were asked for, and pods that were deleted, each with why it was not to be. */
  backups = 0;
  readonly wrongs: string[] = [];
  /** Of the next requests to the API server, and calls to the node daemon, so many fail. */
  apiFails = 0;
  nodeFails: { readonly code: number; times: number } = { code: 14, times: 0 };
  content: "none" | "there" | "disposed" = "none";
  #version = 0;
  #uids = 0;
  #life: Life | undefined;
  readonly type: "regular" | "prebuild";

  constructor(type: "regular" | "prebuild" = "regular") {
    this.type = type;
    this.#add(this.#newPod());
    this.boot();
  }

  /** The workspace's pod. */
  get pod(): RawPod | undefined {
    return this.#pods.get(podName);
  }

  get placeholder(): RawPod | undefined {
    return this.#pods.get(placeholderName(podName));
  }

  #add(pod: RawPod): void {
    this.#pods.set(nameOf(pod), pod);
  }

  /** The process dies, and another one begins with what it finds. */
  boot(): void {
    this.halt();
    this.#life = this.#start();
    this.tell();
    this.lead();
  }

  lead(): void {
    const life = this.#life;
    life?.controller.lead({ signal: life.ending.signal, goesOn: () => !life.ending.signal.aborted });
  }

  halt(): void {
    this.#life?.ending.abort();
    this.#life?.controller.close();
    this.#life?.deadlines.close();
    this.#life?.vacancies.close();
    this.#life = undefined;
  }

  get jobs(): number {
    return this.#life?.controller.jobs ?? 0;
  }

  /** Something happens to the pod; the watch tells. */
  change(how: (pod: RawPod) => void): void {
    this.changeUntold(how);
    this.tell();
  }

  /** The same, while the watch is late. */
  changeUntold(how: (pod: RawPod) => void): void {
    if (!this.pod) return;
    how(this.pod);
    this.#touch(this.pod);
  }

  annotate(key: string, value: string): void {
    this.change((pod) => void (pod.metadata.annotations[key] = value));
  }

  tell(): void {
    // A list tells of them in any order.
    const pods = [...this.#pods.values()];
    for (const pod of this.#version % 2 === 0 ? pods : pods.toReversed()) this.#apply(bytesOf(pod), false);
  }

  /** Whatever can go on without time passing goes on. */
  async settle(): Promise<void> {
    for (let i = 0; i < 12; i++) await new Promise(setImmediate);
  }

  async pass(ms: number): Promise<void> {
    await this.settle();
    this.clock.advance(ms);
    await this.settle();
  }

  #start(): Life {
    const { clock } = this;
    const random = (): number => 0.5;
    const common = { clock, random, log: silentLog, note: () => {} };
    const ending = new AbortController();
    const alive = async <T>(work: () => T): Promise<T> => {
      await Promise.resolve();
      // A process that is dead does nothing any more, and learns nothing.
      if (ending.signal.aborted) return new Promise<never>(() => {});
      return work();
    };
    const store: StateStore = new StateStore(new Registry(), new StatusCache({ maxEntries: 10, maxBytes: 1e6 }), new VersionClock(clock), {
      published: ({ facts, frame }) => {
        this.phases.push(facts.phase);
        this.failures.push(decodeFrame(frame).conditions?.failed ?? "");
      },
      suppressed() {}, started() {}, stopped() {}, skipped: ({ message }) => this.wrongs.push(message), conflict() {}, reread: (name) => void alive(() => this.#reread(name)),
      vacant: (record) => vacancies.add(record),
      changed: (record) => controller.changed(record),
      forgotten: (record) => {
        vacancies.remove(record);
        controller.forgotten(record);
      },
      strayed: (record) => controller.strayed(record),
    });
    const seen = async (bytes: Uint8Array): Promise<void> => alive(() => this.#apply(bytes, false));
    const objects = this.#objects(alive);
    const writer = new PodWriter({ objects, seen, dryRun: false });
    const metrics = { initialized() {}, restore() {}, volumeRestored() {}, finalized() {}, backup() {}, volumeSnapshot() {} };
    const nodes = this.#nodes(alive);
    const content = new Content({ ...common, nodes, writer, metrics, classes: [], probe: { ready: async () => {} }, urlOf: async () => "https://one", manifestOf: async () => undefined, reread: async () => {} });
    const finalization = new Finalization({ ...common, nodes, writer, objects, metrics, limitMs: timeouts.contentFinalization, volumeSnapshots: { take: () => Promise.reject(new Error("no volumes here")) } });
    const recreation = new Recreation({ ...common, objects, seen, isAwaited: (uid) => store.registry.byUid(uid) !== undefined, giveUp: (uid) => store.giveUp(uid), dropped: (record, placeholder) => store.dropped(record, placeholder), limitMs: timeouts.initialization, dryRun: false });
    const deadlines = new Deadlines({ clock, log: silentLog, recheckMs: 30_000, onDue: (uid) => controller.due(uid), onJump: (ms) => controller.jumped(ms) });
    const quick = new QuickActions({ writer, placeholders: recreation, declareStopped: (uid) => store.declareStopped(uid), gaveUp: () => {}, log: silentLog });
    const controller = new Controller({ ...common, quick, content, finalization, recreation, registry: store.registry, persistIntervalMs: 5 * minute, holdMs: 3 * minute, timeouts: { registry: store.registry, writer, objects, seen, due: deadlines, timeouts, note: () => {}, gaveUp: () => {}, clock, log: silentLog } });
    const look = (): Promise<boolean> => alive(() => {
      for (const pod of this.#pods.values()) this.#apply(bytesOf(pod), false);
      return this.#pods.size > 0;
    });
    const vacancies = new Vacancies({ giveUp: (uid) => store.giveUp(uid), caughtUp: async () => {}, look, limitMs: timeouts.initialization, clock, log: silentLog });
    return { store, controller, deadlines, vacancies, ending };
  }

  #objects(alive: <T>(work: () => T) => Promise<T>): Pick<KubeObjects, "get" | "annotate" | "remove" | "create" | "release"> {
    const request = <T>(wish: Wish, work: () => T): Promise<T> => alive(() => {
      if (wish.signal.aborted) throw new KubeError("aborted", { status: 0, reason: "Aborted" });
      if (this.apiFails > 0) {
        this.apiFails--;
        throw new KubeError("the API server is ill", { status: 500, reason: "InternalError" });
      }
      return work();
    });
    return {
      get: (path, wish) => request(wish, () => bytesOf(this.#pods.get(path.replace("pods/", "")))),
      annotate: (patch, wish) => request(wish, () => this.#patched(patch)),
      remove: (path, uid, grace, wish, on) => request(wish, () => (path.startsWith("pods/") ? this.#deleted(path.replace("pods/", ""), uid ?? "", grace, on?.resourceVersion) : undefined)),
      release: (name, uid, wish, on) => request(wish, () => this.#release(name, uid, on?.resourceVersion)),
      create: (_path, body, wish) => request(wish, () => this.#created(parseObject(Buffer.from(body)) ?? {})),
    };
  }

  #patched({ podName: name, uid, resourceVersion, annotations, finalizers }: AnnotationPatch): Uint8Array {
    const pod = this.#pods.get(name);
    if (pod?.metadata["uid"] !== uid || !pod) throw new KubeError("gone", { status: 404, reason: "NotFound" });
    checkVersion(pod, resourceVersion);
    const before = JSON.stringify(pod);
    for (const [key, value] of Object.entries(annotations)) this.#annotated(pod, key, value);
    if (finalizers?.remove !== undefined) this.#finalized(pod, finalizers.remove);
    if (finalizers?.add !== undefined) pod.metadata["finalizers"] = [...new Set([...finalizersOf(pod), finalizers.add])];
    // As an API server does: what changes nothing makes no new version.
    if (JSON.stringify(pod) !== before) this.#touch(pod);
    const bytes = bytesOf(pod);
    this.#reap(pod);
    return bytes;
  }

  #annotated(pod: RawPod, key: string, value: string | null): void {
    if (key === "gitpod.io/disposalStatus" && String(pod.metadata.annotations[key]).includes("backupComplete")) this.wrongs.push("what became of the content was written twice");
    if (value === null) delete pod.metadata.annotations[key];
    else pod.metadata.annotations[key] = value;
  }

  #finalized(pod: RawPod, which: string): void {
    if (this.phases.at(-1) !== wsman.WorkspacePhase.STOPPED) this.wrongs.push("the finalizer went before the end was told");
    pod.metadata["finalizers"] = finalizersOf(pod).filter((each) => each !== which);
  }

  #deleted(name: string, uid: string, grace: number, version: string | undefined): Uint8Array | undefined {
    const pod = this.#pods.get(name);
    if (!pod || pod.metadata["uid"] !== uid) return undefined;
    checkVersion(pod, version);
    const { annotations } = pod.metadata;
    const asked = ["gitpod.io/stoppedByRequest", "gitpod/timedout", "gitpod/explicitFail", "gitpod/failedBeforeStopping"].some((key) => key in annotations);
    const stands = name !== podName && this.pod !== undefined;
    if (!asked && !stands && !["Failed", "Succeeded"].includes(String(pod.status["phase"])) && pod.metadata["deletionTimestamp"] === undefined) this.wrongs.push("a pod was deleted for no reason");
    if (annotations["gitpod/never-ready"] === undefined && pod.metadata["deletionTimestamp"] === undefined && finalizersOf(pod).length === 0) this.wrongs.push("a pod with work in it was deleted, and nothing kept it");
    this.#mark(pod, grace);
    const bytes = bytesOf(pod);
    this.#reap(pod);
    return bytes;
  }

  /** The pod is being deleted from now on. */
  mark(grace: number): void {
    if (this.pod) this.#mark(this.pod, grace);
  }

  #mark(pod: RawPod, grace: number): void {
    const period = pod.status["phase"] === "Running" ? grace : 0;
    pod.metadata["deletionTimestamp"] ??= timestamp(this.clock.now() + period * 1000);
    pod.metadata["deletionGracePeriodSeconds"] = period;
    this.#touch(pod);
  }

  #release(name: string, uid: string, version: string | undefined): Uint8Array | undefined {
    const pod = this.#pods.get(name);
    if (!pod || pod.metadata["uid"] !== uid) return undefined;
    checkVersion(pod, version);
    if (finalizersOf(pod).length > 0) {
      pod.metadata["finalizers"] = [];
      this.#touch(pod);
    }
    const bytes = bytesOf(pod);
    this.#reap(pod);
    return bytes;
  }

  #created(object: object): Uint8Array {
    const pod = this.#newPod(object);
    if (this.#pods.has(nameOf(pod))) throw new KubeError("there", { status: 409, reason: "AlreadyExists" });
    this.#add(pod);
    return bytesOf(pod);
  }

  /** A pod that is being deleted goes once nothing holds it. */
  reap(): void {
    if (this.pod) this.#reap(this.pod);
  }

  #reap(pod: RawPod): void {
    if (pod.metadata["deletionTimestamp"] === undefined || finalizersOf(pod).length > 0 || pod.status["phase"] === "Running") return;
    const bytes = bytesOf(pod);
    this.#pods.delete(nameOf(pod));
    // The watch tells a little later.
    setImmediate(() => this.#apply(bytes, true));
  }

  #nodes(alive: <T>(work: () => T) => Promise<T>) {
    const call = <T>(method: string, signal: AbortSignal, work: () => T): Promise<T> => alive(() => {
      if (signal.aborted) throw new RemoteError(1, "cancelled");
      if (this.nodeFails.times > 0) {
        this.nodeFails.times--;
        throw new RemoteError(this.nodeFails.code, `${method} failed`);
      }
      return work();
    });
    const need = (): void => {
      if (this.content !== "there") throw new RemoteError(5, "workspace one does not exist");
    };
    return {
      isThere: () => true,
      initWorkspace: (_node: string, request: Uint8Array, signal: AbortSignal) => call("InitWorkspace", signal, () => {
        if (wsdaemon.InitWorkspaceRequest.decode(request).id !== "one") this.wrongs.push("another workspace was initialized");
        if (this.content === "there") throw new RemoteError(6, "exists");
        if (this.content === "disposed") this.wrongs.push("content was initialized after its end");
        this.content = "there";
      }),
      waitForInit: (_node: string, _id: string, signal: AbortSignal) => call("WaitForInit", signal, need),
      takeSnapshot: (_node: string, _id: string, _atOnce: boolean, signal: AbortSignal) => call("TakeSnapshot", signal, () => {
        need();
        return "snapshot";
      }),
      disposeWorkspace: (_node: string, { backup }: wsdaemon.DisposeWorkspaceRequest.$Properties, signal: AbortSignal) => call("DisposeWorkspace", signal, () => {
        need();
        if (this.pod?.status["phase"] === "Running") this.wrongs.push("content was disposed of under a container that runs");
        this.content = "disposed";
        if (backup === true) this.backups++;
        return undefined;
      }),
    };
  }

  #newPod(from?: object): RawPod {
    const headless = this.type === "prebuild" ? "true" : "false";
    const given: { metadata?: { name?: string; annotations?: Record<string, unknown> } } = from ?? {};
    const annotations = given.metadata?.annotations ?? { "gitpod/id": "one", "gitpod/url": "https://one", "gitpod/never-ready": "true", "gitpod/contentInitializer": "CgA=", "gitpod.io/attemptingToCreate": "true" };
    return {
      metadata: {
        name: given.metadata?.name ?? podName, uid: `uid-${++this.#uids}`, resourceVersion: String(++this.#version), creationTimestamp: timestamp(this.clock.now()), finalizers: [finalizer],
        labels: { owner: "jane", metaID: "meta", workspaceType: this.type, headless, "gitpod.io/workspaceClass": "default" }, annotations: { ...annotations },
      },
      spec: { containers: [{ name: "workspace", image: "image" }] },
      status: { phase: "Pending" },
    };
  }

  #touch(pod: RawPod): void {
    pod.metadata["resourceVersion"] = String(++this.#version);
  }

  #reread(name: string): void {
    const pod = this.#pods.get(name);
    if (pod) this.#apply(bytesOf(pod), false);
  }

  #apply(bytes: Uint8Array, removed: boolean): void {
    const line = removed ? Buffer.from(`{"type":"DELETED","object":${Buffer.from(bytes).toString()}}`) : bytes;
    const buffer = new SharedArrayBuffer(line.length);
    new Uint8Array(buffer).set(line);
    const { results, bytes: out } = processBatch({ buffer, lines: [{ source: removed ? "watch" : "object", start: 0, length: line.length, events: undefined }] }, config);
    for (const result of results) this.#life?.store.apply(result, out, "watch");
  }
}

function bytesOf(pod: RawPod | undefined): Buffer {
  if (!pod) throw new KubeError("gone", { status: 404, reason: "NotFound" });
  return Buffer.from(JSON.stringify(pod));
}

function nameOf(pod: RawPod): string {
  return String(pod.metadata["name"]);
}

function checkVersion(pod: RawPod, version: string | undefined): void {
  if (version !== undefined && version !== pod.metadata["resourceVersion"]) throw new KubeError("conflict", { status: 409, reason: "Conflict" });
}

function finalizersOf(pod: RawPod): readonly string[] {
  const list = pod.metadata["finalizers"];
  return Array.isArray(list) ? list.filter((each) => typeof each === "string") : [];
}

export function timestamp(ms: number): string {
  return formatRfc3339({ seconds: Math.floor(ms / 1000), nanos: 0 });
}
