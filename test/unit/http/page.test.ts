/** The page at the metrics address: what it shows, that nothing breaks out of it, and that it loads nothing. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import vm from "node:vm";
import type { Overview } from "../../../src/main/http/overview.ts";
import { render, statusPages } from "../../../src/main/http/page.ts";
import type { Answer } from "../../../src/metrics/serving.ts";

const nasty = `</script><script>alert(1)</script><img src="http://x.example/" onerror='alert(2)'> & "quoted"`;

const plain: Overview = {
  time: "2026-03-04T05:06:07.890Z", version: "1.2.3", node: "v24.0.0", host: "ws-manager-0", pid: 7, namespace: "workspaces", startedAt: "2026-03-04T04:06:07.890Z", uptimeSeconds: 3600,
  problems: [], role: "leader", comparison: undefined, leaseHolder: "ws-manager-0_1a2b",
  watches: [{ name: "pods", ageSeconds: 2.5 }, { name: "pods/ws-daemon", ageSeconds: 400 }, { name: "events/FailedMount", ageSeconds: undefined }],
  workspaces: { total: 1234, phases: [{ name: "PENDING", count: 4 }, { name: "RUNNING", count: 1230 }], types: [{ name: "REGULAR", count: 1200 }, { name: "PREBUILD", count: 34 }] },
  subscribers: { total: 12, pending: 5003, longest: Array.from({ length: 12 }, (_, i) => ({ client: `10.0.0.${i}:4000`, pending: i === 0 ? 5000 : 0, fullSeconds: i === 0 ? 75 : 0 })) },
  slow: [{ kind: "start", what: "REGULAR, class default", seconds: 95, at: "2026-03-04T05:04:07.890Z", workspace: "w-1" }, { kind: "call", what: "wsman.WorkspaceManager/StopWorkspace", seconds: 1.5, at: "2026-03-04T05:06:00.000Z", workspace: undefined }],
  pipeline: { waitingLines: 17 }, cache: { entries: 1234, bytes: 5_000_000 },
  memory: { resident: 150 * 1024 * 1024, heapUsed: 40 * 1024 * 1024, heapTotal: 60 * 1024 * 1024, outside: 9 * 1024 * 1024, workerHeaps: [20 * 1024 * 1024, 21 * 1024 * 1024] },
  busy: { seconds: 5, eventLoop: 0.25, cpu: 1.5, workers: 0.031 },
  eventLoopDelayMs: { seconds: 30, median: 0.4, p99: 3, max: 150 },
  gc: [{ kind: "minor", count: 100, seconds: 0.1 }, { kind: "weakcb", count: 0, seconds: 0 }],
};

const bare: Overview = { ...plain, role: "bystander", leaseHolder: "", watches: [], workspaces: { total: 0, phases: [], types: [] }, subscribers: { total: 0, pending: 0, longest: [] }, slow: [], busy: { ...plain.busy, workers: undefined }, eventLoopDelayMs: undefined, gc: [], memory: { ...plain.memory, workerHeaps: [] } };

/** The page's text, without markup. */
function textOf(page: string): string {
  const body = page.slice(page.indexOf("<body>")).replace(/<script>[^]*<\/script>/, "");
  return body.replaceAll("<wbr>", "").replaceAll(/<[^>]*>/g, " ").replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))).replaceAll(/\s+/g, " ");
}

async function get(overview: Overview, path: string): Promise<Answer> {
  const route = statusPages({ look: async () => overview }).get(path);
  assert.ok(route, path);
  return route(new URL(path, "http://localhost"));
}

