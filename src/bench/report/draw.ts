/** Draws the plots of the page. It runs in the browser: its text is put into the page, so it may use nothing from outside of itself. */
import type uPlot from "uplot";
import type { OverlaidLine, OverlaidPlot } from "./overlay.ts";

/** What the page is drawn from. */
export interface PageData {
  readonly plots: readonly OverlaidPlot[];
  /** The run (from 0) whose lines stand out at first. */
  readonly chosen: number;
}

/** A place for a plot. */
interface Place {
  readonly clientWidth: number;
}

/** A plot that is drawn. */
interface Drawn {
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
}

/** One of the switches between runs. */
interface Choice {
  readonly value: string;
  addEventListener(event: "change", listener: () => void): void;
}

/** What is used of a browser's window. */
export interface Browser {
  readonly document: {
    readonly documentElement: unknown;
    getElementById(id: string): Place | null;
    querySelectorAll(selector: string): Iterable<Choice>;
  };
  readonly uPlot: {
    new (options: uPlot.Options, data: uPlot.AlignedData, place: Place): Drawn;
    join(tables: uPlot.AlignedData[]): uPlot.AlignedData;
  };
  getComputedStyle(element: unknown): { getPropertyValue(name: string): string };
  matchMedia(query: string): { addEventListener(event: "change", listener: () => void): void };
  addEventListener(event: "resize", listener: () => void): void;
}

