/** A storm of faults over the built-in cluster: seeded, so that the same seed brings the same faults in the same order. */
import { setTimeout as pause } from "node:timers/promises";
import type { EmbeddedCluster, FaultRule } from "../../src/embedded/index.ts";
import { pick } from "../../src/embedded/kubelet/random.ts";
import type { Random } from "../../src/embedded/kubelet/random.ts";

const podReads: Pick<FaultRule, "verbs"> = { verbs: ["list", "watch", "get"] };

/** Answers that a client has to bear; each strikes some requests. */
const refusals: readonly FaultRule[] = [
  { ...podReads, code: 500, times: 3 }, { ...podReads, code: 503, retryAfterSeconds: 1, times: 2 }, { ...podReads, code: 429, retryAfterSeconds: 1, times: 2 }, { ...podReads, code: 504, times: 2 },
  { ...podReads, code: 401, times: 2 }, { ...podReads, code: 403, times: 1 }, { ...podReads, code: 410, times: 1 }, { verbs: ["list"], resetAfterBytes: 20_000, times: 2 }, { verbs: ["watch"], resetAfterBytes: 50_000, times: 2 },
  { ...podReads, delayMs: 300, times: 4 },
];

/** One blow of the storm; resolves when it is over, leaving behind at most rules that strike a few requests. */
async function blow({ faults }: EmbeddedCluster, random: Random): Promise<string> {
  const kind = pick(random, ["refuse", "refuse", "cut", "cut", "expire", "freeze", "stop"]);
  if (kind === "refuse") faults.add(pick(random, refusals));
  if (kind === "cut" || kind === "expire") faults.cutWatches(pick(random, ["end", "reset", "midLine"] as const));
  if (kind === "expire") faults.expireHistory();
  if (kind === "freeze") {
    faults.freezeWatches();
    await pause(random() * 500);
    faults.thawWatches();
  }
  if (kind === "stop") {
    await faults.stopServer();
    await pause(random() * 800);
    await faults.startServer();
  }
  return kind;
}

/** Blows for so long, then leaves fair weather. Gives what it did. */
export async function storm(cluster: EmbeddedCluster, random: Random, ms: number): Promise<readonly string[]> {
  const done: string[] = [];
  const end = performance.now() + ms;
  while (performance.now() < end) {
    done.push(await blow(cluster, random));
    await pause(random() * 600);
  }
  cluster.faults.clear();
  return done;
}
