/** The state of all workspaces, and the one place that changes it: results of the pipeline come in, in order, and updates go out. */
import type { LineResult, Origin, SkippedResult, WorkspaceFacts, WorkspaceResult } from "../../domain/messages.ts";
import { digestOf } from "../../domain/digest.ts";
import { wsman } from "../../gen/proto.js";
import { stoppedStatus } from "../../domain/stopped.ts";
import type { StatusCache } from "./cache.ts";
import { sharing } from "./facts.ts";
import { buildFrame, decodeFrame, encodeStatus } from "./frame.ts";
import type { StateHooks } from "./hooks.ts";
import { compareVersions } from "../../domain/versions.ts";
import { Listing } from "./listing.ts";
import type { Registry, WorkspaceRecord } from "./registry.ts";
import { amendFacts, amendmentFor, amendStatus, statusFromFacts } from "./rules.ts";
import type { VersionClock } from "./version.ts";

const { PENDING, CREATING, INITIALIZING, RUNNING, STOPPED } = wsman.WorkspacePhase;
/** A workspace that is first seen in one of these was not running before we came. */
const beforeRunning: ReadonlySet<wsman.WorkspacePhase> = new Set([PENDING, CREATING, INITIALIZING]);

/** At the bound, the pod that waits for an ID is found by its next change instead. */
const maxWaiting = 1000;

/** Applies results. Every method is synchronous: what it did is visible when it returns. */
export class StateStore {
  readonly registry: Registry;
  readonly cache: StatusCache;
  readonly #versions: VersionClock;
  readonly #hooks: StateHooks;
  /** Pods that wait for their ID to become free: ID to pod name. */
  readonly #waiting = new Map<string, string>();
  readonly #list: Listing;
  #sequence = 0;
  #synced = false;

  constructor(registry: Registry, cache: StatusCache, versions: VersionClock, hooks: StateHooks) {
    this.registry = registry;
    this.#list = new Listing(registry);
    this.cache = cache;
    this.#versions = versions;
    this.#hooks = hooks;
    cache.whenEvicted((id, frame) => {
      const record = registry.byId(id);
      if (record?.frame === frame) registry.setFrame(record, undefined);
    });
  }

  /** Whether a complete list was applied. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Count of publications so far; a record's `sequence` is compared with it. */
  get sequence(): number {
    return this.#sequence;
  }

  /** A complete list begins. After the API server's store was set back, what it says counts although its resourceVersions are lower. */
  listStarted(setBack: boolean): void {
    this.#list.start();
    if (!setBack) return;
    for (const record of this.registry.records()) {
      record.resourceVersion = "0";
      // It names a version of the history that there is no more; the list brings it again.
      record.held = undefined;
    }
  }

  /**
   * The list, as of this resourceVersion, is complete: whoever was not in it is gone, but for those known from a later line or read.
   * There may be thousands: each step ends one, and nothing else may be applied before the last step.
   */
  *listFinished(resourceVersion: string): Generator<void> {
    for (const record of this.registry.records()) {
      const verdict = this.#list.verdict(record, resourceVersion);
      if (verdict === "there") continue;
      if (verdict === "unclear") this.#hooks.reread(record.facts.podName, record.uid);
      else this.#endListed(record);
      yield;
    }
    this.#list.finish();
    this.#synced = true;
  }

  /** A line of the watch about this pod can not be read: what it says is learned by reading the pod, as soon as its name is known. */
  unreadable(uid: string): void {
    const record = this.registry.byUid(uid);
    if (record) this.#hooks.reread(record.facts.podName, uid);
    else if (!this.registry.isGone(uid)) this.#list.doubt(uid);
  }

  /**
   * Applies one result.
   * @param bytes what the result's offsets point into.
   * @param origin where its line comes from.
   * @returns the workspace's current frame, if the result has one.
   */
  apply(result: LineResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    const known = result.uid === "" ? undefined : this.registry.byUid(result.uid);
    if (known && origin === "list") known.listGeneration = this.#list.generation;
    if (result.kind === "skipped") return this.#applySkipped(result, known, origin);
    return known ? this.#applyKnown(known, result, bytes) : this.#applyNew(result, bytes, origin);
  }

