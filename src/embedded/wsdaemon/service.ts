/** A node daemon's answers to calls, without a port: contents in memory, faults and delays on demand, and what came. */
import { status } from "@grpc/grpc-js";
import { sleep, systemClock, type Clock } from "../../domain/clock.ts";
import { wsdaemon } from "../../gen/proto.js";
import { Contents } from "./contents.ts";
import type { NodeDaemonMethod } from "./contents.ts";
import { nodeFaults } from "./faults.ts";
import type { NodeFault, NodeFaults } from "./faults.ts";
import { Refusal, refusalOf } from "./refusal.ts";
import { ObjectStorage } from "./storage.ts";

/** What a node daemon's answers depend on. */
export interface ServiceOptions {
  readonly clock?: Clock | undefined;
  /** Nodes that it is the daemon of; faults name them. Default: none. */
  readonly nodes?: readonly string[] | undefined;
  /** Default: faults of its own. */
  readonly faults?: NodeFaults | undefined;
  /** Default: a storage of its own. */
  readonly storage?: ObjectStorage | undefined;
}

/** A call that came. */
export interface NodeDaemonCall {
  readonly method: NodeDaemonMethod;
  readonly id: string;
  /** When it came, monotonic milliseconds. */
  readonly began: number;
  /** When it was answered, or its client was gone; undefined while neither is so. */
  readonly ended: number | undefined;
}

/** What a call is answered with. May be called twice: the first time counts. */
export type Respond = (reply: Uint8Array | Refusal) => void;

/** A call as it is worked on. */
interface Asked {
  readonly method: NodeDaemonMethod;
  readonly request: Uint8Array;
  /** Answers before the end. */
  readonly early: Respond;
  /** Aborts when the daemon goes. */
  readonly life: AbortSignal;
}

/** Calls that are remembered; the oldest is forgotten. */
const maxCalls = 10_000;
/** Most calls under way, those included whose client is gone; more are refused with RESOURCE_EXHAUSTED. */
const maxUnderWay = 10_000;

/** Answers calls. What a call has begun goes on when its client is gone. */
export class NodeDaemonService {
  readonly nodes: readonly string[];
  readonly contents: Contents;
  readonly faults: NodeFaults;
  readonly storage: ObjectStorage;
  readonly calls: NodeDaemonCall[] = [];
  readonly #clock: Clock;
  /** Aborts when the daemon goes. */
  #life = new AbortController();
  #underWay = 0;

  constructor({ clock = systemClock, nodes = [], faults = nodeFaults(), storage = new ObjectStorage() }: ServiceOptions = {}) {
    this.nodes = nodes;
    this.contents = new Contents(storage);
    this.faults = faults;
    this.storage = storage;
    this.#clock = clock;
  }

  /** Whether it answers. */
  get serving(): boolean {
    return !this.#life.signal.aborted;
  }

  /** Lets it go, or come back. While it is gone all calls, those under way too, are told UNAVAILABLE; what these had begun is undone, what was done before stays. */
  setServing(serving: boolean): void {
    if (!serving) this.#life.abort();
    else if (!this.serving) this.#life = new AbortController();
  }

  /** Answers a call. Never rejects. @param gone aborts when the client has gone, which is noted, and changes nothing else. */
  async answer(method: NodeDaemonMethod, request: Uint8Array, respond: Respond, gone?: AbortSignal): Promise<void> {
    try {
      if (this.#underWay >= maxUnderWay) throw new Refusal(status.RESOURCE_EXHAUSTED, `${maxUnderWay} calls are under way`);
      this.#underWay++;
      respond(await this.#noted({ method, request, early: respond, life: this.#life.signal }, gone).finally(() => this.#underWay--));
    } catch (error) {
      respond(refusalOf(error));
    }
  }

  async #noted(asked: Asked, left: AbortSignal | undefined): Promise<Uint8Array> {
    const { method, request, life } = asked;
    if (life.aborted) throw gone();
    const id = wsdaemon.WaitForInitRequest.decode(request).id ?? "";
    const call: { -readonly [K in keyof NodeDaemonCall]: NodeDaemonCall[K] } = { method, id, began: this.#clock.monotonic(), ended: undefined };
    const end = (): void => void (call.ended ??= this.#clock.monotonic());
    left?.addEventListener("abort", end, { once: true });
    this.#note(call);
    return this.#serve(asked, id).finally(end);
  }

  async #serve({ method, request, early, life }: Asked, id: string): Promise<Uint8Array> {
    const fault = this.faults.strike({ nodes: this.nodes, method, workspace: id }) ?? {};
    const failure = failureOf(fault);
    if (failure && fault.afterwards !== true) {
      await this.#pause(fault, life);
      throw life.aborted ? gone() : failure;
    }
    const response = await this.#work(method, request, fault, failure ? () => {} : early, life);
    if (failure) throw failure;
    return response;
  }

  async #work(method: NodeDaemonMethod, request: Uint8Array, fault: NodeFault, early: Respond, life: AbortSignal): Promise<Uint8Array> {
    const work = this.contents.begin(method, request);
    if (work.early) early(work.early);
    await this.#pause(fault, life);
    if (life.aborted) {
      work.giveUp();
      throw gone();
    }
    try {
      return await work.finish();
    } catch (error) {
      // What another call had begun, and this one waited for, was given up.
      throw life.aborted ? gone() : error;
    }
  }

  #note(call: NodeDaemonCall): void {
    this.calls.push(call);
    if (this.calls.length > maxCalls) this.calls.shift();
  }

  async #pause({ delayMs = 0 }: NodeFault, life: AbortSignal): Promise<void> {
    if (delayMs > 0) await sleep(this.#clock, delayMs, life);
  }
}

function failureOf({ code, message = "fault on demand" }: NodeFault): Refusal | undefined {
  return code === undefined ? undefined : new Refusal(code, message);
}

function gone(): Refusal {
  return new Refusal(status.UNAVAILABLE, "the node daemon is gone");
}
