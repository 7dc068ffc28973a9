/** The live table of `watch` in a terminal: draws on the alternate screen, and leaves the terminal as it was. */
import { sizeOf, type Io } from "./io.ts";
import { maxKnown, Roster } from "./roster.ts";
import { renderScreen, sortRows, type Row } from "./table.ts";
import { painter, type Paint } from "./text.ts";
import { viewOf, type WorkspaceView } from "./view.ts";
import type { wsman } from "../../gen/proto.js";

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
/** Not drawn more often than this, milliseconds. */
const frameMs = 100;
/** Drawn at least this often, so that ages go on. */
const tickMs = 1000;
/** How long a change stands out. */
const freshMs = 1500;
/** Updates per second are counted over so many seconds. */
const rateWindow = 5;

/** Draws until it is closed. */
export class LiveTable {
  readonly #io: Io;
  readonly #title: string;
  readonly #paint: Paint;
  readonly #roster = new Roster();
  readonly #views = new WeakMap<wsman.WorkspaceStatus, WorkspaceView>();
  /** Statuses per second, the newest last. */
  readonly #rate: { second: number; count: number }[] = [];
  readonly #restore: () => void;
  readonly #forgetExit: () => void;
  readonly #draw = (): void => this.#render();
  #cancelTimer: () => void = () => {};
  #nextDrawAt = Number.POSITIVE_INFINITY;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #notice = "";
  #waiting = true;
  #open = true;

  /** Takes over the terminal. */
  constructor(io: Io, title: string) {
    this.#io = io;
    this.#title = title;
    this.#paint = painter(!io.env.noColor);
    this.#restore = () => void io.stdout.write(leave);
    this.#forgetExit = io.onExit(this.#restore);
    io.stdout.on("resize", this.#draw);
    io.stdout.write(enter);
    this.#schedule(0);
  }

  /** Takes a status in. */
  status(status: wsman.WorkspaceStatus): void {
    const now = this.#io.clock.monotonic();
    this.#waiting = false;
    if (!this.#roster.offer(status, now)) return;
    const second = Math.floor(now / 1000);
    const last = this.#rate.at(-1);
    if (last?.second === second) last.count++;
    else this.#rate.push({ second, count: 1 });
    while (this.#rate.length > rateWindow + 1) this.#rate.shift();
    this.#schedule(frameMs);
  }

  /** Forgets what a complete list does not hold. */
  listed(ids: ReadonlySet<string>, since: number): void {
    this.#waiting = false;
    this.#roster.prune(ids, since);
    this.#schedule(frameMs);
  }

  /** Tells what is the matter with the connection, in place of the title; empty for nothing. */
  notice(text: string): void {
    this.#notice = text;
    this.#schedule(frameMs);
  }

  /** Gives the terminal back. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#cancelTimer();
    this.#io.stdout.off("resize", this.#draw);
    this.#forgetExit();
    this.#restore();
  }

  #schedule(ms: number): void {
    const now = this.#io.clock.monotonic();
    const at = Math.max(now + ms, this.#drawnAt + frameMs);
    if (!this.#open || at >= this.#nextDrawAt) return;
    this.#cancelTimer();
    this.#nextDrawAt = at;
    this.#cancelTimer = this.#io.clock.timer(at - now, this.#draw);
  }

  #render(): void {
    const { stdout, clock } = this.#io;
    if (!this.#open) return;
    const now = clock.monotonic();
    this.#drawnAt = now;
    this.#nextDrawAt = Number.POSITIVE_INFINITY;
    this.#roster.expire(now);
    const { width, height } = sizeOf(stdout);
    const lines = renderScreen({
      title: this.#title,
      rows: sortRows(this.#rows(now)),
      now: clock.now(),
      updatesPerSecond: this.#updatesPerSecond(now),
      notice: this.#notice || this.#beyond(),
      waiting: this.#waiting,
      width,
      height,
      paint: this.#paint,
    });
    // Lines are cleared before they are drawn: after one that is as wide as the screen, clearing would take its last character.
    const rest = lines.length < height ? "\r\n\x1b[J" : "";
    stdout.write(`\x1b[H${lines.map((line) => `\x1b[K${line}`).join("\r\n")}${rest}`);
    this.#schedule(tickMs);
  }

  #beyond(): string {
    return this.#roster.beyond === 0 ? "" : `only ${maxKnown} workspaces are shown: narrow them with --owner, --meta-id or --annotation`;
  }

  #rows(now: number): Row[] {
    return Array.from(this.#roster.values(), ({ status, at }) => ({ view: this.#view(status), fresh: now - at < freshMs }));
  }

  #view(status: wsman.WorkspaceStatus): WorkspaceView {
    const known = this.#views.get(status);
    if (known) return known;
    const view = viewOf(status);
    this.#views.set(status, view);
    return view;
  }

  #updatesPerSecond(now: number): number {
    const since = Math.floor(now / 1000) - rateWindow;
    const counted = this.#rate.filter(({ second }) => second > since).reduce((sum, { count }) => sum + count, 0);
    return counted / rateWindow;
  }
}
