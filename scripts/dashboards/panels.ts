/** Panels, rows and dashboards in Grafana's model, in as few words as they differ in. */

/** A query of a panel, and what its series are called: `{{label}}` stands for a label's value. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** A panel without its place. */
export interface Panel {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly model: object;
}

/** Panels under a heading; they flow from left to right. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** What a dashboard is made of. */
export interface DashboardOptions {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

/** From here on a value has this colour. */
export interface Step {
  readonly color: "green" | "orange" | "red";
  /** Null: from the beginning. */
  readonly value: number | null;
}

/** Label matchers of what was chosen at the dashboard's top. */
export const own = 'namespace=~"$namespace", job=~"$job"';
const datasource = { type: "prometheus", uid: "${datasource}" } as const;
const columns = 24;

/** Rate of a counter of the chosen jobs, with further matchers. */
export function rate(metric: string, matchers = ""): string {
  return `rate(${metric}{${own}${matchers && `, ${matchers}`}}[$__rate_interval])`;
}

/** A quantile of a histogram, for each combination of the labels (as "method, "), of the chosen jobs. */
export function quantile(q: number, histogram: string, by = "", matchers = ""): string {
  return `histogram_quantile(${q}, sum by (${by}le) (${rate(`${histogram}_bucket`, matchers)}))`;
}

/** Median and last percents of a histogram without further labels. */
export function quantiles(histogram: string, matchers = "", qs: readonly number[] = [0.5, 0.95, 0.99]): readonly Query[] {
  return qs.map((q) => ({ expr: quantile(q, histogram, "", matchers), legend: `p${q * 100}` }));
}

/** Steps for a number that should stay below something. */
export function below(orange: number, red: number): readonly Step[] {
  return [{ color: "green", value: null }, ...(orange < red ? [{ color: "orange", value: orange } as const] : []), { color: "red", value: red }];
}

/** Steps for a number that should be this or more. */
export function atLeast(value: number): readonly Step[] {
  return [{ color: "red", value: null }, { color: "green", value }];
}

/** One number, now. @param help what it means, and when it is too much. */
export function stat(title: string, unit: string, expr: string, help: string, steps: readonly Step[] = [{ color: "green", value: null }]): Panel {
  return {
    title,
    width: 3,
    height: 4,
    model: {
      type: "stat",
      description: help,
      fieldConfig: { defaults: { unit, mappings: [], thresholds: { mode: "absolute", steps } }, overrides: [] },
      options: { colorMode: "value", graphMode: "none", justifyMode: "auto", orientation: "auto", textMode: "value", reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false } },
      targets: targetsOf([{ expr, legend: "" }], { instant: true, range: false }),
    },
  };
}

/** Lines over time. @param help what they mean, and what is unusual. @param stacked one above the other. */
export function graph(title: string, unit: string, queries: readonly Query[], help: string, stacked = false): Panel {
  return {
    title,
    width: 8,
    height: 8,
    model: {
      type: "timeseries",
      description: help,
      fieldConfig: {
        defaults: { unit, min: 0, mappings: [], custom: { drawStyle: "line", lineWidth: 1, fillOpacity: stacked ? 40 : 8, showPoints: "never", spanNulls: false, stacking: { mode: stacked ? "normal" : "none", group: "A" } } },
        overrides: [],
      },
      options: { legend: { displayMode: "table", placement: "bottom", showLegend: true, calcs: ["lastNotNull", "max"] }, tooltip: { mode: "multi", sort: "desc" } },
      targets: targetsOf(queries, { instant: false, range: true }),
    },
  };
}

/** A histogram over time: how many values fell into which bucket. */
export function heatmap(title: string, unit: string, histogram: string, help: string, matchers = ""): Panel {
  const targets = targetsOf([{ expr: `sum by (le) (increase(${histogram}_bucket{${own}${matchers && `, ${matchers}`}}[$__rate_interval]))`, legend: "{{le}}" }], { instant: false, range: true });
  return {
    title,
    width: 8,
    height: 8,
    model: {
      type: "heatmap",
      description: help,
      fieldConfig: { defaults: { custom: { scaleDistribution: { type: "linear" } } }, overrides: [] },
      options: { calculate: false, cellGap: 1, color: { mode: "scheme", scheme: "Oranges", steps: 64, exponent: 0.5, fill: "dark-orange" }, yAxis: { unit, axisPlacement: "left" }, legend: { show: true }, tooltip: { show: true, yHistogram: false } },
      targets: targets.map((target) => ({ ...target, format: "heatmap" })),
    },
  };
}

function targetsOf(queries: readonly Query[], kind: { readonly instant: boolean; readonly range: boolean }): readonly object[] {
  return queries.map(({ expr, legend }, i) => ({ refId: String.fromCodePoint(65 + i), datasource, editorMode: "code", expr, legendFormat: legend === "" ? "__auto" : legend, ...kind }));
}

/** The dashboard as Grafana imports it. Nothing in it names an installation. */
export function dashboard({ uid, title, description, rows }: DashboardOptions): object {
  return {
    uid, title, description,
    tags: ["wsmand"],
    schemaVersion: 38,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    timezone: "",
    annotations: { list: [] },
    links: [{ type: "dashboards", tags: ["wsmand"], title: "wsmand", asDropdown: false, includeVars: true, keepTime: true, targetBlank: false, icon: "external link" }],
    templating: { list: variables() },
    panels: placed(rows),
  };
}

function variables(): readonly object[] {
  const query = (name: string, label: string, definition: string, all: object): object => ({
    name, label, definition, datasource,
    type: "query",
    query: { query: definition, refId: name },
    refresh: 2, sort: 1, hide: 0, regex: "", multi: true, includeAll: true, current: { selected: true, text: ["All"], value: ["$__all"] }, options: [],
    ...all,
  });
  return [
    { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", refresh: 1, hide: 0, regex: "", multi: false, includeAll: false, current: {}, options: [] },
    // Where Prometheus writes no namespaces, everything is meant.
    query("namespace", "Namespace", "label_values(wsmand_leader, namespace)", { allValue: ".*" }),
    // "All" stands for those that export this metric: a Go ws-manager beside, whose metrics have the same names, is none of them.
    query("job", "Job", 'label_values(wsmand_leader{namespace=~"$namespace"}, job)', {}),
  ];
}

function placed(rows: readonly Row[]): readonly object[] {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: inRow } of rows) {
    panels.push({ id: panels.length + 1, type: "row", title, collapsed: false, panels: [], gridPos: { x: 0, y, w: columns, h: 1 } });
    y++;
    let [x, tallest] = [0, 0];
    for (const { title: panelTitle, width, height, model } of inRow) {
      if (x + width > columns) {
        y += tallest;
        [x, tallest] = [0, 0];
      }
      panels.push({ id: panels.length + 1, title: panelTitle, gridPos: { x, y, w: width, h: height }, datasource, ...model });
      x += width;
      tallest = Math.max(tallest, height);
    }
    y += tallest;
  }
  return panels;
}
