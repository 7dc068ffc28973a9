/** What finalization reads and writes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { contentservice, wsman } from "../../../src/gen/proto.js";
import { disposalFacts, disposalStatus, planDisposal } from "../../../src/main/lifecycle/disposal.ts";
import { decodeDisposalStatus } from "../../../src/workers/annotations.ts";
import { deletedPod, type RawPod } from "../workers/pods.ts";

const { REGULAR, PREBUILD, IMAGEBUILD } = wsman.WorkspaceType;

function facts(change: (pod: RawPod) => void = () => {}): ReturnType<typeof disposalFacts> {
  return disposalFacts(Buffer.from(JSON.stringify(deletedPod(change))));
}

test("what is to be done depends on whether there is work to save, and where", () => {
  const neverReady = (pod: RawPod): void => void (pod.metadata.annotations["gitpod/never-ready"] = "true");
  const nowhere = (pod: RawPod): void => {
    neverReady(pod);
    delete pod.spec["nodeName"];
    pod.status = { phase: "Pending" };
  };
  assert.deepEqual(planDisposal(facts(), { type: REGULAR, headless: false }), { backup: true, snapshot: false, logs: false, nothing: false });
  assert.deepEqual(planDisposal(facts(neverReady), { type: REGULAR, headless: false }), { backup: false, snapshot: false, logs: false, nothing: false });
  assert.deepEqual(planDisposal(facts(nowhere), { type: REGULAR, headless: false }), { backup: false, snapshot: false, logs: false, nothing: true });
  assert.deepEqual(planDisposal(facts(neverReady), { type: PREBUILD, headless: true }), { backup: false, snapshot: true, logs: true, nothing: false });
  assert.deepEqual(planDisposal(facts(nowhere), { type: PREBUILD, headless: true }), { backup: false, snapshot: false, logs: true, nothing: true });
  assert.deepEqual(planDisposal(facts(), { type: IMAGEBUILD, headless: true }), { backup: false, snapshot: false, logs: false, nothing: false });
});

test("what was noted on the pod before is found again, also that it is complete; what nobody can read counts as not there", () => {
  const noted = facts((pod) => Object.assign(pod.metadata.annotations, {
    "gitpod.io/disposalStatus": '{"backupComplete":true}', "gitpod/snapshot": "s", "gitpod.io/volumeSnapshotName": '{"volumeSnapshotName":"v","volumeSnapshotHandle":"h"}', "gitpod.io/nodeName": "old",
  }));
  assert.deepEqual([noted.complete, noted.snapshot, noted.volumeSnapshot, noted.nodeName], [true, "s", "v", "node-1"]);
  const evicted = facts((pod) => {
    delete pod.spec["nodeName"];
    Object.assign(pod.metadata.annotations, { "gitpod.io/nodeName": "old", "gitpod.io/disposalStatus": "{", "gitpod.io/volumeSnapshotName": "[]" });
  });
  assert.deepEqual([evicted.complete, evicted.volumeSnapshot, evicted.nodeName], [false, "", "old"]);
  const withoutHandle = facts((pod) => void (pod.metadata.annotations["gitpod.io/volumeSnapshotName"] = '{"volumeSnapshotName":"v"}'));
  assert.equal(withoutHandle.volumeSnapshot, "");
});

test("the end that is written is the end that is read", () => {
  const count = fc.nat();
  const git = fc.record({ branch: fc.string(), latestCommit: fc.string(), uncommitedFiles: fc.array(fc.string()), totalUncommitedFiles: count, untrackedFiles: fc.array(fc.string()), totalUntrackedFiles: count, unpushedCommits: fc.array(fc.string()), totalUnpushedCommits: count });
  fc.assert(fc.property(fc.string(), fc.option(git, { nil: undefined }), (failure, given) => {
    const gitStatus = given && contentservice.GitStatus.decode(contentservice.GitStatus.encode(contentservice.GitStatus.fromObject(given)).finish());
    const text = disposalStatus({ failure, gitStatus });
    const read = decodeDisposalStatus(text);
    assert.equal(read.backupComplete, true);
    assert.equal(read.backupFailure, failure.toWellFormed());
    assert.deepEqual(JSON.parse(JSON.stringify(read.gitStatus ?? null)), JSON.parse(JSON.stringify(gitStatus ? contentservice.GitStatus.fromObject(gitStatus) : null)));
  }), { numRuns: 200 });
  assert.equal(disposalStatus({ failure: "", gitStatus: undefined }), '{"backupComplete":true}');
});

test("however much a node daemon tells, what is written has a bound; whole entries are kept, and the totals", () => {
  const text = fc.oneof(fc.string({ minLength: 3_000, maxLength: 6_000 }), fc.string({ unit: "grapheme", minLength: 1_000, maxLength: 5_000 }), fc.constant("\u0001".repeat(5_000)));
  const list = fc.array(fc.oneof(text, fc.string({ maxLength: 200 })), { minLength: 100, maxLength: 150 });
  fc.assert(fc.property(text, text, list, (failure, branch, files) => {
    const gitStatus = contentservice.GitStatus.fromObject({ branch, latestCommit: branch, uncommitedFiles: files, totalUncommitedFiles: files.length, untrackedFiles: files, unpushedCommits: files });
    const written = disposalStatus({ failure, gitStatus });
    assert.ok(Buffer.byteLength(written) <= 31 * 1024, String(Buffer.byteLength(written)));
    const read = decodeDisposalStatus(written);
    assert.equal(read.backupComplete, true);
    assert.ok(failure.toWellFormed().startsWith(read.backupFailure.slice(0, -1)));
    const kept = read.gitStatus?.uncommitedFiles ?? [];
    assert.ok(kept.every((file) => files.some((given) => given.toWellFormed() === file)));
    assert.equal(Number(read.gitStatus?.totalUncommitedFiles), files.length);
  }), { numRuns: 50 });
  const gitStatus = contentservice.GitStatus.fromObject({ uncommitedFiles: ["a", "x".repeat(5_000), "b"] });
  assert.deepEqual(decodeDisposalStatus(disposalStatus({ failure: "", gitStatus })).gitStatus?.uncommitedFiles, ["a", "b"]);
});
