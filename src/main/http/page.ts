/** The page at the metrics address that shows at a glance how the daemon is. It holds all that it needs, works without scripts, and nothing runs on it but what was put there. */
import { element, html, type Markup } from "../../domain/markup.ts";
import { htmlType, type Answer, type Route } from "../../metrics/serving.ts";
import type { Overview, OverviewSource, Role } from "./overview.ts";
import { pageScript, pageStyle } from "./page-style.ts";
import { ago, bytes, duration, milliseconds, percent, plainCount } from "./texts.ts";

/** A watch that was not heard of for so long is told in another colour, seconds: bookmarks come about every minute. */
const oldWatchSeconds = 300;

const style = element("style", pageStyle);
const script = element("script", pageScript);
/** Where scripts do not run, the browser reads the page again by itself. */
const withoutScripts = html`<noscript><meta http-equiv="refresh" content="10"></noscript>`;
const policy = `default-src 'none'; style-src '${style.hash}'; script-src '${script.hash}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The pages for people: `/` and `/status`; and the same as JSON, `/status.json`. */
export function statusPages(source: Pick<OverviewSource, "look">): ReadonlyMap<string, Route> {
  const page = async (): Promise<Answer> => ({ status: 200, body: render(await source.look()), type: htmlType, headers: { "content-security-policy": policy, "referrer-policy": "no-referrer" } });
  return new Map<string, Route>([
    ["/", page],
    ["/status", page],
    ["/status.json", async () => ({ status: 200, body: `${JSON.stringify(await source.look(), undefined, 2)}\n`, type: "application/json" })],
  ]);
}

/** The page. */
export function render(overview: Overview): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${overview.problems.length > 0 ? "! " : ""}wsmand ${overview.host}</title>
${withoutScripts}
${style.tag}
</head>
<body>
<p id="stale" role="status" hidden></p>
<main>
${head(overview)}
<div class="cards">
${[comparison(overview), workspaces(overview), subscribers(overview), watches(overview), busy(overview), memory(overview), collector(overview), slow(overview)]}
</div>
</main>
<footer><a href="/status.json">/status.json</a> <a href="/metrics">/metrics</a> <a href="/livez?verbose">/livez</a> <a href="/readyz?verbose">/readyz</a> <a href="/healthz?verbose">/healthz</a></footer>
${script.tag}
</body>
</html>
`.markup;
}

const roles: Readonly<Record<Role, { readonly mark: string; readonly looks: string; readonly title: string }>> = {
  leader: { mark: "leads", looks: "good", title: "acts on workspaces" },
  follower: { mark: "follows", looks: "faint", title: "another replica acts on workspaces" },
  bystander: { mark: "does not act", looks: "faint", title: "wsmand.lifecycle.enabled is false" },
  shadow: { mark: "shadow", looks: "faint", title: "computes everything and writes nothing (--shadow)" },
};

function head({ version, node, host, pid, namespace, startedAt, uptimeSeconds, time, problems, role, leaseHolder }: Overview): Markup {
  const { mark, looks, title } = roles[role];
  const holder = leaseHolder === "" ? html`` : html`, the Lease is held by <code>${leaseHolder}</code>`;
  return html`<header><h1>wsmand</h1> <span class="mark ${looks}" title="${title}">${mark}</span> <span class="mark ${problems.length > 0 ? "bad" : "good"}">${problems.length > 0 ? "not ready" : "ready"}</span></header>
<p class="about faint">Version ${version} on Node ${node}, namespace <code>${namespace}</code>, host <code>${host}</code>, process ${pid}${holder}.<br>
Up for ${duration(uptimeSeconds)}, since <time datetime="${startedAt}">${clockText(startedAt)}</time>. As of <time datetime="${time}">${clockText(time)}</time>.</p>
${problems.length === 0 ? [] : html`<ul class="problems">${problems.map(({ check, problem }) => html`<li><b>${check}</b>: ${problem}</li>`)}</ul>`}`;
}

