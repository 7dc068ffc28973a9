/** Watches whose bytes are not what they should be: the running daemon skips a line or begins anew, and ends up with what there is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { wsman } from "../../src/gen/proto.js";
import { podIn, served } from "../support/pods.ts";
import { rawSetup, type RawSetup } from "../support/raw-setup.ts";
import { getWorkspaces } from "../support/status-stream.ts";
import { until } from "../support/until.ts";

const { STOPPED } = wsman.WorkspacePhase;

/** A line of a watch, without the line break, on a pod of that ID. */
function added(id: string, { cluster }: RawSetup, note = ""): string {
  return `{"type":"ADDED","object":${JSON.stringify(served(podIn("running", id, { annotations: { "gitpod.io/annotation.note": note } }), cluster.next()))}}`;
}

test("lines that can be read are read, others are skipped and counted", async (t) => {
  const setup = await rawSetup(t);
  const { cluster, daemon, stream, change } = setup;
  const notUtf8 = Buffer.from(`${added("not-utf8", setup, "XX")}\n`);
  notUtf8.write("\u00ff\u00c0", notUtf8.indexOf("XX"), "latin1");
  const cutCharacter = Buffer.from(`${added("cut-character", setup, "€")}\n`);
  const within = cutCharacter.indexOf("€") + 1;
  const deep = "[".repeat(500_000) + "]".repeat(500_000);
  const read: readonly (readonly [id: string, bytes: readonly (string | Buffer)[]])[] = [
    ["crlf", [`${added("crlf", setup)}\r\n`]],
    ["not-utf8", [notUtf8]],
    ["cut-character", [cutCharacter.subarray(0, within), cutCharacter.subarray(within)]],
    ["spaced", [`${added("spaced", setup).replace('{"type":"ADDED",', '  { "type" : "ADDED" , ')}\n`]],
    ["five-megabytes", [`${added("five-megabytes", setup, "x".repeat(5_000_000))}\n`]],
    ["after-empty-lines", ["\n\n\n", `${added("after-empty-lines", setup)}\n`]],
  ];
  const skipped: readonly (string | Buffer)[] = [
    `${added("two", setup)}${added("lines", setup)}\n`, `${added("unfinished", setup).slice(0, -1)}\n`, '{"type":"ADDED","object":null}\n', `{"type":"ADDED","object":${deep}}\n`,
    `{"type":"ADDED","object":${'{"metadata":'.repeat(100_000)}1${"}".repeat(100_000)}}\n`,
  ];
  for (const [id, parts] of read) {
    for (const part of parts) {
      cluster.inject(part);
      await until("the bytes are on their way", () => cluster.pending === 0);
    }
    await until(`${id} was streamed`, () => stream.last(id) !== undefined);
    await change();
  }
  for (const line of skipped) cluster.inject(line);
  await change();
  assert.equal(await daemon.metric("wsmand_skipped_pods_total", { reason: "unparsable" }), 4);
  assert.equal(await daemon.metric("wsmand_skipped_pods_total", { reason: "invalid" }), 1);
  assert.equal(stream.last("cut-character")?.metadata?.annotations?.["note"], "€");
  assert.equal(cluster.lists, 1);
  setup.assertSound();
});

test("after bytes that are no watch event the pods are listed anew; who is not among them has stopped", async (t) => {
  const setup = await rawSetup(t);
  const { cluster, daemon, client, stream, change } = setup;
  await change();
  for (const [i, bytes] of ["\r\n", `{"type":"ADDED","object":"${"x".repeat(20_000_000)}"}\n`, '{"type":"__proto__","object":{}}\n'].entries()) {
    // Told of by this watch only: the list that follows does not have it.
    cluster.inject(`${added(`ghost-${i}`, setup)}\n`);
    await until("the ghost was streamed", () => stream.last(`ghost-${i}`) !== undefined);
    cluster.inject(bytes);
    await until("the ghost has stopped", () => stream.last(`ghost-${i}`)?.phase === STOPPED);
    await until("it watches again", () => cluster.watches === 1);
    await change();
  }
  assert.equal(await daemon.metric("wsmand_relists_total", { resource: "pods", reason: "unreadable" }), 3);
  assert.deepEqual((await getWorkspaces(client)).map((status) => status.id), ["good"]);
  setup.assertSound();
});

test("half a line before the connection breaks is forgotten, and comes again", async (t) => {
  const setup = await rawSetup(t);
  const { cluster, daemon, stream, change } = setup;
  for (const how of ["end", "reset"] as const) {
    const line = added(`half-${how}`, setup);
    cluster.inject(line.slice(0, 700));
    await until("the bytes are on their way", () => cluster.pending === 0);
    cluster.cut(how);
    cluster.tell(`${line}\n`);
    await until("it came", () => stream.last(`half-${how}`) !== undefined);
    await until("it watches again", () => cluster.watches === 1);
    await change();
    assert.equal(stream.of(`half-${how}`).length, 1);
  }
  assert.equal(await daemon.metric("wsmand_skipped_pods_total"), 0);
  assert.equal(cluster.lists, 1);
  setup.assertSound();
});

test("a watch that comes byte by byte, or with another content type, is read", async (t) => {
  const setup = await rawSetup(t, {
    prepare: (cluster) => {
      cluster.watchHeaders = { "content-type": "text/html" };
      cluster.deliver = (response, line) => {
        for (const byte of Buffer.from(line)) response.write(Buffer.of(byte));
      };
    },
  });
  await setup.change();
  await setup.change();
  setup.assertSound();
});

test("a watch in an encoding that was not asked for brings nothing, and lists make up for it", async (t) => {
  const setup = await rawSetup(t, {
    prepare: (cluster) => {
      cluster.watchHeaders = { "content-type": "application/json", "content-encoding": "gzip" };
      cluster.deliver = (response, line) => void response.write(gzipSync(Buffer.concat([Buffer.from(line), Buffer.from("\n\n\n")])));
    },
  });
  await setup.change();
  assert.equal(setup.daemon.ended, false);
  assert.ok(setup.cluster.lists > 1);
});