test("the page shows at a glance who it is and how it is", () => {
  const text = textOf(render(plain));
  for (const told of [
    "wsmand leads ready", "Version 1.2.3 on Node v24.0.0, namespace workspaces , host ws-manager-0 , process 7, the Lease is held by ws-manager-0_1a2b .", "Up for 1 h, since 2026-03-04 04:06:07 UTC", "As of 2026-03-04 05:06:07 UTC",
    "Workspaces 1,234 PENDING 4 RUNNING 1,230", "1,200 REGULAR, 34 PREBUILD", "12 5,003 statuses wait for them", "10.0.0.0:4000 5,000 1 min 15 s", "and 6 more, for whom no more waits", "17 lines of watches wait",
    "pods 2.5 s ago", "pods/ws-daemon 6 min 40 s ago", "events/FailedMount not yet", "event loop 25 % workers 3.1 % processor 150 % of a core in the last 5 s", "at most 150 ms", "150 MiB resident", "40 MiB of 60 MiB", "heaps of 2 workers 20 MiB, 21 MiB",
    "cache of 1,234 statuses 4.8 MiB", "minor 100 1 ms 0 %", "start REGULAR, class default 1 min 35 s 2 min ago w-1", "call wsman.WorkspaceManager/StopWorkspace 1.5 s 7.9 s ago",
  ]) assert.ok(text.includes(told), `${told}\n${text}`);
  assert.ok(!text.includes("weakcb"), "a kind of pause that never was");
});

test("what is wrong stands at the top, and in the title", () => {
  const page = render({ ...plain, role: "follower", problems: [{ check: "synchronized", problem: "the first list of pods is not complete yet" }] });
  assert.ok(page.includes("<title>! wsmand ws-manager-0</title>"));
  assert.ok(textOf(page).includes("wsmand follows not ready"));
  assert.ok(textOf(page).includes("synchronized : the first list of pods is not complete yet"));
});

test("a daemon that has nothing to show yet has a page, too", () => {
  const text = textOf(render(bare));
  for (const told of ["wsmand does not act ready", "Workspaces 0", "Nothing was slow in the last quarter of an hour.", "can be told at the next look"]) assert.ok(text.includes(told), `${told}\n${text}`);
  assert.doesNotMatch(text, /undefined|NaN|Lease/);
});

test("a shadow says that it is one, and how its comparison stands, if there is one", () => {
  const alone = render({ ...bare, role: "shadow" });
  assert.ok(textOf(alone).includes("wsmand shadow ready"));
  assert.ok(alone.includes('title="computes everything and writes nothing (--shadow)"'));
  assert.ok(!textOf(alone).includes("Comparison") && !textOf(render(plain)).includes("Comparison"));
  const compared = (levels: Partial<NonNullable<Overview["comparison"]>>): string => textOf(render({ ...bare, role: "shadow", comparison: { with: "ws-manager:8080", connected: true, open: 0, waiting: 1200, ...levels } }));
  assert.ok(compared({}).includes("Comparison 0 differences that are not meant with ws-manager:8080 goes on changed just now, compared soon 1,200"), compared({}));
  assert.ok(compared({ open: 1, connected: false }).includes("Comparison 1 difference that is not meant with ws-manager:8080 not connected"));
});

test("what was slow stands together by kind, each named once, and long names may break where their parts end", () => {
  const [start, call] = plain.slow;
  assert.ok(start && call);
  const page = render({ ...plain, slow: [start, { ...start, workspace: "w-2" }, { ...call, at: plain.time }] });
  assert.equal(page.match(/<th scope="rowgroup" rowspan="2">start<\/th>/g)?.length, 1);
  assert.equal(page.match(/<th scope="rowgroup"/g)?.length, 2);
  assert.ok(page.includes("wsman.WorkspaceManager/<wbr>StopWorkspace"));
  assert.ok(textOf(page).includes("start REGULAR, class default 1 min 35 s 2 min ago w-1 REGULAR, class default 1 min 35 s 2 min ago w-2 call wsman.WorkspaceManager/StopWorkspace 1.5 s just now"), textOf(page));
});

