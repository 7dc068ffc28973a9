/** Rate limits of methods, from the configuration: a token bucket each, or one for each value of a field of the request (spec: api, "Rate limits"). */
import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { sleep, type Clock } from "../../domain/clock.ts";
import { WsmanError } from "../../domain/errors.ts";
import { asObject } from "../../domain/json.ts";
import { registryfacade, wsman } from "../../gen/proto.js";
import { TokenBucket } from "../../domain/token-bucket.ts";
import type { RateLimit } from "../config/types.ts";
import type { Admission, UnaryCall, UnaryHandler } from "./calls.ts";
import type { RpcDependencies } from "./ports.ts";
import { maxBytesOf } from "./requests.ts";

/** Calls of one bucket that may wait; more are refused, although the configuration lets calls wait. */
const maxWaiting = 1_000;
/** Longest key that is kept as it came, characters; of others a digest is kept. */
const maxKeyLength = 256;

/** Requests whose fields can be keys, by method. */
const requests: ReadonlyMap<string, { decode(bytes: Uint8Array): unknown }> = new Map<string, { decode(bytes: Uint8Array): unknown }>([
  ["GetWorkspaces", wsman.GetWorkspacesRequest], ["StartWorkspace", wsman.StartWorkspaceRequest], ["StopWorkspace", wsman.StopWorkspaceRequest], ["DescribeWorkspace", wsman.DescribeWorkspaceRequest],
  ["BackupWorkspace", wsman.BackupWorkspaceRequest], ["MarkActive", wsman.MarkActiveRequest], ["SetTimeout", wsman.SetTimeoutRequest], ["ControlPort", wsman.ControlPortRequest], ["TakeSnapshot", wsman.TakeSnapshotRequest],
  ["ControlAdmission", wsman.ControlAdmissionRequest], ["DeleteVolumeSnapshot", wsman.DeleteVolumeSnapshotRequest], ["UpdateSSHKey", wsman.UpdateSSHKeyRequest], ["DescribeCluster", wsman.DescribeClusterRequest], ["Subscribe", wsman.SubscribeRequest], ["GetImageSpec", registryfacade.GetImageSpecRequest],
]);

/** The limit of one method. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  readonly #onCall: (limited: boolean) => void;
  readonly #keyOf: ((request: Buffer) => string) | undefined;
  /** At its bound the key that was seen longest ago begins with a full bucket again. */
  readonly #buckets: LRUCache<string, TokenBucket>;

  /** @param name of the method. @param onCall is told of each call, and whether it was refused or had to wait; must not throw. */
  constructor(name: string, limit: RateLimit, clock: Clock, onCall: (limited: boolean) => void) {
    this.#limit = limit;
    this.#clock = clock;
    this.#onCall = onCall;
    this.#keyOf = limit.key === undefined ? undefined : keyReader(name, limit.key);
    this.#buckets = new LRUCache({ max: Math.max(1, limit.key === undefined ? 1 : limit.keyCacheSize) });
  }

  /** Nothing if the call may go on at once; else what resolves when it may. @throws WsmanError RESOURCE_EXHAUSTED. */
  admit(request: Buffer, call: Pick<UnaryCall, "signal">): void | Promise<void> {
    const bucket = this.#bucketFor(this.#keyOf?.(request) ?? "");
    const limited = bucket.tokens < 1;
    this.#onCall(limited);
    if (limited && (!this.#limit.block || bucket.tokens <= -maxWaiting)) throw exhausted(this.#limit.method);
    bucket.take();
    return limited ? this.#wait(bucket, call.signal) : undefined;
  }

  #bucketFor(key: string): TokenBucket {
    const { bucketSize, refillInterval } = this.#limit;
    const now = this.#clock.monotonic();
    const known = this.#buckets.get(key);
    const bucket = known ?? new TokenBucket(bucketSize, refillInterval, now);
    if (known) known.fill(now);
    else this.#buckets.set(key, bucket);
    return bucket;
  }

  async #wait(bucket: TokenBucket, signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, Math.ceil(-bucket.tokens * this.#limit.refillInterval), signal);
    if (!signal.aborted) return;
    bucket.take(-1);
    throw exhausted(this.#limit.method);
  }
}

/** What limits need that belongs to all of them. */
export type LimitDependencies = Pick<RpcDependencies, "rateLimits" | "clock" | "metrics">;

/** What the configuration demands of a method's calls; undefined if it limits them in no way. @param path "/service/Method". */
export function admissionTo(path: string, { rateLimits = [], clock, metrics }: LimitDependencies): Admission | undefined {
  const limit = rateLimits.find(({ method }) => method === path);
  if (!limit) return undefined;
  const limiter = new RateLimiter(path.slice(path.lastIndexOf("/") + 1), limit, clock, (refused) => metrics.rateLimited(limit.method, refused));
  return (request, call) => limiter.admit(request, call);
}

/** A handler behind a limit. */
export function limited(admit: Admission, handler: UnaryHandler): UnaryHandler {
  return (request, call) => {
    const wait = admit(request, call);
    return wait ? wait.then(() => handler(request, call)) : handler(request, call);
  };
}

/**
 * Reads a field by its path as the protocol names it, "metadata.owner". What can not be decoded, or is too large for its call, has no key: its handler tells why.
 * Gives no more than 256 characters.
 */
export function keyReader(method: string, path: string): (request: Buffer) => string {
  const type = requests.get(method);
  const maxBytes = maxBytesOf(`${method}Request`);
  const names = path.split(".").map((name) => name.replaceAll(/_(\w)/g, (_all, letter: string) => letter.toUpperCase()));
  return (request) => {
    if (request.length > maxBytes) return "";
    try {
      const value = names.reduce<unknown>((message, name) => asObject(message)?.[name], type?.decode(request));
      return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? keyOf(String(value)) : "";
    } catch {
      return "";
    }
  };
}

function keyOf(value: string): string {
  return value.length > maxKeyLength ? hash("sha256", value, "base64") : value;
}

function exhausted(method: string): WsmanError {
  return new WsmanError("RESOURCE_EXHAUSTED", `too many calls of ${method}: try again later`);
}
