/** Text and tables for terminals. */
import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { test } from "node:test";
import fc from "fast-check";
import { renderScreen, renderTable, sortRows, type Row } from "../../../src/main/cli/table.ts";
import { age, fit, painter, sanitize, toSafeJson, widthOf } from "../../../src/main/cli/text.ts";
import { viewOf } from "../../../src/main/cli/view.ts";
import { maxKnown, Roster } from "../../../src/main/cli/roster.ts";
import { wsman } from "../../../src/gen/proto.js";
import { status } from "./helpers.ts";

const hostile = "a\u001b[2J\u009b31m\u0007b\r\nc\u202ed\u2066e\ufefff\u0000\u007f\ud800";
const steering = /\p{Cc}|[\u202a-\u202e\u2066-\u2069\ufeff]/u;

function rows(count: number, members: object = {}): Row[] {
  return Array.from({ length: count }, (_, i) => ({ view: viewOf(status(`ws-${i}`, i + 1, i % 2 ? "RUNNING" : "PENDING", members)), fresh: i === 0 }));
}

function screen(all: readonly Row[], width: number, height: number, color = false): readonly string[] {
  return renderScreen({ title: "wsmand watch x", rows: all, now: 1_700_000_600_000, updatesPerSecond: 2.5, notice: "", waiting: false, width, height, paint: painter(color) });
}

test("text of a server can not steer the terminal", () => {
  const clean = sanitize(hostile);
  assert.doesNotMatch(clean, steering);
  assert.ok(clean.startsWith("a\ufffd[2J\ufffd31m\ufffdb c"));
  assert.doesNotMatch(toSafeJson({ x: hostile, [hostile]: 1 }), steering);
  assert.deepEqual(JSON.parse(toSafeJson({ x: "\u009b\u202e\u007f\ufeff" })), { x: "\u009b\u202e\u007f\ufeff" });
});

test("widths count columns, not characters", () => {
  for (const [text, width] of [["abc", 3], ["日本", 4], ["e\u0301", 1], ["👍", 2], ["👨‍👩‍👧", 2], ["한글", 4], ["ｗ", 2], ["é", 1], ["", 0], ["🇩🇪", 2]] as const) assert.equal(widthOf(text), width, text);
});

test("text is fitted to exactly the columns there are", () => {
  assert.equal(fit("abc", 5), "abc  ");
  assert.equal(fit("abcdef", 4), "abc…");
  assert.equal(fit("日本語", 4), "日… ");
  assert.equal(fit("abc", 0), "");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, columns) => assert.equal(widthOf(fit(sanitize(text), columns)), columns)));
  assert.equal(widthOf(fit(`a${"\u0301".repeat(1_000_000)}b`, 10)), 10);
});

test("ages are told as kubectl tells them", () => {
  const second = 1000;
  const minute = 60 * second;
  const hour = 60 * minute;
  for (const [ms, text] of [[-5, "0s"], [119 * second, "119s"], [2 * minute, "2m"], [5 * minute + 10 * second, "5m10s"], [30 * minute + 5 * second, "30m"], [3 * hour + 2 * minute, "3h2m"], [47 * hour, "47h"], [72 * hour, "3d"]] as const) assert.equal(age(ms), text);
});

test("the live table tells counts, rate and every workspace", () => {
  const lines = screen(rows(3), 120, 30);
  assert.equal(lines[0]?.trimEnd(), "wsmand watch x");
  assert.equal(lines[1], "3 workspaces  2 PENDING  1 RUNNING  2.5 updates/s");
  assert.match(lines[2] ?? "", /^ID +OWNER\/META +TYPE +PHASE +AGE +NODE +MESSAGE/);
  assert.match(lines[3] ?? "", /^ws-0 +jane\/meta-ws-0 +REGULAR +PENDING +9m59s +node-1/);
  assert.equal(lines.length, 6);
});

test("no line is wider than the terminal and there are no more of them than fit, whatever its size", () => {
  const all = rows(40, { message: `日本語 ${hostile} ${"long ".repeat(50)}`, runtime: { nodeName: "node-".repeat(30) } });
  for (const width of [1, 5, 10, 20, 33, 60, 80, 200]) {
    for (const height of [0, 1, 2, 3, 4, 10, 100]) {
      for (const color of [false, true]) {
        const lines = screen(all, width, height, color);
        assert.ok(lines.length <= height);
        for (const line of lines) {
          const bare = stripVTControlCharacters(line);
          assert.doesNotMatch(bare, steering);
          assert.ok(widthOf(bare) <= width, `${width}: ${widthOf(bare)} ${JSON.stringify(bare)}`);
        }
      }
    }
  }
});

test("rows beyond the screen are counted", () => {
  const lines = screen(rows(40), 100, 10);
  assert.equal(lines.length, 10);
  assert.equal(lines.at(-1)?.trimEnd(), "+34 more");
  assert.ok(!screen(rows(7), 100, 10).join().includes("more"));
});

test("a narrow terminal keeps ID and phase the longest", () => {
  const head = screen(rows(2), 34, 10)[2] ?? "";
  assert.ok(head.includes("ID") && head.includes("PHASE") && !head.includes("NODE") && !head.includes("OWNER"), head);
});

