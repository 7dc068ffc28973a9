/** The state of all workspaces, and the one place that changes it: results of the pipeline come in, in order, and updates go out. */
import { sameActions } from "../../domain/actions.ts";
import type { LineResult, Origin, SkippedResult, WorkspaceResult } from "../../domain/messages.ts";
import { digestOf } from "../../domain/digest.ts";
import { wsman } from "../../gen/proto.js";
import { stoppedStatus } from "../../domain/stopped.ts";
import type { StatusCache } from "./cache.ts";
import { Claimants } from "./claimants.ts";
import { sharing } from "./facts.ts";
import { encodeStatus } from "./frame.ts";
import { GivenUp } from "./given-up.ts";
import type { StateHooks } from "./hooks.ts";
import { compareVersions } from "../../domain/versions.ts";
import { frameFromFacts, lastStatus } from "./last-status.ts";
import { Listing } from "./listing.ts";
import { Meetings } from "./meetings.ts";
import { Publisher } from "./publisher.ts";
import { copyOf, encodedOf, viewOf } from "./ranges.ts";
import { awaitsAnother, isPlaceholder, isThereAgain, lastOf, livesAgain, needsContent, newRecord, succeeds, successorOf } from "./records.ts";
import { unknownVersion, type Placeholder, type Registry, type WorkspaceRecord } from "./registry.ts";
import { amendFacts, amendmentFor, amendStatus } from "./rules.ts";
import type { VersionClock } from "./version.ts";

const { PENDING, CREATING, INITIALIZING, RUNNING, STOPPED } = wsman.WorkspacePhase;
/** A workspace that is first seen in one of these was not running before we came. */
const beforeRunning: ReadonlySet<wsman.WorkspacePhase> = new Set([PENDING, CREATING, INITIALIZING]);

/** Applies results. Every method is synchronous: what it did is visible when it returns. */
export class StateStore {
  readonly registry: Registry;
  readonly cache: StatusCache;
  readonly #publisher: Publisher;
  readonly #hooks: StateHooks;
  readonly #claimants: Claimants;
  readonly #meetings: Meetings;
  readonly #givenUp: GivenUp;
  readonly #list: Listing;
  #synced = false;

