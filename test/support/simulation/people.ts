/** Those who use workspaces: they start them, say that they use them, and stop them, whichever replica answers. */
import { status as code } from "@grpc/grpc-js";
import { pick, type Random } from "../../../src/embedded/kubelet/random.ts";
import { wsman } from "../../../src/gen/proto.js";
import type { Answer, UnaryHandler } from "../../../src/main/rpc/calls.ts";
import { controlPort } from "../../../src/main/rpc/handlers/control-port.ts";
import { describeWorkspace } from "../../../src/main/rpc/handlers/describe-workspace.ts";
import { markActive } from "../../../src/main/rpc/handlers/mark-active.ts";
import { setTimeoutOf } from "../../../src/main/rpc/handlers/set-timeout.ts";
import { startWorkspace } from "../../../src/main/rpc/handlers/start-workspace.ts";
import { stopWorkspace } from "../../../src/main/rpc/handlers/stop-workspace.ts";
import { backupWorkspace, takeSnapshot } from "../../../src/main/rpc/handlers/take-snapshot.ts";
import type { CallDependencies } from "../../../src/main/rpc/ports.ts";
import { toStatus } from "../../../src/main/rpc/status.ts";
import { request } from "../../unit/render/helpers.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Deed, LifePlan } from "./plan.ts";
import type { Replica } from "./replica.ts";

/** What they live in. */
export interface Society {
  readonly clock: VirtualClock;
  /** Processes that may answer. */
  readonly replicas: () => readonly Replica[];
  /** Whether nobody waits for anything any more. */
  readonly isOver: () => boolean;
  /** All workspaces are to be stopped from now on. */
  readonly isLate: () => boolean;
  /** How often a workspace was begun under an ID. */
  readonly begun: (id: string) => number;
  /** The volume snapshot that its last end told of. */
  readonly snapshotOf: (id: string) => { readonly volumeSnapshotName: string; readonly volumeSnapshotHandle: string } | undefined;
  /** What a call was answered with; `sentAt`: virtual milliseconds. */
  readonly answered: (call: { readonly method: Method; readonly id: string; readonly replica: Replica; readonly sentAt: number; readonly code: number; readonly details: string }) => void;
}

const handlers = {
  StartWorkspace: startWorkspace, StopWorkspace: stopWorkspace, MarkActive: markActive, SetTimeout: setTimeoutOf, ControlPort: controlPort, TakeSnapshot: takeSnapshot, BackupWorkspace: backupWorkspace,
  DescribeWorkspace: ({ reader }: CallDependencies) => describeWorkspace(reader),
} satisfies Record<string, (dependencies: CallDependencies) => UnaryHandler>;

/** A call of the service. */
export type Method = keyof typeof handlers;

interface Reply {
  readonly code: number;
  readonly details: string;
}

const latencyMs = 3;
/** A call's deadline, and a pause before another attempt, milliseconds. */
const deadlineMs = 40_000;
const pauseMs = [300, 8_000] as const;
/** As plain numbers, as replies have them. */
const [OK, NOT_FOUND, ALREADY_EXISTS]: readonly number[] = [code.OK, code.NOT_FOUND, code.ALREADY_EXISTS];
/** A start that is refused is answered. */
const startAnswers: readonly number[] = [code.OK, code.ALREADY_EXISTS, code.INVALID_ARGUMENT, code.FAILED_PRECONDITION];

/** It is there, or soon will be. */
function isThere(got: number): boolean {
  return got === OK || got === ALREADY_EXISTS;
}

/** The user of one workspace. */
export class Person {
  readonly plan: LifePlan;
  readonly #society: Society;
  readonly #random: Random;
  /** What it knows of the workspace: told by whom it listens to. */
  phase: wsman.WorkspacePhase = 0;
  /** It was answered that there is one. */
  started = false;
  done = false;
  #begun = false;
  /** Lives of the workspace before the one that it waits for or uses. */
  #before = 0;

  constructor(plan: LifePlan, society: Society, random: Random) {
    this.plan = plan;
    this.#society = society;
    this.#random = random;
  }

