/** A reflector against a scripted API server, with time that is moved by hand. */
import type { TestContext } from "node:test";
import { Budget } from "../../../src/main/kube/budget.ts";
import { KubeClient, type ClientHooks } from "../../../src/main/kube/client.ts";
import type { Access, AccessSource } from "../../../src/main/kube/credentials.ts";
import { KubeObjects } from "../../../src/main/kube/objects.ts";
import type { ReflectorLimits } from "../../../src/main/kube/limits.ts";
import { Reflector } from "../../../src/main/kube/reflector.ts";
import type { ReflectorSink } from "../../../src/main/kube/sink.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeApiServer } from "../../support/fake-apiserver.ts";
import { RecordingLog, RecordingSink } from "./helpers.ts";

export const podsPath = "/api/v1/namespaces/default/pods";

/** Access to a server without TLS, by a token if one is given. */
export function plainAccess(url: string, token?: string): Access {
  return { origin: url, basePath: "", namespace: undefined, headers: token === undefined ? {} : { authorization: `Bearer ${token}` }, tls: {}, proxyUrl: undefined, connectionDigest: url };
}

/** Credentials that never change. */
export function fixedAccess(access: Access): AccessSource {
  return { current: async () => access, renew: async () => access };
}

/** What a test holds. */
export interface Bench {
  readonly server: FakeApiServer;
  readonly client: KubeClient;
  readonly clock: FakeClock;
  readonly sink: RecordingSink;
  readonly log: RecordingLog;
  readonly reflector: Reflector;
  /** What the hooks were told, in order. */
  readonly told: string[];
  /** Resolves when run() has. */
  readonly ended: Promise<void>;
  stop(): void;
  /** Waits for the condition while time passes, so many milliseconds a step. */
  until(condition: () => boolean, what: string, stepMs?: number): Promise<void>;
}

/** Starts everything; it ends with the test. @param options `sink`: takes what the reflector reads, in place of the one that writes it down. */
export async function startBench(t: TestContext, options: { sink?: ReflectorSink; limits?: Partial<ReflectorLimits>; credentials?: (url: string) => AccessSource; hooks?: ClientHooks; prepare?: (server: FakeApiServer) => void } = {}): Promise<Bench> {
  const server = await new FakeApiServer().start();
  options.prepare?.(server);
  const clock = new FakeClock();
  const [sink, log, told, stopping] = [new RecordingSink(), new RecordingLog(), new Array<string>(), new AbortController()];
  const credentials = options.credentials?.(server.url) ?? fixedAccess(plainAccess(server.url));
  const client = new KubeClient({ credentials, clock, ...(options.hooks ? { hooks: options.hooks } : {}) });
  const reflector = new Reflector({
    client,
    path: podsPath,
    labelSelector: "component=workspace",
    sink: options.sink ?? sink,
    clock,
    random: () => 0.5,
    log,
    hooks: {
      onSynced: () => void told.push("synced"),
      onRelist: (reason) => void told.push(`relist ${reason}`),
      onWatchRestart: (end) => void told.push(`restart ${end}`),
    },
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const ended = reflector.run(stopping.signal);
  const stop = (): void => stopping.abort();
  t.after(async () => {
    stop();
    await ended;
    await client.close();
    await server.stop();
  });
  const until = async (condition: () => boolean, what: string, stepMs = 20): Promise<void> => {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}; sink: ${sink.calls.join(", ")}; hooks: ${told.join(", ")}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      clock.advance(stepMs);
    }
  };
  return { server, client, clock, sink, log, reflector, told, ended, stop, until };
}

/** Objects of a scripted API server, with time that is moved by hand. */
export interface ObjectsBench {
  readonly server: FakeApiServer;
  readonly objects: KubeObjects;
  readonly clock: FakeClock;
  /** Lets time pass until the work is done. */
  readonly during: <T>(work: Promise<T>, stepMs?: number) => Promise<T>;
}

/** Starts it; it ends with the test. */
export async function startObjects(t: TestContext, { namespace, random }: { readonly namespace: string; readonly random: number }): Promise<ObjectsBench> {
  const server = await new FakeApiServer().start();
  const clock = new FakeClock();
  const client = new KubeClient({ credentials: fixedAccess(plainAccess(server.url)), clock });
  t.after(async () => {
    await client.close();
    await server.stop();
  });
  const objects = new KubeObjects({ client, clock, namespace, random: () => random, budget: new Budget({ qps: 1000, burst: 1000, clock }) });
  const during = async <T>(work: Promise<T>, stepMs = 50): Promise<T> => {
    const passing = setInterval(() => clock.advance(stepMs), 1);
    try {
      return await work;
    } finally {
      clearInterval(passing);
    }
  };
  return { server, objects, clock, during };
}
