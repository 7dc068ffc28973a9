/** A workspace whose pod a node refuses, and that goes on with another one, in a core whose reads of pods are answered by the test. */
import assert from "node:assert/strict";
import { anew, placeholderFor } from "../../../src/main/lifecycle/pod-copies.ts";
import type { JsonObject } from "../../../src/domain/json.ts";
import { decodeFrame, type Status } from "../../../src/main/state/frame.ts";
import { change, json, podOf, startCore, type Core, type CoreOptions } from "./core.ts";

/** A GET that is under way. */
export interface Get {
  readonly name: string;
  /** Nothing: there is no such pod. */
  answer(pod?: object): void;
  fail(): void;
}

/** The core, with a place for one frame in its cache. */
export interface Stage extends Core {
  readonly gets: Get[];
  readonly watch: (type: "ADDED" | "MODIFIED" | "DELETED", pod: object) => Promise<void>;
  /** Another workspace takes the only place in the cache. */
  readonly evict: () => Promise<void>;
  /** The oldest GET that is not answered. */
  readonly next: () => Get;
}

/** Sets it up. */
export function stage(options: Pick<CoreOptions, "initializationMs"> = {}): Stage {
  const gets: Get[] = [];
  const core = startCore({
    ...options, cache: { maxEntries: 1, maxBytes: 1e7 },
    fetchPod: (name) => new Promise((resolve, reject) => gets.push({ name, answer: (pod) => resolve(pod && json(pod)), fail: () => reject(new Error("connection refused")) })),
  });
  const watch = async (type: "ADDED" | "MODIFIED" | "DELETED", pod: object): Promise<void> => {
    void core.pipeline.line(change(type, pod));
    await core.pipeline.settled();
  };
  let version = 1_000;
  const next = (): Get => {
    const get = gets.shift();
    assert.ok(get, "a GET is under way");
    return get;
  };
  return { ...core, gets, watch, next, evict: () => watch("ADDED", podOf("b", version % 2 ? "running" : "creating", ++version)) };
}

/** All of them say the same: the workspace is pending. */
export const waiting = { ...podOf("a", "unscheduled", 1, { uid: "p1", annotations: { "gitpod/never-ready": "true", "gitpod.io/attemptingToCreate": undefined } }), status: { phase: "Pending" } };
/** The same, refused by a node. */
export const refused = { ...waiting, status: { phase: "Failed", reason: "OutOfcpu", message: "no room" } };
/** Its placeholder, once it was refused. */
export const placeholder = served(placeholderFor(anew(refused)), "s", 3);

/** A pod that the API server has taken. */
export function served(pod: JsonObject, uid: string, version: number): JsonObject {
  return { ...pod, status: { phase: "Pending" }, metadata: { ...Object(pod["metadata"]), uid, resourceVersion: String(version), creationTimestamp: "2024-01-01T00:10:00Z" } };
}

/** The workspace's n-th pod. */
export function pod(n: number): JsonObject {
  return served(anew(refused), `p${n}`, 10 * n);
}

/** Of these, the statuses of workspace `a`. */
export function ofA(frames: readonly Buffer[]): Status[] {
  return frames.map(decodeFrame).filter(({ id }) => id === "a");
}
