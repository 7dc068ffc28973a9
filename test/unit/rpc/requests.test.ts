/** Decoding of requests: a text that is not UTF-8 is named as the protocol names it, and what is too large is not decoded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { decodeRequest, decodeSubscribe } from "../../../src/main/rpc/requests.ts";
import { request } from "../render/helpers.ts";

/** What is said of a message in which XX was replaced by bytes that are no UTF-8. */
function said(message: Uint8Array, bytes: readonly number[] = [0xff, 0x78]): string {
  const broken = Buffer.from(message);
  const at = broken.indexOf("XX");
  assert.ok(at > 0);
  broken.set(bytes, at);
  try {
    decodeRequest(wsman.StartWorkspaceRequest, "StartWorkspaceRequest", broken);
  } catch (error) {
    assert.ok(error instanceof WsmanError && error.code === "INVALID_ARGUMENT");
    return error.message;
  }
  return "nothing";
}

test("the first text that is not UTF-8 is named, in lists, maps and messages within messages", () => {
  const cases: readonly (readonly [field: string, members: object, spec?: object])[] = [
    ["id", { id: "XX" }],
    ["service_prefix", { servicePrefix: "a XX" }],
    ["metadata.meta_id", { metadata: { owner: "o", metaId: "XX" } }],
    ["metadata.team", { metadata: { owner: "o", metaId: "m", team: "XX" } }],
    ["metadata.annotations", { metadata: { annotations: { XX: "a" } } }],
    ["metadata.annotations", { metadata: { annotations: { a: "b", c: "XX" } } }],
    ["spec.workspace_image", {}, { workspaceImage: "XX" }],
    ["spec.ssh_public_keys[1]", {}, { sshPublicKeys: ["a", "XX"] }],
    ["spec.envvars[2].value", {}, { envvars: [{ name: "A", value: "1" }, {}, { name: "B", value: "x".repeat(10_000) + "XX" }] }],
    ["spec.envvars[0].secret.secret_name", {}, { envvars: [{ name: "A", secret: { secretName: "XX" } }] }],
    ["spec.initializer.composite.initializer[1].git.upstream_Remote_uri", {}, { initializer: { composite: { initializer: [{ empty: {} }, { git: { upstream_RemoteUri: "XX" } }] } } }],
    ["spec.initializer.git.config.auth_password", {}, { initializer: { git: { config: { authPassword: "XX" } } } }],
  ];
  for (const [field, members, spec] of cases) assert.equal(said(wsman.StartWorkspaceRequest.encode(request(members, spec)).finish()), `cannot decode the request as wsman.StartWorkspaceRequest: ${field} is not UTF-8`);
});

test("surrogates, overlong forms and cut characters are not UTF-8; what is, is taken as it is", () => {
  const message = wsman.StartWorkspaceRequest.encode(request({ id: "XXX" })).finish();
  for (const bytes of [[0xed, 0xa0, 0x80], [0xc0, 0x80], [0xe2, 0x82], [0xf5, 0x80]]) assert.match(said(message, bytes), /: id is not UTF-8$/, bytes.join());
  for (const id of ["\u0000", "€", "\ufffd", "😀", "__proto__"]) assert.equal(decodeRequest(wsman.MarkActiveRequest, "MarkActiveRequest", wsman.MarkActiveRequest.encode({ id }).finish()).id, id);
});

test("bytes that are no message are told as such", () => {
  for (const hex of ["ff", "0aff", "0a05616263", "220a", "0b".repeat(200)]) {
    assert.throws(() => decodeRequest(wsman.StartWorkspaceRequest, "StartWorkspaceRequest", Buffer.from(hex, "hex")), (error) => error instanceof WsmanError && error.message.startsWith("cannot decode the request as wsman.StartWorkspaceRequest: ") && !error.message.includes("UTF-8"), hex);
  }
});

test("a request beyond its bound is not decoded", () => {
  const never = { decode: (): never => assert.fail("it was decoded") };
  // Many small members, the last of which is not UTF-8.
  const many = (size: number): Buffer => Buffer.concat([Buffer.alloc(size - 3, Buffer.of(0x12, 0)), Buffer.of(0x0a, 1, 0xff)]);
  for (const [name, most] of [["MarkActiveRequest", 65_536], ["registryfacade.GetImageSpecRequest", 65_536], ["UpdateSSHKeyRequest", 524_288], ["GetWorkspacesRequest", 524_288], ["StartWorkspaceRequest", 1_572_864]] as const) {
    for (const size of [most + 1, 16 * 1024 * 1024]) assert.throws(() => decodeRequest(never, name, many(size)), { code: "INVALID_ARGUMENT", message: `the request takes ${size} bytes, and may take ${most}` });
  }
  assert.throws(() => decodeSubscribe(Buffer.alloc(512 * 1024 + 1)), /the request takes 524289 bytes, and may take 524288/);
});

test("one text among very many that is not UTF-8 is found", () => {
  const keys = wsman.UpdateSSHKeyRequest.encode({ id: "a", keys: Array.from({ length: 250_000 }, () => "") }).finish();
  const broken = Buffer.concat([keys, Buffer.of(0x12, 1, 0xff)]);
  assert.throws(() => decodeRequest(wsman.UpdateSSHKeyRequest, "UpdateSSHKeyRequest", broken), /: keys\[250000\] is not UTF-8$/);
});