test("no text breaks out of its place, wherever it stands", () => {
  const [watch] = plain.watches;
  const page = render({
    ...plain, comparison: { with: nasty, connected: true, open: 1, waiting: 1 }, version: nasty, node: nasty, host: nasty, namespace: nasty, leaseHolder: nasty, problems: [{ check: nasty, problem: nasty }], watches: watch ? [{ ...watch, name: nasty }] : [],
    workspaces: { total: 1, phases: [{ name: nasty, count: 1 }], types: [{ name: nasty, count: 1 }] }, subscribers: { total: 1, pending: 1, longest: [{ client: nasty, pending: 1, fullSeconds: 0 }] },
    slow: [{ kind: "start", what: nasty, seconds: 2, at: nasty, workspace: nasty }],
  });
  assert.equal(page.match(/<script/g)?.length, 1);
  assert.ok(!page.includes("<img") && !page.includes("onerror='"));
});

test("the page loads nothing, and nothing runs on it but what it came with", async () => {
  const { body, headers, type } = await get(plain, "/");
  assert.equal(type, "text/html; charset=utf-8");
  const policy = headers?.["content-security-policy"] ?? "";
  const hashOf = (name: string): string => `'sha256-${createHash("sha256").update(new RegExp(`<${name}>([^]*?)</${name}>`).exec(body)?.[1] ?? "").digest("base64")}'`;
  assert.match(policy, /^default-src 'none'; /);
  assert.ok(policy.includes(`script-src ${hashOf("script")};`) && policy.includes(`style-src ${hashOf("style")};`), policy);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.doesNotMatch(body, /(?:src|href)="(?!\/|data:,)/, "links lead to this address alone");
  assert.doesNotMatch(body, /style="|onclick|@import|url\(/);
  assert.ok(body.includes('<noscript><meta http-equiv="refresh" content="10"></noscript>'), "it is read again without scripts, too");
  assert.deepEqual(await get(plain, "/status"), await get(plain, "/"));
});

test("the same is there for machines", async () => {
  const { body, type } = await get(plain, "/status.json");
  assert.equal(type, "application/json");
  assert.deepEqual(JSON.parse(body), JSON.parse(JSON.stringify(plain)));
});

/** The parts of a browser that the page's script uses. */
function browser(answer: () => Promise<{ ok: boolean; status: number; text: () => Promise<string> }>) {
  const timers: (() => void)[] = [];
  const replaced: string[] = [];
  const stale = { hidden: true, textContent: "" };
  const listeners: (() => void)[] = [];
  const document = {
    hidden: false, title: "before",
    getElementById: () => stale,
    querySelector: () => ({ replaceWith: (next: string) => void replaced.push(next) }),
    adoptNode: (node: string) => node,
    addEventListener: (_: string, listener: () => void) => void listeners.push(listener),
  };
  let fetched = 0;
  const window = {
    document, location: { pathname: "/" }, AbortSignal, Date,
    setTimeout: (callback: () => void) => void timers.push(callback),
    fetch: () => {
      fetched++;
      return answer();
    },
    DOMParser: class {
      parseFromString(text: string) {
        return { title: "after", querySelector: () => (text.includes("<main>") ? text : null) };
      }
    },
  };
  return { window, document, stale, replaced, listeners, fetched: () => fetched, tick: () => timers.shift()?.() };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the script puts the new state in place of the old one, tells when there is no answer, and rests while nobody looks", async () => {
  const script = /<script>([^]*?)<\/script>/.exec(render(plain))?.[1] ?? "";
  let reachable = true;
  const page = browser(async () => {
    if (!reachable) throw new Error("refused");
    return { ok: true, status: 200, text: async () => "<main>new</main>" };
  });
  vm.runInNewContext(script, page.window);
  page.tick();
  await settled();
  assert.deepEqual([page.replaced, page.document.title, page.stale.hidden], [["<main>new</main>"], "after", true]);
  reachable = false;
  page.tick();
  await settled();
  assert.equal(page.stale.hidden, false);
  assert.match(page.stale.textContent, /^No answer: this is how things stood at /);
  page.document.hidden = true;
  page.tick();
  await settled();
  assert.equal(page.fetched(), 2);
  page.document.hidden = false;
  reachable = true;
  page.listeners.forEach((listen) => listen());
  await settled();
  assert.deepEqual([page.fetched(), page.stale.hidden], [3, true], "who comes back sees how things are now");
});
