/** Lines of authorized_keys files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isAuthorizedKey } from "../../../src/domain/ssh-keys.ts";

function blob(type: string, rest = 40): string {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.alloc(rest, 1)]).toString("base64");
}

test("keys of every kind are taken, with comments, options and blanks around", () => {
  for (const type of ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"]) {
    const line = `${type} ${blob(type)}`;
    for (const text of [line, `${line} jane doe@example`, ` \t${line}\t `, `no-pty,command="a \\"b c\\" d",from="*" ${line} c`]) assert.ok(isAuthorizedKey(text), text);
  }
});

test("everything else is none", () => {
  const key = blob("ssh-rsa");
  for (const text of ["", "ssh-rsa", `# ssh-rsa ${key}`, `ssh-ed25519 ${key}`, `ssh-rsa ${key.slice(0, -1)}`, `ssh-rsa ${key}\nssh-rsa ${key}`, `ssh-rsa ${blob("ssh-rsa", 0)}`, key, `ssh-rsa ${"A".repeat(20_000)}`, `command="x ssh-rsa ${key}`]) {
    assert.ok(!isAuthorizedKey(text), text.slice(0, 60));
  }
  fc.assert(fc.property(fc.string(), (text) => !isAuthorizedKey(text)));
});
