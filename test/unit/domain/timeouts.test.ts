/** When workspaces time out, phase by phase. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { dueAt, timeoutOf, type Timeouts } from "../../../src/domain/timeouts.ts";
import { wsman } from "../../../src/gen/proto.js";

const minute = 60_000;
const hour = 60 * minute;
const { PENDING, CREATING, INITIALIZING, RUNNING, STOPPING, STOPPED, UNKNOWN, INTERRUPTED } = wsman.WorkspacePhase;
const timeouts: Timeouts = {
  initialization: 30 * minute, startup: 45 * minute, regularWorkspace: 60 * minute, maxLifetime: 36 * hour, headlessWorkspace: 90 * minute,
  afterClose: 2 * minute, contentFinalization: 55 * minute, stopping: 70 * minute, interrupted: 5 * minute,
};
const start = Date.parse("2026-03-01T10:00:00Z");

function facts(change: Partial<WorkspaceFacts>): WorkspaceFacts {
  return {
    id: "one", podName: "ws-one", owner: "", metaId: "", annotations: undefined, phase: RUNNING, type: wsman.WorkspaceType.REGULAR, headless: false, workspaceClass: "", nodeName: "", failed: "",
    timedOut: "", start: 0, createdAt: start, deletedAt: undefined, disposalSince: undefined, lastActivity: undefined, everActive: false, closed: false, everReady: true, pullingImages: false,
    backupComplete: false, customTimeout: "", exposedPorts: 0, ...change,
  };
}

/** Each is due exactly `limit` after `since`, not a millisecond earlier, and says so. */
function expectDue(change: Partial<WorkspaceFacts>, lastActivity: number | undefined, since: number, limit: number, activity: string, printed: string): void {
  const workspace = facts(change);
  assert.equal(timeoutOf(workspace, lastActivity, since + limit - 1, timeouts), undefined);
  const timedOut = timeoutOf(workspace, lastActivity, since + limit, timeouts);
  assert.equal(timedOut?.text, `workspace timed out after ${activity} (${printed}) took longer than ${printed}`);
  assert.equal(timedOut?.activity, activity);
  assert.equal(dueAt(workspace, lastActivity, timeouts), since + limit);
}

describe("a workspace times out", () => {
  const active = start + hour;
  it("pending", () => expectDue({ phase: PENDING }, undefined, start, 30 * minute, "initialization", "00h30m"));
  it("initializing", () => expectDue({ phase: INITIALIZING }, undefined, start, 45 * minute, "startup", "00h45m"));
  it("creating", () => {
    expectDue({ phase: CREATING, pullingImages: true }, undefined, start, 45 * minute, "pulling images", "00h45m");
    expectDue({ phase: CREATING }, undefined, start, 45 * minute, "creating containers", "00h45m");
  });
  it("running and never active", () => expectDue({}, undefined, start, 45 * minute, "period of inactivity", "00h45m"));
  it("running and not active any more", () => expectDue({}, active, active, hour, "period of inactivity", "01h00m"));
  it("not for activity from before it was made, as a clock that is behind writes it: it counts from the beginning", () => {
    expectDue({}, start - 2 * hour, start, hour, "period of inactivity", "01h00m");
    expectDue({ closed: true }, start - 2 * hour, start, 2 * minute, "after being closed", "00h02m");
    expectDue({ phase: INTERRUPTED }, start - 2 * hour, start, 5 * minute, "workspace interruption", "00h05m");
  });
  it("running with a custom timeout, if that is a duration", () => {
    expectDue({ customTimeout: "3h" }, active, active, 3 * hour, "period of inactivity", "03h00m");
    expectDue({ customTimeout: "long" }, active, active, hour, "period of inactivity", "01h00m");
  });
  it("closed, whatever its custom timeout", () => expectDue({ closed: true, customTimeout: "3h" }, active, active, 2 * minute, "after being closed", "00h02m"));
  it("headless, whatever its activity", () => {
    expectDue({ headless: true }, active, start, 90 * minute, "running the headless workspace", "01h30m");
    expectDue({ headless: true, customTimeout: "2h" }, undefined, start, 2 * hour, "running the headless workspace", "02h00m");
  });
  it("at the end of its life, however active, and with that said first", () => {
    const now = start + 36 * hour;
    assert.equal(timeoutOf(facts({}), now, now, timeouts)?.text, "workspace timed out after maximum lifetime (36h00m) took longer than 36h00m");
    assert.equal(timeoutOf(facts({}), start, now, timeouts)?.activity, "maximum lifetime");
    assert.equal(dueAt(facts({}), now, timeouts), now);
  });
  it("interrupted", () => {
    expectDue({ phase: INTERRUPTED }, active, active, 5 * minute, "workspace interruption", "00h05m");
    expectDue({ phase: INTERRUPTED }, undefined, start, 5 * minute, "workspace interruption", "00h05m");
  });
  it("stopping", () => {
    const deletedAt = start + 2 * hour;
    expectDue({ phase: STOPPING, deletedAt }, active, deletedAt, 55 * minute, "backup", "00h55m");
    expectDue({ phase: STOPPING, deletedAt, backupComplete: true }, active, deletedAt, 70 * minute, "stopping", "01h10m");
  });
  it("with durations rounded to minutes", () => {
    assert.match(timeoutOf(facts({}), start, start + 100 * minute + 29_999, timeouts)?.text ?? "", /\(01h40m\)/);
    assert.match(timeoutOf(facts({}), start, start + 100 * minute + 30_000, timeouts)?.text ?? "", /\(01h41m\)/);
  });
});

describe("a workspace never times out", () => {
  const never = (change: Partial<WorkspaceFacts>): void => {
    assert.equal(timeoutOf(facts(change), undefined, start + 1e12, timeouts), undefined);
    assert.equal(dueAt(facts(change), undefined, timeouts), undefined);
  };
  it("in other phases", () => [UNKNOWN, STOPPED].forEach((phase) => never({ phase, deletedAt: start })));
  it("while it stops without being deleted", () => never({ phase: STOPPING }));
  it("for the time since a creation that is not known", () => [PENDING, RUNNING, INTERRUPTED].forEach((phase) => never({ phase, createdAt: 0 })));
});