test("phases are coloured, fresh changes are bold, failures are red", () => {
  const [failed] = rows(1, { conditions: { failed: "oh no" } });
  assert.ok(failed);
  const line = screen([failed], 120, 10, true)[3] ?? "";
  assert.ok(line.includes("\x1b[1m\x1b[33mPENDING"), JSON.stringify(line));
  assert.ok(line.includes("\x1b[31mfailed: oh no"));
  assert.ok(!screen([failed], 120, 10, false).join("").includes("\x1b"));
});

test("trouble with the connection takes the place of the title", () => {
  const lines = renderScreen({ title: "t", rows: [], now: 0, updatesPerSecond: 0, notice: "connection lost", waiting: false, width: 40, height: 10, paint: painter(false) });
  assert.equal(lines[0]?.trimEnd(), "connection lost");
  assert.equal(lines[1], "0 workspaces    0.0 updates/s");
});

test("before the first status, the table does not say that there are no workspaces", () => {
  const lines = renderScreen({ title: "t", rows: [], now: 0, updatesPerSecond: 0, notice: "", waiting: true, width: 40, height: 10, paint: painter(false) });
  assert.match(lines[1] ?? "", /^waiting for the first statuses/);
  assert.ok(!lines.join("").includes("0 workspaces"));
});

test("where room is short, the message and the phase come before everything but the ID, and the phase before the whole ID", () => {
  const id = "8b3c1f0a-52d7-4c1e-a111-0123456789ab";
  const row: Row = { view: viewOf(status(id, 1, "INTERRUPTED", { message: "the container ended with exit code 1" })), fresh: false };
  const [head80, line80] = renderTable([row], { now: 1_700_000_600_000, width: 80, paint: painter(false) });
  assert.match(head80 ?? "", /^ID +PHASE +AGE +MESSAGE$/);
  assert.match(line80 ?? "", new RegExp(`^${id} +INTERRUPTED +9m59s +the container `));
  const [head40, line40] = renderTable([row], { now: 1_700_000_600_000, width: 40, paint: painter(false) });
  assert.match(head40 ?? "", /^ID +PHASE$/);
  assert.match(line40 ?? "", /^8b3c1f0a-52d7[-\w]*… +INTERRUPTED$/);
});

test("rows are sorted by start and ID, so that changes of phase do not move them", () => {
  const [a, b, c] = [status("b", 5), status("a", 5), status("z", 1)].map((one) => ({ view: viewOf(one), fresh: false }));
  assert.ok(a && b && c);
  assert.deepEqual(sortRows([a, b, c]).map(({ view }) => view.id), ["z", "a", "b"]);
});

test("a table for a pipe is not cut", () => {
  const long = "m".repeat(500);
  const lines = renderTable(rows(1, { message: long }), { now: 0, width: undefined, paint: painter(false) });
  assert.ok(lines[1]?.endsWith(long));
});

test("hostile texts of a status are shown without effect", () => {
  const view = viewOf(wsman.WorkspaceStatus.fromObject({ id: hostile, message: hostile, metadata: { owner: hostile, metaId: hostile }, runtime: { nodeName: hostile }, spec: { class: hostile }, phase: 99 }));
  assert.doesNotMatch(Object.values(view).join(""), steering);
  assert.equal(view.phase, "99");
});

test("the newest version of a workspace wins, in whichever order statuses come", () => {
  const roster = new Roster(1000);
  assert.ok(roster.offer(status("a", 2), 0));
  assert.ok(!roster.offer(status("a", 2), 1));
  assert.ok(!roster.offer(status("a", 1), 1));
  assert.ok(roster.offer(status("a", 3, "STOPPED"), 2));
  roster.expire(1001);
  assert.equal([...roster.values()].length, 1);
  roster.expire(1002);
  assert.equal([...roster.values()].length, 0);
});

test("versions beyond what a double holds are told apart", () => {
  const roster = new Roster(1000);
  const at = (version: string): wsman.WorkspaceStatus => wsman.WorkspaceStatus.fromObject({ id: "a", statusVersion: version });
  assert.ok(roster.offer(at("18446744073709551614"), 0));
  assert.ok(roster.offer(at("18446744073709551615"), 0));
  assert.ok(!roster.offer(at("18446744073709551614"), 0));
});

test("what a complete list lacks is forgotten, unless it is newer than the list", () => {
  const roster = new Roster(1000);
  roster.offer(status("old", 1), 0);
  roster.offer(status("stopped", 1, "STOPPED"), 0);
  roster.offer(status("listed", 1), 0);
  roster.offer(status("new", 1), 20);
  assert.deepEqual(roster.prune(new Set(["listed"]), 10), ["old"]);
  assert.deepEqual([...roster.values()].map(({ status }) => status.id), ["listed", "new"]);
});

test("a server that tells of ever more workspaces is not remembered without end", () => {
  const roster = new Roster(1000);
  for (let i = 0; i < maxKnown + 10; i++) assert.ok(roster.offer(wsman.WorkspaceStatus.create({ id: `w${i}` }), 0));
  assert.equal([...roster.values()].length, maxKnown);
  assert.equal(roster.beyond, 10);
});
