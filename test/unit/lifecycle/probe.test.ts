/** Asking workspaces whether they are ready, over real connections. */
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../src/domain/clock.ts";
import { probeLimits, ReadyProbe } from "../../../src/main/lifecycle/probe.ts";
import { createAuthority } from "../../support/certs.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";

const never = new AbortController().signal;

async function serve(t: TestContext, listener: RequestListener, tls?: { readonly crt: string; readonly key: string }): Promise<string> {
  const server = tls ? createTlsServer({ cert: tls.crt, key: tls.key }, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `${tls ? "https" : "http"}://127.0.0.1:${address.port}`;
}

function probe(t: TestContext, options: Partial<ConstructorParameters<typeof ReadyProbe>[0]> = {}): ReadyProbe {
  const made = new ReadyProbe({ disabled: false, timeoutMs: 300, clock: systemClock, ...options });
  t.after(() => made.close());
  return made;
}

test("a workspace is ready when it answers with 200, and neither before nor elsewhere; its certificate is nobody's matter", async (t) => {
  const authority = await createAuthority("somebody");
  const asked: string[] = [];
  const url = await serve(t, (request, response) => {
    asked.push(request.url ?? "");
    const status = [503, 302, 200][Math.min(asked.length, 3) - 1] ?? 200;
    response.writeHead(status, { location: "/elsewhere" }).end("x");
  }, await authority.issue("another.example", { usage: "server" }));
  await probe(t).ready(`${url}/some/path`, "node", never);
  assert.deepEqual(asked, Array.from({ length: 3 }, () => "/_supervisor/v1/status/ide"));
});

test("one that does not answer is asked again after the time for a try, and given up on when it stops", async (t) => {
  const asked: number[] = [];
  const url = await serve(t, () => void asked.push(1));
  const stopping = new AbortController();
  const waiting = probe(t, { timeoutMs: 50 }).ready(url, "node", stopping.signal);
  const failed = assert.rejects(waiting);
  await until("it is asked again", () => asked.length >= 2);
  stopping.abort();
  await failed;
});

test("a node whose workspaces do not answer keeps nobody else's from being asked", { timeout: 20_000 }, async (t) => {
  const silent = await serve(t, () => {});
  const good = await serve(t, (_request, response) => response.end());
  const stopping = new AbortController();
  const asking = probe(t, { timeoutMs: 600_000 });
  const waiting = Array.from({ length: 2 * probeLimits.total }, (_, i) => asking.ready(`${silent}/${i}`, "hangs", stopping.signal).catch(() => {}));
  await asking.ready(good, "works", never);
  stopping.abort();
  await Promise.all(waiting);
});

test("after half an hour it counts as never going to be ready; where probes are off it is not asked at all", async (t) => {
  const clock = new FakeClock();
  const nobody = probe(t, { clock });
  const passing = setInterval(() => clock.advance(60_000), 1);
  t.after(() => clearInterval(passing));
  await assert.rejects(nobody.ready("http://127.0.0.1:1", "node", never), /did not answer within 30 minutes/);
  await probe(t, { disabled: true }).ready("http://127.0.0.1:1", "node", never);
});