function comparison({ comparison: levels }: Overview): Markup {
  if (!levels) return html``;
  const { with: other, connected, open, waiting } = levels;
  return html`<section><h2>Comparison</h2>
<p class="big ${open > 0 ? "warn" : ""}">${plainCount(open)} <small>${open === 1 ? "difference that is" : "differences that are"} not meant</small></p>
<table>${[
    html`<tr><th scope="row">with <code>${other}</code></th><td class="number ${connected ? "good" : "bad"}">${connected ? "goes on" : "not connected"}</td></tr>`,
    html`<tr><th scope="row">changed just now, compared soon</th><td class="number">${plainCount(waiting)}</td></tr>`,
  ]}</table></section>
`;
}

function workspaces({ workspaces: { total, phases, types } }: Overview): Markup {
  const largest = Math.max(1, ...phases.map(({ count }) => count));
  const rows = phases.map(({ name, count }) => html`<tr><th scope="row">${name}</th><td class="bar">${bar(count / largest)}</td><td class="number">${plainCount(count)}</td></tr>`);
  return html`<section><h2>Workspaces</h2>
<p class="big">${plainCount(total)}</p>
${rows.length === 0 ? [] : html`<table>${rows}</table>
<p class="note">${types.map(({ name, count }) => `${plainCount(count)} ${name}`).join(", ")}</p>`}</section>
`;
}

/** Rows that are shown; the JSON has more. */
const shownSubscribers = 6;

function subscribers({ subscribers: { total, pending, longest }, pipeline }: Overview): Markup {
  const shown = longest.slice(0, shownSubscribers);
  const rows = shown.map(({ client, pending: waiting, fullSeconds }) => html`<tr><th scope="row"><code>${client}</code></th><td class="number">${plainCount(waiting)}</td><td class="number ${fullSeconds > 0 ? "warn" : "faint"}">${fullSeconds > 0 ? duration(fullSeconds) : "no"}</td></tr>`);
  const more = total > shown.length ? html`<p class="note">and ${plainCount(total - shown.length)} more, for whom no more waits</p>` : html``;
  return html`<section><h2>Subscribers</h2>
<p class="big">${plainCount(total)} <small>${plainCount(pending)} statuses wait for them</small></p>
${rows.length === 0 ? [] : html`<div class="scroll"><table><thead><tr><th scope="col">client</th><th scope="col" class="number">waiting</th><th scope="col" class="number">stalled</th></tr></thead>${rows}</table></div>`}${more}
<p class="note">${plainCount(pipeline.waitingLines)} lines of watches wait to be made statuses</p></section>
`;
}

function watches({ watches: all }: Overview): Markup {
  const rows = all.map(({ name, ageSeconds }) => html`<tr><th scope="row">${name}</th><td class="number ${ageSeconds === undefined || ageSeconds > oldWatchSeconds ? "bad" : ""}">${ageSeconds === undefined ? "not yet" : ago(ageSeconds)}</td></tr>`);
  return html`<section><h2>Watches</h2>
<table><thead><tr><th scope="col">of</th><th scope="col" class="number">last heard of</th></tr></thead>${rows}</table></section>
`;
}

function busy({ busy: { seconds, eventLoop, cpu, workers }, eventLoopDelayMs: delay }: Overview): Markup {
  const share = (name: string, value: number, text: string): Markup => html`<tr><th scope="row">${name}</th><td class="bar">${bar(value)}</td><td class="number">${text}</td></tr>`;
  return html`<section><h2>Busy</h2>
<table>${[
    share("event loop", eventLoop, percent(eventLoop)),
    ...(workers === undefined ? [] : [share("workers", workers, percent(workers))]),
    share("processor", cpu, `${percent(cpu)} of a core`),
  ]}</table>
<p class="note">in the last ${duration(seconds)}</p>
${delay === undefined ? html`<p class="note">how late the event loop is can be told at the next look</p>` : html`<table>${[
    html`<tr><th scope="row">event loop late, median</th><td class="number">${milliseconds(delay.median)}</td></tr>`,
    html`<tr><th scope="row">99th percentile</th><td class="number">${milliseconds(delay.p99)}</td></tr>`,
    html`<tr><th scope="row">at most</th><td class="number ${delay.max > 100 ? "warn" : ""}">${milliseconds(delay.max)}</td></tr>`,
  ]}</table>
<p class="note">in ${duration(delay.seconds)} of being looked at</p>`}</section>
`;
}

