/** What .ci/run tells at its end: each program of others that is not there, and what was not checked for want of it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findTool } from "../../support/tools.ts";

const programs = ["helm", "promtool", "prometheus", "kubectl"] as const;
const settings = ["KUBEBUILDER_ASSETS", "WSMAND_TEST_VERSITYGW", "WSMAND_TEST_CASES", "WSMAND_TEST_CRDS"] as const;

test("each program that is missing is told with what it is for, and nothing is said of those that are there", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-ci-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // In a folder of its own, beside which nothing is.
  const [checkout, bin] = [join(folder, "checkouts/wsmand/.ci"), join(folder, "bin")];
  for (const each of [checkout, bin]) mkdirSync(each, { recursive: true });
  copyFileSync(".ci/missing.sh", join(checkout, "missing.sh"));
  symlinkSync(findTool("bash") ?? assert.fail("there is no bash"), join(bin, "bash"));
  const add = (name: string): string => {
    writeFileSync(join(bin, name), "#!/bin/sh\n");
    chmodSync(join(bin, name), 0o755);
    return join(bin, name);
  };
  const told = (env: Readonly<Record<string, string>>): readonly string[] =>
    execFileSync(join(bin, "bash"), [join(checkout, "missing.sh")], { encoding: "utf8", env: { PATH: bin, ...env } }).split("\n").filter((line) => line !== "");
  const all = Object.fromEntries(settings.map((name) => [name, folder]));

  const nothing = told({});
  assert.equal(nothing.length, programs.length + settings.length);
  for (const line of nothing) assert.match(line, /^[a-z][^:]* \(.+\): \S.{20,}$/);
  for (const program of programs) add(program);
  assert.deepEqual(told(all), []);
  for (const program of programs) {
    rmSync(join(bin, program));
    const lines = told(all);
    assert.deepEqual([lines.length, lines[0]?.startsWith(`${program} (`)], [1, true], program);
    add(program);
  }
  for (const setting of settings) {
    const lines = told({ ...all, [setting]: "" });
    assert.deepEqual([lines.length, lines[0]?.includes(`(${setting})`)], [1, true], setting);
  }
  rmSync(join(bin, "helm"));
  assert.deepEqual(told({ ...all, WSMAND_TEST_HELM: add("another-helm") }), [], "a helm that is named");
});
