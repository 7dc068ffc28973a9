/** Machines with clocks of their own, a Lease in an API server behind a network of sorts, and electors on them: a world in one thread whose time a test moves. */
import assert from "node:assert/strict";
import { asObject, objectAt, textAt, type JsonObject } from "../../../src/domain/json.ts";
import { silentLog, type Log } from "../../../src/domain/log.ts";
import type { KubeRequest, KubeResponse, Requester } from "../../../src/main/kube/client.ts";
import { abortedError, KubeError } from "../../../src/main/kube/errors.ts";
import type { ResponseBody } from "../../../src/main/kube/http/exchange.ts";
import { Leader, type LeaderHooks, type LeaderOptions } from "../../../src/main/lifecycle/leader.ts";
import { Machine } from "../../support/machine.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** What becomes of a request. Times are milliseconds; Infinity: never. */
export interface Fate {
  /** Until the server does it. */
  readonly there: number;
  /** Until the answer is there, from then on. */
  readonly back: number;
  /** Refused with this status, without effect. */
  readonly status?: number;
}

/** One Lease, changed by the rules of an API server. */
export class LeaseServer {
  readonly time: VirtualClock;
  lease: { readonly resourceVersion: string; readonly spec: JsonObject } | undefined;
  /** "GET", "PATCH" and so on, as they came. */
  readonly requests: string[] = [];
  #version = 0;

  constructor(time: VirtualClock) {
    this.time = time;
  }

  get holder(): string {
    return textAt(this.lease?.spec, "holderIdentity");
  }

  /** Changes the Lease, as anybody may. */
  put(spec: JsonObject): void {
    this.lease = { resourceVersion: String(++this.#version), spec };
  }

  /** What a process on the machine asks goes this way. */
  requester(machine: Machine, fateOf: (method: string) => Fate): Requester {
    return {
      request: ({ method, body, signal }) => new Promise((resolve, reject) => {
        if (signal.aborted) return reject(abortedError());
        signal.addEventListener("abort", () => reject(abortedError()), { once: true });
        const fate = fateOf(method);
        this.#after(fate.there, () => {
          const answer = fate.status === undefined ? this.#do(method, body) : { status: fate.status, object: {} };
          this.#after(fate.back, () => machine.run(() => resolve(responseOf(answer))));
        });
      }),
    };
  }

  #after(ms: number, work: () => void): void {
    if (Number.isFinite(ms)) this.time.timer(ms, work);
  }

  #do(method: string, body: KubeRequest["body"]): { readonly status: number; readonly object: object } {
    this.requests.push(method);
    const sent = typeof body === "string" ? asObject(JSON.parse(body)) : undefined;
    const spec = objectAt(sent, "spec") ?? {};
    if (method === "POST") {
      if (this.lease) return { status: 409, object: { kind: "Status", reason: "AlreadyExists" } };
      this.put(spec);
    } else if (!this.lease) return { status: 404, object: { kind: "Status", reason: "NotFound" } };
    else if (method === "PATCH") {
      assert.ok(textAt(objectAt(sent, "metadata"), "resourceVersion") !== "", "a change is of one version");
      if (textAt(objectAt(sent, "metadata"), "resourceVersion") !== this.lease.resourceVersion) return { status: 409, object: { kind: "Status", reason: "Conflict" } };
      this.put({ ...this.lease.spec, ...spec });
    }
    return { status: method === "POST" ? 201 : 200, object: { metadata: { resourceVersion: this.lease?.resourceVersion }, spec: this.lease?.spec } };
  }
}

function responseOf({ status, object }: { readonly status: number; readonly object: object }): KubeResponse {
  const bytes = new TextEncoder().encode(JSON.stringify(object));
  const body: ResponseBody = {
    bytes: async () => bytes,
    discard: () => {},
    pump: () => Promise.reject(new KubeError("not pumped here", { status: 0, reason: "Failed" })),
  };
  return { status, headers: {}, body };
}

/** A replica that takes part. */
export class Elector {
  readonly machine: Machine;
  readonly leader: Leader;
  /** Signals of its terms. */
  readonly terms: AbortSignal[] = [];
  readonly #leaving = new AbortController();
  #ended: Promise<void> | undefined;
  ended = false;

  constructor(name: string, machine: Machine, server: LeaseServer, fateOf: (method: string) => Fate, options: Partial<LeaderOptions> & { readonly stopped?: LeaderHooks["onStopped"]; readonly finish?: LeaderHooks["finish"]; readonly log?: Log } = {}) {
    this.machine = machine;
    this.leader = new Leader({
      enabled: true,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      drainMs: 30_000,
      identity: name,
      client: server.requester(machine, fateOf),
      namespace: "default",
      clock: machine,
      random: () => 0.5,
      log: silentLog,
      hooks: {
        onStarted: (signal) => {
          assert.ok(this.terms.every((term) => term.aborted), "one term after the other");
          this.terms.push(signal);
        },
        onStopped: () => {
          assert.ok(this.terms.at(-1)?.aborted, "the signal aborts first");
          return options.stopped?.();
        },
        finish: async () => options.finish?.(),
      },
      ...options,
    });
  }

  start(): this {
    this.#ended = this.leader.run(this.#leaving.signal).then(() => {
      this.ended = true;
    });
    return this;
  }

  /** Asks it to end; resolves when it has. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#ended;
  }

  /** Whether it acts at this moment: one whose process is stopped does not. */
  get acts(): boolean {
    return this.machine.runs && this.leader.leads();
  }
}

/** Time, a server, and what happens to requests unless a test says otherwise. */
export function electionWorld(): { readonly time: VirtualClock; readonly server: LeaseServer; readonly pass: (ms: number, check?: () => void, stepMs?: number) => Promise<void>; readonly until: (what: string, condition: () => boolean, ms?: number) => Promise<number> } {
  const time = new VirtualClock();
  const server = new LeaseServer(time);
  /** Lets time pass in small steps, so that what is asynchronous happens in between. */
  const pass = async (ms: number, check: () => void = () => {}, stepMs = 20): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      time.advance(stepMs);
      await settle();
      check();
    }
  };
  const until = async (what: string, condition: () => boolean, ms = 60_000): Promise<number> => {
    const from = time.monotonic();
    while (!condition()) {
      assert.ok(time.monotonic() - from < ms, `within ${ms} virtual ms: ${what}`);
      await pass(20);
    }
    return time.monotonic() - from;
  };
  return { time, server, pass, until };
}

/** What was begun by timers goes on as far as it can without time. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** The Lease's content. */
export function specOf(server: LeaseServer): JsonObject {
  const spec = server.lease?.spec;
  assert.ok(spec, "there is a Lease");
  return spec;
}
