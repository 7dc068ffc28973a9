/** A process that takes part in a leader election: `elector.ts KUBECONFIG NAMESPACE IDENTITY`. It tells, every few milliseconds in which it leads, the time; that is its action. Ends on SIGTERM. */
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { Leader } from "../../src/main/lifecycle/leader.ts";

const [, , kubeconfig = "", namespace = "", identity = ""] = process.argv;
const client = new KubeClient({ credentials: new Credentials({ kind: "kubeconfig", files: [kubeconfig] }, systemClock, silentLog), clock: systemClock });
const leaving = new AbortController();
process.once("SIGTERM", () => leaving.abort());
const leader = new Leader({
  enabled: true, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500, drainMs: 1_000,
  identity, client, namespace, clock: systemClock, random: Math.random, log: silentLog,
  hooks: { onStarted: () => {}, onStopped: () => {} },
});
const acting = setInterval(() => {
  if (leader.leads()) process.stdout.write(`${Date.now()}\n`);
}, 5);
await leader.run(leaving.signal);
clearInterval(acting);
await client.close();