  constructor(registry: Registry, cache: StatusCache, versions: VersionClock, hooks: StateHooks) {
    this.registry = registry;
    this.#list = new Listing(registry);
    this.cache = cache;
    this.#publisher = new Publisher({ registry, cache, versions, published: (update) => hooks.published(update) });
    this.#hooks = hooks;
    this.#claimants = new Claimants({ bury: (uid) => registry.bury(uid), conflict: (id, podName) => hooks.conflict(id, podName) });
    this.#givenUp = new GivenUp({ bury: (uid) => registry.bury(uid), reread: (podName, uid) => hooks.reread(podName, uid) });
    this.#meetings = new Meetings({
      registry, hooks, claimants: this.#claimants, list: this.#list,
      succeed: (other, result, bytes, origin) => this.#succeed(other, result, bytes, origin),
      introduce: (result, bytes, origin) => this.#introduce(result, bytes, origin),
      finish: (record) => this.#finish(record),
    });
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
    return this.#publisher.sequence;
  }

  /** Whether a status of this pod took effect, and it is there yet. */
  knows(uid: string): boolean {
    return this.registry.byUid(uid) !== undefined;
  }

  /** Whether the last list told of a pod as it was before what is known of it, and is newer than that: the store was set back. */
  get contradicted(): boolean {
    return this.#list.contradicted;
  }

  /** A complete list begins. After the API server's store was set back, what it says counts although its resourceVersions are lower. */
  listStarted(setBack: boolean, resourceVersion: string | undefined): void {
    this.#list.start(resourceVersion);
    if (!setBack) return;
    this.registry.forgetGone();
    for (const record of this.registry.records()) {
      record.resourceVersion = unknownVersion;
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
      if (verdict === "there" || record.vacant) continue;
      if (verdict === "unclear") this.#hooks.reread(record.facts.podName, record.uid);
      else this.#endListed(record, resourceVersion);
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
    if (origin === "list") this.#found(known, result);
    if (result.kind === "skipped") return this.#applySkipped(result, known, origin);
    if (known) return this.#applyKnown(known, result, bytes, origin);
    const frame = this.#applyNew(result, bytes, origin);
    if (origin === "list" && !this.registry.byUid(result.uid) && !this.registry.isGone(result.uid)) this.#list.leaveAside(result.uid);
    return frame;
  }

  #found(known: WorkspaceRecord | undefined, { uid, resourceVersion }: LineResult): void {
    if (known) this.#list.found(known, resourceVersion);
    else this.#list.foundUnknown(resourceVersion, this.registry.goneAs(uid));
  }

  /** The pod with this uid does not exist any more (a read said so). */
  gone(uid: string): void {
    const record = this.registry.byUid(uid);
    if (record && !record.vacant) this.#end(record);
  }

  /** No pod is going to take the place of this one, which is gone: it has ended. */
  giveUp(uid: string): void {
    const record = this.registry.byUid(uid);
    if (!record?.vacant) return;
    record.vacant = false;
    this.#givenUp.add(record.facts);
    this.#finish(record);
  }

  /** What is known of a workspace whose pod can not be read, with the version that all of it was published with. Whoever gets this gets the next whole status, new or not. */
  tellKnown(record: WorkspaceRecord): Buffer {
    record.digest = "";
    return frameFromFacts(record);
  }

  /** The placeholder behind this pod is gone. */
  dropped(record: WorkspaceRecord, { uid }: Placeholder): void {
    if (record.placeholder?.uid === uid) record.placeholder = undefined;
  }

  /** Tells the end of a workspace whose pod is there still, before it is let go: nobody may be watching when it goes. */
  declareStopped(uid: string): void {
    const record = this.registry.byUid(uid);
    if (!record || record.stopped) return;
    const encoded = encodeStatus({ ...lastStatus(record, this.cache), phase: STOPPED, message: "" });
    record.facts = { ...record.facts, phase: STOPPED };
    this.#publishOf(record, encoded, digestOf(encoded), false);
  }

  #applySkipped(result: SkippedResult, record: WorkspaceRecord | undefined, origin: Origin): undefined {
    this.#hooks.skipped(result);
    if (record && result.removed) this.#end(record, result.resourceVersion);
    // A list may still tell of it as it was before.
    else if (result.removed) this.registry.bury(result.uid, result.resourceVersion);
    else if (result.uid === "" && origin === "list") this.#list.countUnknown();
  }

  #applyNew(result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    if (this.registry.isGone(result.uid) || !this.#givenUp.admits(result, origin)) return undefined;
    const other = this.registry.byId(result.facts.id);
    if (other && isPlaceholder(other) !== isPlaceholder(result)) return this.#meetings.meet(other, result, bytes, origin);
    if (other && !this.#claimants.mayReplace(other, result)) return undefined;
    if (other && succeeds(other, result)) return this.#succeed(other, result, bytes, origin);
    if (other) this.#finish(other);
    return this.#introduce(result, bytes, origin);
  }

  #introduce(result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer {
    const { frame, kept, version, sequence } = this.#publisher.publish(result.facts, encodedOf(result, bytes), result.facts.failed !== "" || result.facts.phase === STOPPED, viewOf(result.trace, bytes));
    const record: WorkspaceRecord = {
      ...newRecord(result, this.#list.generationOf(origin)),
      version,
      sequence,
      stopped: result.facts.phase === STOPPED,
      awaitsRunning: beforeRunning.has(result.facts.phase),
      frame: kept,
    };
    this.registry.add(record);
    if (record.stopped && this.#synced) this.#hooks.stopped(record.facts, false);
    this.#settle(record, result, bytes);
    if (!result.removed && origin === "list" && this.#list.mayBeOutdated(record.uid)) this.#hooks.reread(record.facts.podName, record.uid);
    return frame;
  }

  /** A pod takes the place of one that a node refused, or of a placeholder: the same workspace goes on, and only what is new about it is told. */
  #succeed(other: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer {
    const record = successorOf(other, result, this.#list.generationOf(origin));
    this.registry.replace(other, record);
    if (record.placeholder?.uid !== other.uid) this.registry.bury(other.uid);
    // It stands behind the successor, or is it.
    other.placeholder = undefined;
    this.#hooks.forgotten(other);
    const updated = this.#update(record, result, bytes);
    this.#settle(record, result, bytes);
    return updated;
  }

  /** What follows once a pod's status is told. */
  #settle(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array): void {
    if (result.removed) {
      this.#forget(record);
      return;
    }
    record.held = copyOf(result.held, bytes);
    record.actions = sameActions(record.actions, result.actions) ? record.actions : result.actions;
    // What is derived from a shortened pod does not have it.
    record.init = copyOf(result.init, bytes) ?? (needsContent(record) ? record.init : undefined);
    this.#hooks.changed(record);
  }

  #applyKnown(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    if (compareVersions(result.resourceVersion, record.resourceVersion) < 0 && !result.removed) return this.cache.peek(record.facts.id);
    if (result.facts.id !== record.facts.id) return this.#refuse(record, result);
    if (livesAgain(record, result)) return this.#beginAnew(record, result, bytes, origin);
    if (isThereAgain(record, result)) record.vacant = false;
    const last = lastOf(record, result);
    record.resourceVersion = result.resourceVersion;
    if (record.vacant || (result.removed && this.#vacates(record))) return this.cache.peek(record.facts.id);
    const frame = this.#update(record, result, bytes, last);
    this.#settle(record, result, bytes);
    return frame;
  }

  /** A pod that a node refused is gone: its workspace has not ended, for another one is to take its place. @param version as of which it is gone, where that is known: what was seen before does not say that it is there. */
  #vacates(record: WorkspaceRecord, version = record.resourceVersion): boolean {
    if (record.vacant) return true;
    if (!awaitsAnother(record) || record.stopped) return false;
    record.vacant = true;
    if (compareVersions(version, record.resourceVersion) > 0) record.resourceVersion = version;
    this.#hooks.vacant(record);
    if (record.placeholder) this.#hooks.reread(record.placeholder.podName, "");
    return true;
  }

  /** The API server's store was set back to before the end that was told: nothing that follows an end may be done to the pod, so nothing is left of it. */
  #beginAnew(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    this.registry.forget(record);
    this.#hooks.forgotten(record);
    return this.#applyNew(result, bytes, origin);
  }

  /** A pod that claims another workspace than before: what it said first counts, until it is gone. */
  #refuse(record: WorkspaceRecord, { uid, resourceVersion, removed, facts }: WorkspaceResult): Buffer | undefined {
    this.#hooks.skipped({ kind: "skipped", reason: "invalid", message: "its workspace ID was changed", uid, podName: facts.podName, resourceVersion, removed });
    if (removed) this.#end(record, resourceVersion);
    return this.cache.peek(record.facts.id);
  }

  /** Publishes what the result says, if it says something new. @param last what the rules over time go by: after the API server's store was set back, a phase can go back as well. */
  #update(record: WorkspaceRecord, result: WorkspaceResult, bytes: Uint8Array, last = record.facts): Buffer {
    const amendment = amendmentFor(last, result.facts);
    const before = record.facts;
    const encoded = amendment ? amendStatus(encodedOf(result, bytes), amendment) : encodedOf(result, bytes);
    const digest = amendment ? digestOf(encoded) : result.digest;
    record.facts = sharing(before, amendment ? amendFacts(result.facts, amendment) : result.facts);
    // STOPPED was the last word.
    if (digest === record.digest || record.stopped) {
      this.#hooks.suppressed();
      return this.cache.get(record.facts.id) ?? this.#publisher.rebuild(record, encoded);
    }
    return this.#publishOf(record, encoded, digest, before.failed !== record.facts.failed, viewOf(result.trace, bytes));
  }

  /** Publishes a status of a record that is known. */
  #publishOf(record: WorkspaceRecord, encoded: Uint8Array, digest: string, failedNews: boolean, objects?: Uint8Array): Buffer {
    const frame = this.#publisher.publishOf(record, encoded, digest, failedNews || record.facts.phase === STOPPED, objects);
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
    this.#hooks.stopped(facts, record.awaitsRunning);
  }

  /** One pod's trouble, be it a bug of ours, does not keep the others from being known: it is looked at again later. */
  #endListed(record: WorkspaceRecord, version: string): void {
    try {
      this.#end(record, version);
    } catch {
      this.#hooks.reread(record.facts.podName, record.uid);
    }
  }

  /** The pod is gone; STOPPED is published if it was not yet, and another pod is not to take its place. */
  #end(record: WorkspaceRecord, version?: string): void {
    if (!this.#vacates(record, version)) this.#finish(record, version);
  }

  #finish(record: WorkspaceRecord, version?: string): void {
    if (!record.stopped) {
      const status = stoppedStatus(lastStatus(record, this.cache));
      record.facts = { ...record.facts, phase: STOPPED };
      this.#publisher.publish(record.facts, encodeStatus(status), true);
      this.#tellTransition(record);
    }
    this.#forget(record, version);
  }

  #forget(record: WorkspaceRecord, version?: string): void {
    this.registry.remove(record, version);
    // Nothing is to be made from it after the end.
    if (record.placeholder) this.registry.bury(record.placeholder.uid);
    this.#hooks.forgotten(record);
    const next = this.#claimants.take(record.facts.id);
    if (next !== undefined) this.#hooks.reread(next, "");
  }
}
