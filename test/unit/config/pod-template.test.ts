/** Reading pod templates. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { podTemplateProblem, readPodTemplate } from "../../../src/main/config/pod-template.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "pod-template-"));
});
after(() => rm(directory, { recursive: true }));

async function file(text: string): Promise<string> {
  const path = join(directory, `${process.hrtime.bigint()}.yaml`);
  await writeFile(path, text);
  return path;
}

test("a template is read as it stands, from YAML and JSON, without what is null", async () => {
  const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "workspace", tty: true }], dnsConfig: { nameservers: ["1.1.1.1"] } } };
  assert.deepEqual(await readPodTemplate(await file(JSON.stringify({ ...template, status: null }))), template);
  const yaml = "metadata: { labels: { a: b }, creationTimestamp: null }\nspec:\n  containers: [{ name: workspace, tty: true }]\n  dnsConfig: { nameservers: [1.1.1.1] }\n";
  assert.deepEqual(await readPodTemplate(await file(yaml)), template);
});

test("an empty file is a template that adds nothing", async () => {
  assert.deepEqual(await readPodTemplate(await file("")), {});
});

test("a file that is no Pod is told the same way, read or checked", async () => {
  for (const text of ["[]", "spec: 1", "kind: Deployment", "{", '{"__proto__": {}}', "spec: { containers: [{ env: [{ value: x }] }] }"]) {
    const path = await file(text);
    const wrong = await podTemplateProblem(path);
    assert.ok(wrong && !wrong.unread, text);
    await assert.rejects(readPodTemplate(path), { message: wrong.problem });
  }
  const none = join(directory, "none");
  await assert.rejects(readPodTemplate(none), /there is no such file/);
  assert.equal((await podTemplateProblem(none))?.unread, true, "it could not even be read");
});
