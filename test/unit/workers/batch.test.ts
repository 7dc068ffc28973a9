/** Batches of lines: what comes back for good, bad and hostile ones. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { startOf } from "../../../src/domain/digest.ts";
import { eventReasons } from "../../../src/domain/names.ts";
import type { BatchResult, LineResult, PodEvent, TaskLine, WorkspaceResult } from "../../../src/domain/messages.ts";
import { wsman } from "../../../src/gen/proto.js";
import { processBatch } from "../../../src/workers/batch.ts";
import { BatchBytes } from "../../../src/workers/encode.ts";
import { InvalidPodError, readPod } from "../../../src/workers/pod.ts";
import { decide } from "../../../src/workers/actions.ts";
import { factsOf } from "../../../src/workers/facts.ts";
import { dependsOnEvents, shorten } from "../../../src/workers/held.ts";
import { deriveStatus } from "../../../src/workers/status.ts";
import { config, deletedPod, event, pendingPod, runningPod, withState } from "./pods.ts";

interface Line {
  readonly source: TaskLine["source"];
  readonly bytes: string | Uint8Array;
  readonly events?: readonly PodEvent[];
}

function run(lines: readonly Line[]): BatchResult {
  const parts = lines.map(({ bytes }) => Buffer.from(bytes));
  const all = Buffer.concat(parts);
  const buffer = new SharedArrayBuffer(all.length);
  new Uint8Array(buffer).set(all);
  let start = 0;
  const taskLines = lines.map(({ source, events }, i): TaskLine => {
    const length = parts[i]?.length ?? 0;
    start += length;
    return { source, start: start - length, length, events };
  });
  return processBatch({ buffer, lines: taskLines }, config);
}

function only(line: Line): { result: LineResult; bytes: Uint8Array } {
  const { results, bytes } = run([line]);
  const [result] = results;
  assert.ok(result && results.length === 1);
  return { result, bytes };
}

function workspace(line: Line): { result: WorkspaceResult; status: wsman.WorkspaceStatus; held: string | undefined; bytes: Uint8Array } {
  const { result, bytes } = only(line);
  assert.equal(result.kind, "workspace");
  if (result.kind !== "workspace") throw new Error("unreachable");
  const status = wsman.WorkspaceStatus.decode(bytes.subarray(result.start, result.start + result.length));
  const held = result.held && Buffer.from(bytes).toString("utf8", result.held.start, result.held.start + result.held.length);
  return { result, status, held, bytes };
}

const object = (pod: unknown, events?: readonly PodEvent[]): Line => ({ source: "object", bytes: JSON.stringify(pod), ...(events && { events }) });
const watch = (type: string, pod: unknown): Line => ({ source: "watch", bytes: JSON.stringify({ type, object: pod }) });

describe("a line that is a workspace", () => {
  it("comes back encoded, with its facts", () => {
    const { result, status } = workspace(watch("MODIFIED", runningPod()));
    assert.deepEqual([status.id, status.phase, status.runtime?.nodeName], ["one", wsman.WorkspacePhase.RUNNING, "node-1"]);
    assert.deepEqual([result.uid, result.resourceVersion, result.removed, result.held], ["uid-one", "7", false, undefined]);
    assert.deepEqual(result.facts, {
      id: "one", podName: "ws-one", owner: "ann", metaId: "red-fox", annotations: undefined, phase: wsman.WorkspacePhase.RUNNING, type: 0, headless: false,
      workspaceClass: "small", nodeName: "node-1", failed: "", timedOut: "", start: startOf("token"), createdAt: Date.parse("2026-03-01T10:00:00Z"), deletedAt: undefined,
      disposalSince: undefined, lastActivity: undefined, everActive: false, closed: false, everReady: true, pullingImages: false, backupComplete: false, customTimeout: "", exposedPorts: 0,
    });
  });
  it("has no status_version", () => assert.equal(Number(workspace(object(runningPod())).status.statusVersion), 0));
  it("of a removed pod says stopped, without a message, and keeps the failure", () => {
    const { result, status } = workspace(watch("DELETED", pendingPod((p) => (p.metadata.annotations["gitpod/explicitFail"] = "broken"))));
    assert.deepEqual([result.removed, status.phase, status.message, status.conditions?.failed], [true, wsman.WorkspacePhase.STOPPED, "", "broken"]);
    assert.deepEqual([result.facts.phase, result.held], [wsman.WorkspacePhase.STOPPED, undefined]);
  });
  it("has its own place in the batch's bytes, which hold nothing else", () => {
    const { results, bytes } = run([object(runningPod()), object(pendingPod()), object(deletedPod())]);
    let end = 0;
    for (const result of results) {
      if (result.kind !== "workspace") assert.fail();
      assert.equal(result.start, end);
      assert.equal(wsman.WorkspaceStatus.decode(bytes.subarray(result.start, result.start + result.length)).id, "one");
      end = result.held ? result.held.start + result.held.length : result.start + result.length;
    }
    assert.equal(bytes.length, end);
    assert.equal(bytes.buffer.byteLength, end);
  });
  it("tells unreadable times of activity as none", () => {
    const at = (time: string): number | undefined => workspace(object(runningPod((p) => (p.metadata.annotations["gitpod.io/lastActivity"] = time)))).result.facts.lastActivity;
    assert.deepEqual([at("2026-03-01T10:00:00.123456789Z"), at("never")], [Date.parse("2026-03-01T10:00:00.123Z"), undefined]);
  });
});

describe("a line that is none", () => {
  it("is skipped with a reason, and its neighbours are not", () => {
    const { results } = run([object(runningPod()), { source: "object", bytes: '{"metadata": {"secret' }, object({ metadata: { name: "x", uid: "u", resourceVersion: "3" } }), object(runningPod())]);
    assert.deepEqual(results.map((r) => (r.kind === "skipped" ? r.reason : r.kind)), ["workspace", "unparsable", "invalid", "workspace"]);
    assert.deepEqual(results[2], { kind: "skipped", reason: "invalid", message: "cannot get gitpod/id annotation from x", uid: "u", podName: "x", resourceVersion: "3", removed: false });
    assert.ok(!JSON.stringify(results[1]).includes("secret"), "what stands in the line is not quoted");
  });
  it("says whether it was a removal", () => {
    const { result } = only(watch("DELETED", { metadata: { name: "x", uid: "u" } }));
    assert.ok(result.kind === "skipped" && result.removed && result.reason === "invalid");
  });
  it("may be anything", () => {
    for (const bytes of ["", "null", "[]", "3", '"x"', "{}", '{"type":"BOOKMARK","object":{}}', '{"type":"ADDED"}', "[".repeat(200_000), new Uint8Array([0xff, 0xfe, 0x00])]) {
      for (const source of ["watch", "object"] as const) {
        const { result } = only({ source, bytes });
        assert.ok(result.kind === "skipped" && result.reason === "unparsable", String(bytes).slice(0, 50));
      }
    }
  });
  it("is a pod without uid", () => {
    const { result } = only(object(runningPod((p) => delete p.metadata["uid"])));
    assert.ok(result.kind === "skipped" && result.message === "pod ws-one has no uid");
  });
  it("has a message of bounded length", () => {
    const { result } = only(object(runningPod((p) => (p.metadata.labels["workspaceType"] = "x".repeat(1e6)))));
    assert.ok(result.kind === "skipped" && result.message.length <= 500);
  });
});

describe("hostile lines", () => {
  it("annotations named like prototype members arrive as any other", () => {
    const text = JSON.stringify(runningPod()).replace('"gitpod/id"', '"__proto__":"p","gitpod.io/annotation.__proto__":"a","gitpod.io/annotation.constructor":"b","gitpod/id"');
    const { result, status } = workspace({ source: "object", bytes: text });
    assert.deepEqual(Object.entries(result.facts.annotations ?? {}), [["__proto__", "a"], ["constructor", "b"]]);
    assert.deepEqual(Object.entries(status.metadata?.annotations ?? {}), [["__proto__", "a"], ["constructor", "b"]]);
    assert.equal(({} as Record<string, unknown>)["a"], undefined);
  });
  it("an annotation of a megabyte and invalid UTF-8 are carried or replaced", () => {
    const big = "x".repeat(1_000_000);
    assert.equal(workspace(object(runningPod((p) => (p.metadata.annotations["gitpod.io/annotation.big"] = big)))).status.metadata?.annotations?.["big"], big);
    const bytes = Buffer.from(JSON.stringify(runningPod((p) => (p.metadata.labels["owner"] = "a?b"))));
    bytes[bytes.indexOf("a?b") + 1] = 0xff;
    assert.equal(workspace({ source: "object", bytes }).status.metadata?.owner, "a\ufffdb");
  });
});

// --- properties ------------------------------------------------------------------------------------------

const wild = fc.oneof({ weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) }, { weight: 1, arbitrary: fc.constantFrom<unknown>(null, "", [], {}, 1e308, -1, { __proto__: null, length: 3 }) });
const time = fc.constantFrom("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.987654321+02:00", "2026-02-30T00:00:00Z", "now");
const word = fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), fc.constantFrom("a\ud800", "true", "__proto__"));
type Sometimes = (value: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>;

/** Pods whose members are of the right type, or sometimes not. */
function pods(mostly: Sometimes): fc.Arbitrary<unknown> {
  const maybe: Sometimes = (value) => fc.option(mostly(value), { nil: undefined });
  const rarely: Sometimes = (value) => fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: mostly(value) });
  const terminated = fc.record({
    exitCode: mostly(fc.constantFrom(0, 1, 137, 255)),
    reason: maybe(fc.constantFrom("Error", "Completed", "Unknown")),
    message: maybe(fc.oneof(word, fc.constant('{"message":"m","error":"e"}\n'))),
    startedAt: maybe(time),
  });
  const container = fc.record({
    name: mostly(fc.constantFrom("workspace", "sidecar")),
    ready: mostly(fc.boolean()),
    restartCount: mostly(fc.nat(2)),
    state: mostly(fc.oneof(
      fc.record({ waiting: fc.record({ reason: maybe(fc.constantFrom("ContainerCreating", "ErrImagePull", "PodInitializing")), message: maybe(word) }) }),
      fc.constant({ running: {} }),
      fc.record({ terminated: mostly(terminated) }),
      fc.constant({}),
    )),
    lastState: maybe(fc.record({ terminated: mostly(terminated) })),
  });
  const disposal = fc.constantFrom('{"backupComplete":true,"gitStatus":{"branch":"b","total_untracked_files":7}}', '{"backupFailure":"no"}', "{", "null");
  const annotationsOf = fc
    .tuple(
      fc.record({ "gitpod/id": mostly(fc.constant("one")), "gitpod/url": mostly(fc.constant("https://one")) }),
      fc.record(
        {
          "gitpod/never-ready": mostly(fc.constant("true")), "gitpod/explicitFail": rarely(word), "gitpod/timedout": mostly(word), "gitpod/closed": mostly(fc.constant("true")),
          "gitpod/failedBeforeStopping": fc.constant("true"), "gitpod/customTimeout": mostly(fc.constantFrom("5m", "x")), "gitpod/firstUserActivity": rarely(time),
          "gitpod.io/lastActivity": mostly(time), "gitpod.io/disposalStatus": rarely(disposal), "gitpod.io/stoppedByRequest": mostly(fc.constantFrom("1s", "30s", "x")),
          "gitpod.io/attemptingToCreate": rarely(fc.constant("true")), "gitpod.io/containerIsGone": fc.constant("true"), "gitpod/imageSpec": mostly(fc.constantFrom("CgFh", "CgFhEgFi")),
          "gitpod/exposedPorts": fc.constantFrom("CgMIjC4KAwiQPw==", "?"), "gitpod.io/volumeSnapshotName": mostly(fc.constant('{"volumeSnapshotName":"n"}')),
          "gitpod/contentInitializer": fc.constant("SECRET"), "gitpod/admission": mostly(fc.constant("admit_everyone")), "gitpod/snapshot": mostly(word),
        },
        { requiredKeys: [] },
      ),
      fc.dictionary(fc.oneof(word, fc.constantFrom("__proto__", "constructor", "1", "0")), mostly(word), { maxKeys: 4 }),
    )
    .map(([needed, ours, own]) => ({ ...needed, ...ours, ...Object.fromEntries(Object.entries(own).map(([k, v]) => [`gitpod.io/annotation.${k}`, v])) }));
  return fc.record({
    metadata: fc.record(
      {
        name: mostly(fc.constant("ws-one")), uid: mostly(fc.constant("u")), resourceVersion: maybe(fc.constant("12")), creationTimestamp: maybe(time),
        deletionTimestamp: fc.option(mostly(time), { nil: undefined, freq: 3 }), deletionGracePeriodSeconds: maybe(fc.constant(30)),
        finalizers: maybe(fc.subarray(["gitpod.io/finalizer", "foregroundDeletion"])), annotations: mostly(annotationsOf),
        labels: mostly(fc.record({
          owner: maybe(word), metaID: maybe(word), team: maybe(word), project: maybe(word), headless: maybe(fc.constantFrom("true", "false")),
          workspaceType: maybe(fc.constantFrom("regular", "prebuild", "imagebuild")), "gitpod.io/pvcFeature": maybe(fc.constant("true")),
        })),
      },
      { requiredKeys: ["name", "annotations"] },
    ),
    spec: mostly(fc.record({ nodeName: maybe(word), containers: mostly(fc.constantFrom([{ name: "workspace", image: "i" }], [{ name: "workspace" }])) })),
    status: mostly(fc.record({
      phase: mostly(fc.constantFrom("Pending", "Pending", "Running", "Running", "Succeeded", "Failed", "Unknown")), reason: maybe(fc.constantFrom("Evicted", "OutOfcpu")), message: maybe(word), hostIP: maybe(word),
      conditions: maybe(fc.constant([{ type: "PodScheduled", status: "True" }])), containerStatuses: maybe(fc.array(container, { maxLength: 3 })), initContainerStatuses: maybe(fc.array(container, { maxLength: 1 })),
    })),
  });
}
const anyPod = fc.oneof(pods((value) => value), pods((value) => fc.oneof({ weight: 30, arbitrary: value }, { weight: 1, arbitrary: wild })));
const anyEvents = fc.array(fc.record({ reason: fc.constantFrom(...eventReasons), message: word, timeMs: fc.nat() }), { maxLength: 3 });
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("whatever a pod holds", () => {
  it("it has a status or is an InvalidPodError, and never makes a batch fail", () => {
    let good = 0;
    fc.assert(fc.property(anyPod, anyEvents, (raw, events) => {
      try {
        deriveStatus(readPod(json(raw)), events, config);
        good++;
      } catch (error) {
        assert.ok(error instanceof InvalidPodError, String(error));
      }
      assert.equal(run([object(raw, events), watch("DELETED", raw)]).results.length, 2);
    }), { numRuns: 1500 });
    assert.ok(good > 1000, `only ${good} of the pods were workspaces`);
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      assert.throws(() => deriveStatus(readPod(value), [], config), InvalidPodError);
    }));
  });

  it("its status decodes to what was encoded", () => {
    fc.assert(fc.property(anyPod, anyEvents, (raw, events) => {
      const { results: [result], bytes } = run([object(raw, events)]);
      if (result?.kind !== "workspace") return;
      const decoded = wsman.WorkspaceStatus.decode(bytes.subarray(result.start, result.start + result.length));
      const expected = wsman.WorkspaceStatus.fromObject(deriveStatus(readPod(json(raw)), events, config));
      const plain = (status: wsman.WorkspaceStatus): object => wsman.WorkspaceStatus.toObject(status, { defaults: true, longs: String });
      assert.deepEqual(json(plain(decoded)), json(plain(expected)));
    }), { numRuns: 500 });
  });

  it("equal statuses have equal digests, however their annotations are ordered, and different ones different digests", () => {
    const digest = (own: readonly (readonly [string, string])[]): string =>
      workspace(object(runningPod((p) => Object.assign(p.metadata.annotations, Object.fromEntries(own.map(([k, v]) => [`gitpod.io/annotation.${k}`, v])))))).result.digest;
    fc.assert(fc.property(fc.dictionary(fc.oneof(fc.string({ maxLength: 5 }), fc.nat().map(String)), fc.string()), (own) => {
      const entries = Object.entries(own);
      assert.equal(digest(entries), digest(entries.toReversed()));
      assert.notEqual(digest(entries), digest([...entries, ["one more key", ""]]));
    }), { numRuns: 200 });
  });

  it("its shortened form gives the same status, facts and actions, for any events", () => {
    fc.assert(fc.property(anyPod, anyEvents, (raw, events) => {
      const all = (value: unknown): unknown => {
        try {
          const pod = readPod(value);
          const status = deriveStatus(pod, events, config);
          return json([new BatchBytes().addStatus(status).digest, factsOf(pod, status), decide(pod, status), pod.uid, pod.resourceVersion, shorten(pod)]);
        } catch (error) {
          assert.ok(error instanceof InvalidPodError);
          return error.message;
        }
      };
      const full = json(raw);
      const held = shorten(readPod(full));
      assert.deepEqual(all(JSON.parse(held)), all(full));
      assert.ok(!held.includes("SECRET"));
    }), { numRuns: 1500 });
  });

  it("its shortened form is kept where an event makes a difference", () => {
    let sensitive = 0;
    fc.assert(fc.property(anyPod, anyEvents, (raw, events) => {
      const derive = (some: readonly PodEvent[]): string | undefined => {
        try {
          return new BatchBytes().addStatus(deriveStatus(readPod(json(raw)), some, config)).digest;
        } catch {
          return undefined;
        }
      };
      if (events.length === 0 || derive([]) === derive(events)) return;
      sensitive++;
      assert.ok(dependsOnEvents(readPod(json(raw))));
    }), { numRuns: 2000 });
    assert.ok(sensitive > 10, `only ${sensitive} pods depended on events`);
  });
});

describe("shortened pods", () => {
  it("are there for a pending pod that could not mount, and let the failure be found and forgotten", () => {
    const { held, status } = workspace(object(pendingPod(), [event("FailedMount", "no secret")]));
    assert.equal(status.conditions?.failed, "no secret");
    assert.ok(held);
    assert.equal(workspace({ source: "object", bytes: held }).status.conditions?.failed, "");
    assert.equal(workspace({ source: "object", bytes: held, events: [event("FailedMount", "again")] }).status.conditions?.failed, "again");
  });
  it("are there for a container that was lost with its network", () => {
    const { held } = workspace(object(runningPod((p) => withState(p, { terminated: { exitCode: 255, reason: "Unknown" } }))));
    assert.ok(held);
    assert.equal(workspace({ source: "object", bytes: held, events: [event("NetworkNotReady")] }).status.conditions?.networkNotReady, wsman.WorkspaceConditionBool.TRUE);
  });
  it("are not kept where no event matters", () => {
    for (const pod of [runningPod(), deletedPod(), pendingPod((p) => withState(p, { running: {} }))]) assert.equal(workspace(object(pod)).held, undefined);
  });
});
