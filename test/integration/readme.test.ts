/** What README.md, and `npm start` itself, say is to be typed, typed: on files alone, and on a daemon with the built-in cluster. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { objectIn, objectsAt, textAt } from "../../src/domain/json.ts";
import { isPlaceholder } from "../support/docs/command-line.ts";
import { readMarkdown } from "../support/docs/markdown.ts";
import { shellCommands } from "../support/docs/shell.ts";
import { repository } from "../support/docs/world.ts";
import { onRealCluster } from "../support/cluster.ts";
import { wsman } from "../../src/gen/proto.js";
import { TestClient } from "../support/grpc-client.ts";
import { assertNoSecrets, keepSecret } from "../support/secrets.ts";
import { until } from "../support/until.ts";

/** A command of wsmand. */
interface Line {
  readonly args: readonly string[];
  readonly input: string | undefined;
}

/** Commands that need no daemon. */
const offline: ReadonlySet<string> = new Set(["validate-config", "render", "version", "decode-imagespec", "decode-initializer"]);

/** The commands of wsmand in the README that have no placeholders. */
const lines: readonly Line[] = readMarkdown(readFileSync(join(repository, "README.md"), "utf8")).blocks
  .flatMap(({ language, text }) => (language === "sh" ? shellCommands(text) : []))
  .filter(({ words }) => words.slice(0, 3).join(" ") === "npm run --silent" && words[3] === "wsmand" && !words.some(isPlaceholder))
  .map(({ words, reads }) => ({ args: words.slice(words.indexOf("--") + 1), input: reads[0] }));

interface Started {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly code: Promise<unknown>;
}

/** From the sources: what is built may be older. */
function start(args: readonly string[], { input, env }: { readonly input?: string | undefined; readonly env?: Readonly<Record<string, string>> } = {}): Started {
  const child = spawn(process.execPath, ["src/main/index.ts", ...args], { cwd: repository, stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  child.stdin.on("error", () => {});
  if (input === undefined) child.stdin.end();
  else createReadStream(join(repository, input)).pipe(child.stdin);
  return { child, out: () => out, err: () => err, code: once(child, "close").then(([code]: unknown[]) => code) };
}

function rpcPortOf(daemon: Started): number {
  return Number(daemon.err().split("\n").map(objectIn).find((entry) => entry?.["msg"] === "serving")?.["rpcPort"]);
}

/** `npm start` on ports that are free, with one workspace; resolves when it has told what there is to try. The test fails if it writes the owner token of a workspace that it told of. */
async function startDaemon(t: TestContext, ...flags: readonly string[]): Promise<Started> {
  const daemon = start(["run", "--embedded", "--rpc-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--demo", "1", ...flags]);
  const messages: Buffer[] = [];
  const watching: { client?: TestClient } = {};
  t.after(async () => {
    daemon.child.kill("SIGTERM");
    await daemon.code;
    watching.client?.close();
    const tokens = messages.map((message) => wsman.SubscribeResponse.decode(message).status?.auth?.ownerToken ?? "").filter((token) => token !== "");
    assert.ok(tokens.length > 0, "it told of a workspace");
    for (const token of tokens) keepSecret("an owner token", token);
    assertNoSecrets("what the daemon wrote", [daemon.out(), daemon.err()]);
  });
  await until("it has told what there is to try", () => daemon.out().includes("Ctrl-C ends it."), 60_000);
  watching.client = new TestClient(rpcPortOf(daemon));
  watching.client.subscribe().call.on("data", (message: Buffer) => void messages.push(message));
  return daemon;
}

test("the README's commands on files do what it says", { skip: onRealCluster && "needs no cluster" }, async () => {
  const chosen = lines.filter(({ args }) => offline.has(args[0] ?? ""));
  assert.ok(chosen.length >= 2, "there are some");
  for (const { args, input } of chosen) {
    const { code, out, err } = start(args, { input });
    assert.equal(await code, 0, `${args.join(" ")}: ${err()}`);
    assert.notEqual(out(), "", args.join(" "));
  }
});

test("the README's commands on a daemon do what it says, one after the other", { skip: onRealCluster && "has a cluster of its own" }, async (t) => {
  const chosen = lines.filter(({ args }) => !offline.has(args[0] ?? ""));
  assert.deepEqual(chosen.map(({ args }) => args[0]), ["watch", "list", "start", "describe", "stop"]);
  const daemon = await startDaemon(t, "--speed", "20");
  const env = { WSMAN_ADDRESS: `127.0.0.1:${rpcPortOf(daemon)}` };
  for (const { args, input } of chosen) {
    const command = start(args, { input, env });
    if (args[0] === "watch") {
      await until("a first line", () => command.out().includes("\n"), 60_000);
      command.child.kill("SIGINT");
      await command.code;
    } else assert.equal(await command.code, 0, `${args.join(" ")}: ${command.err()}`);
  }
});

test("the preflight that npm start tells of finds that all is well, and the daemon's Lease", { skip: onRealCluster && "has a cluster of its own" }, async (t) => {
  const daemon = await startDaemon(t);
  const [, typed = ""] = /-- (preflight --config \S+ --kubeconfig \S+)\n/.exec(daemon.out()) ?? [];
  let out = "";
  await until("its node daemons are ready", async () => {
    const { code, out: told } = start([...typed.split(" "), "--json"]);
    await code;
    out = told();
    return !out.includes("no node daemon that is ready");
  }, 60_000);
  const report = objectIn(out);
  assert.deepEqual([report?.["ok"], report?.["problems"], report?.["warnings"]], [true, 0, 0], out);
  const leader = objectsAt(report, "checks").find(({ name }) => name === "leader");
  assert.match(textAt(leader, "summary"), /renewed \d+ s ago$/);
});
