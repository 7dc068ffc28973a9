/** A running daemon that watches one good pod on a raw cluster, with a subscriber: what happens beside it must not be seen here. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { annotations } from "../../src/domain/names.ts";
import { DaemonProcess, type DaemonProcessOptions } from "./daemon-process.ts";
import { TestClient } from "./grpc-client.ts";
import { podIn, served } from "./pods.ts";
import { RawCluster } from "./raw-cluster.ts";
import { StatusStream, versionOf } from "./status-stream.ts";
import { until } from "./until.ts";

/** What tests work with; everything ends with the test. */
export interface RawSetup {
  readonly cluster: RawCluster;
  readonly daemon: DaemonProcess;
  readonly client: TestClient;
  readonly stream: StatusStream;
  /** Changes the good workspace, and waits until the change was streamed, once. */
  readonly change: () => Promise<void>;
  /** Fails if the daemon ended, logged an error or something that is no log entry, or told the good workspace's statuses out of order. */
  readonly assertSound: () => void;
}

/** Starts it all. */
export async function rawSetup(t: TestContext, options: { readonly prepare?: (cluster: RawCluster) => void } & Omit<DaemonProcessOptions, "kubeconfig"> = {}): Promise<RawSetup> {
  const cluster = await new RawCluster().start();
  t.after(() => cluster.stop());
  options.prepare?.(cluster);
  const daemon = await DaemonProcess.start({ ...options, kubeconfig: cluster.kubeconfig() });
  t.after(() => daemon.close());
  await daemon.synced();
  // One that it can not read is gone again before anyone looks.
  await until("it watches", () => cluster.watched > 0);
  const client = new TestClient(daemon.rpcPort);
  t.after(() => client.close());
  const stream = new StatusStream(client.subscribe());
  await stream.stream.headers;
  let changes = 0;
  const change = async (): Promise<void> => {
    const timeout = `${++changes}m`;
    cluster.put("ws-good", JSON.stringify(served(podIn("running", "good", { annotations: { [annotations.customTimeout]: timeout } }), cluster.next())));
    await until(`change ${changes} of the good workspace came`, () => stream.last("good")?.spec?.timeout === timeout);
    assert.equal(stream.of("good").length, changes);
  };
  const assertSound = (): void => {
    assert.equal(daemon.ended, false);
    assert.deepEqual(daemon.log().filter((entry) => entry["level"] === "error" || entry["level"] === undefined), []);
    assert.equal(cluster.watches, 1);
    const versions = stream.of("good").map(versionOf);
    assert.ok(versions.every((version, i) => i === 0 || version > (versions[i - 1] ?? 0n)), "versions rise");
  };
  return { cluster, daemon, client, stream, change, assertSound };
}
