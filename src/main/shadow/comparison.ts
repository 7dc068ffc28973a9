/** Compares the statuses of a shadow with those of another manager: of each workspace once neither has changed for a while, so that mere delay is no difference. */
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import { wsman } from "../../gen/proto.js";
import type { ComparisonLevels, ShadowMetrics } from "../../metrics/shadow.ts";
import { versionOf } from "../cli/view.ts";
import { decodeFrame, encodeStatus, type Status } from "../state/frame.ts";
import { differencesBetween, fieldsOf, type Difference } from "./differences.ts";
import { Findings } from "./findings.ts";

/** What it works with. */
export interface ComparisonOptions {
  /** Neither side may have changed for so long, milliseconds. */
  readonly settleMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<ShadowMetrics, "compared" | "differs">;
  /** Default 100,000. */
  readonly maxWorkspaces?: number;
}

/** What it came to. */
export interface ComparisonSummary {
  /** Comparisons made. */
  readonly compared: number;
  /** Differences found, by field; those that are wanted, by field. */
  readonly differences: Readonly<Record<string, number>>;
  readonly wanted: Readonly<Record<string, number>>;
  /** Differences that there are still, but for those wanted. */
  readonly open: number;
  /** Workspaces that changed too lately to be compared. */
  readonly waiting: number;
  /** Statuses of workspaces that there was no room for. */
  readonly left: number;
}

/** A workspace. */
interface Entry {
  /** As the state's frame. */
  ours: Buffer | undefined;
  /** Encoded, without its version. */
  theirs: Uint8Array | undefined;
  oursEnded: boolean;
  theirsEnded: boolean;
  theirVersion: bigint;
  /** When each came last, monotonic milliseconds. */
  oursAt: number;
  theirsAt: number;
  /** Differences that were told, by field, and whether they are wanted. */
  open: ReadonlyMap<string, boolean>;
}

/** Workspaces compared in a row; then the event loop has its turn. */
const atOnce = 64;
/** A timer that is later than this, milliseconds, or than half the settling time, tells that this thread stood still; so many times in a row nothing is compared for that. */
const stillMs = 500;
const stillTimes = 5;
/** The name under which a workspace is told that only one side has. */
const whole = "workspace";

