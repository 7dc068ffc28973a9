/** The command `start`, where there is a workspace of that ID already, and where nobody can tell. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { status as codes } from "@grpc/grpc-js";
import { command, status, testServer, type TestServer } from "./helpers.ts";

let server: TestServer;
before(async () => {
  server = await testServer();
});
afterEach(() => {
  server.requests.splice(0);
  server.listed = [];
  server.taken.clear();
  server.describeFails = undefined;
});
after(() => server.close());

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

test("start of a workspace that exists tells the same, whatever the server would answer, and calls it no start", async () => {
  const stdin = JSON.stringify({ id: "one" });
  const start = (): ReturnType<typeof command> => command(["start", "--address", server.address], { stdin });
  assert.deepEqual(await start(), { code: 0, out: "workspace one is starting at https://one\n", err: "" });
  server.listed = [status("one", 1, "CREATING", { spec: { url: "https://one\u001b[2J" } })];
  const told = ["error: ALREADY_EXISTS: workspace one exists already, and is CREATING at https://one\ufffd[2J", "hint: `wsmand describe one` shows it, `wsmand stop one` ends it"];
  for (const takes of [false, true]) {
    if (takes) server.taken.add("one");
    const { code, out, err } = await start();
    assert.deepEqual([code, out, lines(err)], [1, "", told], `the server takes it: ${!takes}`);
  }
  assert.equal(server.requests.filter(({ method }) => method === "StartWorkspace").length, 1, "what exists is not started");
  server.listed = [status("one", 2, "STOPPED")];
  const going = await start();
  assert.deepEqual([going.code, lines(going.err)], [1, ["error: ALREADY_EXISTS: workspace one exists already, and has stopped", "hint: its pod is there still: try again in a moment"]]);
  server.taken.clear();
  assert.equal((await start()).code, 0, "one that has stopped can be started anew");
});

test("start goes on where the status can not be had, and says so of a workspace that exists", async () => {
  const stdin = JSON.stringify({ id: "one" });
  const start = (...flags: string[]): ReturnType<typeof command> => command(["start", "--address", server.address, ...flags], { stdin });
  server.listed = [status("one", 1, "CREATING")];
  for (const code of [codes.UNAVAILABLE, codes.PERMISSION_DENIED, codes.UNIMPLEMENTED, codes.NOT_FOUND]) {
    server.describeFails = code;
    assert.deepEqual(await start(), { code: 0, out: "workspace one is starting at https://one\n", err: "" }, codes[code]);
    server.taken.add("one");
    const { code: exit, err } = await start();
    assert.deepEqual([exit, lines(err)], [1, ["error: ALREADY_EXISTS: workspace one exists already; its status could not be had", "hint: `wsmand describe one` shows it, `wsmand stop one` ends it"]], codes[code]);
    server.taken.clear();
  }
});

test("start --show-secrets of a workspace that exists names the command that shows its token", async () => {
  server.listed = [status("one", 1, "CREATING")];
  const { code, err } = await command(["start", "--show-secrets", "--address", server.address], { stdin: JSON.stringify({ id: "one" }) });
  assert.equal(code, 1);
  assert.match(err, /^hint: `wsmand describe one --show-secrets` shows it with its token, `wsmand stop one` ends it$/m);
  assert.match((await command(["describe", "one", "--show-secrets", "--address", server.address])).out, /owner-token-secret/);
});