/** Draws every plot that has a place (`plot-0`, `plot-1`, ...), and again when another run is chosen or the colour scheme changes. */
export function draw(browser: Browser, { plots, chosen: first }: PageData): void {
  /** A curve as it is drawn. */
  interface Curve {
    readonly name: string;
    readonly run: number;
    readonly points: OverlaidLine["runs"][number]["points"];
    readonly colour: string;
    readonly dashes: readonly number[];
  }

  const height = 300;
  const colours = 6;
  /** Lines beyond as many look different by these. */
  const dashes: readonly (readonly number[])[] = [[], [8, 5], [2, 4]];
  /** Width from which a percentile axis has room for the lesser marks. */
  const roomy = 640;
  const marks = [0, 50, 90, 99, 99.9, 99.99, 99.999];
  const lesserMarks = [25, 75, 95, 99.5, 99.95, 99.995];
  /** How much further to the right than the last percentile the maximum stands: it has no place on a logarithmic axis. */
  const maximumAfter = 0.5;

  /** All plots over time end at the same time, so that what happens in one can be looked for in the others. */
  const end = plots.filter(({ kind }) => kind === "time").reduce((end, { lines }) => lines.reduce((end, { runs }) => runs.reduce((end, { points }) => Math.max(end, points.at(-1)?.[0] ?? 0), end), end), 0);

  let chosen = first;
  let drawn: { readonly plot: Drawn; readonly place: Place }[] = [];

  const style = (name: string): string => browser.getComputedStyle(browser.document.documentElement).getPropertyValue(name).trim();
  const digits = (value: number): number => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 3);
  const text = (value: number, maximumFractionDigits = digits(value)): string => value.toLocaleString("en-US", { maximumFractionDigits });

  /** Place of a percentile: each nine takes as much room as the one before. */
  const nines = (percentile: number): number => -Math.log10(1 - percentile / 100);
  const percentileAt = (x: number): number => 100 * (1 - 10 ** -x);

  /** The curves of a plot; the chosen run's last, so that they lie above the others. */
  const curvesOf = (plot: OverlaidPlot): readonly Curve[] => {
    const curves = plot.lines.flatMap(({ name, runs }, i) => runs.map(({ run, points }): Curve => ({ name, run, points, colour: style(`--line-${(i % colours) + 1}`), dashes: dashes[Math.floor(i / colours) % dashes.length] ?? [] })));
    return [...curves.filter(({ run }) => run !== chosen), ...curves.filter(({ run }) => run === chosen)];
  };

  const seriesOf = ({ name, run, colour, dashes }: Curve): uPlot.Series => ({
    label: name, stroke: colour, dash: [...dashes], value: (_plot, value) => shown(value),
    ...(run === chosen ? { width: 2 } : { width: 1, alpha: 0.55, points: { show: false }, class: "other" }),
  });

  /** Style of the border of a mark in the legend. */
  const markerOf = (dashes: readonly number[] = []): string => (dashes.length === 0 ? "solid" : (dashes[0] ?? 0) > 2 ? "dashed" : "dotted");

  const shown = (value: number | null | undefined): string => (value === null || value === undefined ? "–" : text(value));

  /** The point of a curve that is nearest to the pointer: runs have theirs at other times. */
  const nearest = (plot: uPlot, series: number, hovered: number, x: number): number => {
    const xs = plot.data[0];
    const ys = plot.data[series];
    if (series === 0 || !ys) return hovered;
    const isThere = (i: number): boolean => ys[i] !== null && ys[i] !== undefined;
    const distance = (i: number): number => (isThere(i) ? Math.abs((xs[i] ?? 0) - x) : Number.POSITIVE_INFINITY);
    let left = hovered;
    let right = hovered;
    while (left > 0 && !isThere(left)) left--;
    while (right < xs.length - 1 && !isThere(right)) right++;
    return distance(right) < distance(left) ? right : left;
  };

  /** Who hides a line hides it in all runs. */
  const together = (plot: uPlot, series: number | null, { show }: uPlot.Series): void => {
    if (series === null || show === undefined) return;
    for (const [i, { label }] of plot.series.entries()) if (i > 0 && i !== series && label === plot.series[series]?.label) plot.setSeries(i, { show }, false);
  };

  const axis = (): uPlot.Axis => ({
    stroke: style("--text"), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 22,
    grid: { stroke: style("--grid"), width: 1 }, ticks: { stroke: style("--grid"), width: 1, size: 5 },
  });

  const yAxis = (unit: string): uPlot.Axis => ({
    ...axis(), label: unit,
    values: (_plot, splits) => splits.map((value) => text(value, 6)),
    size: (_plot, values) => 16 + 7.5 * Math.max(3, ...(values ?? []).map(({ length }) => length)),
  });

  /** @param top place of the maximum. */
  const percentileAxis = (top: number): uPlot.Axis => ({
    ...axis(), label: "percentile", size: 28,
    splits: (plot, _axis, min, max) => {
      const places = plot.width >= roomy ? [...marks, ...lesserMarks].map(nines).filter((x) => x < top - maximumAfter / 2) : marks.map(nines).filter((x) => x < top - maximumAfter * 1.5);
      return [...places.toSorted((a, b) => a - b), top].filter((x) => x >= min && x <= max);
    },
    values: (_plot, splits) => splits.map((x) => (x === top ? "max" : text(percentileAt(x), 4))),
  });

  /** What the two kinds of x axis have different. */
  const across = (kind: OverlaidPlot["kind"], top: number): { readonly axis: uPlot.Axis; readonly end: number; readonly label: string; readonly value: (x: number) => string } =>
    kind === "percentiles"
      ? { axis: percentileAxis(top), end: top, label: "percentile", value: (x) => (x === top ? "maximum" : text(percentileAt(x), 4)) }
      : { axis: { ...axis(), label: "seconds", size: 28, values: (_plot, splits) => splits.map((value) => text(value, 6)) }, end, label: "second", value: (x) => text(x, 1) };

  /** The data, with an x axis from 0 to an end. */
  const spanning = ([xs, ...ys]: uPlot.AlignedData, end: number): uPlot.AlignedData => {
    const before = (xs[0] ?? 0) > 0 ? [0] : [];
    const after = (xs.at(-1) ?? end) < end ? [end] : [];
    return [[...before, ...xs, ...after], ...ys.map((values) => [...before.map(() => undefined), ...values, ...after.map(() => undefined)])];
  };

  const drawOne = (plot: OverlaidPlot, place: Place): Drawn => {
    const curves = curvesOf(plot);
    const largest = curves.reduce((largest, { points }) => points.reduce((largest, [x]) => (x < 100 ? Math.max(largest, x) : largest), largest), 0);
    const top = nines(largest) + maximumAfter;
    const xOf = (x: number): number => (plot.kind === "time" ? x : x < 100 ? nines(x) : top);
    const x = across(plot.kind, top);
    const options: uPlot.Options = {
      width: place.clientWidth, height,
      scales: { x: { time: false }, y: { range: (_plot, min, max) => [Math.min(0, min * 1.05), max > 0 ? max * 1.05 : 1] } },
      axes: [x.axis, yAxis(plot.unit)],
      series: [{ label: x.label, value: (_plot, value: number | null) => (value === null ? "–" : x.value(value)) }, ...curves.map(seriesOf)],
      legend: { markers: { dash: (_plot: uPlot, series: number) => markerOf(curves[series - 1]?.dashes) } },
      cursor: { dataIdx: nearest },
      hooks: { setSeries: [together] },
    };
    const tables = curves.map(({ points }): uPlot.AlignedData => [points.map(([x]) => xOf(x)), points.map(([, y]) => y)]);
    return new browser.uPlot(options, spanning(browser.uPlot.join(tables), x.end), place);
  };

  const drawAll = (): void => {
    for (const { plot } of drawn) plot.destroy();
    drawn = plots.flatMap((plot, i) => {
      const place = browser.document.getElementById(`plot-${i}`);
      return place && plot.lines.length > 0 ? { plot: drawOne(plot, place), place } : [];
    });
  };

  drawAll();
  browser.addEventListener("resize", () => {
    for (const { plot, place } of drawn) plot.setSize({ width: place.clientWidth, height });
  });
  browser.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  for (const choice of browser.document.querySelectorAll("input[name=run]")) {
    choice.addEventListener("change", () => {
      chosen = Number(choice.value);
      drawAll();
    });
  }
}
