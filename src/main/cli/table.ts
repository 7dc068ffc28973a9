/** Tables of workspaces as lines of text: pure functions of what is to be shown and the size of the terminal. */
import { phases, phaseStyles } from "./phases.ts";
import { age, fit, widthOf, type Paint } from "./text.ts";
import type { WorkspaceView } from "./view.ts";

/** A line of the table. */
export interface Row {
  readonly view: WorkspaceView;
  /** It changed a moment ago. */
  readonly fresh: boolean;
}

/** A live table. */
export interface Screen {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Unix milliseconds. */
  readonly now: number;
  readonly updatesPerSecond: number;
  /** What is the matter with the connection; empty if nothing is. */
  readonly notice: string;
  /** No status has come yet. */
  readonly waiting: boolean;
  readonly width: number;
  readonly height: number;
  readonly paint: Paint;
}

interface Column {
  readonly title: string;
  readonly text: (view: WorkspaceView, now: number) => string;
  /** Columns it gets at most. */
  readonly max: number;
  /** The first to go where there is not enough room; higher goes first, 0 stays. */
  readonly order: number;
  /** It goes if it leaves the message less than this. */
  readonly leaves: number;
}

/** The message is not shown with fewer columns than these. */
const minMessage = 12;
/** With fewer than these it says less than the columns that most can do without. */
const goodMessage = 24;

const columns: readonly Column[] = [
  { title: "ID", text: (view) => view.id, max: 40, order: 0, leaves: 0 },
  { title: "OWNER/META", text: (view) => `${view.owner}/${view.metaId}`, max: 40, order: 3, leaves: goodMessage },
  { title: "TYPE", text: (view) => view.type, max: 10, order: 2, leaves: goodMessage },
  { title: "PHASE", text: (view) => view.phase, max: 12, order: 0, leaves: 0 },
  { title: "AGE", text: (view, now) => (view.startedAt === undefined ? "" : age(now - view.startedAt)), max: 8, order: 1, leaves: minMessage },
  { title: "NODE", text: (view) => view.node, max: 24, order: 4, leaves: goodMessage },
];
const messageTitle = "MESSAGE";
const gap = "  ";
/** Shortest IDs, to leave room for the phase. */
const minId = 8;

interface Layout {
  readonly columns: readonly { readonly column: Column; readonly width: number }[];
  readonly message: number;
}

function layoutOf(rows: readonly Row[], now: number, width: number): Layout {
  let shown = columns.map((column) => ({ column, width: columnWidth(column, rows, now) }));
  const left = (): number => shown.reduce((rest, { width }) => rest - width - gap.length, width);
  for (const { order, leaves } of columns.toSorted((a, b) => b.order - a.order)) {
    if (left() >= leaves) break;
    shown = shown.filter(({ column }) => order === 0 || column.order !== order);
  }
  const message = left() >= minMessage ? left() : 0;
  const excess = message > 0 ? 0 : -left() - gap.length;
  return { message, columns: shown.map((cell) => (excess > 0 && cell.column.title === "ID" ? { ...cell, width: Math.max(minId, cell.width - excess) } : cell)) };
}

function columnWidth(column: Column, rows: readonly Row[], now: number): number {
  let width = column.title.length;
  for (const { view } of rows) width = Math.max(width, Math.min(column.max, widthOf(column.text(view, now))));
  return width;
}

function headLine(layout: Layout, width: number): string {
  const titles = layout.columns.map(({ column, width }) => fit(column.title, width));
  return fit(joined(titles, layout, messageTitle), width);
}

function rowLine({ view, fresh }: Row, layout: Layout, now: number, paint: Paint, width: number): string {
  const texts = layout.columns.map(({ column, width }) => ({ column, text: fit(column.text(view, now), width) }));
  const message = layout.message > 0 ? fit(view.note, layout.message) : "";
  const bare = joined(texts.map(({ text }) => text), layout, message);
  // On a screen too narrow even for what must stay, the line is cut as a whole, and goes without colours.
  if (widthOf(bare) > width) return fit(bare, width);
  const cells = texts.map(({ column, text }) => paintCell(column, text, view, fresh, paint));
  return joined(cells, layout, view.failed ? paint("red", message) : message);
}

