/** Statuses of pods, rule by rule. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentservice, registryfacade, wsman } from "../../../src/gen/proto.js";
import { InvalidPodError } from "../../../src/workers/pod.ts";
import { deletedPod, event, pendingPod, runningPod, statusOf, withState, type RawPod } from "./pods.ts";

const { UNKNOWN, PENDING, CREATING, INITIALIZING, RUNNING, STOPPING, STOPPED, INTERRUPTED } = wsman.WorkspacePhase;
const { TRUE } = wsman.WorkspaceConditionBool;

function annotate(key: string, value: unknown): (pod: RawPod) => void {
  return (pod) => void (pod.metadata.annotations[key] = value);
}

function refuses(pod: unknown, message: string | RegExp): void {
  assert.throws(() => statusOf(pod), (error) => {
    assert.ok(error instanceof InvalidPodError);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

function phaseAndMessage(pod: unknown, events: Parameters<typeof statusOf>[1] = []): [number | null | undefined, string | null | undefined] {
  const { phase, message } = statusOf(pod, events);
  return [phase, message];
}

function failed(pod: unknown, events: Parameters<typeof statusOf>[1] = []): string | null | undefined {
  return statusOf(pod, events).conditions?.failed;
}

function base64(bytes: { finish(): Uint8Array }): string {
  return Buffer.from(bytes.finish()).toString("base64");
}

describe("what makes a pod a workspace", () => {
  it("needs an ID", () => {
    refuses(runningPod((p) => delete p.metadata.annotations["gitpod/id"]), "cannot get gitpod/id annotation from ws-one");
    refuses(runningPod(annotate("gitpod/id", 7)), "cannot get gitpod/id annotation from ws-one");
  });
  it("needs a container named workspace", () => {
    const message = "workspace pod for one is degenerate - does not have workspace container";
    refuses(runningPod((p) => (p.spec["containers"] = [{ name: "other" }])), message);
    refuses(runningPod((p) => (p.spec["containers"] = "workspace")), message);
  });
  it("needs a URL", () => refuses(runningPod((p) => delete p.metadata.annotations["gitpod/url"]), "pod ws-one has no gitpod/url annotation"));
  it("knows its type by the label, regular without one", () => {
    assert.equal(statusOf(runningPod((p) => delete p.metadata.labels["workspaceType"])).spec?.type, wsman.WorkspaceType.REGULAR);
    assert.equal(statusOf(runningPod((p) => (p.metadata.labels["workspaceType"] = "imagebuild"))).spec?.type, wsman.WorkspaceType.IMAGEBUILD);
    for (const type of ["ghost", "0", "", "__proto__", "constructor"]) {
      refuses(runningPod((p) => (p.metadata.labels["workspaceType"] = type)), `pod has invalid type label: ${type}`);
    }
  });
  it("is a Pod in the first place", () => {
    for (const value of [null, 1, "pod", [], {}, { metadata: [] }, { metadata: {}, kind: "Node" }]) refuses(value, /^not a Pod/);
  });
});

describe("fields taken from the pod", () => {
  it("are all there", () => {
    const pod = runningPod((p) => {
      p.metadata.annotations["gitpod.io/annotation.b"] = "2";
      p.metadata.annotations["gitpod.io/annotation.a"] = "1";
      p.metadata.annotations["gitpod.io/annotation.bad"] = 3;
      p.metadata.annotations["gitpod/snapshot"] = "gs://snap";
    });
    assert.deepEqual(JSON.parse(JSON.stringify(statusOf(pod))), {
      id: "one",
      metadata: { owner: "ann", metaId: "red-fox", annotations: { a: "1", b: "2" }, startedAt: { seconds: "1772359200" } },
      spec: { workspaceImage: "plain-image", ideImage: {}, headless: false, url: "https://one.example.org", exposedPorts: [], type: 0, timeout: "1h0m0s", class: "small" },
      phase: RUNNING,
      conditions: { failed: "", snapshot: "gs://snap", volumeSnapshot: {} },
      message: "",
      runtime: { nodeName: "node-1", podName: "ws-one", nodeIp: "10.0.0.1" },
      auth: { admission: 0, ownerToken: "token" },
    });
  });
  it("team and project are there when not empty, and only then", () => {
    const some = statusOf(runningPod((p) => Object.assign(p.metadata.labels, { team: "t", project: "p" }))).metadata;
    assert.deepEqual([some?.team, some?.project], ["t", "p"]);
    const none = statusOf(runningPod((p) => Object.assign(p.metadata.labels, { team: "", project: "" }))).metadata ?? {};
    assert.ok(!("team" in none) && !("project" in none));
  });
  it("images come from the image spec", () => {
    const packed = base64(registryfacade.ImageSpec.encode({ baseRef: "base", ideRef: "ide", desktopIdeRef: "desk", supervisorRef: "sup" }));
    const spec = statusOf(runningPod(annotate("gitpod/imageSpec", packed))).spec;
    assert.deepEqual([spec?.workspaceImage, spec?.deprecatedIdeImage, { ...spec?.ideImage }], ["base", "ide", { webRef: "ide", desktopRef: "desk", supervisorRef: "sup" }]);
  });
  it("a broken image spec is an error", () => {
    for (const text of ["%", "abc", "/////w==", Buffer.from("hello").toString("base64")]) refuses(runningPod(annotate("gitpod/imageSpec", text)), /^invalid image spec: ./);
  });
  it("ports are decoded, broken ones are none", () => {
    const ports = [{ port: 8080, visibility: wsman.PortVisibility.PORT_VISIBILITY_PUBLIC, url: "u" }];
    assert.deepEqual(statusOf(runningPod(annotate("gitpod/exposedPorts", base64(wsman.ExposedPorts.encode({ ports }))))).spec?.exposedPorts, ports);
    for (const text of ["", "%", "/////w=="]) assert.deepEqual(statusOf(runningPod(annotate("gitpod/exposedPorts", text))).spec?.exposedPorts, []);
  });
  it("the custom timeout goes before the configured one", () => assert.equal(statusOf(runningPod(annotate("gitpod/customTimeout", "90m"))).spec?.timeout, "90m"));
  it("volume snapshot", () => {
    const text = '{"volumeSnapshotName":"n","volumeSnapshotHandle":"h"}';
    assert.deepEqual(statusOf(runningPod(annotate("gitpod.io/volumeSnapshotName", text))).conditions?.volumeSnapshot, { volumeSnapshotName: "n", volumeSnapshotHandle: "h" });
    for (const broken of ["", "{", "[]", '{"volumeSnapshotName":1}']) refuses(runningPod(annotate("gitpod.io/volumeSnapshotName", broken)), /^invalid volume snapshot status: ./);
  });
  it("admission", () => {
    const admission = (value: unknown): unknown => statusOf(runningPod(annotate("gitpod/admission", value))).auth?.admission;
    assert.deepEqual(["admit_everyone", "admit_owner_only", "everyone", 1].map(admission), [1, 0, 0, 0]);
  });
  it("an unreadable creation time is left out", () => {
    assert.equal(statusOf(runningPod((p) => (p.metadata["creationTimestamp"] = "yesterday"))).metadata?.startedAt, undefined);
  });
  it("lone surrogates become replacement characters, so that the message stays valid UTF-8", () => {
    assert.equal(statusOf(runningPod(annotate("gitpod.io/annotation.k", "a\ud800b"))).metadata?.annotations?.["k"], "a\ufffdb");
  });
});

describe("failure", () => {
  const terminated = (state: object): RawPod => runningPod((p) => withState(p, { terminated: state }));

  it("explicit failure goes first and forces no phase", () => {
    const status = statusOf(runningPod((p) => { p.metadata.annotations["gitpod/explicitFail"] = "because"; withState(p, { waiting: { reason: "ErrImagePull", message: "m" } }); }));
    assert.deepEqual([status.conditions?.failed, status.phase], ["because", RUNNING]);
  });
  it("a failed pod says why", () => {
    const pod = runningPod((p) => (p.status = { phase: "Failed", reason: "Evicted", message: "low on disk" }));
    assert.deepEqual([failed(pod), statusOf(pod).phase], ["Evicted: low on disk", UNKNOWN]);
  });
  it("an image that can not be pulled forces CREATING and ends the derivation", () => {
    for (const reason of ["ImagePullBackOff", "ErrImagePull"]) {
      const status = statusOf(pendingPod((p) => { withState(p, { waiting: { reason, message: "no such image" } }); p.metadata.annotations["gitpod/timedout"] = "late"; }));
      assert.deepEqual([status.conditions?.failed, status.phase, status.conditions?.timeout], ["cannot pull image: no such image", CREATING, undefined]);
    }
    assert.equal(statusOf(deletedPod((p) => withState(p, { waiting: { reason: "ErrImagePull", message: "m" } }))).phase, STOPPING);
  });
  it("what the container said before it ended", () => {
    const pod = terminated({ exitCode: 1, reason: "Error", message: "IDE failed" });
    assert.deepEqual([failed(pod), statusOf(pod).phase], ["IDE failed", RUNNING]);
    assert.equal(failed(runningPod((p) => withState(p, { running: {} }, { ready: true, lastState: { terminated: { exitCode: 2, message: "earlier" } } }))), "earlier");
  });
  it("an error without a word", () => {
    const pod = terminated({ exitCode: 3, reason: "Error" });
    assert.deepEqual([failed(pod), statusOf(pod).phase], ["container workspace ran with an error: exit code 3", RUNNING]);
    assert.equal(failed(terminated({ exitCode: 137, reason: "Error" })), "");
    assert.equal(failed(deletedPod((p) => withState(p, { terminated: { exitCode: 3, reason: "Error" } }))), "");
  });
  it("a container that completed is none, and ends the search", () => {
    const pod = runningPod((p) => {
      p.status["phase"] = "Succeeded";
      p.status["containerStatuses"] = [{ name: "workspace", state: { terminated: { exitCode: 0, reason: "Completed" } } }, { name: "b", state: { terminated: { exitCode: 1, reason: "Error" } } }];
    });
    assert.deepEqual([failed(pod), ...phaseAndMessage(pod)], ["", STOPPING, "workspace is stopping"]);
  });
  it("any other end is unknown, but 255 may recover", () => {
    const pod = terminated({ exitCode: 0, reason: "Odd", message: "m" });
    assert.deepEqual([failed(pod), statusOf(pod).phase], ["workspace container workspace terminated for an unknown reason: (Odd) m", UNKNOWN]);
    assert.equal(failed(terminated({ exitCode: 255, reason: "Unknown" })), "");
  });
  it("a mount that failed counts while the pod is pending and nothing has started", () => {
    assert.equal(failed(pendingPod(), [event("FailedMount", "no secret")]), "no secret");
    assert.equal(failed(pendingPod(), [event("NetworkNotReady"), event("FailedMount", "x vol-this-workspace y")]), "cannot mount workspace");
    assert.equal(failed(runningPod(), [event("FailedMount", "no secret")]), "");
    assert.equal(failed(pendingPod((p) => withState(p, { running: {} })), [event("FailedMount", "no secret")]), "");
    assert.equal(failed(pendingPod((p) => (p.status["initContainerStatuses"] = [{ state: { running: {} } }])), [event("FailedMount", "no secret")]), "");
  });
});

describe("conditions", () => {
  it("timed out, with and without a text", () => {
    assert.equal(statusOf(runningPod(annotate("gitpod/timedout", "slow"))).conditions?.timeout, "slow");
    assert.equal(statusOf(runningPod(annotate("gitpod/timedout", ""))).conditions?.timeout, "workspace timed out for an unknown reason");
  });
  it("stopped by request", () => assert.equal(statusOf(runningPod(annotate("gitpod.io/stoppedByRequest", "30s"))).conditions?.stoppedByRequest, TRUE));
  it("the task of a headless workspace failed", () => {
    const pod = (headless: string): RawPod => runningPod((p) => { p.metadata.labels["headless"] = headless; withState(p, { terminated: { exitCode: 0, reason: "Completed", message: "task broke" } }); });
    assert.equal(statusOf(pod("true")).conditions?.headlessTaskFailed, "task broke");
    assert.equal(statusOf(pod("false")).conditions?.headlessTaskFailed, undefined);
  });
  it("a pod not scheduled yet is pending whatever else it says", () => {
    for (const pod of [runningPod, deletedPod]) assert.equal(statusOf(pod(annotate("gitpod.io/attemptingToCreate", "true"))).phase, PENDING);
  });
});

describe("a pod being deleted", () => {
  it("is stopping until its finalizer is gone", () => {
    assert.equal(statusOf(deletedPod()).phase, STOPPING);
    assert.equal(statusOf(deletedPod((p) => (p.metadata["finalizers"] = ["foregroundDeletion"]))).phase, STOPPED);
  });
  it("is stopping, not stopped, even if it failed before it was ever ready", () => {
    assert.equal(statusOf(deletedPod((p) => Object.assign(p.metadata.annotations, { "gitpod/failedBeforeStopping": "true", "gitpod/never-ready": "true" }))).phase, STOPPING);
  });
  it("keeps its failure", () => assert.equal(failed(deletedPod(annotate("gitpod/explicitFail", "broken"))), "broken"));
  it("is stopped once its backup is complete, and tells the Git status", () => {
    const git = { branch: "main", latest_commit: "abc", uncommited_files: ["f"], total_uncommited_files: 12 };
    const status = statusOf(deletedPod(annotate("gitpod.io/disposalStatus", JSON.stringify({ backupComplete: true, gitStatus: git }))));
    assert.deepEqual([status.phase, status.conditions?.finalBackupComplete], [STOPPED, TRUE]);
    const decoded = contentservice.GitStatus.decode(contentservice.GitStatus.encode(status.repo ?? {}).finish());
    assert.deepEqual([decoded.branch, decoded.latestCommit, decoded.uncommitedFiles, Number(decoded.totalUncommitedFiles)], ["main", "abc", ["f"], 12]);
  });
  it("has no Git status while it is not being deleted", () => {
    assert.equal(statusOf(runningPod(annotate("gitpod.io/disposalStatus", '{"gitStatus":{"branch":"b"}}'))).repo, undefined);
  });
  it("tells of a failed backup, once", () => {
    const disposal = '{"backupComplete":true,"backupFailure":"disk full"}';
    assert.equal(failed(deletedPod(annotate("gitpod.io/disposalStatus", disposal))), "last backup failed: disk full.");
    const twice = (fail: string): string | null | undefined => failed(deletedPod((p) => Object.assign(p.metadata.annotations, { "gitpod/explicitFail": fail, "gitpod.io/disposalStatus": disposal })));
    assert.equal(twice("broken"), "broken; last backup failed: disk full.");
    assert.equal(twice("last backup failed: before."), "last backup failed: before.");
  });
  it("is in error if its disposal status is broken", () => {
    for (const text of ["", "{", "3", '{"backupComplete":1}', '{"gitStatus":[]}', '{"gitStatus":{"uncommited_files":[1]}}', '{"gitStatus":{"total_uncommited_files":1.5}}']) {
      refuses(deletedPod(annotate("gitpod.io/disposalStatus", text)), /^invalid disposal status: ./);
    }
    assert.equal(statusOf(deletedPod(annotate("gitpod.io/disposalStatus", "null"))).phase, STOPPING);
  });
});

describe("a pending pod", () => {
  it("is creating while its containers are made", () => {
    for (const reason of ["ContainerCreating", "PodInitializing"]) {
      const status = statusOf(pendingPod((p) => withState(p, { waiting: { reason } })));
      assert.deepEqual([status.phase, status.conditions?.pullingImages, status.message], [CREATING, TRUE, "containers are being created"]);
    }
  });
  it("is pending otherwise", () => {
    assert.deepEqual(phaseAndMessage(pendingPod((p) => withState(p, {}))), [PENDING, "pod is pending"]);
    assert.deepEqual(phaseAndMessage(pendingPod((p) => delete p.metadata.annotations["gitpod/never-ready"])), [PENDING, "pod is pending"]);
  });
});

describe("a running pod", () => {
  it("is initializing until it was ready once, unless headless and not a prebuild", () => {
    const never = (headless: string, type: string): RawPod => runningPod((p) => { p.metadata.annotations["gitpod/never-ready"] = "true"; Object.assign(p.metadata.labels, { headless, workspaceType: type }); });
    assert.deepEqual(phaseAndMessage(never("false", "regular")), [INITIALIZING, "workspace initializer is running"]);
    assert.deepEqual(phaseAndMessage(never("true", "prebuild")), [INITIALIZING, "workspace initializer is running"]);
    assert.deepEqual(phaseAndMessage(never("true", "imagebuild")), [RUNNING, ""]);
    assert.deepEqual(phaseAndMessage(runningPod()), [RUNNING, ""]);
  });
  it("tells of its first user activity to the nanosecond", () => {
    const time = statusOf(runningPod(annotate("gitpod/firstUserActivity", "2021-10-14T19:11:43.983492544Z"))).conditions?.firstUserActivity;
    assert.deepEqual([Number(time?.seconds), time?.nanos], [1634238703, 983492544]);
    refuses(runningPod(annotate("gitpod/firstUserActivity", "soon")), /^cannot parse firstUserActivity: ./);
    assert.equal(statusOf(deletedPod(annotate("gitpod/firstUserActivity", "soon"))).phase, STOPPING);
  });
  it("is interrupted when its container is lost", () => {
    const lost = (exitCode: number): RawPod => runningPod((p) => withState(p, { terminated: { exitCode, reason: exitCode === 137 ? "Error" : "Unknown" } }));
    const recover = "container workspace was terminated unexpectedly - workspace should recover";
    assert.deepEqual(phaseAndMessage(lost(255)), [INTERRUPTED, recover]);
    assert.deepEqual(phaseAndMessage(lost(137), [event("NetworkNotReady")]), [INTERRUPTED, recover]);
    const status = statusOf(lost(255), [event("NetworkNotReady")]);
    assert.deepEqual([status.phase, status.conditions?.networkNotReady, status.message], [INTERRUPTED, TRUE, "container network not ready - workspace should recover shortly"]);
  });
  it("is interrupted while its container restarts", () => {
    assert.deepEqual(phaseAndMessage(runningPod((p) => withState(p, { running: {} }, { restartCount: 1 }))), [INTERRUPTED, "container workspace was terminated unexpectedly - workspace is recovering"]);
    assert.equal(statusOf(runningPod((p) => withState(p, { running: {} }, { restartCount: 1, ready: true }))).phase, RUNNING);
  });
});

describe("other phases of a pod", () => {
  const inPhase = (phase: unknown, headless = "false"): RawPod => runningPod((p) => { p.status = { phase }; p.metadata.labels["headless"] = headless; });
  it("headless and over: stopping", () => {
    for (const phase of ["Succeeded", "Failed"]) assert.deepEqual(phaseAndMessage(inPhase(phase, "true")), [STOPPING, "headless workspace is stopping"]);
  });
  it("regular and succeeded: stopping", () => assert.deepEqual(phaseAndMessage(inPhase("Succeeded")), [STOPPING, "workspace is stopping"]));
  it("unknown to Kubernetes", () => assert.deepEqual(phaseAndMessage(inPhase("Unknown")), [UNKNOWN, "Kubernetes reports workspace phase as unknown"]));
  it("none of these", () => {
    for (const phase of ["Failed", "Odd", undefined, 3]) assert.deepEqual(phaseAndMessage(inPhase(phase)), [UNKNOWN, "cannot determine workspace phase. We should never get here."]);
  });
});
