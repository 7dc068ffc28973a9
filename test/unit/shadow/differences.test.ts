/** Where statuses differ: fields, values that may be shown, and differences that are wanted. */
import assert from "node:assert/strict";
import { record } from "../../../src/embedded/kubelet/json.ts";
import { test } from "node:test";
import { google, wsman } from "../../../src/gen/proto.js";
import { differencesBetween, fieldsOf } from "../../../src/main/shadow/differences.ts";
import { assertNoSecrets, secret } from "../../support/secrets.ts";
import { deletedPod, runningPod, statusOf } from "../workers/pods.ts";

const { PENDING, CREATING, RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;

function differ(ours: wsman.WorkspaceStatus.$Properties, theirs: wsman.WorkspaceStatus.$Properties): ReturnType<typeof differencesBetween> {
  return differencesBetween(fieldsOf(ours), fieldsOf(theirs));
}

/** As another implementation sends it: what has its default is not there. */
function sparse(status: wsman.WorkspaceStatus.$Properties): wsman.WorkspaceStatus.$Properties {
  const drop = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const members = Object.entries(value).map(([key, member]): [string, unknown] => [key, drop(member)]);
    return Object.fromEntries(members.filter(([, member]) => member !== "" && member !== 0 && member !== false && member !== null && member !== undefined));
  };
  return wsman.WorkspaceStatus.fromObject(record(drop(wsman.WorkspaceStatus.toObject(wsman.WorkspaceStatus.create(status)))));
}

test("statuses that say the same do not differ, whatever their versions, the order of their ports, and how defaults are sent", () => {
  const status = statusOf(runningPod());
  assert.deepEqual(differ(wsman.WorkspaceStatus.fromObject({ ...status, statusVersion: 5 }), wsman.WorkspaceStatus.fromObject({ ...sparse(status), statusVersion: 9 })), []);
  const ports = [{ port: 1, visibility: 1, url: "a" }, { port: 2, visibility: 0, url: "b" }];
  const withPorts = (list: typeof ports): wsman.WorkspaceStatus.$Properties => ({ ...status, spec: { ...status.spec, exposedPorts: list } });
  assert.deepEqual(differ(withPorts(ports), withPorts(ports.toReversed())), []);
  assert.deepEqual(differ(withPorts(ports), withPorts(ports.slice(1))).map(({ field }) => field), ["spec.exposedPorts"]);
});

test("each field that differs is named once, users' annotations as a whole; values are shown where they hold no secret", () => {
  const status = statusOf(runningPod());
  const other: wsman.WorkspaceStatus.$Properties = {
    ...status, phase: STOPPING, message: secret("message"),
    metadata: { ...status.metadata, annotations: { [secret("key")]: secret("value"), "": "" } },
    spec: { ...status.spec, timeout: "5m0s" },
    auth: { ...status.auth, ownerToken: secret("token") },
    conditions: { ...status.conditions, stoppedByRequest: 1, firstUserActivity: google.protobuf.Timestamp.fromObject({ seconds: 7, nanos: 1 }) },
  };
  const found = differ(status, other);
  assert.deepEqual(found.map(({ field }) => field), ["auth.ownerToken", "conditions.firstUserActivity.nanos", "conditions.firstUserActivity.seconds", "conditions.stoppedByRequest", "message", "metadata.annotations", "phase", "spec.timeout"]);
  assert.deepEqual(found.flatMap(({ field, values }) => (values ? [[field, values.ours, values.theirs]] : [])), [["conditions.stoppedByRequest", "FALSE", "TRUE"], ["phase", "RUNNING", "STOPPING"], ["spec.timeout", "1h0m0s", "5m0s"]]);
  assertNoSecrets("the differences", [JSON.stringify(found)]);
});

test("what wsmand tells otherwise on purpose is known as wanted, with a reason; the same fields otherwise are not", () => {
  const status = statusOf(runningPod());
  const ending = statusOf(deletedPod());
  const wanted = (ours: wsman.WorkspaceStatus.$Properties, theirs: wsman.WorkspaceStatus.$Properties): Record<string, boolean> => Object.fromEntries(differ(ours, theirs).map((difference) => [difference.field, difference.wanted !== undefined]));
  const named = { ...status, metadata: { ...status.metadata, team: "red" } };
  assert.deepEqual(wanted(named, status), { "metadata.team": true });
  assert.deepEqual(wanted(status, named), { "metadata.team": false });
  const failed = { ...ending, conditions: { ...ending.conditions, failed: "it broke" } };
  assert.deepEqual(wanted(failed, ending), { "conditions.failed": true });
  assert.deepEqual(wanted({ ...failed, phase: RUNNING }, { ...ending, phase: RUNNING }), { "conditions.failed": false });
  assert.deepEqual(wanted({ ...ending, phase: STOPPING }, { ...ending, phase: STOPPED }), { phase: true });
  assert.deepEqual(wanted({ ...ending, phase: STOPPED }, { ...ending, phase: STOPPING }), { phase: false });
  const creating = { ...status, phase: CREATING, message: "containers are being created", conditions: { ...status.conditions, pullingImages: 1 } };
  assert.deepEqual(wanted(creating, { ...status, phase: PENDING, message: "pod is pending" }), { phase: true, message: true, "conditions.pullingImages": true });
  assert.deepEqual(wanted({ ...status, message: "a" }, { ...status, message: "b" }), { message: false });
});
