/** The page that lists the profiles that can be had. */
import { element, html, type Markup } from "../../domain/markup.ts";
import { pageStyle } from "./page-style.ts";
import { maxSeconds } from "./profiles.ts";
import { paths } from "./profiling-request.ts";

const style = element("style", pageStyle);

/** What may be loaded and run on it. */
export const indexPolicy = `default-src 'none'; style-src '${style.hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The page. @param threads their names. @param snapshots whether full heap snapshots are given. */
export function indexPage(threads: readonly string[], snapshots: boolean): string {
  const links = (path: string, rest: string, of: readonly string[]): readonly Markup[] => of.map((thread) => html`<a href="${path}?thread=${thread}${rest}">${thread}</a> `);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>wsmand profiles</title>
${style.tag}
</head>
<body>
<header><h1>Profiles</h1></header>
<p class="about faint">Files that open in Chrome's DevTools: CPU profiles under Performance, the others under Memory. One is taken at a time, over <code>seconds</code> up to ${maxSeconds}; closing the connection gives it up. They are not Go's format, so <code>go tool pprof</code> does not read them.</p>
<div class="cards">
<section><h2>CPU</h2><p>Where a thread's time goes.</p><p>${links(paths.cpu, "&seconds=30", threads)}</p></section>
<section><h2>Heap, sampled</h2><p>What is allocated in that time, and still there at its end: names of functions and sizes, no contents. The way to look for what grows.</p><p>${links(paths.heap, "&seconds=60", threads)}</p></section>
<section><h2>Allocations, sampled</h2><p>All that is allocated in that time: what the garbage collector has to do with.</p><p>${links(paths.allocs, "&seconds=30", threads.slice(0, 1))}</p></section>
<section><h2>Heap snapshot</h2><p class="warn">Stops the thread until it is made, takes memory of twice the heap's size, and holds everything that is in memory, tokens and keys among it. Try the sampled profile first.</p>${snapshots ? html`<p>${links(paths.snapshot, "", threads)}</p>` : html`<p class="faint">Off: wsmand.profiling.heapSnapshots is false.</p>`}</section>
</div>
</body>
</html>
`.markup;
}
