/** The registry: one small record per workspace pod that exists, and the memory of those that were and must not come back. */
import { LRUCache } from "lru-cache";
import type { Action } from "../../domain/actions.ts";
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { FrameList, type Frames } from "./frame-list.ts";
import type { Version } from "./version.ts";

/** A pod that stands for another one (domain/placeholder.ts). */
export interface Placeholder {
  readonly podName: string;
  readonly uid: string;
}

/**
 * `resourceVersion` of a pod that is known from before the API server's store was set back: it is no version of what is there now, and none to write on, for an API server takes it for
 * whichever is there.
 */
export const unknownVersion = "0";

/** What we know of one workspace pod. Only the state's commit writes it. */
export interface WorkspaceRecord {
  readonly uid: string;
  /** metadata.resourceVersion that the facts are from. */
  resourceVersion: string;
  facts: WorkspaceFacts;
  /** Names the content of the published status; see commit. */
  digest: string;
  /** Version of the published status. */
  version: Version;
  /** Place of the published status among all that this process published. */
  sequence: number;
  /** What the lifecycle controller is to do, according to the pod. The same list for as long as nothing else is to be done. */
  actions: readonly Action[];
  /** Encoded wsdaemon.InitWorkspaceRequest, while the actions have use for it. */
  init: Uint8Array | undefined;
  /** The pod is gone because a node refused it, and another one is to take its place: until then the workspace is as it was. */
  vacant: boolean;
  /** A placeholder that stands behind this pod: it was made for its successor, or it was made from it. */
  placeholder: Placeholder | undefined;
  /** STOPPED was published: nothing may follow. */
  stopped: boolean;
  /** It was seen before it ran, and has not run yet. */
  awaitsRunning: boolean;
  /** The list in which the pod was seen last. */
  listGeneration: number;
  /** The published status, at hand for reads of everything; undefined if the cache does not hold it. The registry writes it, and where it stands in its list. */
  frame: Buffer | undefined;
  place: number;
  /** Shortened pod, kept while an Event could change the status. */
  held: Uint8Array | undefined;
  /** When somebody last told us of activity, or another replica, which wrote it on the pod; and when we last wrote it there; Unix milliseconds. */
  activeAt: number | undefined;
  activityWrittenAt: number | undefined;
}

/** Last activity of a workspace, told to us or written on its pod, whichever is later; Unix milliseconds, undefined if there was none. */
export function lastActivityOf({ activeAt, facts }: Pick<WorkspaceRecord, "activeAt" | "facts">): number | undefined {
  if (activeAt === undefined || facts.lastActivity === undefined) return activeAt ?? facts.lastActivity;
  return Math.max(activeAt, facts.lastActivity);
}

/** Live workspaces by pod and by ID. */
export class Registry {
  readonly #byUid = new Map<string, WorkspaceRecord>();
  readonly #byId = new Map<string, WorkspaceRecord>();
  /** The frames that are at hand, without gaps and in no order, and whose they are: who wants all of them visits no record. */
  readonly #frames = new FrameList();
  readonly #owners: WorkspaceRecord[] = [];
  /** Pods that are gone: late lines about them are dropped. With the last version that is known of each, "" if none is. At the bound the oldest is forgotten. */
  readonly #gone: LRUCache<string, string>;
  #buried = 0;

  /** @param tombstones how many gone pods are remembered. */
  constructor(tombstones = 20_000) {
    this.#gone = new LRUCache<string, string>({ max: tombstones });
  }

  /** How many pods were buried so far. */
  get buried(): number {
    return this.#buried;
  }

  /** Pods that can be buried after another, and this one is still remembered as gone. */
  get tombstones(): number {
    return this.#gone.max;
  }

  get size(): number {
    return this.#byUid.size;
  }

  byUid(uid: string): WorkspaceRecord | undefined {
    return this.#byUid.get(uid);
  }

  byId(id: string): WorkspaceRecord | undefined {
    return this.#byId.get(id);
  }

  isGone(uid: string): boolean {
    return this.#gone.has(uid);
  }

  /** The last version that is known of a pod that is gone, as a rule that of its deletion; "" if none is, undefined if the pod is not known to be gone. */
  goneAs(uid: string): string | undefined {
    return this.#gone.peek(uid);
  }

  /** All records, live: ones added while iterating are visited too, ones removed are not. */
  records(): MapIterator<WorkspaceRecord> {
    return this.#byUid.values();
  }

  /**
   * One record of each workspace, live. A pod that takes the place of another one is met in that one's place: by who walks over them, one of the two, and never both. Workspaces that are added meanwhile are visited too, ones removed are not.
   */
  workspaces(): MapIterator<WorkspaceRecord> {
    return this.#byId.values();
  }

  add(record: WorkspaceRecord): void {
    this.#byUid.set(record.uid, record);
    this.#byId.set(record.facts.id, record);
    const { frame } = record;
    record.frame = undefined;
    this.setFrame(record, frame);
  }

  /** Puts a pod's record in the place of another one's, whose workspace it goes on with. */
  replace(other: WorkspaceRecord, record: WorkspaceRecord): void {
    // In this order the ID keeps its place in the map.
    this.add(record);
    this.#takeOut(other);
  }

  /** Takes a pod's record out, which is gone. @param version as of which. */
  remove(record: WorkspaceRecord, version = record.resourceVersion): void {
    this.#takeOut(record);
    this.bury(record.uid, version);
  }

  #takeOut(record: WorkspaceRecord): void {
    this.setFrame(record, undefined);
    this.#byUid.delete(record.uid);
    if (this.#byId.get(record.facts.id) === record) this.#byId.delete(record.facts.id);
  }

  /** Says which frame a record has at hand. */
  setFrame(record: WorkspaceRecord, frame: Buffer | undefined): void {
    if (frame && record.frame) this.#frames.set(record.place, frame);
    else if (frame) this.#append(record, frame);
    else if (record.frame) this.#closeGap(record.place);
    record.frame = frame;
  }

  /** The frames of all records at this moment; undefined if one is not at hand. */
  allFrames(): Frames | undefined {
    return this.#frames.length === this.#byUid.size ? this.#frames.keep() : undefined;
  }

  #append(record: WorkspaceRecord, frame: Buffer): void {
    this.#frames.push(frame);
    record.place = this.#owners.push(record) - 1;
  }

  /** The last one takes the place. */
  #closeGap(place: number): void {
    const [frame, owner] = [this.#frames.pop(), this.#owners.pop()];
    if (!frame || !owner || place === this.#frames.length) return;
    this.#frames.set(place, frame);
    this.#owners[place] = owner;
    owner.place = place;
  }

  /** Whoever was gone may be there again: the API server's store was set back. */
  forgetGone(): void {
    this.#gone.clear();
  }

  /** Forgets a pod as if it had never been known. */
  forget(record: WorkspaceRecord): void {
    this.#takeOut(record);
  }

  /** Remembers a pod as gone. @param version as of which, or the last one in which it was there. */
  bury(uid: string, version = ""): void {
    if (uid === "") return;
    this.#buried++;
    this.#gone.set(uid, version);
  }
}
