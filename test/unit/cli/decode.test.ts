/** Commands that show what is packed into annotations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contentservice, registryfacade } from "../../../src/gen/proto.js";
import { command } from "./helpers.ts";

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

test("an image spec is printed as JSON, links and made layers only if they are asked for", async () => {
  const remote = { url: "https://storage/x?X-Amz-Signature=s", digest: "sha256:a", diffId: "sha256:b", mediaType: "m" };
  const spec = base64(registryfacade.ImageSpec.encode({ baseRef: "base", ideRef: "ide", contentLayer: [{ remote: registryfacade.RemoteContentLayer.fromObject({ ...remote, size: 5 }) }, { direct: { content: Buffer.from("secret") } }] }).finish());
  const shown = await command(["decode-imagespec"], { stdin: `${spec}\n` });
  assert.deepEqual([shown.code, shown.err], [0, ""]);
  const { url: _url, ...plain } = remote;
  assert.deepEqual(JSON.parse(shown.out), { baseRef: "base", ideRef: "ide", contentLayer: [{ remote: { ...plain, size: "5" } }, { direct: {} }] });
  assert.deepEqual(JSON.parse((await command(["decode-imagespec", "--show-secrets"], { stdin: spec })).out), { baseRef: "base", ideRef: "ide", contentLayer: [{ remote: { ...remote, size: "5" } }, { direct: { content: Buffer.from("secret").toString("base64") } }] });
});

const config = { customConfig: { "http.extraHeader": "token-1" }, authentication: 1, authUser: "user-2", authPassword: "password-3", authOts: "https://ots/4" };
const git = { remoteUri: "https://user-5:password-6@git.example.com/r.git?token=7", upstream_RemoteUri: "https://git.example.com/up.git", checkoutLocation: "r", config };
const initializer = contentservice.WorkspaceInitializer.encode({ composite: { initializer: [{ git }, { prebuild: { prebuild: { snapshot: "o@b" }, git: [git] } }, { download: { files: [{ url: "https://x/f?signature=8", filePath: "f" }] } }] } }).finish();

test("an initializer is printed as proto3 JSON, without what gives access", async () => {
  const { code, out, err } = await command(["decode-initializer"], { stdin: base64(initializer) });
  assert.deepEqual([code, err], [0, ""]);
  assert.doesNotMatch(out, /token-1|user-2|password-3|ots\/4|user-5|password-6|token=7|signature=8/);
  const hiddenGit = {
    remoteUri: "https://git.example.com/r.git?[hidden]", upstreamRemoteUri: "https://git.example.com/up.git", checkoutLocation: "r",
    config: { customConfig: { "http.extraHeader": "[hidden]" }, authentication: "BASIC_AUTH", authUser: "[hidden]", authPassword: "[hidden]", authOts: "[hidden]" },
  };
  assert.deepEqual(JSON.parse(out), { composite: { initializer: [{ git: hiddenGit }, { prebuild: { prebuild: { snapshot: "o@b" }, git: [hiddenGit] } }, { download: { files: [{ url: "https://x/f?[hidden]", filePath: "f" }] } }] } });
});

test("what gives access is hidden in whatever form an address has", async () => {
  const cases: readonly (readonly [address: string, shown: string])[] = [
    ["x-access-token:TOKEN@github.com/r", "[hidden]@github.com/r"], ["TOKEN@github.com/r.git", "[hidden]@github.com/r.git"], ["git@github.com:o/r.git", "[hidden]@github.com:o/r.git"], ["ftp://u:TOKEN@host/r", "[hidden]@host/r"],
    ["https://u:TO/KEN@host/r", "[hidden]@host/r"], ["ssh:u:TOKEN@host/r", "[hidden]@host/r"], ["ssh://u:TOKEN@host/r", "ssh://host/r"], ["https:u:TOKEN@host/r", "https://host/r"], ["u:TO?KEN@host/r", "[hidden]"], ["u:TO#KEN@host/r", "[hidden]"], ["host/r?x=@TOKEN", "[hidden]"],
    ["https://host/r#access_token=TOKEN", "https://host/r"], ["https://host/r?x=TOKEN#TOKEN", "https://host/r?[hidden]"], ["host/r?x=TOKEN", "host/r?[hidden]"], ["host/r#TOKEN", "host/r?[hidden]"], ["https://host/r@v1", "https://host/r@v1"], ["file:///workspace/r", "file:///workspace/r"], ["", ""],
  ];
  for (const [remoteUri, shown] of cases) {
    const { out } = await command(["decode-initializer"], { stdin: base64(contentservice.WorkspaceInitializer.encode({ git: { remoteUri, checkoutLocation: "r" } }).finish()) });
    assert.deepEqual(JSON.parse(out), { git: { ...(remoteUri && { remoteUri: shown }), checkoutLocation: "r" } }, remoteUri);
  }
});

test("with --show-secrets all of it is printed", async () => {
  const { out } = await command(["decode-initializer", "--show-secrets"], { stdin: base64(initializer) });
  const { upstream_RemoteUri: upstreamRemoteUri, ...rest } = git;
  const all = { ...rest, upstreamRemoteUri, config: { ...config, authentication: "BASIC_AUTH" } };
  assert.deepEqual(JSON.parse(out), { composite: { initializer: [{ git: all }, { prebuild: { prebuild: { snapshot: "o@b" }, git: [all] } }, { download: { files: [{ url: "https://x/f?signature=8", filePath: "f" }] } }] } });
});

test("what is no such annotation is told, without quoting it", async () => {
  for (const [name, what] of [["decode-imagespec", "registryfacade.ImageSpec"], ["decode-initializer", "contentservice.WorkspaceInitializer"]] as const) {
    for (const stdin of ["", "not base64!", "{}"]) {
      const { code, err } = await command([name], { stdin });
      assert.deepEqual([code, err], [1, "error: the input is not base64: give the value of the annotation\n"]);
    }
    const { code, err } = await command([name], { stdin: Buffer.from([0xff, 0xff, 0xff]).toString("base64") });
    assert.equal(code, 1);
    assert.ok(err.startsWith(`error: the input is not a ${what} (annotation gitpod/`), err);
  }
});
