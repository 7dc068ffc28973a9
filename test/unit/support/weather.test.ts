/** The ways to a real API server in fault tests: what is to strike does, everything else comes through as it is. */
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { test, type TestContext } from "node:test";
import { Proxy, type Act } from "../../support/chaos/proxy.ts";
import { requestIn, Ways } from "../../support/chaos/weather.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
import { until } from "../../support/until.ts";

const pods = "/api/v1/namespaces/default/pods";

interface Way {
  readonly ways: Ways;
  readonly proxy: Proxy;
  readonly acts: Act[];
  /** Requests that came through. */
  readonly came: string[];
}

async function way(t: TestContext, answer: RequestListener = (_request, response) => void response.end("{}")): Promise<Way> {
  const came: string[] = [];
  const server = createServer((request, response) => {
    came.push(`${request.method ?? ""} ${request.url ?? ""}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const ways = new Ways(() => 0, async () => 7);
  const acts: Act[] = [];
  const proxy = await Proxy.start({ url: `http://127.0.0.1:${address.port}`, insecure: true, namespace: "default" }, { acted: (act) => void acts.push(act), named: () => {}, strike: (target) => ways.strike(target) });
  ways.take(proxy);
  t.after(async () => {
    await proxy.close();
    server.close();
    server.closeAllConnections();
  });
  return { ways, proxy, acts, came };
}

test("a refused request gets the answer of an API server, does not reach it, and counts as no act", async (t) => {
  const { ways, proxy, acts, came } = await way(t);
  const end = ways.add({ verbs: ["patch"], code: 429, retryAfterSeconds: 1 });
  const sending = { method: "PATCH", body: '{"metadata":{"finalizers":null}}' };
  const refused = await fetch(`${proxy.url}${pods}/ws-a`, sending);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(record(await refused.json())["reason"], "TooManyRequests");
  assert.equal((await fetch(`${proxy.url}${pods}`)).status, 200, "others come through");
  assert.deepEqual([came, acts], [[`GET ${pods}`], []]);
  end();
  assert.equal((await fetch(`${proxy.url}${pods}/ws-a`, sending)).status, 200);
  assert.deepEqual(acts, [{ what: `PATCH ${pods}/ws-a` }]);
});

test("requests are delayed, and broken off", async (t) => {
  const { ways, proxy, came } = await way(t);
  const end = ways.add({ delayMs: 200 });
  const began = performance.now();
  assert.equal((await fetch(`${proxy.url}${pods}`, { method: "POST", body: "x".repeat(300_000) })).status, 200);
  assert.ok(performance.now() - began >= 190);
  end();
  ways.add({ resetAfterBytes: 0 });
  await assert.rejects(fetch(`${proxy.url}${pods}`));
  assert.equal(came.length, 1);
});

test("watches are cut, other connections are not; an outage ends everything until it is over", async (t) => {
  const { ways, proxy } = await way(t, (request, response) => void (request.url?.includes("watch=1") === true ? response.write("{}\n") : response.end("{}")));
  const watch = await fetch(`${proxy.url}${pods}?watch=1`);
  await fetch(`${proxy.url}${pods}`);
  assert.equal(ways.cutWatches(), 1);
  await assert.rejects(watch.text());
  await until("the watch is forgotten", () => ways.cutWatches() === 0);
  await ways.stopServer();
  await assert.rejects(fetch(`${proxy.url}${pods}`));
  await ways.startServer();
  assert.equal((await fetch(`${proxy.url}${pods}`)).status, 200);
});

test("where history is forgotten, a watch that goes on from before is refused, and one from then on is not", async (t) => {
  const { ways, proxy } = await way(t);
  const watchFrom = async (version: number): Promise<number> => (await fetch(`${proxy.url}${pods}?watch=1&resourceVersion=${version}`)).status;
  assert.equal(await watchFrom(6), 200);
  await ways.expireHistory();
  assert.deepEqual([await watchFrom(6), await watchFrom(7)], [410, 200]);
});

test("a request is told by the piece that it begins; the rest of one is none", () => {
  assert.deepEqual(requestIn("PATCH /api/v1/namespaces/a/pods/b/status?x=1 HTTP/1.1\r\nhost: c\r\n\r\n{}"), { verb: "patch", resource: "pods", name: "b", subresource: "status", from: 0 });
  assert.equal(requestIn("GET /api/v1/namespaces/a/pods?limit=1&watch=true HTTP/1.1\r\n")?.verb, "watch");
  assert.equal(requestIn('{"a":"GET /x HTTP/1.1\\r\\n"}'), undefined);
});
