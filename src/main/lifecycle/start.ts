/** Starts workspaces: who may start what, and what the same request again is answered (spec: api, StartWorkspace). */
import { LRUCache } from "lru-cache";
import { atMost, sleep, type Clock } from "../../domain/clock.ts";
import { WsmanError } from "../../domain/errors.ts";
import { wsman } from "../../gen/proto.js";
import { readStart, type WorkspaceStart } from "../render/start.ts";
import { randomToken, type RandomBytes } from "../render/token.ts";
import { invalidStart, startProblems } from "../render/validation.ts";
import { matches, type Filter } from "../state/filter.ts";
import { decodeFrame } from "../state/frame.ts";
import type { Registry, WorkspaceRecord } from "../state/registry.ts";
import type { Creation, Known, Tokens } from "./creation.ts";
import { alreadyExists } from "./errors.ts";
import { FailedStarts } from "./failed-starts.ts";
import { Interest } from "./interest.ts";
import { Lanes } from "./lanes.ts";
import { digestOfRequest } from "./request-digest.ts";

/** What a client is told of a workspace that it started. The token is secret. */
export interface Started {
  readonly url: string;
  readonly ownerToken: string;
}

/** What starting takes. */
export interface StarterOptions {
  readonly creation: Pick<Creation, "create" | "clean" | "gone">;
  readonly registry: Pick<Registry, "byId" | "byUid" | "records" | "isGone">;
  /** A workspace's frame, from memory or read anew; undefined if it is gone. */
  readonly frameOf: (record: WorkspaceRecord) => Buffer | undefined | Promise<Buffer | undefined>;
  readonly known: (id: string) => Known;
  /** Keeps the pod of an image build, which another start has made, for this one, too. False: it is gone, or about to go. */
  readonly join: (record: WorkspaceRecord, signal: AbortSignal) => Promise<boolean>;
  readonly randomBytes: RandomBytes;
  readonly clock: Clock;
}

/** A start that is under way, or was a short while ago. */
interface Attempt {
  /** They are numbered in the order in which they began. */
  readonly number: number;
  /** What a build must match to be for the same; undefined: it is no image build. The rest of the request is not kept: thousands of attempts are. */
  readonly build: Filter | undefined;
  /** Tells whether another request is the very same. */
  readonly digest: string;
  /** Stay the same when it is tried again after a failure, so that a pod of an attempt that broke off is known as ours. */
  readonly tokens: Tokens;
  /** Undefined: it failed. */
  result: Promise<Started> | undefined;
  /** The calls that it is for; undefined: it has ended. */
  interest: Interest | undefined;
  /** Of the pod that the result is about, once it is there; of another start's, where an image build has joined that. */
  uid: string;
}

/** A build that is under way, or soon will be. */
interface Build {
  readonly uid: string;
  readonly started: Started;
}

/** Our own successful start is remembered so long for retries, milliseconds. */
const rememberMs = 60_000;
const maxRemembered = 10_000;
/** How long a call waits for a workspace that is being started, milliseconds: what a start may take, and what its answer waits to be seen. */
const arrivalMs = 32_000;
/** Characters of the annotations of builds among them. */
const maxRememberedText = 32 * 1024 * 1024;
const { STOPPED } = wsman.WorkspacePhase;

/** Starts workspaces. Rejects with WsmanErrors only. */
export class Starter {
  readonly #options: StarterOptions;
  /** By ID. */
  readonly #attempts: LRUCache<string, Attempt>;
  /** One start, with its clean-up, for each ID at a time. */
  readonly #lanes = new Lanes();
  readonly #running = new Set<Promise<void>>();
  readonly #failed: FailedStarts;
  #begun = 0;

  constructor(options: StarterOptions) {
    this.#options = options;
    this.#failed = new FailedStarts(options.creation);
    this.#attempts = new LRUCache({ max: maxRemembered, maxSize: maxRememberedText, sizeCalculation: ({ build }) => 1 + textOf(build), ttl: rememberMs, ttlResolution: 0, perf: { now: () => options.clock.monotonic() } });
  }

  /** Answers as soon as the API server has the pod. What was begun is finished or taken away, whether or not the client still waits; what was not is given up with the last that waits. */
  async start(request: wsman.StartWorkspaceRequest, signal: AbortSignal): Promise<Started> {
    const problems = startProblems(request);
    if (problems.length > 0) throw invalidStart(problems);
    const start = readStart(request);
    const digest = digestOfRequest(request);
    return this.#startOnce(start, digest, signal);
  }

