/** The client commands, against a server that knows what the Go ws-manager knows. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { runCommand } from "../../../src/main/cli/main.ts";
import { until } from "../../support/until.ts";
import { command, noParts, status, testIo, testServer, type TestIo, type TestServer } from "./helpers.ts";

let server: TestServer;
const running: { stop: AbortController; ended: Promise<number> }[] = [];
before(async () => {
  server = await testServer();
});
afterEach(async () => {
  for (const { stop, ended } of running.splice(0)) {
    stop.abort();
    await ended;
  }
  server.streams.splice(0);
  server.requests.splice(0);
  server.listed = [];
});
after(() => server.close());

function start(args: readonly string[], options: Parameters<typeof testIo>[0] = {}): TestIo & { ended: Promise<number> } {
  const io = testIo(options);
  const ended = runCommand(args, io.io, noParts);
  running.push({ stop: io.stop, ended });
  return { ...io, ended };
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

test("list prints a table, without secrets", async () => {
  server.listed = [status("one", 2, "STOPPING", { message: "going\u001b[2J" }), status("two", 1)];
  const { code, out, err } = await command(["list", "--address", server.address]);
  assert.equal(code, 0, err);
  const [head, first, second] = lines(out);
  assert.match(head ?? "", /^ID +OWNER\/META/);
  assert.match(first ?? "", /^two +jane\/meta-two +REGULAR +RUNNING/);
  assert.match(second ?? "", /^one +jane\/meta-one +REGULAR +STOPPING +.* going\ufffd\[2J$/);
  assert.ok(!out.includes("owner-token-secret"));
});

test("list --json prints the response as proto3 JSON; owner tokens only where asked for", async () => {
  server.listed = [status("one", 1_099_511_628_000, "PENDING")];
  const hidden = await command(["list", "--json", "--address", server.address]);
  const parsed: unknown = JSON.parse(hidden.out);
  assert.deepEqual(parsed, {
    status: [{ id: "one", statusVersion: "1099511628000", metadata: { owner: "jane", metaId: "meta-one", startedAt: "2023-11-14T22:13:20Z" }, spec: { class: "default" }, phase: "PENDING", runtime: { nodeName: "node-1" }, auth: {} }],
  });
  const shown = await command(["list", "--json", "--show-secrets", "--address", server.address]);
  assert.ok(shown.out.includes("owner-token-secret"));
});

test("list filters: the server by metadata, the client by phase", async () => {
  server.listed = [status("one", 1, "STOPPING"), status("two", 2), status("three", 3, "PENDING")];
  const { out } = await command(["list", "--address", server.address, "--owner", "jane", "--meta-id", "m", "--annotation", "a=b=c", "--annotation", "__proto__=x", "--phase", "running,pending"]);
  assert.deepEqual(lines(out).slice(1).map((line) => line.split(" ", 1)[0]), ["two", "three"]);
  const sent: unknown = JSON.parse(JSON.stringify(server.requests[0]?.message));
  assert.ok(JSON.stringify(sent).includes('"owner":"jane"') && JSON.stringify(sent).includes('"a":"b=c"'), JSON.stringify(sent));
});

test("list says so when there is nothing", async () => {
  const { code, out, err } = await command(["list"], { env: { WSMAN_ADDRESS: server.address } });
  assert.deepEqual([code, out, err], [0, "", "no workspaces\n"]);
});

test("describe tells everything that is set, and hides the token", async () => {
  server.listed = [status("one", 7, "RUNNING", { conditions: { failed: "line 1\nline 2\u001b[31m" }, spec: { url: "https://one", exposedPorts: [{ port: 3000, url: "https://3000" }, { port: 4000, visibility: 1 }] }, repo: { branch: "main" } })];
  const { code, out } = await command(["describe", "one", "--address", server.address]);
  assert.equal(code, 0);
  for (const part of [/^Workspace: +one$/m, /^Type: +REGULAR$/m, /^Phase: +RUNNING$/m, /^Last activity: +2026-01-02T03:04:05.000000006Z$/m, /^ {2}failed: +line 1\n +line 2\ufffd\[31m$/m, /^ {2}exposedPorts: +3000 private https:\/\/3000$/m, /^ +4000 public$/m, /^ {2}branch: +main$/m, /^ {2}ownerToken: +hidden/m]) assert.match(out, part);
  assert.ok(!out.includes("owner-token-secret"));
  const shown = await command(["describe", "one", "--show-secrets", "--address", server.address]);
  assert.match(shown.out, /^ {2}ownerToken: +owner-token-secret$/m);
  const json: unknown = JSON.parse((await command(["describe", "one", "--json", "--address", server.address])).out);
  assert.ok(typeof json === "object" && json !== null && "lastActivity" in json && json.lastActivity === "2026-01-02T03:04:05.000000006Z");
});

test("describe aligns its values, whatever the labels' length", async () => {
  server.listed = [status("one", 7, "RUNNING", { spec: { class: "large", workspaceImage: "img", deprecatedIdeImage: "ide" } })];
  const { out } = await command(["describe", "one", "--address", server.address]);
  assert.match(out, /^Class: +large$/m);
  const columns = lines(out).filter((line) => /^ {2}(?:workspaceImage|deprecatedIdeImage):/.test(line)).map((line) => line.search(/\S+$/));
  assert.equal(columns.length, 2, out);
  assert.equal(columns[0], columns[1], out);
});

test("a workspace that does not exist is an error with a hint, and no control characters", async () => {
  const { code, out, err } = await command(["describe", "nope", "--address", server.address]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(err, /^error: NOT_FOUND: workspace nope\ufffd\[2J does not exist\nhint: /);
});

test("image-spec names the workspace that was not found, where the server does not", async () => {
  server.listed = [status("one", 1)];
  assert.deepEqual(await command(["image-spec", "one", "--address", server.address]), { code: 0, out: "Image:       base\n", err: "" });
  const { code, out, err } = await command(["image-spec", "nope", "--address", server.address]);
  assert.deepEqual([code, out, lines(err)], [1, "", ["error: workspace nope: NOT_FOUND: not found", "hint: `wsmand list` shows the workspaces that there are"]]);
});

test("stop tells each failure as an error of its own, and which workspace has stopped already", async () => {
  server.listed = [status("one", 1), status("two", 2, "STOPPED")];
  const { code, out, err } = await command(["stop", "one", "nope", "two", "--address", server.address]);
  assert.deepEqual([code, out], [1, "workspace one is to stop\n"]);
  const told = "error: NOT_FOUND: workspace nope\ufffd[2J does not exist";
  assert.deepEqual(lines(err), [told, "hint: `wsmand list` shows the workspaces that there are", told, "hint: workspace two has stopped already"]);
  const same = await command(["stop", "nope", "nope", "--address", server.address]);
  assert.deepEqual(lines(same.err), [told, told, "hint: `wsmand list` shows the workspaces that there are"]);
});

test("keys are taken away only where that is asked for: an empty input is an error, and no call", async () => {
  for (const stdin of ["", "# a comment\n\n"]) {
    const { code, err } = await command(["ssh-keys", "one", "--address", server.address], { stdin });
    assert.equal(code, 2);
    assert.match(err, /^error: there are no keys in the input\nhint: --none /);
  }
  assert.ok(!server.requests.some(({ method }) => method === "UpdateSSHKey"));
  server.listed = [status("one", 1)];
  const { code, out } = await command(["ssh-keys", "one", "--none", "--address", server.address]);
  assert.deepEqual([code, out], [0, "0 keys open workspace one\n"]);
});

test("a request that can not be read is told once, in words", async () => {
  const { code, err } = await command(["start", "/does/not/exist.json", "--address", server.address]);
  assert.deepEqual([code, err], [1, 'error: can not read "/does/not/exist.json": there is no such file\n']);
});

test("classes are listed by ID and name", async () => {
  const { out } = await command(["classes", "--address", server.address]);
  assert.deepEqual(lines(out), ["ID       NAME", "default  Stan\ufffddard", "large"]);
});

test("watch asks for the current statuses, and prints a line per change when piped", async () => {
  server.listed = [status("one", 5)];
  const watching = start(["watch", "--address", server.address, "--owner", "jane"]);
  await until("the current status", () => watching.out().includes("one"));
  assert.deepEqual(server.requests.find(({ method }) => method === "Subscribe")?.metadata.get("wsman-initial-state"), ["true"]);
  const [stream] = server.streams;
  stream?.write(status("one", 5));
  stream?.write(status("one", 4));
  stream?.write(status("one", 6, "STOPPING", { message: "bye\tnow\u001b]0;x\u0007" }));
  await until("the change", () => watching.out().includes("bye"));
  const printed = lines(watching.out());
  assert.equal(printed.length, 2);
  assert.match(printed[0] ?? "", /^-\tone\t/, "what was so when we came is no change");
  assert.match(printed[1] ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z\tone\t/);
  assert.deepEqual(printed[1]?.split("\t").slice(1), ["one", "STOPPING", "REGULAR", "jane/meta-one", "node-1", "bye now\ufffd]0;x\ufffd"]);
  watching.stop.abort();
  assert.equal(await watching.ended, 0);
});

test("watch prints no line for a change that a line does not show, whichever connection it comes over; as JSON, it does", async () => {
  const own = await testServer();
  own.listed = [status("one", 5)];
  const shown = start(["watch", "--address", own.address]);
  const json = start(["watch", "--json", "--address", own.address]);
  await until("both streams, and the list", () => own.streams.length === 2 && [shown, json].every(({ out }) => lines(out()).length === 1));
  for (const stream of own.streams) {
    for (const [version, ports] of [[6, [3000]], [7, [3000, 4000]]] as const) stream.write(status("one", version, "RUNNING", { spec: { type: "REGULAR", class: "default", exposedPorts: ports.map((port) => ({ port })) } }));
  }
  await until("the ports", () => lines(json.out()).length === 3);
  own.close();
  await until("the notices", () => [shown, json].every(({ err }) => err().includes("connection lost")));
  const again = await testServer(Number(own.address.split(":")[1]));
  again.listed = [status("one", 900)];
  await until("the second lists", () => lines(json.out()).length === 4 && again.streams.length === 2);
  for (const stream of again.streams) stream.write(status("one", 901, "STOPPING"));
  await until("the next change", () => shown.out().includes("STOPPING"));
  assert.deepEqual(lines(shown.out()).map((line) => line.split("\t")[2]), ["RUNNING", "STOPPING"]);
  again.close();
});

test("watch --json prints an object per change, without secrets", async () => {
  const watching = start(["watch", "--json", "--address", server.address]);
  await until("the stream", () => server.streams.length === 1);
  server.streams[0]?.write(status("one", 6));
  await until("the change", () => watching.out().endsWith("\n"));
  const printed: unknown = JSON.parse(watching.out());
  assert.ok(typeof printed === "object" && printed !== null && "statusVersion" in printed && printed.statusVersion === "6");
  assert.ok(!watching.out().includes("owner-token-secret"));
});

test("watch comes back after the connection was lost, says so, and tells what ended meanwhile", async () => {
  const own = await testServer();
  const port = Number(own.address.split(":")[1]);
  own.listed = [status("one", 1), status("two", 2)];
  const watching = start(["watch", "--address", own.address]);
  await until("both", () => lines(watching.out()).length === 2);
  own.close();
  await until("the notice", () => watching.err().includes("connection lost"));
  const again = await testServer(port);
  again.listed = [status("one", 1)];
  await until("the second list", () => watching.err().includes("two is gone"));
  again.streams[0]?.write(status("one", 3, "STOPPED"));
  await until("the next change", () => watching.out().includes("STOPPED"));
  assert.equal(lines(watching.out()).length, 3);
  watching.stop.abort();
  assert.equal(await watching.ended, 0);
  again.close();
});

test("watch in a terminal draws on the alternate screen, and gives the terminal back", async () => {
  server.listed = [status("one", 5)];
  const watching = start(["watch", "--address", server.address], { terminal: { columns: 100, rows: 20 } });
  await until("the table", () => watching.out().includes("1 workspace "));
  server.streams[0]?.write(status("one", 6, "INTERRUPTED"));
  await until("the change", () => watching.out().includes("INTERRUPTED"));
  assert.ok(watching.out().startsWith("\x1b[?1049h\x1b[?25l"));
  watching.stop.abort();
  assert.equal(await watching.ended, 0);
  assert.ok(watching.out().endsWith("\x1b[?25h\x1b[?1049l"));
});

test("a terminal that does not know its size is drawn on as if it had the usual one", async () => {
  server.listed = [status("one", 5)];
  const watching = start(["watch", "--address", server.address], { terminal: { columns: 0, rows: 0 } });
  await until("the table", () => watching.out().includes("1 workspace ") && watching.out().includes("RUNNING"));
});

test("a dumb terminal gets lines", async () => {
  server.listed = [status("one", 5)];
  const watching = start(["watch", "--address", server.address], { terminal: { columns: 80, rows: 24 }, env: { TERM: "dumb" } });
  await until("the status", () => watching.out().endsWith("\n"));
  assert.ok(!watching.out().includes("\x1b"), watching.out());
});

test("list in a terminal that does not know its size prints its table", async () => {
  server.listed = [status("one", 5)];
  const { out } = await command(["list", "--address", server.address], { terminal: { columns: 0, rows: 0 }, env: { NO_COLOR: "1" } });
  assert.match(lines(out)[1] ?? "", /^one .*RUNNING/);
});

test("a call that is not answered ends when the person wants it to, without a word", async () => {
  const sockets: Socket[] = [];
  const mute = createServer((socket) => void sockets.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  await once(mute, "listening");
  const bound = mute.address();
  assert.ok(typeof bound === "object" && bound !== null);
  for (const args of [["list"], ["describe", "one"], ["classes"], ["explain", "--config", "examples/config.json"]]) {
    const before = sockets.length;
    const own = args[0] === "explain" ? [] : ["--address", `127.0.0.1:${bound.port}`, "--timeout", "1h"];
    const running = start([...args, ...own], { openStdin: true });
    if (own.length > 0) await until("the connection", () => sockets.length > before);
    running.stop.abort("SIGINT");
    assert.deepEqual([await running.ended, running.out(), running.err()], [130, "", ""], args.join(" "));
  }
  for (const socket of sockets) socket.destroy();
  mute.close();
});

test("a daemon that is not there is an error with a hint, for every command", async () => {
  for (const args of [["list"], ["watch"], ["describe", "x"], ["classes"]]) {
    for (const terminal of [undefined, { columns: 80, rows: 20 }]) {
      const { code, out, err } = await command([...args, "--address", "127.0.0.1:1", "--timeout", "300ms"], terminal ? { terminal } : {});
      assert.deepEqual([code, out], [1, ""], args.join(" "));
      assert.match(err, /hint: .*is the daemon running at 127\.0\.0\.1:1\?|hint: no answer within/, err);
    }
  }
});

test("a server that is no ws-manager is told so", async () => {
  const { code, err } = await command(["list", "--address", server.address, "--tls", "--timeout", "500ms"]);
  assert.equal(code, 1);
  assert.match(err, /hint: .*TLS/);
});

test("command lines that make no sense end with code 2 and say why", async () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["list", "--address", "foo"], /"foo" is not an address/],
    [["list", "--insecure", "--tls"], /exclude each other/],
    [["list", "--tls-cert", "x"], /belong together/],
    [["list", "--timeout", "soon"], /duration/],
    [["list", "--annotation", "x"], /key=value/],
    [["list", "--phase", "running,runing"], /"runing" is no phase/],
    [["timeout", "one", "--", "-5m"], /not below 0/],
    [["ssh-keys", "one", "file", "--none"], /exclude each other/],
    [["describe"], /missing required argument/],
    [["frobnicate"], /unknown command/],
    [["list", "--frob"], /unknown option/],
    [["run"], /needs a configuration/],
    [["run", "--embedded", "--kubeconfig", "x"], /exclude each other/],
    [["run", "--config", "x", "--rpc-addr", ":1"], /for --embedded without --config/],
    [["run", "--embedded", "--rpc-addr", "foo"], /'--rpc-addr <host:port>' argument 'foo' is invalid/],
    [["run", "--config", "x", "--demo", "3"], /--demo and --speed are for --embedded/],
    [["validate-config"], /FILE is missing\nhint: usage: wsmand validate-config FILE/],
    [["validate-config", "a", "--config", "b"], /give one of them/],
    [["list", "--address", "127.0.0.1:99999"], /is not an address/],
    [["list", "--address", ":99999"], /is not an address/],
    [["classes", "--show-secrets"], /unknown option/],
    [["explain"], /required option/],
    [["explain", "--config", "x", "--kubeconfig", "y"], /for workspaces of the cluster/],
    [["explain", "--config", "x", "--now", "yesterday"], /is not a time/],
  ];
  for (const [args, expected] of wrong) {
    const { code, err } = await command(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, expected);
  }
});

test("TLS files that can not be read are named, with their flags", async () => {
  const pair = ["--tls-cert", "package.json", "--tls-key", "/does/not/exist"];
  for (const [flag, args] of [["--tls-ca", ["--tls-ca", "/does/not/exist"]], ["--tls-key", pair]] as const) {
    const { code, err } = await command(["list", ...args]);
    assert.deepEqual([code, err], [1, `error: ${flag}: the file "/does/not/exist" can not be read: there is no such file\n`]);
  }
});
