/** The look of the report's page, in light and dark. */

/** The style sheet. Plots read `--text`, `--grid` and `--line-1` to `--line-6` from it. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --text: #1c2128; --faint: #5c6672; --rule: #d8dde3; --grid: #e3e7ec;
  --line-1: #1668c7; --line-2: #d9480f; --line-3: #2b8a3e; --line-4: #9c36b5; --line-5: #0b7285; --line-6: #a16207;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --raised: #1d2126; --text: #dfe4ea; --faint: #98a2ae; --rule: #353c45; --grid: #2a3038;
    --line-1: #63a9ff; --line-2: #ff9458; --line-3: #6bd07f; --line-4: #d68bea; --line-5: #4fc9dd; --line-6: #e2b33c;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1200px; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 26px; }
h2 { margin: 36px 0 10px; font-size: 19px; }
h3 { margin: 18px 0 4px; font-size: 15px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.faint { margin: 2px 0 0; color: var(--faint); }
.about { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 12px; margin-top: 18px; }
.about section { padding: 10px 14px; background: var(--raised); border-radius: 8px; }
.about h2 { margin: 0 0 4px; font-size: 14px; color: var(--faint); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 14px; margin: 0; font-size: 14px; }
dl.wide { grid-template-columns: repeat(4, auto); justify-content: start; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table.figures { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.figures th, .figures td { padding: 4px 14px; border-bottom: 1px solid var(--rule); text-align: right; }
.figures th:first-child, .figures td:first-child { padding-left: 0; text-align: left; }
.figures th { color: var(--faint); font-weight: 600; }
.figures .main { font-weight: 600; }
fieldset { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 6px; padding: 0; border: 0; }
legend { float: left; padding: 0; margin-right: 4px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 24px; margin-top: 14px; }
figure { margin: 0; min-width: 0; }
figure.percentiles { grid-column: 1 / -1; }
figcaption { margin-bottom: 4px; font-weight: 600; }
.plot { min-height: 300px; overflow: hidden; }
ul { margin: 4px 0; padding-left: 20px; }
li { margin: 3px 0; }
.u-legend { font-size: 13px; font-variant-numeric: tabular-nums; }
.u-legend .other { display: none; }
.u-legend .u-value { min-width: 4em; text-align: left; }
.u-select { background: color-mix(in srgb, var(--text) 12%, transparent); }
`;