  async #startOnce(start: WorkspaceStart, digest: string, signal: AbortSignal): Promise<Started> {
    const before = this.#attempts.get(start.id);
    const running = this.#resultOf(start, before, digest);
    if (running && before) return this.#join(before, running, signal, () => this.#startOnce(start, digest, signal));
    // One that has had its workspace has new ones: nothing that was left of it is taken for what an attempt has made.
    const tokens = before?.digest === digest && !before.result && !this.#failed.isSpent(before.tokens) ? before.tokens : undefined;
    // Whether a pod that we may have made is there is asked of the API server, and while nothing is cleaned up: one that is known here may be about to go, or have gone.
    const known = tokens ? undefined : this.#options.registry.byId(start.id);
    if (known) return this.#sameBuild(start, known, before, signal);
    throwIfGone(signal);
    return this.#attempt(start, digest, tokens ?? this.#tokens(), signal);
  }

  /** One more call for what is under way. @param anew for one that comes when all others have just given up, and it with them. */
  async #join({ interest }: Attempt, result: Promise<Started>, signal: AbortSignal, anew: () => Promise<Started>): Promise<Started> {
    throwIfGone(signal);
    interest?.add(signal);
    try {
      return await result;
    } catch (error) {
      if (!interest?.gone.aborted || signal.aborted) throw error;
      return anew();
    }
  }

  /** What a start of this ID that is under way, or was successful, gives the very same request, and an image build for the same; undefined if there is none. @throws WsmanError ALREADY_EXISTS for another request. */
  #resultOf(start: WorkspaceStart, attempt: Attempt | undefined, digest: string): Promise<Started> | undefined {
    if (!attempt?.result || this.#hasEnded(start.id, attempt)) return undefined;
    const isSame = attempt.digest === digest || (start.type === "IMAGEBUILD" && isFor(filterOf(start), attempt.build) && !this.#hasStopped(attempt));
    if (!isSame) throw alreadyExists();
    return attempt.result;
  }

  /** What an image build of this very ID was started with, if it runs and is for the same, whoever has asked for it. @throws WsmanError ALREADY_EXISTS for all else. */
  async #sameBuild(start: WorkspaceStart, record: WorkspaceRecord, before: Attempt | undefined, signal: AbortSignal): Promise<Started> {
    const started = start.type === "IMAGEBUILD" && isBuildFor(filterOf(start), record) ? await this.#startedAs(record) : undefined;
    if (!started || this.#isLeft(record, started, before) || !(await this.#share(record, signal))) throw alreadyExists();
    return started;
  }

  /** Whether a build's pod stays, so that a start can be answered with it. One of another daemon may be taken away there at any time: that may know nothing but that its start has failed. */
  async #share(record: WorkspaceRecord, signal: AbortSignal): Promise<boolean> {
    const own = this.#attempts.peek(record.facts.id);
    return (own?.result !== undefined && own.uid === record.uid) || this.#options.join(record, signal);
  }

  /** Whether a workspace is what a failed start has left, which is about to go. @param last the last attempt at its ID. */
  #isLeft({ uid }: WorkspaceRecord, { ownerToken }: Started, last: Attempt | undefined): boolean {
    return this.#failed.hasLeft(uid, ownerToken) || (last !== undefined && !last.result && last.tokens.owner === ownerToken);
  }

  /** Whether the workspace that a start has made is gone. A pod that a node refused is gone too, and its workspace goes on in another one with the same token. */
  #hasEnded(id: string, { uid, tokens }: Attempt): boolean {
    const { registry, known } = this.#options;
    if (!registry.isGone(uid)) return false;
    const now = known(id);
    return now.uid === undefined || now.ownerToken !== tokens.owner;
  }

  /**
   * Resolves once the workspace of an ID is known, if a start of it is under way here and none is known yet; at once otherwise, and when the start fails. Who comes behind a start that was given up, and was told that there is
   * no such workspace, would leave behind what comes up then.
   * @throws WsmanError UNAVAILABLE if it takes too long; CANCELLED.
   */
  async arrival(id: string, signal: AbortSignal): Promise<void> {
    const { clock, registry } = this.#options;
    const attempt = this.#attempts.peek(id);
    if (registry.byId(id) || !attempt?.result || this.#hasEnded(id, attempt)) return;
    const waiting = new AbortController();
    // A build that has joined another one makes no workspace.
    const made = attempt.result.then(({ ownerToken }) => ownerToken === attempt.tokens.owner, () => false);
    const isMade = await Promise.race([made, sleep(clock, arrivalMs, AbortSignal.any([signal, waiting.signal]))]);
    waiting.abort();
    throwIfGone(signal);
    if (isMade === false || registry.byId(id) || (isMade && this.#hasEnded(id, attempt))) return;
    throw new WsmanError("UNAVAILABLE", `workspace ${id} is being started: try again in a moment`);
  }

  /** A workspace's pod is gone for good. */
  forgotten({ uid, facts: { id } }: WorkspaceRecord): void {
    this.#failed.forget(uid);
    this.#options.creation.gone(id, uid);
  }

  /** Resolves when no start is under way, nor the clean-up after one; after `withinMs` in any case. */
  async settled(withinMs: number): Promise<void> {
    await atMost(this.#options.clock, withinMs, Promise.allSettled(this.#running));
  }

  #tokens(): Tokens {
    const { randomBytes } = this.#options;
    return { owner: randomToken(randomBytes), cliApi: randomToken(randomBytes) };
  }

  #attempt(start: WorkspaceStart, digest: string, tokens: Tokens, signal: AbortSignal): Promise<Started> {
    const { promise, resolve, reject } = Promise.withResolvers<Started>();
    const interest = new Interest();
    interest.add(signal);
    const attempt: Attempt = { number: ++this.#begun, build: start.type === "IMAGEBUILD" ? filterOf(start) : undefined, digest, tokens, result: promise, interest, uid: "" };
    this.#attempts.set(start.id, attempt);
    this.#failed.startsAgain(tokens);
    const running = this.#lanes.run(start.id, async () => {
      let made = false;
      try {
        const started = await this.#run(start, attempt, interest.gone);
        // One that has joined a build has no use for what an earlier attempt made.
        made = started.ownerToken === tokens.owner;
        resolve(started);
        attempt.interest = undefined;
        // Its time counts from now.
        this.#attempts.set(start.id, attempt);
      } catch (error) {
        attempt.result = undefined;
        attempt.interest = undefined;
        reject(error);
      }
      if (!made) await this.#failed.clean(start, tokens);
    });
    this.#running.add(running);
    // Neither the work nor its clean-up rejects.
    void running.finally(() => this.#running.delete(running));
    return promise;
  }

  async #run(start: WorkspaceStart, attempt: Attempt, unwanted: AbortSignal): Promise<Started> {
    const joined = attempt.build && (await this.#runningBuild(start.id, attempt.build, attempt.number, unwanted));
    if (joined) {
      attempt.uid = joined.uid;
      return joined.started;
    }
    // It has waited for the clean-up of the attempt before.
    if (this.#failed.isSpent(attempt.tokens)) throw alreadyExists();
    const { uid, url } = await this.#options.creation.create(start, attempt.tokens, unwanted);
    attempt.uid = uid;
    return { url, ownerToken: attempt.tokens.owner };
  }

  /** An image build of the same owner for the same thing is not done twice at once: one that runs is joined, and so is one that was asked for before and is not known yet. */
  async #runningBuild(id: string, filter: Filter, number: number, unwanted: AbortSignal): Promise<Build | undefined> {
    const going = new Set<string>();
    for (const record of this.#options.registry.records()) {
      // The pod of an earlier attempt of the same request is known by its token.
      if (record.facts.id === id || !isBuildFor(filter, record)) continue;
      const started = await this.#startedAs(record);
      if (!started || this.#isLeft(record, started, this.#attempts.peek(record.facts.id))) continue;
      if (await this.#share(record, unwanted)) return { uid: record.uid, started };
      going.add(record.uid);
    }
    return this.#buildAskedFor(filter, number, going);
  }

  /** Only those that began before this one: two would wait for each other. @param going pods that are about to go. */
  async #buildAskedFor(filter: Filter, number: number, going: ReadonlySet<string>): Promise<Build | undefined> {
    const before = [...this.#attempts.values()].filter((other) => other.number < number && isFor(filter, other.build));
    for (const other of before) {
      if (!other.result || this.#hasStopped(other)) continue;
      const started = await other.result.catch(() => undefined);
      if (started && !going.has(other.uid)) return { uid: other.uid, started };
    }
    return undefined;
  }

  /** A pod that has stopped is there still for a moment. */
  #hasStopped({ uid }: Attempt): boolean {
    const { registry } = this.#options;
    return registry.isGone(uid) || registry.byUid(uid)?.facts.phase === STOPPED;
  }

  /** What the workspace's start was answered with. */
  async #startedAs(record: WorkspaceRecord): Promise<Started | undefined> {
    const frame = await this.#options.frameOf(record);
    if (!frame) return undefined;
    const { spec, auth } = decodeFrame(frame);
    return { url: spec?.url ?? "", ownerToken: auth?.ownerToken ?? "" };
  }
}

function throwIfGone(signal: AbortSignal): void {
  if (signal.aborted) throw new WsmanError("CANCELLED", "the call was cancelled");
}

/** What a build's workspace must match to be for the same. Owner and meta ID are never empty, which would match all. */
function filterOf({ owner, metaId, annotations }: WorkspaceStart): Filter {
  return { owner, metaId, annotations: new Map(annotations) };
}

/** Whether a workspace is an image build that runs and is for what the filter tells. */
function isBuildFor(filter: Filter, { facts }: WorkspaceRecord): boolean {
  return facts.type === wsman.WorkspaceType.IMAGEBUILD && facts.phase !== STOPPED && matches(filter, facts);
}

/** The same of one that was asked for. */
function isFor(filter: Filter, build: Filter | undefined): boolean {
  return build !== undefined && matches(filter, { ...build, annotations: Object.fromEntries(build.annotations) });
}

function textOf(filter: Filter | undefined): number {
  let characters = 0;
  for (const [key, value] of filter?.annotations ?? []) characters += key.length + value.length;
  return characters;
}
