/** What the list that is being read proves of pods, while the watch tells of changes beside it. */
import type { Origin } from "../../domain/messages.ts";
import { compareVersions } from "../../domain/versions.ts";
import type { Registry, WorkspaceRecord } from "./registry.ts";

/** At the bound, every pod that the list introduces is read again. */
const maxDoubts = 1000;
/** At the bound, absence proves nothing. */
const maxLeftAside = 1000;

/** The current list, or the last one. */
export class Listing {
  readonly #registry: Registry;
  #generation = 0;
  #version: string | undefined;
  #contradicted = false;
  /** Items that could not be told apart: while there are any, absence proves nothing. */
  #unknown = 0;
  /** Pods buried before it began. */
  #buried = 0;
  /** Pods that were not known when a line of the watch told something of them that could not be read: an item of the list may be older than that. */
  readonly #doubts = new Set<string>();
  #doubtsLost = false;
  /** Pods that it tells of, and that did not become known by that: a read may make them known before its end. */
  readonly #leftAside = new Set<string>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** A number of its own, for the records of those that it tells of. */
  get generation(): number {
    return this.#generation;
  }

  /** The number for the record of a pod that is told of by this. */
  generationOf(origin: Origin): number {
    return origin === "list" ? this.#generation : this.#generation - 1;
  }

  /** Whether it tells of a pod as it was before what is known of it, and is newer than that. */
  get contradicted(): boolean {
    return this.#contradicted;
  }

  /** Another list begins. @param version its resourceVersion, if that is known already. */
  start(version: string | undefined): void {
    this.#generation++;
    this.#version = version;
    this.#contradicted = false;
    this.#unknown = 0;
    this.#leftAside.clear();
    this.#buried = this.#registry.buried;
  }

  /** An item is of a pod that is known. */
  found(record: WorkspaceRecord, resourceVersion: string): void {
    record.listGeneration = this.#generation;
    this.#compare(resourceVersion, record.resourceVersion);
  }

  /** An item is of a pod that is not known. @param goneAs the last version that is known of it, if it is gone. */
  foundUnknown(resourceVersion: string, goneAs: string | undefined): void {
    if (goneAs !== undefined) this.#compare(resourceVersion, goneAs);
  }

  #compare(resourceVersion: string, known: string): void {
    if (compareVersions(resourceVersion, known) >= 0 || this.#version === undefined) return;
    // What is known from a later version than the list's, the watch has told beside it.
    if (compareVersions(known, this.#version) <= 0) this.#contradicted = true;
  }

  /** An item is of a pod that is there, and is not known all the same: another one has its ID, or a read has to show that it is no history. */
  leaveAside(uid: string): void {
    if (this.#leftAside.size < maxLeftAside) this.#leftAside.add(uid);
    else this.#unknown++;
  }

  /** An item does not tell which pod it is of. */
  countUnknown(): void {
    this.#unknown++;
  }

  /** A line of the watch about a pod that is not known could not be read. */
  doubt(uid: string): void {
    if (this.#doubts.size < maxDoubts) this.#doubts.add(uid);
    else this.#doubtsLost = true;
  }

  /**
   * Whether the watch may have told something newer of a pod that an item of the list introduces, and we do not know it: then it has to be read again.
   * So it is for all of them once so many pods have gone meanwhile that those gone first may be forgotten. Half of that many, since some may have gone after the API server
   * took the list's snapshot, but before the list began here.
   */
  mayBeOutdated(uid: string): boolean {
    return this.#doubtsLost || this.#doubts.has(uid) || this.#registry.buried - this.#buried > this.#registry.tombstones / 2;
  }

  /** What the complete list says of a pod. `unclear`: it may be among those that could not be told apart. */
  verdict(record: WorkspaceRecord, resourceVersion: string): "there" | "gone" | "unclear" {
    if (record.listGeneration === this.#generation || this.#leftAside.has(record.uid) || compareVersions(record.resourceVersion, resourceVersion) > 0) return "there";
    return this.#unknown > 0 ? "unclear" : "gone";
  }

  /** It is complete: no item can be older than what the watch told so far. */
  finish(): void {
    this.#doubts.clear();
    this.#doubtsLost = false;
    this.#leftAside.clear();
  }
}
