/** The search for secrets finds them, whoever shows them and however. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { startEmbeddedCluster } from "../../../src/embedded/index.ts";
import { isAuthorizedKey } from "../../../src/domain/ssh-keys.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { assertNoSecrets, keepSecret, leaksIn, secret, secretSshKey } from "../../support/secrets.ts";

const password = secret("password");
const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("a secret is found as it is and in any encoding, wherever it begins", () => {
  const message = wsman.SSHPublicKeys.encode({ keys: [secretSshKey()] }).finish();
  const shown = [
    password, `{"msg":"${password}"}`, `x=${encodeURIComponent(password)}`, encodeURIComponent(encodeURIComponent(password)), Buffer.from(password).toString("hex"), Buffer.from(password).toString("hex").toUpperCase(),
    ...["", "x", "xx", "xxx"].flatMap((before) => [base64(before + password), base64(base64(before + password)), base64(`x${base64(before + password)}`), Buffer.from(before + password).toString("base64url"), base64(Buffer.from(before + password).toString("hex"))]),
    secretSshKey(), Buffer.from(message).toString("base64"), Buffer.from(message).toString("latin1"),
  ];
  for (const text of shown) assert.equal(leaksIn(`before ${text} after`).length, 1, text);
  assert.ok(isAuthorizedKey(secretSshKey()));
});

test("secrets that others made are found once they are known", () => {
  const token = "An.owner_token-of.32.characters0";
  assert.deepEqual(leaksIn(token), []);
  keepSecret("owner token", token);
  for (const text of [token, `["${token}"]`, base64(`Bearer ${token}`), Buffer.from(token).toString("hex")]) assert.equal(leaksIn(text).length, 1, text);
  keepSecret("a private key", `-----BEGIN PRIVATE KEY-----\n${"MIGHAgEAMBMGByqG".repeat(4)}\nabcdefghijklmnopqrstuvwx\n-----END PRIVATE KEY-----\n`);
  assert.match(leaksIn("... abcdefghijklmnopqrstuvwx ...").join(), /a private key/);
  assert.throws(() => keepSecret("too short", "abc"), /can not be searched for/);
});

test("what is no secret is not found", () => {
  assertNoSecrets("the test", ["", "a".repeat(1000), base64("a".repeat(1000)), JSON.stringify({ audit: "StopWorkspace", id: "instance-1", client: "127.0.0.1:34567", code: "OK", ms: 1.5 }), password.slice(0, 17)]);
});

for (const [stream, print] of [["standard output", "log"], ["standard error", "error"]]) {
  test(`a daemon that shows a secret on its ${stream} fails the test that closes it`, async (t) => {
    const cluster = await startEmbeddedCluster();
    t.after(() => cluster.close());
    const leak = `import { isMainThread } from "node:worker_threads"; if (isMainThread) console.${print}(${JSON.stringify(base64(`xx${password}`))});`;
    const daemon = await DaemonProcess.start({ kubeconfig: cluster.kubeconfig(), nodeFlags: ["--import", `data:text/javascript,${encodeURIComponent(leak)}`] });
    await assert.rejects(daemon.close(), /there are secrets in it/);
    assert.equal(daemon.ended, true);
  });
}