/** All that is known of both sides. */
export class Comparison {
  readonly #options: ComparisonOptions;
  readonly #entries = new Map<string, Entry>();
  /** When which workspace is compared, monotonic milliseconds; the first is first. */
  readonly #due = new Map<string, number>();
  readonly #findings: Findings;
  /** Sides whose statuses are all known, and go on coming. */
  readonly #known = { ours: false, theirs: false };
  /** Timers that came late, in a row. */
  #late = 0;
  #compared = 0;
  #open = 0;
  #left = 0;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: ComparisonOptions) {
    this.#options = options;
    this.#findings = new Findings(options);
  }

  get #complete(): boolean {
    return this.#known.ours && this.#known.theirs;
  }

  get levels(): ComparisonLevels {
    return { connected: this.#complete, open: this.#open, waiting: this.#due.size };
  }

  get summary(): ComparisonSummary {
    return { compared: this.#compared, ...this.#findings.counts, open: this.#open, waiting: this.#due.size, left: this.#left };
  }

  /** A status of ours. */
  ours(frame: Buffer): void {
    const { id, phase } = decodeFrame(frame);
    const entry = this.#entry(id ?? "");
    if (!entry) return;
    entry.oursAt = this.#options.clock.monotonic();
    entry.ours = frame;
    entry.oursEnded = phase === wsman.WorkspacePhase.STOPPED;
    this.#touch(id ?? "");
  }

  /** A status of theirs; one that is no newer than the last is known. */
  theirs(status: wsman.WorkspaceStatus): void {
    const entry = this.#entry(status.id);
    if (!entry) return;
    const version = versionOf(status);
    entry.theirsAt = this.#options.clock.monotonic();
    if (entry.theirs && version <= entry.theirVersion) return;
    entry.theirs = encodeStatus(status);
    entry.theirVersion = version;
    entry.theirsEnded = status.phase === wsman.WorkspacePhase.STOPPED;
    this.#touch(status.id);
  }

  /** They have these workspaces and no others, but for those whose status came since, monotonic milliseconds. From now on they are compared, if ours are known. */
  listed(ids: ReadonlySet<string>, since: number): void {
    for (const [id, entry] of this.#entries) {
      if (!entry.theirs || ids.has(id) || entry.theirsAt >= since) continue;
      entry.theirs = undefined;
      this.#touch(id);
    }
    this.#begin("theirs");
  }

  /** Their statuses do not come any more: nothing is compared until they do. */
  lost(): void {
    this.#known.theirs = false;
  }

  /** All of ours were told since then, monotonic milliseconds: what was not is gone. From now on they are compared, if theirs are known. */
  oursKnown(since: number): void {
    for (const [id, entry] of this.#entries) {
      if (!entry.ours || entry.oursAt >= since) continue;
      entry.ours = undefined;
      this.#touch(id);
    }
    this.#begin("ours");
  }

  /** Ours do not come any more: nothing is compared until they do. */
  oursLost(): void {
    this.#known.ours = false;
  }

  /** Compares nothing any more. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#findings.close();
  }

  #begin(side: "ours" | "theirs"): void {
    this.#known[side] = true;
    this.#settleAnew();
    this.#schedule();
  }

  /** What has waited so far. */
  #settleAnew(): void {
    for (const id of Array.from(this.#due.keys())) this.#delay(id);
  }

  #entry(id: string): Entry | undefined {
    const known = this.#entries.get(id);
    if (known) return known;
    if (this.#closed || this.#entries.size >= (this.#options.maxWorkspaces ?? 100_000)) {
      this.#left++;
      return undefined;
    }
    const entry: Entry = { ours: undefined, theirs: undefined, oursEnded: false, theirsEnded: false, theirVersion: 0n, oursAt: 0, theirsAt: 0, open: new Map() };
    this.#entries.set(id, entry);
    return entry;
  }

  #touch(id: string): void {
    this.#delay(id);
    this.#schedule();
  }

  #delay(id: string): void {
    const { clock, settleMs } = this.#options;
    this.#due.delete(id);
    this.#due.set(id, clock.monotonic() + settleMs);
  }

  #schedule(): void {
    if (this.#closed || this.#cancelTimer || !this.#complete) return;
    const [first] = this.#due.values();
    if (first === undefined) return;
    const { clock } = this.#options;
    // All wait for equally long, so nothing is due before the first.
    const now = clock.monotonic();
    const at = Math.max(now, Math.ceil(first - now) + now);
    this.#cancelTimer = clock.timer(at - now, () => {
      this.#cancelTimer = undefined;
      if (this.#stoodStill(clock.monotonic() - at)) this.#settleAnew();
      else this.#work();
      this.#schedule();
    });
  }

  /** Whether nobody had a turn for so long that what the other manager said meanwhile may still wait to be read: it would be told as a difference. */
  #stoodStill(lateMs: number): boolean {
    this.#late = lateMs > Math.min(stillMs, this.#options.settleMs / 2) ? this.#late + 1 : 0;
    return this.#late > 0 && this.#late <= stillTimes;
  }

  #work(): void {
    const now = this.#options.clock.monotonic();
    let left = atOnce;
    for (const [id, at] of this.#due) {
      if (!this.#complete || at > now || left-- <= 0) return;
      this.#due.delete(id);
      this.#compare(id);
    }
  }

  #compare(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    const found = differencesOf(entry);
    this.#compared++;
    this.#options.metrics.compared();
    this.#tell(id, entry, found);
    // Both have told its end, or know of no such workspace: whatever comes now is another one.
    if (isOver(entry.ours, entry.oursEnded) && isOver(entry.theirs, entry.theirsEnded)) this.#forget(id, entry);
  }

  #forget(id: string, { open }: Entry): void {
    this.#entries.delete(id);
    this.#open -= unwanted(open);
  }

  #tell(id: string, entry: Entry, found: readonly Difference[]): void {
    const before = entry.open;
    entry.open = new Map(found.map(({ field, wanted }) => [field, wanted !== undefined]));
    this.#open += unwanted(entry.open) - unwanted(before);
    // One that was wanted and is so no longer is news as well.
    const news = found.filter(({ field, wanted }) => before.get(field) !== (wanted !== undefined));
    this.#findings.add(id, news);
    if (before.size > 0 && entry.open.size === 0) this.#options.log.debug({ id }, "its statuses do not differ any more");
  }
}

function differencesOf({ ours, oursEnded, theirs, theirsEnded }: Entry): readonly Difference[] {
  if (ours && theirs) return differencesBetween(fieldsOf(decodeFrame(ours)), fieldsOf(statusIn(theirs)));
  if (isOver(ours, oursEnded) && isOver(theirs, theirsEnded)) return [];
  return [{ field: whole, values: { ours: ours ? "there" : "not there", theirs: theirs ? "there" : "not there" }, wanted: undefined }];
}

function statusIn(bytes: Uint8Array): Status {
  return wsman.WorkspaceStatus.decode(bytes);
}

function isOver(status: Uint8Array | undefined, ended: boolean): boolean {
  return status === undefined || ended;
}

function unwanted(open: ReadonlyMap<string, boolean>): number {
  let count = 0;
  for (const wanted of open.values()) if (!wanted) count++;
  return count;
}
