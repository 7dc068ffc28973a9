/** The audit's lines: which calls have one, and what it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { silentLog, type Log } from "../../../src/domain/log.ts";
import { wsman } from "../../../src/gen/proto.js";
import { audited, auditedWhereItWaits } from "../../../src/main/rpc/audit.ts";
import type { UnaryCall, UnaryHandler } from "../../../src/main/rpc/calls.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const answer = Buffer.from("answer");
const request = Buffer.from(wsman.MarkActiveRequest.encode({ id: "instance-1", closed: true }).finish());
const call: UnaryCall = { signal: new AbortController().signal, peer: { address: "127.0.0.1:1", subject: "CN=dashboard" }, onClosed: () => {}, reset: () => {} };
const line = (code: string): object => ({ audit: "MarkActive", id: "instance-1", client: "127.0.0.1:1", subject: "CN=dashboard", code, ms: 0 });

function setup(): { told: object[]; log: Log; clock: FakeClock } {
  const told: object[] = [];
  return { told, log: { ...silentLog, info: (fields) => void told.push(fields) }, clock: new FakeClock() };
}

test("each call that is audited has a line with who, what and how it ended", async () => {
  const { told, log, clock } = setup();
  await audited("MarkActive", () => answer, clock, log)(request, call);
  await assert.rejects(async () => audited("MarkActive", () => Promise.reject(new WsmanError("NOT_FOUND", "no")), clock, log)(request, call));
  assert.deepEqual(told, [line("OK"), line("NOT_FOUND")]);
});

test("of a method that rarely changes anything those calls alone have a line that wait for a write, and the others are answered at once", async () => {
  const { told, log, clock } = setup();
  const behind = (handler: UnaryHandler): UnaryHandler => auditedWhereItWaits("MarkActive", handler, clock, log);
  assert.equal(behind(() => answer)(request, call), answer);
  assert.throws(() => behind(() => {
    throw new WsmanError("NOT_FOUND", "no");
  })(request, call), { code: "NOT_FOUND" });
  assert.deepEqual(told, []);
  assert.equal(await behind(() => Promise.resolve(answer))(request, call), answer);
  assert.deepEqual(told, [line("OK")]);
});
