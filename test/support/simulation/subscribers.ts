/** Those who listen to a replica: what they are told is checked as it comes (spec: status, "Rules over time"). */
import { wsman } from "../../../src/gen/proto.js";
import { decodeFrame } from "../../../src/main/state/frame.ts";
import type { SubscriberStream } from "../../../src/main/subscriptions/stream.ts";
import { versionOf, type ReadStatus } from "../status-stream.ts";
import type { Ledger } from "./laws.ts";
import { lifeOf } from "./lives.ts";

const [STOPPING, STOPPED]: readonly number[] = [wsman.WorkspacePhase.STOPPING, wsman.WorkspacePhase.STOPPED];

/** The last frame that was decoded: many subscribers get the same one. */
let decoded: { readonly frame: Buffer; readonly status: ReadStatus } | undefined;

function statusIn(frame: Buffer): ReadStatus {
  if (decoded?.frame !== frame) decoded = { frame, status: decodeFrame(frame) };
  return decoded.status;
}

/** What a subscriber does when its stream is full now and then. */
export interface Slowness {
  /** After so many statuses the stream is full. */
  readonly every: number;
  /** Calls back when it takes more. */
  readonly later: (work: () => void) => void;
}

/** One subscriber of one process. */
export class Listener implements SubscriberStream {
  readonly name: string;
  readonly #ledger: Ledger;
  readonly #told: (status: ReadStatus, listener: Listener) => void;
  readonly #lasts = new Map<string, ReadStatus>();
  readonly #slowness: Slowness | undefined;
  #taken = 0;
  #ended = false;
  drained: () => void = () => {};
  onEnd: (reason: string) => void = () => {};

  constructor(name: string, ledger: Ledger, told: (status: ReadStatus, listener: Listener) => void, slowness?: Slowness) {
    this.name = name;
    this.#ledger = ledger;
    this.#told = told;
    this.#slowness = slowness;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The newest of each workspace. */
  lasts(): ReadonlyMap<string, ReadStatus> {
    return this.#lasts;
  }

  write(frame: Buffer): boolean {
    if (this.#ended) return true;
    const status = statusIn(frame);
    this.#check(status);
    this.#lasts.set(status.id ?? "", status);
    this.#told(status, this);
    if (!this.#slowness || ++this.#taken % this.#slowness.every !== 0) return true;
    this.#slowness.later(() => {
      if (!this.#ended) this.drained();
    });
    return false;
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd(reason);
  }

  /** Its process is gone. */
  cut(): void {
    this.#ended = true;
  }

  #check(status: ReadStatus): void {
    const id = status.id ?? "";
    const before = this.#lasts.get(id);
    if (!before) return;
    if (versionOf(status) <= versionOf(before)) this.#ledger.breach("versions rise", `${this.name}: ${id}: ${versionOf(status)} after ${versionOf(before)}`);
    const [was, is] = [lifeOf(before), lifeOf(status)];
    // A start that is asked for again after the end begins another life; a slow subscriber hears of it late, and perhaps at once with the end before.
    if (was === is) this.#compare(before, status, `${this.name}: ${id}`);
    else if (before.phase !== STOPPED) this.#ledger.breach("every end is told", `${this.name}: ${id}: life ${is} is told of before the end of life ${was}`);
  }

  #compare(before: ReadStatus, status: ReadStatus, who: string): void {
    const [was, is]: readonly [number, number] = [before.phase ?? 0, status.phase ?? 0];
    if (was === STOPPED) this.#ledger.breach(is === STOPPED ? "STOPPED is told once" : "STOPPED is the last word", `${who}: ${phaseName(is)} after STOPPED`);
    else if (was === STOPPING && is !== STOPPING && is !== STOPPED) this.#ledger.breach("phases do not go back", `${who}: ${phaseName(is)} after STOPPING`);
    if (before.conditions?.failed && !status.conditions?.failed) this.#ledger.breach("a failure is not taken back", `${who}: ${before.conditions.failed}`);
  }
}

/** A phase's name. */
export function phaseName(phase: number | null | undefined): string {
  return wsman.WorkspacePhase[phase ?? 0] ?? String(phase);
}
