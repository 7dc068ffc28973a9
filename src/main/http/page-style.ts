/** The look of the page at the metrics address, in light and dark, from a phone's width on. */

/** The style sheet. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: #f3f4f6; --raised: #ffffff; --text: #1c2128; --faint: #5c6672; --rule: #dfe3e8;
  --accent: #1668c7; --track: #e3e7ec; --good: #1f7a37; --warn: #9a5b00; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --raised: #1d2126; --text: #dfe4ea; --faint: #98a2ae; --rule: #343b44;
    --accent: #63a9ff; --track: #2c323a; --good: #6bd07f; --warn: #e2b33c; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 20px 16px 40px; max-width: 1240px; background: var(--ground); color: var(--text); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; }
h1 { margin: 0; font-size: 24px; }
h2 { margin: 0 0 8px; font-size: 15px; }
.mark { padding: 1px 10px; border: 1px solid currentColor; border-radius: 999px; font-size: 13px; font-weight: 600; white-space: nowrap; }
.good { color: var(--good); }
.warn { color: var(--warn); }
.bad { color: var(--bad); }
.faint { color: var(--faint); }
.about { margin: 6px 0 16px; overflow-wrap: anywhere; }
.problems { margin: 0 0 16px; padding: 10px 14px 10px 30px; border-left: 4px solid var(--bad); background: var(--raised); border-radius: 6px; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 14px; }
section { min-width: 0; padding: 14px 16px; background: var(--raised); border-radius: 10px; }
section.wide { grid-column: 1 / -1; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: baseline; }
tr:last-child > td, tr:last-child > th[scope=row] { border-bottom: 0; }
thead th { color: var(--faint); font-weight: 600; white-space: nowrap; }
th[scope=row], th[scope=rowgroup] { font-weight: 400; overflow-wrap: anywhere; }
td:last-child, th:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
.number + :not(.number) { padding-left: 16px; }
.bar { width: 40%; min-width: 60px; }
svg { display: block; width: 100%; height: 9px; border-radius: 3px; background: var(--track); }
rect { fill: var(--accent); }
.big { margin: 0 0 8px; font-size: 26px; font-weight: 600; line-height: 1.1; font-variant-numeric: tabular-nums; }
.big small { font-size: 14px; font-weight: 400; color: var(--faint); }
.note { margin: 8px 0 0; font-size: 13px; color: var(--faint); }
.note + table { margin-top: 8px; }
table.stack th, table.stack code { white-space: nowrap; overflow-wrap: normal; }
table.stack th, table.stack td { border-bottom: 0; }
table.stack tbody > tr:first-child > * { border-top: 1px solid var(--rule); }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 18px; display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 14px; }
a { color: var(--accent); }
#stale { margin: 0 0 16px; padding: 8px 14px; border-radius: 6px; background: var(--raised); border-left: 4px solid var(--warn); }
@media (max-width: 800px) {
  table.stack thead, table.stack td:empty { display: none; }
  table.stack tbody, table.stack tr { display: block; }
  table.stack tbody { padding: 4px 0; border-top: 1px solid var(--rule); }
  table.stack tbody:first-of-type { padding-top: 0; border-top: 0; }
  table.stack tr { padding: 3px 0; }
  table.stack th, table.stack td, .stack .number + :not(.number) { display: inline-block; padding: 0 10px 0 0; text-align: left; }
  table.stack tbody > tr:first-child > * { border-top: 0; }
  table.stack th, table.stack td.what { display: block; overflow-wrap: anywhere; }
  table.stack th { font-weight: 600; }
  table.stack td[data-name]::before { content: attr(data-name) " "; color: var(--faint); }
}
`;

/** Reads the page again every few seconds, while it is looked at, and puts what is new in place of what was; what can not be had is told with its time. */
export const pageScript = `
(() => {
  "use strict";
  const everyMs = 5000;
  let good = Date.now();
  const stale = document.getElementById("stale");
  const refresh = async () => {
    if (document.hidden) return;
    try {
      const response = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(everyMs) });
      if (!response.ok) throw new Error("status " + response.status);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const [now, next] = [document.querySelector("main"), page.querySelector("main")];
      if (!now || !next) throw new Error("not the page");
      now.replaceWith(document.adoptNode(next));
      document.title = page.title;
      good = Date.now();
      stale.hidden = true;
    } catch {
      stale.textContent = "No answer: this is how things stood at " + new Date(good).toLocaleTimeString() + ".";
      stale.hidden = false;
    }
  };
  const again = () => setTimeout(() => refresh().finally(again), everyMs);
  again();
  document.addEventListener("visibilitychange", () => void refresh());
})();
`;