  /** The pod with this uid does not exist any more (a read said so). */
  gone(uid: string): void {
    const record = this.registry.byUid(uid);
    if (record) this.#end(record);
  }

  /** As much of a workspace's status as is known, where its frame was evicted and its pod can not be understood any more. */
  frameFromFacts(record: WorkspaceRecord): Buffer {
    return buildFrame(encodeStatus(statusFromFacts(record.facts)), record.version);
  }

  #applySkipped(result: SkippedResult, record: WorkspaceRecord | undefined, origin: Origin): undefined {
    this.#hooks.skipped(result);
    if (record && result.removed) this.#end(record);
    // A list may still tell of it as it was before.
    else if (result.removed) this.registry.bury(result.uid);
    else if (result.uid === "" && origin === "list") this.#list.countUnknown();
  }

  #applyNew(result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    if (this.registry.isGone(result.uid)) return undefined;
    const other = this.registry.byId(result.facts.id);
    if (other && !this.#replaces(other, result)) return undefined;
    const { frame, kept, version } = this.#publish(result.facts, encodedOf(result, bytes), result.facts.failed !== "");
    const record: WorkspaceRecord = {
      uid: result.uid,
      resourceVersion: result.resourceVersion,
      facts: result.facts,
      digest: result.digest,
      version,
      sequence: this.#sequence,
      stopped: result.facts.phase === STOPPED,
      awaitsRunning: beforeRunning.has(result.facts.phase),
      listGeneration: origin === "list" ? this.#list.generation : this.#list.generation - 1,
      frame: kept,
      place: -1,
      held: undefined,
      activeAt: undefined,
      activityWrittenAt: undefined,
    };
    this.registry.add(record);
    this.#hold(record, result, bytes);
    if (record.stopped && this.#synced) this.#hooks.stopped(record.facts);
    if (result.removed) this.#forget(record);
    else if (origin === "list" && this.#list.mayBeOutdated(record.uid)) this.#hooks.reread(record.facts.podName, record.uid);
    return frame;
  }

  /** A pod claims the ID of another one, which ends if it is the older one of the same name. False: the pod is left aside. */
  #replaces(other: WorkspaceRecord, result: WorkspaceResult): boolean {
    if (other.facts.podName !== result.facts.podName) {
      this.#wait(result);
      return false;
    }
    // Of two pods of one name the newer has taken the older one's place, whether or not we were told.
    if (compareVersions(result.resourceVersion, other.resourceVersion) < 0) {
      this.registry.bury(result.uid);
      return false;
    }
    this.#end(other);
    return true;
  }

  #applyKnown(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array): Buffer | undefined {
    if (compareVersions(result.resourceVersion, record.resourceVersion) < 0 && !result.removed) return this.cache.peek(record.facts.id);
    if (result.facts.id !== record.facts.id) return this.#refuse(record, result);
    record.resourceVersion = result.resourceVersion;
    this.#hold(record, result, bytes);
    const frame = this.#update(record, result, bytes);
    if (result.removed) this.#forget(record);
    return frame;
  }

  /** A pod that claims another workspace than before: what it said first counts, until it is gone. */
  #refuse(record: WorkspaceRecord, { uid, resourceVersion, removed, facts }: WorkspaceResult): Buffer | undefined {
    this.#hooks.skipped({ kind: "skipped", reason: "invalid", message: "its workspace ID was changed", uid, podName: facts.podName, resourceVersion, removed });
    if (removed) this.#end(record);
    return this.cache.peek(record.facts.id);
  }

  /** Publishes what the result says, if it says something new. */
  #update(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array): Buffer {
    const amendment = amendmentFor(record.facts, result.facts);
    const before = record.facts;
    const encoded = amendment ? amendStatus(encodedOf(result, bytes), amendment) : encodedOf(result, bytes);
    const digest = amendment ? digestOf(encoded) : result.digest;
    record.facts = sharing(before, amendment ? amendFacts(result.facts, amendment) : result.facts);
    // STOPPED was the last word.
    if (digest === record.digest || record.stopped) {
      this.#hooks.suppressed();
      return this.cache.get(record.facts.id) ?? this.#rebuild(record, encoded);
    }
    const { frame, kept, version } = this.#publish(record.facts, encoded, before.failed !== record.facts.failed);
    record.digest = digest;
    this.registry.setFrame(record, kept);
    record.version = version;
    record.sequence = this.#sequence;
    this.#tellTransition(record);
    return frame;
  }

  #tellTransition(record: WorkspaceRecord): void {
    const { facts } = record;
    if (record.awaitsRunning && facts.phase === RUNNING && facts.failed === "") {
      record.awaitsRunning = false;
      this.#hooks.started(facts);
    }
    if (facts.phase !== STOPPED) return;
    record.stopped = true;
    this.#hooks.stopped(facts);
  }

  /** An evicted frame is made again, with the version that it was published with. */
  #rebuild(record: WorkspaceRecord, encoded: Uint8Array): Buffer {
    const frame = buildFrame(encoded, record.version);
    this.registry.setFrame(record, this.#keep(record.facts.id, frame));
    return frame;
  }

  /** Puts a frame into the cache; gives it if it is there then. */
  #keep(id: string, frame: Buffer): Buffer | undefined {
    return this.cache.set(id, frame) ? frame : undefined;
  }

  #publish(facts: WorkspaceFacts, encoded: Uint8Array, failedNews: boolean): { frame: Buffer; kept: Buffer | undefined; version: WorkspaceRecord["version"] } {
    const version = this.#versions.tick();
    const frame = buildFrame(encoded, version);
    this.#sequence++;
    const kept = this.#keep(facts.id, frame);
    this.#hooks.published({ facts, frame, keep: failedNews || facts.phase === STOPPED });
    return { frame, kept, version };
  }

  /** One pod's trouble, be it a bug of ours, does not keep the others from being known: it is looked at again later. */
  #endListed(record: WorkspaceRecord): void {
    try {
      this.#end(record);
    } catch {
      this.#hooks.reread(record.facts.podName, record.uid);
    }
  }

  /** The pod is gone; STOPPED is published if it was not yet. */
  #end(record: WorkspaceRecord): void {
    if (!record.stopped) {
      const last = this.cache.peek(record.facts.id);
      const status = stoppedStatus(last ? decodeFrame(last) : statusFromFacts(record.facts));
      record.facts = { ...record.facts, phase: STOPPED };
      this.#publish(record.facts, encodeStatus(status), false);
      this.#tellTransition(record);
    }
    this.#forget(record);
  }

  #forget(record: WorkspaceRecord): void {
    this.registry.remove(record);
    this.#hooks.forgotten(record);
    const next = this.#waiting.get(record.facts.id);
    if (next === undefined) return;
    this.#waiting.delete(record.facts.id);
    this.#hooks.reread(next, "");
  }

  #wait(result: WorkspaceResult): void {
    const { id, podName } = result.facts;
    if (result.removed) {
      this.#giveUp(id, podName);
      this.registry.bury(result.uid);
    } else if (this.#waiting.size < maxWaiting) this.#waiting.set(id, podName);
    this.#hooks.conflict(id, podName);
  }

  #giveUp(id: string, podName: string): void {
    if (this.#waiting.get(id) === podName) this.#waiting.delete(id);
  }

  #hold(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array): void {
    record.held = result.held ? bytes.slice(result.held.start, result.held.start + result.held.length) : undefined;
  }
}

function encodedOf(result: WorkspaceResult, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(result.start, result.start + result.length);
}
