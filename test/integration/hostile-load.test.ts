/** Many subscribers, and a cache that is much too small: everyone still gets what is so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { status as code } from "@grpc/grpc-js";
import { annotations } from "../../src/domain/names.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { TestClient } from "../support/grpc-client.ts";
import { podIn, served } from "../support/pods.ts";
import { rawSetup } from "../support/raw-setup.ts";
import { getWorkspaces, StatusStream } from "../support/status-stream.ts";
import { assertOrder } from "../support/story.ts";
import { until } from "../support/until.ts";

test("1,500 subscribers on ten connections all get every workspace's newest status, and nothing twice", async (t) => {
  const { cluster, daemon, change, assertSound } = await rawSetup(t);
  const clients = Array.from({ length: 10 }, () => new TestClient(daemon.rpcPort));
  t.after(() => clients.forEach((client) => client.close()));
  const streams = clients.flatMap((client) => Array.from({ length: 150 }, () => new StatusStream(client.subscribe())));
  await Promise.all(streams.map(({ stream }) => stream.headers));
  for (let i = 0; i < 20; i++) {
    cluster.put(`ws-${i % 4}`, JSON.stringify(served(podIn("running", String(i % 4), { annotations: { [annotations.customTimeout]: `${i}m` } }), cluster.next())));
  }
  await change();
  const isComplete = (each: StatusStream): boolean => [0, 1, 2, 3].every((id) => each.last(String(id))?.spec?.timeout === `${16 + id}m`) && each.last("good") !== undefined;
  await until("all have all", () => streams.every(isComplete));
  for (const each of streams) assertOrder(each);
  assert.equal(await daemon.metric("wsmand_subscribers"), 1501);
  assertSound();
});

test("evicted statuses are rebuilt while everything changes, and end up as the stream told", async (t) => {
  const workspaces = 150;
  const { cluster, daemon, client, stream, change, assertSound } = await rawSetup(t, {
    configure: (config) => ({ ...config, wsmand: { ...record(config["wsmand"]), statusCache: { maxEntries: 10, maxBytes: "1Mi" } } }),
  });
  const play = (i: number, round: number): void => {
    cluster.put(`ws-w${i}`, JSON.stringify(served(podIn("running", `w${i}`, { annotations: { [annotations.customTimeout]: `${round + 1}m` } }), cluster.next())));
  };
  cluster.getDelayMs = 5;
  const answers: Promise<void>[] = [];
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < workspaces; i++) play(i, round);
    await change();
    for (let call = 0; call < 4; call++) answers.push(getWorkspaces(client).then((all) => assert.equal(all.length, workspaces + 1)));
    for (let i = 0; i < 20; i++) {
      const id = `w${(i * 7) % workspaces}`;
      answers.push(client.wsman("DescribeWorkspace", wsman.DescribeWorkspaceRequest.encode({ id }).finish()).then(({ code: got, details }) => assert.equal(got, code.OK, details)));
    }
  }
  await Promise.all(answers);
  const late = new StatusStream(client.subscribe(new Uint8Array(), { "wsman-initial-state": "true" }));
  await until("all tell the same", async () => {
    const all = await getWorkspaces(client);
    return all.every((status) => isDeepStrictEqual(status, stream.last(status.id ?? "")) && isDeepStrictEqual(status, late.last(status.id ?? "")));
  }, 30_000);
  assertOrder(stream);
  assertOrder(late);
  assert.equal(late.all.length, workspaces + 1);
  assert.ok(cluster.gets > workspaces);
  assert.ok((await daemon.metric("wsmand_status_cache_entries")) <= 10);
  assertSound();
});