  /** It has begun, and has not all that it can expect. */
  get isUnderWay(): boolean {
    return this.#begun && !this.done;
  }

  /** Somebody was told of the workspace. @param place which of its lives it is: 1 for the first; 0 if that is not known. */
  told(phase: wsman.WorkspacePhase, place: number): void {
    if (this.phase !== wsman.WorkspacePhase.STOPPED && (place === 0 || place > this.#before)) this.phase = phase;
  }

  /** Lives, from the time on that its plan has. Never rejects. */
  async live(): Promise<void> {
    this.#begun = true;
    if (!this.#society.isLate()) await this.#use();
    if (this.plan.again && this.started) await this.#useAgain(this.plan.again.afterMs);
    this.done = true;
  }

  async #use(): Promise<void> {
    await this.#start();
    if (!this.started) return;
    await Promise.all([this.#work(), ...this.plan.deeds.map((deed) => this.#do(deed))]);
  }

  /** The very same once more, after its end. */
  async #useAgain(afterMs: number): Promise<void> {
    await this.#until(() => this.phase === wsman.WorkspacePhase.STOPPED);
    await this.#sleep(afterMs);
    if (this.phase !== wsman.WorkspacePhase.STOPPED || this.#society.isLate()) return;
    this.#before = this.#society.begun(this.plan.id);
    this.phase = 0;
    await this.#use();
  }

  async #start(): Promise<void> {
    const { id, type, claim } = this.plan;
    // Somebody who comes back to a claim's content has it restored, or relies on what is there.
    const volumeSnapshot = claim && this.#random() < 0.5 ? this.#society.snapshotOf(id) : undefined;
    const spec = claim ? { class: "claimed", featureFlags: ["PERSISTENT_VOLUME_CLAIM"], ...(volumeSnapshot && { volumeSnapshot }) } : {};
    const bytes = wsman.StartWorkspaceRequest.encode(request({ id, metadata: { owner: "jane", metaId: `meta-${id}` }, type }, spec)).finish();
    // One that was answered late, or not at all, asks for the very same again; so does one who is told of the workspace that has just ended.
    const reply = await this.#insist("StartWorkspace", bytes, (got) => startAnswers.includes(got) && (!isThere(got) || this.#society.begun(id) > this.#before));
    this.started = reply !== undefined && isThere(reply.code);
  }

  async #work(): Promise<void> {
    const { usedMs, beatMs, end, type } = this.plan;
    const { clock } = this.#society;
    if (type === "REGULAR") {
      await this.#until(() => this.phase >= wsman.WorkspacePhase.RUNNING);
      const until = clock.monotonic() + usedMs;
      while (clock.monotonic() < until && !this.#isGoing()) {
        await this.#mark(false);
        await this.#sleep(Math.min(beatMs, Math.max(0, until - clock.monotonic())));
      }
    } else await this.#sleep(usedMs);
    if (end === "close") await this.#mark(true);
    if (end === "stop" || end === "stop-now") await this.#stop(end === "stop" ? wsman.StopWorkspacePolicy.NORMALLY : wsman.StopWorkspacePolicy.IMMEDIATELY);
    await this.#until(() => this.#isGoing());
    if (!this.#isGoing()) await this.#stop(wsman.StopWorkspacePolicy.NORMALLY);
  }

  async #do({ afterMs, what }: Deed): Promise<void> {
    await this.#sleep(afterMs);
    if (this.#isGoing() || this.#society.isLate()) return;
    if (what === "close-and-return") return this.#closeAndReturn();
    const [method, bytes] = this.#callOf(what);
    await this.#ask(method, bytes);
    return undefined;
  }

  async #closeAndReturn(): Promise<void> {
    await this.#mark(true);
    await this.#sleep(this.#random() * 90_000);
    await this.#mark(false);
  }

  #callOf(what: Exclude<Deed["what"], "close-and-return">): readonly [Method, Uint8Array] {
    const { id } = this.plan;
    switch (what) {
      case "timeout": return ["SetTimeout", wsman.SetTimeoutRequest.encode({ id, duration: pick(this.#random, ["20m", "1h", "90m"]) }).finish()];
      case "port": return ["ControlPort", wsman.ControlPortRequest.encode({ id, expose: true, spec: { port: 3000 } }).finish()];
      case "snapshot": return ["TakeSnapshot", wsman.TakeSnapshotRequest.encode({ id }).finish()];
      case "backup": return ["BackupWorkspace", wsman.BackupWorkspaceRequest.encode({ id }).finish()];
      case "describe": return ["DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish()];
      default: return what satisfies never;
    }
  }

  #isGoing(): boolean {
    return this.phase === wsman.WorkspacePhase.STOPPING || this.phase === wsman.WorkspacePhase.STOPPED;
  }

  async #mark(closed: boolean): Promise<void> {
    await this.#ask("MarkActive", wsman.MarkActiveRequest.encode({ id: this.plan.id, closed }).finish());
  }

  async #stop(policy: wsman.StopWorkspacePolicy): Promise<void> {
    // One that is not known to whom was asked may be known to others, or be gone.
    await this.#insist("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id: this.plan.id, policy }).finish(), (got) => got === OK || (got === NOT_FOUND && this.#isGoing()));
  }

  /** Asks until the answer ends the matter; undefined if time is over. */
  async #insist(method: Method, bytes: Uint8Array, isDone: (got: number) => boolean): Promise<Reply | undefined> {
    while (!this.#society.isOver() && this.phase !== wsman.WorkspacePhase.STOPPED) {
      const reply = await this.#ask(method, bytes);
      if (reply && isDone(reply.code)) return reply;
      await this.#sleep(pauseMs[0] * (pauseMs[1] / pauseMs[0]) ** this.#random());
    }
    return undefined;
  }

  /** One call to some process; undefined if there is none. */
  async #ask(method: Method, bytes: Uint8Array): Promise<Reply | undefined> {
    const { clock, replicas, answered } = this.#society;
    const able = replicas();
    if (able.length === 0) return undefined;
    const replica = pick(this.#random, able);
    const sentAt = clock.monotonic();
    const reply = await this.#call(replica, method, bytes);
    answered({ method, id: this.plan.id, replica, sentAt, ...reply });
    return reply;
  }

  #call(replica: Replica, method: Method, bytes: Uint8Array): Promise<Reply> {
    const { clock } = this.#society;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const ending = new AbortController();
    const back = (reply: Reply): void => void clock.timer(this.#random() * latencyMs, () => resolve(reply));
    const gone = (): void => back({ code: code.UNAVAILABLE, details: "read ECONNRESET" });
    replica.connected.add(gone);
    const cancel = clock.timer(deadlineMs, () => {
      resolve({ code: code.DEADLINE_EXCEEDED, details: "no answer" });
      replica.machine.run(() => ending.abort());
    });
    const answer = async (): Promise<void> => {
      const { serving } = replica;
      if (!serving?.steering) return back({ code: code.UNAVAILABLE, details: "connect ECONNREFUSED" });
      try {
        const given: Answer = await handlers[method]({ reader: serving.reader, ...serving.steering })(Buffer.from(bytes), { signal: ending.signal, peer: { address: "10.0.0.1:1", subject: undefined }, onClosed: () => {}, reset: () => {} });
        if (replica.alive) back({ code: code.OK, details: Buffer.isBuffer(given) ? "" : "frames" });
      } catch (error) {
        if (replica.alive) back(toStatus(error));
      }
      return undefined;
    };
    clock.timer(this.#random() * latencyMs, () => {
      // Whoever calls a process that is gone learns it at once.
      if (!replica.alive) back({ code: code.UNAVAILABLE, details: "connect ECONNREFUSED" });
      else replica.machine.run(() => void answer());
    });
    return promise.finally(() => {
      replica.connected.delete(gone);
      cancel();
    });
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#society.isOver() && !this.#society.isLate()) await this.#sleep(20_000);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#society.clock.timer(Math.max(0, ms), resolve));
  }
}
