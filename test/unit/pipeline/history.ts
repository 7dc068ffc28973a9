/** A small cluster and whoever watches the core over it, moved step by step: histories of pods, Events, lists, reads, workers and subscribers in any order. */
import assert from "node:assert/strict";
import { allOf } from "../../support/frames.ts";
import type { PodState } from "../../support/pods.ts";
import type { EndReason, SubscriberStream, Subscription } from "../../../src/main/subscriptions/stream.ts";
import { matchAll } from "../../../src/main/state/filter.ts";
import { decodeFrame, type Status } from "../../../src/main/state/frame.ts";
import { change, eventOf, json, podOf, startCore, turns, type Core } from "./core.ts";

/** A pod as the cluster has it; its uid stands in its user annotations as well, so that a status tells which pod it is of. */
export interface ClusterPod {
  readonly id: string;
  readonly uid: string;
  readonly version: number;
  readonly state: PodState;
}

/** A list that is under way: a snapshot, whose items the core has yet to get. */
interface PendingList {
  readonly version: number;
  readonly items: Buffer[];
  /** One of the items can not be read. */
  readonly odd: boolean;
  started: boolean;
}

/** A read of a pod that is under way. */
interface PendingGet {
  readonly name: string;
  answer(): void;
  fail(): void;
}

/** The pod as the API server gives it. What has stopped goes on changing: a snapshot is noted that it did not have. */
export function objectOf({ id, uid, version, state }: ClusterPod): object {
  const snapshot = state === "stopped" && version % 2 === 0 ? "taken" : undefined;
  // Each is another start, and all are of one second.
  return podOf(id, state, version, { uid, annotations: { "gitpod.io/annotation.uid": uid, "gitpod/ownerToken": `token of ${uid}`, "gitpod/snapshot": snapshot } });
}

/** The uid of the pod that a status is of. */
export function uidOf(status: Status): string {
  return status.metadata?.annotations?.["uid"] ?? "";
}

/** The version as a number that can be compared. */
export function versionOf(status: Status): bigint {
  return BigInt(status.statusVersion?.toString() ?? "0");
}

/** A subscriber that takes as much as it is let. */
export class Reader implements SubscriberStream {
  readonly got: Status[] = [];
  /** Publications before it came. */
  readonly since: number;
  readonly initialState: boolean;
  room: number;
  ended: EndReason | undefined;
  subscription: Subscription | undefined;

  constructor(since: number, initialState: boolean, room: number) {
    this.since = since;
    this.initialState = initialState;
    this.room = room;
  }

  write(frame: Buffer): boolean {
    assert.equal(this.ended, undefined, "nothing is written to a stream that ended");
    this.got.push(decodeFrame(frame));
    return --this.room > 0;
  }

  end(reason: EndReason): void {
    this.ended = reason;
  }
}

/** The cluster, the core, and the steps that a history is made of. */
export class History {
  readonly core: Core;
  readonly pods = new Map<string, ClusterPod>();
  readonly readers: Reader[] = [];
  /** Every instance that there ever was, newest state. */
  readonly instances = new Map<string, ClusterPod>();
  /** Answers to GetWorkspaces under way. */
  open = 0;
  /** Lines that the watch has yet to bring; undefined while there is no watch. */
  #lines: Buffer[] | undefined = [];
  readonly #gets: PendingGet[] = [];
  readonly #problems: unknown[] = [];
  readonly #events = new Set<string>();
  #list: PendingList | undefined;
  /** Another complete list is needed: the last one did not tell of a pod that is there, or broke off, or lines were lost since. */
  #owed = false;
  #resting = false;
  #version = 100;
  #count = 0;

