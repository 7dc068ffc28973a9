/** What the image stands on can be had after Debian's mirrors have dropped it, and is what was pinned, or nothing. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Base } from "../../../scripts/image/base.ts";
import { getDebianPackages, type Sources } from "../../../scripts/image/downloads.ts";
import { startScriptedServer, type ScriptedServer } from "../../support/scripted-http.ts";

const content = Buffer.from("a package");
const digest = (algorithm: string): string => createHash(algorithm).update(content).digest("hex");
const one = { name: "one", version: "1:2.0-3", sha256: digest("sha256"), sha1: digest("sha1"), files: [] };
const base: Base = { architecture: "amd64", suite: "bookworm", node: { name: "node", version: "1.0.0", integrity: "" }, debian: [one] };
const kept = "one_1%3a2.0-3_amd64.deb";

/** An apt-get that says that there is no such version, and an archive that answers as the test says. */
async function makeSources(t: TestContext, respond: ScriptedServer["respond"]): Promise<{ readonly sources: Sources; readonly server: ScriptedServer }> {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-downloads-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startScriptedServer(t);
  server.respond = respond;
  const apt = join(folder, "apt-get");
  writeFileSync(apt, "#!/bin/sh\necho \"E: Version '$2' was not found\" >&2\nexit 100\n", { mode: 0o755 });
  return { sources: { kept: join(folder, "kept"), apt, archive: `http://${server.address}`, archiveMs: 10_000 }, server };
}

test("a package that apt does not have any more comes from Debian's archive, by its digest, once", async (t) => {
  const { sources, server } = await makeSources(t, (_request, response) => void response.end(content));
  const file = (await getDebianPackages(base, sources)).get("one") ?? "";
  assert.deepEqual([file, readFileSync(file)], [join(sources.kept, kept), content]);
  assert.deepEqual(server.requests, [`GET /file/${one.sha1}`]);
  await getDebianPackages(base, sources);
  assert.equal(server.requests.length, 1, "what was kept is taken");
  writeFileSync(file, "something else");
  await getDebianPackages(base, sources);
  assert.deepEqual([server.requests.length, readFileSync(file)], [2, content], "what was changed is not");
  assert.deepEqual(readdirSync(sources.kept), [kept]);
});

test("apt's package is taken where apt has it", async (t) => {
  const { sources, server } = await makeSources(t, (_request, response) => void response.end(content));
  writeFileSync(sources.apt, `#!/bin/sh\n[ "$1 $2" = "download one:amd64=1:2.0-3" ] && printf 'a package' > one_amd64.deb\n`);
  assert.deepEqual(readFileSync((await getDebianPackages(base, sources)).get("one") ?? ""), content);
  assert.deepEqual(server.requests, []);
});

test("an archive's other file, its errors and its silence end the build with a reason", async (t) => {
  const { sources, server } = await makeSources(t, (_request, response) => void response.end("a package of somebody else's"));
  await assert.rejects(getDebianPackages(base, sources), /one_1%3a2\.0-3_amd64\.deb is not the file whose digest is in deploy\/image\/base\.json/);
  server.respond = (_request, response) => void response.writeHead(404).end();
  await assert.rejects(getDebianPackages(base, sources), /one 1:2\.0-3 can not be had, neither with \S+ download \(E: Version 'one:amd64=1:2\.0-3' was not found\) nor from Debian's archive \(http:\S+ answers 404\)/);
  server.respond = () => {};
  await assert.rejects(getDebianPackages(base, { ...sources, archiveMs: 50 }), /nor from Debian's archive \(.*timeout/);
  assert.equal(existsSync(join(sources.kept, kept)), false);
});

test("what never ends is not read for ever", async (t) => {
  const block = Buffer.alloc(1024 * 1024);
  const { sources } = await makeSources(t, (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(block));
    };
    response.on("drain", more);
    more();
  });
  await assert.rejects(getDebianPackages(base, sources), /has more than 67108864 bytes/);
});
