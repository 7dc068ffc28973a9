/**
 * Delay from a pod's change to the subscribers, through an API server: `npm run bench:stream -- KUBECONFIG [workspaces] [subscribers] [changes/s] [seconds]`.
 * Daemon, load and subscribers share this process, so the figures are an upper bound. Open loop: a change that is sent late counts from when it was due.
 */
import { build } from "hdr-histogram-js";
import { wsman } from "../src/gen/proto.js";
import { startTestDaemon } from "../test/support/daemon.ts";
import { TestClient } from "../test/support/grpc-client.ts";
import { Player } from "../test/support/player.ts";
import { podIn } from "../test/support/pods.ts";
import { until } from "../test/support/until.ts";

const [kubeconfig = "", ...numbers] = process.argv.slice(2);
const [workspaces = 100, subscribers = 10, rate = 50, seconds = 10] = numbers.map(Number);
if (kubeconfig === "") throw new Error("usage: npm run bench:stream -- KUBECONFIG [workspaces] [subscribers] [changes/s] [seconds]");

const namespace = `bench-${process.pid}`;
const player = await Player.fromKubeconfig(kubeconfig, { namespace, connections: 32 });
await player.ensureNamespace();
const names: string[] = [];
for (let i = 0; i < workspaces; i += 16) {
  names.push(...(await Promise.all(Array.from({ length: Math.min(16, workspaces - i) }, async (_, j) => player.play(podIn("running", `b${i + j}`, { size: 15_500 }))))));
}
const daemon = await startTestDaemon(kubeconfig, { namespace });
await daemon.synced;

const delays = build({ highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });
/** Change number to when it was due, milliseconds. */
const due = new Map<string, number>();
let delivered = 0;
const clients = Array.from({ length: subscribers }, () => new TestClient(daemon.rpcPort));
for (const client of clients) {
  const stream = client.subscribe();
  stream.call.on("data", (message: Buffer) => {
    const at = due.get(wsman.SubscribeResponse.decode(message).status?.metadata?.annotations?.["stamp"] ?? "");
    if (at === undefined) return;
    delivered++;
    delays.recordValue(Math.max(1, Math.round((performance.now() - at) * 1000)));
  });
  await stream.headers;
}

const total = rate * seconds;
const start = performance.now();
const sent: Promise<unknown>[] = [];
for (let n = 0; n < total; n++) {
  const at = start + (n * 1000) / rate;
  const wait = at - performance.now();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  due.set(String(n), at);
  sent.push(player.annotate(names[n % names.length] ?? "", { "gitpod.io/annotation.stamp": String(n) }));
}
await Promise.all(sent);
// What has not come by then was coalesced, or lost: the report shows the difference.
await until("every delivery", () => delivered === total * subscribers, 5000).catch(() => {});
const ms = (percentile: number): number => delays.getValueAtPercentile(percentile) / 1000;
process.stdout.write(`${JSON.stringify({ workspaces, subscribers, rate, seconds, expected: total * subscribers, delivered, latency_p50_ms: ms(50), latency_p99_ms: ms(99), latency_max_ms: delays.maxValue / 1000, rss_mb: Math.round(process.memoryUsage().rss / 2 ** 20) })}\n`);
for (const client of clients) client.close();
await daemon.close();
await player.removeAll();
await player.close();
process.exit(0);