function memory({ memory: { resident, heapUsed, heapTotal, outside, workerHeaps }, cache }: Overview): Markup {
  const row = (name: string, value: string): Markup => html`<tr><th scope="row">${name}</th><td class="number">${value}</td></tr>`;
  return html`<section><h2>Memory</h2>
<p class="big">${bytes(resident)} <small>resident</small></p>
<table>${[
    row("heap of the main thread", `${bytes(heapUsed)} of ${bytes(heapTotal)}`),
    row("outside of it, for it", bytes(outside)),
    ...(workerHeaps.length === 0 ? [] : [row(workerHeaps.length === 1 ? "heap of the worker" : `heaps of ${workerHeaps.length} workers`, workerHeaps.map((heap) => bytes(heap)).join(", "))]),
    row(`cache of ${plainCount(cache.entries)} statuses`, bytes(cache.bytes)),
  ]}</table></section>
`;
}

function collector({ gc, uptimeSeconds }: Overview): Markup {
  const rows = gc.filter(({ count }) => count > 0).map(({ kind, count, seconds }) => html`<tr><th scope="row">${kind}</th><td class="number">${plainCount(count)}</td><td class="number">${milliseconds((seconds / count) * 1000)}</td><td class="number">${percent(seconds / Math.max(1, uptimeSeconds))}</td></tr>`);
  if (rows.length === 0) return html``;
  return html`<section><h2>Garbage collection</h2>
<div class="scroll"><table><thead><tr><th scope="col">pauses</th><th scope="col" class="number">count</th><th scope="col" class="number">mean</th><th scope="col" class="number">of all time</th></tr></thead>${rows}</table></div>
<p class="note">of the main thread, since the start</p></section>
`;
}

function slow({ slow: operations, time }: Overview): Markup {
  const now = Date.parse(time);
  const kinds = Array.from(Map.groupBy(operations, ({ kind }) => kind).values(), (ofKind) => html`<tbody>${ofKind.map((operation, i) => slowRow(operation, now, i === 0 ? ofKind.length : 0))}</tbody>
`);
  return html`<section class="wide"><h2>Slowest lately</h2>
${kinds.length === 0 ? html`<p class="note">Nothing was slow in the last quarter of an hour.</p>` : html`<div class="scroll"><table class="stack"><thead><tr><th scope="col">kind</th><th scope="col">what</th><th scope="col" class="number">took</th><th scope="col" class="number">ended</th><th scope="col">workspace</th></tr></thead>
${kinds}</table></div>
<p class="note">The slowest of each kind in the last quarter of an hour.</p>`}</section>
`;
}

/** @param ofKind rows of its kind, which the first of them names; 0 in the others. */
function slowRow({ kind, what, seconds, at, workspace }: Overview["slow"][number], now: number, ofKind: number): Markup {
  const head = ofKind === 0 ? html`` : html`<th scope="rowgroup" rowspan="${ofKind}">${kind}</th>`;
  return html`<tr>${head}<td class="what">${breakable(what)}</td><td class="number" data-name="took">${duration(seconds)}</td><td class="number" data-name="ended">${ago(Math.max(0, now - Date.parse(at)) / 1000)}</td><td>${workspace === undefined ? "" : html`<code>${workspace}</code>`}</td></tr>`;
}

/** Names of methods are long: a line may end after that of the service. */
function breakable(text: string): readonly Markup[] {
  return text.split(/(?<=\/)/).map((part, i) => (i === 0 ? html`${part}` : html`<wbr>${part}`));
}

/** @param share 0 to 1; more is drawn as 1. */
function bar(share: number): Markup {
  const width = Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10;
  return html`<svg viewBox="0 0 100 9" preserveAspectRatio="none" aria-hidden="true"><rect width="${width}" height="9"/></svg>`;
}

/** @param time RFC 3339, in UTC. */
function clockText(time: string): string {
  return time.replace(/^([\d-]+)T([\d:]+).*$/, "$1 $2 UTC");
}