function joined(cells: readonly string[], layout: Layout, message: string): string {
  return (layout.message > 0 ? [...cells, message] : cells).join(gap);
}

function paintCell(column: Column, text: string, view: WorkspaceView, fresh: boolean, paint: Paint): string {
  const style = column.title === "PHASE" ? phaseStyles.get(view.phase) : undefined;
  const colored = style === undefined ? text : paint(style, text);
  return fresh ? paint("bold", colored) : colored;
}

/** Rows in an order that changes of phase do not stir: oldest first, then by ID. */
export function sortRows(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => (a.view.startedAt ?? 0) - (b.view.startedAt ?? 0) || (a.view.id < b.view.id ? -1 : 1));
}

/** How many there are of each phase, in the order of a workspace's life: `12 RUNNING  1 STOPPING`. */
export function countsOf(rows: readonly Row[], paint: Paint): string {
  const counts = new Map<string, number>();
  for (const { view } of rows) counts.set(view.phase, (counts.get(view.phase) ?? 0) + 1);
  const known = phases.filter((phase) => counts.has(phase));
  return known.map((phase) => paint(phaseStyles.get(phase) ?? "dim", `${counts.get(phase)} ${phase}`)).join(gap);
}

const noPaint: Paint = (_style, text) => text;

function headerLines(screen: Screen): string[] {
  const { rows, width, paint } = screen;
  const total = `${rows.length} ${rows.length === 1 ? "workspace" : "workspaces"}${gap}`;
  const rate = `${gap}${screen.updatesPerSecond.toFixed(1)} updates/s`;
  const bare = total + countsOf(rows, noPaint) + rate;
  const known = widthOf(bare) <= width ? paint("bold", total) + countsOf(rows, paint) + rate : fit(bare, width);
  const summary = screen.waiting ? fit("waiting for the first statuses", width) : known;
  const title = screen.notice === "" ? paint("dim", fit(screen.title, width)) : paint("inverse", fit(screen.notice, width));
  return [title, summary];
}

/**
 * Lines of the live table, none wider than the screen and not more than fit on it. Rows that do not fit are counted in the last line.
 * @param screen its rows are shown in the order given.
 */
export function renderScreen(screen: Screen): readonly string[] {
  const { rows, now, width, height, paint } = screen;
  const header = headerLines(screen);
  const room = Math.max(0, height - header.length - 1);
  const visible = rows.length > room ? rows.slice(0, Math.max(0, room - 1)) : rows;
  const layout = layoutOf(visible, now, width);
  const lines = [...header, paint("bold", headLine(layout, width)), ...visible.map((row) => rowLine(row, layout, now, paint, width))];
  if (visible.length < rows.length) lines.push(paint("dim", fit(`+${rows.length - visible.length} more`, width)));
  return lines.slice(0, Math.max(0, height));
}

/** Lines of a table that is printed once. Without a width, messages are not cut. */
export function renderTable(rows: readonly Row[], options: { now: number; width: number | undefined; paint: Paint }): readonly string[] {
  const { now, width, paint } = options;
  const longest = Math.max(messageTitle.length, ...rows.map(({ view }) => widthOf(view.note)));
  const layout = width === undefined ? { columns: columns.map((column) => ({ column, width: columnWidth({ ...column, max: Infinity }, rows, now) })), message: longest } : layoutOf(rows, now, width);
  const lineWidth = width ?? Infinity;
  const head = width === undefined ? [...layout.columns.map(({ column, width }) => fit(column.title, width)), messageTitle].join(gap) : headLine(layout, width);
  return [paint("bold", head.trimEnd()), ...rows.map((row) => rowLine(row, layout, now, paint, lineWidth).trimEnd())];
}