  constructor(cacheEntries: number) {
    this.core = startCore({ cache: { maxEntries: cacheEntries, maxBytes: 1e6 }, fetchPod: (name) => this.#get(name) });
  }

  /** The pod changes, or is made. One that has stopped stays so. */
  put(id: string, wanted: PodState): void {
    const known = this.pods.get(id);
    const state = known?.state === "stopped" ? known.state : wanted;
    const pod = { id, uid: known?.uid ?? `${id}-${++this.#count}`, version: ++this.#version, state };
    this.pods.set(id, pod);
    this.instances.set(pod.uid, pod);
    this.#lines?.push(change(known ? "MODIFIED" : "ADDED", objectOf(pod)));
  }

  remove(id: string): void {
    const pod = this.pods.get(id);
    if (!pod) return;
    this.pods.delete(id);
    this.#lines?.push(change("DELETED", objectOf({ ...pod, version: ++this.#version })));
  }

  /** An Event of the pod comes, changes or goes. */
  event(id: string, reason: "FailedMount" | "NetworkNotReady", gone: boolean): void {
    const pod = this.pods.get(id);
    if (!pod) return;
    const key = `${pod.uid} ${reason}`;
    if (gone && !this.#events.delete(key)) return;
    if (!gone) this.#events.add(key);
    void this.core.events.sinkFor(reason).line(change(gone ? "DELETED" : "MODIFIED", eventOf(pod.uid, `volume of ${pod.uid}`, reason)));
  }

  /** The watch brings so many lines. */
  deliver(count: number): void {
    for (const line of this.#lines?.splice(0, count) ?? []) void this.core.pipeline.line(line);
  }

  /** The watch brings a line cut short, unless it is the first of its pod. */
  garble(): void {
    const line = this.#lines?.shift();
    if (line) void this.core.pipeline.line(line.includes('"ADDED"') ? line : line.subarray(0, line.length / 2));
  }

  /** The watch breaks: what it did not bring is lost until the next list. */
  gap(): void {
    this.#lines = undefined;
    this.#owed = true;
  }

  /**
   * A list begins: the API server takes a snapshot. One that is under way breaks off.
   * @param how `odd`: one of its pods can not be read. `anew`: the watch begins anew at its version, so that what it did not bring is lost; otherwise it goes on, if there is one.
   */
  beginList({ odd, anew }: { readonly odd: boolean; readonly anew: boolean }): void {
    this.breakList();
    const items = Array.from(this.pods.values(), (pod, i) => (odd && i === 0 ? Buffer.from("{]") : json(objectOf(pod))));
    this.#list = { version: this.#version, items, odd, started: false };
    this.#owed = true;
    if (!anew && this.#lines) return;
    this.#lines = [];
    // A watch begins only once the list's version is known, and by then the list has begun as well.
    this.#startListing(this.#list);
  }

  #startListing(list: { started: boolean }): void {
    if (!list.started) this.core.pipeline.listStarted(false, undefined);
    list.started = true;
  }

  /** The list that is under way brings so many items, and is complete if there are no more. */
  goOnListing(count: number): void {
    const { pipeline } = this.core;
    const list = this.#list;
    if (!list) return;
    this.#startListing(list);
    for (const item of list.items.splice(0, count)) void pipeline.item(item);
    if (list.items.length > 0) return;
    pipeline.listFinished(String(list.version));
    this.#list = undefined;
    this.#owed = list.odd || !this.#lines;
  }

  /** The list that is under way breaks off. */
  breakList(): void {
    if (this.#list?.started) this.core.pipeline.listAborted();
    this.#list = undefined;
  }

  /** A worker answers, or dies. */
  work(index: number, crash: boolean): void {
    const { held } = this.core.pool;
    const task = held[index % Math.max(1, held.length)];
    if (crash) task?.crash();
    else task?.go();
  }

  /** The API server answers a read, or fails. */
  answer(index: number, fail: boolean): void {
    const [get] = this.#gets.splice(index % Math.max(1, this.#gets.length), 1);
    if (fail) get?.fail();
    else get?.answer();
  }

  subscribe(initialState: boolean, room: number): void {
    const reader = new Reader(this.core.store.sequence, initialState, room);
    this.readers.push(reader);
    reader.subscription = this.core.hub.subscribe(matchAll, reader, { initialState, client: "c" });
  }

  drain(index: number, room: number): void {
    const reader = this.readers[index % Math.max(1, this.readers.length)];
    if (!reader || reader.ended || reader.room > 0) return;
    reader.room = room;
    reader.subscription?.drained();
  }

  /** GetWorkspaces: no workspace may be missing that was there from call to answer. */
  collect(): void {
    this.open++;
    const before = [...this.core.store.registry.records()];
    this.core.workspaces.collect(matchAll, new AbortController().signal).then(
      (frames) => {
        this.open--;
        const got = allOf(frames).map(decodeFrame);
        this.#check(() => {
          assert.equal(new Set(got.map(({ id }) => id)).size, got.length, "no workspace twice in an answer");
          for (const { uid, facts } of before) {
            const there = this.pods.get(facts.id)?.uid === uid && this.core.store.registry.byUid(uid) !== undefined;
            assert.ok(!there || got.some((status) => uidOf(status) === uid), `${uid} is missing in an answer`);
          }
        });
      },
      (error: unknown) => {
        this.open--;
        this.#check(() => assert.match(String(error), /cannot read pod/));
      },
    );
  }

  /** Everything takes its course, until nothing more happens. */
  async rest(): Promise<void> {
    this.#resting = true;
    this.goOnListing(Number.POSITIVE_INFINITY);
    this.deliver(Number.POSITIVE_INFINITY);
    if (this.#owed) this.beginList({ odd: false, anew: true });
    this.goOnListing(Number.POSITIVE_INFINITY);
    for (let round = 0; round < 12; round++) {
      this.core.pool.release();
      for (const get of this.#gets.splice(0)) get.answer();
      for (let i = 0; i < this.readers.length; i++) this.drain(i, Number.POSITIVE_INFINITY);
      await turns(4);
      // Reads that failed are tried again within a minute, pods that are missing end after seconds.
      this.core.clock.advance(10_000);
    }
    await turns();
    if (this.#problems.length > 0) throw this.#problems[0];
  }

  close(): void {
    this.core.rereader.close();
    this.core.pipeline.close();
  }

  #get(name: string): Promise<Buffer | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
    const pod = [...this.pods.values()].find(({ id }) => `ws-${id}` === name);
    const answer = (): void => resolve(pod && json(objectOf(pod)));
    if (this.#resting) answer();
    else this.#gets.push({ name, answer, fail: () => reject(new Error("refused")) });
    return promise;
  }

  #check(assertion: () => void): void {
    try {
      assertion();
    } catch (error) {
      this.#problems.push(error);
    }
  }
}
